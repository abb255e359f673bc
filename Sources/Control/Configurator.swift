// From a document to a plan: compiles what changed, keeps what did not, and hands the result to the publisher.
//
// Main thread only. A configuration is applied whole or not at all: every error is collected first, sockets are opened
// last, and until then no worker has seen anything.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Stats
import SwiftProtobuf
import Upstream

/// A message as main keeps it: in its wire form, a few hundred bytes where the decoded one takes kilobytes. Decoded
/// again for whoever asks, which only dumps do.
struct KeptMessage<Message: SwiftProtobuf.Message> {
    private let wire: [UInt8]

    init(_ message: Message) {
        // Every message here came out of a decoder, so it has its required fields: encoding cannot fail.
        wire = (try? message.serializedBytes()) ?? []
    }

    var message: Message { (try? Message(serializedBytes: wire)) ?? Message() }
    var count: Int { wire.count }
}

/// The bootstrap that is served, but for its listeners and clusters: those are with `LiveListener` and `LiveCluster`.
package struct ServedDocument {
    private let kept: KeptMessage<Bootstrap>
    private let keptSecrets: KeptMessage<Bootstrap.StaticResources>
    package let node: Envoy_Config_Core_V3_Node
    package let hasStaticResources: Bool
    /// When it was applied, in nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()

    init(_ document: ConfigDocument) {
        node = document.bootstrap.node
        hasStaticResources = document.bootstrap.hasStaticResources
        var bootstrap = document.bootstrap
        var secrets = Bootstrap.StaticResources()
        secrets.secrets = bootstrap.staticResources.secrets
        keptSecrets = KeptMessage(secrets)
        bootstrap.clearStaticResources()
        kept = KeptMessage(bootstrap)
    }
    package var secrets: [TLSSecret] { keptSecrets.message.secrets }
    package var bootstrap: Bootstrap { kept.message }
}

/// A cluster as main keeps it.
@safe
package final class LiveCluster {
    let draft: ClusterDraft
    package let name: String
    private let kept: KeptMessage<ClusterMessage>
    package var message: ClusterMessage { kept.message }
    var messageBytes: Int { kept.count }
    let control: StatScope<ClusterControlStat>
    package internal(set) var hosts: PlanPart?
    package internal(set) var hostConfigs: [HostConfig] = []
    var set: UnsafePointer<HostSet>?
    var config: UnsafePointer<ClusterConfig>?
    /// By endpoint.
    var addresses: [[SocketAddress]] = []
    /// Nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()
    /// Hosts of the cluster that this one replaces, until its own names are answered for.
    var borrowed: [KnownHost]?
    var hostMetadata: [SubsetMetadata] = []
    /// By the names of their statistics.
    var hostConnections: [String: WeakConnections] = [:]
    var subsetNames: Set<[[UInt8]]> = []
    var hadHosts = false
    /// Breakers that have been seen open, a bit each.
    var openedBreakers: UInt8 = 0
    /// Serves in its place while its secrets are on their way.
    var predecessor: LiveCluster?
    /// Of an ORIGINAL_DST cluster: the hosts that its gauges showed last.
    var shownAddresses: Set<String> = []
    var resolution: ClusterResolution?

    init(_ draft: ClusterDraft, _ message: ClusterMessage, _ control: StatScope<ClusterControlStat>) {
        self.draft = draft
        name = message.name
        kept = KeptMessage(message)
        self.control = control
    }
    package var limits: (normal: CircuitLimits, high: CircuitLimits) {
        (draft.config.defaultLimits, draft.config.highLimits)
    }
}

/// A listener as main keeps it.
@safe
package final class LiveListener {
    let draft: ListenerDraft
    private let kept: KeptMessage<ListenerMessage>
    package var message: ListenerMessage { kept.message }
    var messageBytes: Int { kept.count }
    var config: UnsafePointer<ListenerConfig>?
    package internal(set) var addresses: [SocketAddress] = []
    /// Nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()
    /// `/drain_listeners`: its sockets are closed, its connections go on.
    var isStopped = false
    /// Serves in its place while its secrets are on their way.
    var predecessor: LiveListener?

    init(_ draft: ListenerDraft, _ message: ListenerMessage) {
        self.draft = draft
        kept = KeptMessage(message)
        isInbound = message.trafficDirection == .inbound
    }
    package var name: String { draft.name.isEmpty ? draft.key : draft.name }
    let isInbound: Bool
}

package final class Configurator {
    let environment: CompileEnvironment
    private let sockets: ListenSockets
    package private(set) var listeners: [LiveListener] = []
    package private(set) var clusters: [LiveCluster] = []
    package private(set) var document: ServedDocument?
    package private(set) var adminLogs: AdminLogs?
    /// As the first configuration said.
    package private(set) var statistics = StatisticsConfig()
    private var statisticsHash: ContentHash?
    /// Read when the process starts.
    package private(set) var watchdogs: WatchdogConfigs?
    private var watchdogsHash = ContentHash()
    package var node = NodeOverrides()
    /// What is served now: its overrides survive a new configuration.
    package var runtime = RuntimeValues() { didSet { environment.runtime.adopt(runtime) } }
    /// What the last configuration has changed.
    private(set) var changes = ConfigChanges()
    let draining = DrainingListeners()
    var hostVersion: UInt64 = 0
    /// Set before the first configuration by who serves; a validator has none.
    package var dns: DNSReactor?
    private(set) var tlsContexts = LiveTLSContexts()
    /// Of main's own worker: the admin's.
    private var mainListeners = FrozenArray<ListenerSlot>()
    private var certificateWatch = CertificateWatch()
    private var publishTimer: ControlTimer?
    private var publishIsDue = false
    /// Every cluster of the first configuration has been looked up once, or could not be: workers may start.
    package private(set) var isWarm = false
    package var onWarm: () -> Void = {}
    /// What streams to management servers have to say.
    var onDiscovery: (String) -> Void {
        get { environment.secrets.log }
        set { environment.secrets.log = newValue }
    }
    /// A name was answered for with other addresses: the cluster, its hosts before and now.
    var onHosts: (String, [SocketAddress], [SocketAddress]) -> Void = { _, _, _ in }
    let publisher: PlanPublisher
    /// Addresses with open listening sockets.
    package var openAddressCount: Int { sockets.count }
    package private(set) var warnings: [ConfigError] = []
    /// What explainers of configurations that are not served look at.
    private var explained: [Compilation] = []

    package init(
        stats: StatRegistry, filters: FilterRegistry, workers: Int, publisher: PlanPublisher,
        logFlushIntervalMs: UInt64 = 10_000
    ) {
        environment = CompileEnvironment(
            stats: stats, filters: filters, workers: workers, logFlushIntervalMs: logFlushIntervalMs)
        sockets = ListenSockets(workers: workers)
        self.publisher = publisher
        publisher.destroy = { [environment, draining] part in
            draining.destroyed(part.id)
            part.destroy(environment.stats, environment.clusterSlots)
        }
        environment.secrets.apply = { [unowned self] secret throws(DiscoveryRefusal) in try secretChanged(secret) }
        environment.secrets.settled = { [unowned self] in
            // Listeners that waited for it are in the next plan.
            publishSoon()
            clusterWarmed()
        }
    }

    package var version: String {
        get { environment.version }
        set { environment.version = newValue }
    }

    package var filterRegistrations: [FilterExtension] { environment.filters.all }
    package var logSinks: LogSinks { environment.logSinks }

    // MARK: Validation

    /// Everything but opening sockets. Nothing stays of it.
    package func validate(_ document: ConfigDocument) throws(ConfigErrors) {
        let document = node.applied(to: document)
        let compilation = Compilation(environment, document)
        _ = compile(compilation)
        warnings = document.warnings + compilation.diagnostics.warnings
        compilation.discard()
        if !compilation.diagnostics.errors.isEmpty { throw ConfigErrors(compilation.diagnostics.sortedErrors) }
    }

    /// Compiled and not served: for who asks what it would do with a request. Valid as long as this configurator is.
    package func explainer(_ document: ConfigDocument) throws(ConfigErrors) -> RouteExplainer {
        let compilation = Compilation(environment, node.applied(to: document))
        let result = compile(compilation)
        if !compilation.diagnostics.errors.isEmpty { throw ConfigErrors(compilation.diagnostics.sortedErrors) }
        explained.append(compilation)
        return RouteExplainer(listeners: result.listeners, clusters: result.clusters)
    }

    private struct Result {
        var listeners: [LiveListener] = []
        var clusters: [LiveCluster] = []
        var adminLogs: AdminLogs?
        var statistics = StatisticsConfig()
        var statisticsHash = ContentHash()
        var watchdogs = WatchdogConfigs()
        var watchdogsHash = ContentHash()
    }

    private func compile(_ compilation: Compilation) -> Result {
        var result = Result()
        compileClusters(compilation, &result)
        compileListeners(compilation, &result)
        result.adminLogs = AdminLogCompiler(compilation: compilation).compile()
        let statistics = StatisticsCompiler(compilation: compilation)
        result.statistics = statistics.compile()
        result.statisticsHash = statistics.hash
        let dogs = WatchdogCompiler(compilation: compilation)
        result.watchdogs = dogs.compile()
        result.watchdogsHash = dogs.hash
        if let statisticsHash, statisticsHash != result.statisticsHash {
            compilation.diagnostics.warning(
                Place.root.at("stats_config"), "how statistics are named, kept and sent is read when the process starts",
                suggestion: "restart for it to change")
        }
        return result
    }

    private func compileClusters(_ compilation: Compilation, _ result: inout Result) {
        let old = Dictionary(clusters.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
        var seen: Set<String> = []
        for (i, message) in compilation.bootstrap.staticResources.clusters.enumerated() {
            let place = Place.root.at("static_resources").at("clusters", i)
            guard seen.insert(message.name).inserted else {
                compilation.diagnostics.error(
                    place.at("name"), "cluster manager: duplicate cluster '\(message.name)'", found: "'\(message.name)'",
                    expected: "a name of its own for each cluster")
                continue
            }
            var hash = compilation.sharedHash
            hash.add(message)
            hash.add(compilation.bootstrap.clusterManager)
            hash.add(compilation.bootstrap.typedDnsResolverConfig)
            if let kept = [old[message.name], old[message.name]?.predecessor].first(where: { $0?.draft.part.isUnchanged(hash) == true }), let kept {
                result.clusters.append(kept)
                continue
            }
            guard let draft = ClusterCompiler(compilation: compilation).compile(message, place, hash) else { continue }
            let control = draft.part.scope(
                compilation.stats, StatPrefix.cluster(draft.statName), ClusterControlStat.self)
            result.clusters.append(LiveCluster(draft, message, control))
        }
    }

    private func compileListeners(_ compilation: Compilation, _ result: inout Result) {
        let old = Dictionary(listeners.map { ($0.draft.key, $0) }, uniquingKeysWith: { a, _ in a })
        var names: Set<String> = []
        var used: [String: String] = [:]
        for (i, message) in compilation.bootstrap.staticResources.listeners.enumerated() {
            let place = Place.root.at("static_resources").at("listeners", i)
            let key = ListenerCompiler.key(message)
            guard names.insert(key).inserted else {
                compilation.diagnostics.error(
                    place.at("name"), "duplicate listener name '\(key)'", found: "'\(key)'",
                    expected: "a name of its own for each listener")
                continue
            }
            var hash = compilation.sharedHash
            hash.add(message)
            // Routes name clusters: a cluster that comes or goes may make them right or wrong.
            for name in compilation.clusterNames.sorted() { hash.add(name) }
            let live: LiveListener
            if let kept = [old[key], old[key]?.predecessor].first(where: { $0?.draft.part.isUnchanged(hash) == true }), let kept {
                live = kept
            } else {
                guard let draft = ListenerCompiler(compilation: compilation).compile(message, place, hash) else { continue }
                live = LiveListener(draft, message)
            }
            for address in live.draft.addresses where address.port != 0 || address.family == .unix {
                if used["\(address)"] != nil {
                    compilation.diagnostics.error(
                        place.at("address"),
                        "error adding listener: '\(key)' has duplicate address '\(address)' as existing listener, to check if the listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' for the listener"
                    )
                }
                used["\(address)"] = key
            }
            result.listeners.append(live)
        }
    }

    // MARK: Applying

    package enum Failure: Error {
        case config(ConfigErrors)
        case listen(ListenError)
    }

    /// Compiles, opens sockets, publishes. On an error the running plan stays as it is.
    package func apply(_ document: ConfigDocument) throws(Failure) {
        let document = node.applied(to: document)
        let compilation = Compilation(environment, document)
        let result = compile(compilation)
        warnings = document.warnings + compilation.diagnostics.warnings
        guard compilation.diagnostics.errors.isEmpty else {
            compilation.discard()
            throw .config(ConfigErrors(compilation.diagnostics.sortedErrors))
        }
        do throws(ListenError) {
            for live in result.listeners where unsafe live.config == nil { try open(live) }
        } catch {
            for live in result.listeners where unsafe live.config == nil {
                for group in live.draft.part.sockets { group.release() }
                live.draft.part.sockets = []
            }
            shutUnlisted()
            compilation.discard()
            throw .listen(error)
        }
        if adminLogs == nil {
            adminLogs = result.adminLogs
        } else {
            result.adminLogs?.part.destroy(environment.stats, environment.clusterSlots)
        }
        // The same ones stay: their jitter is thrown once.
        if watchdogs == nil || watchdogsHash != result.watchdogsHash {
            watchdogs = result.watchdogs
            watchdogsHash = result.watchdogsHash
        }
        if statisticsHash == nil {
            statistics = result.statistics
            statistics.apply(to: environment.stats)
            statisticsHash = result.statisticsHash
        }
        self.document = ServedDocument(document)
        let old = Dictionary(clusters.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
        let added = result.clusters.filter { live in unsafe live.config == nil }
        for live in added { finish(live, replacing: old[live.name]) }
        for live in result.listeners where unsafe live.config == nil { finish(live) }
        noteChanges(result)
        retireOld(result)
        listeners = result.listeners
        clusters = result.clusters
        shutUnlisted()
        environment.logSinks.start()
        let values = RuntimeValues(document.bootstrap, overrides: runtime)
        if values.failure == nil { environment.runtime.adopt(values) }
        // Ahead of the plan, which gives main's worker the clusters of management servers.
        if let dns { environment.secrets.update(compilation, dns) }
        publish()
        for live in added { live.resolution?.start() }
        clusterWarmed()
    }

    /// Addresses that no listener has any more take nothing new from here on. Workers see the plan a moment later, take
    /// what waits and let go; then the sockets are closed (`PlanPart.destroy`).
    private func shutUnlisted() {
        sockets.shutAll(but: drain == .closing ? [] : withPredecessors.flatMap(\.draft.part.sockets), forGood: drain == .closing)
    }

    private func open(_ live: LiveListener) throws(ListenError) {
        guard live.draft.binds else { return }
        for address in live.draft.addresses {
            live.draft.part.sockets.append(try sockets.acquire(address, backlog: live.draft.backlog))
        }
    }

    private func finish(_ live: LiveListener) {
        let part = live.draft.part
        publisher.number(part)
        var config = live.draft.config
        config.part = part.id
        // Given back with the part: a connection of a listener that is gone looks it up by this number.
        let slot = environment.listenerSlots.acquire(live.draft.key)
        part.onDestroy { [environment] in environment.listenerSlots.release(slot) }
        config.slot = slot
        config.addresses = live.draft.binds ? boundAddresses(part) : part.arena.array(live.draft.addresses.map(ListenAddress.init(without:)))
        live.addresses = live.draft.binds ? part.sockets.map(\.bound) : live.draft.addresses
        for draft in live.draft.tls { finish(draft, owner: part) }
        unsafe live.config = unsafe part.arena.store(config)
    }

    private func boundAddresses(_ part: PlanPart) -> FrozenArray<ListenAddress> {
        part.arena.array(
            part.sockets.map { group in
                var address = ListenAddress()
                address.address = group.bound
                address.sockets = part.arena.array(group.descriptors)
                return address
            })
    }

    /// A context stays as long as its owner's part, whose connections may still ask for it.
    private func finish(_ draft: TLSDraft, owner: PlanPart) {
        let live = LiveTLS(draft, number: publisher.number)
        if let old = tlsContexts.insert(live) { replaced(old, by: live) }
        let slot = draft.source.slot
        owner.onDestroy { [unowned self] in
            // Another one has the slot, if not the one that a change of its files put there.
            guard let last = tlsContexts.bySlot[slot], last.source.owner === owner, tlsContexts.remove(last) else { return }
            last.eachPart { publisher.retire($0) }
            publishSoon()
        }
    }

    /// The same context made again, with a file or a secret that has changed: while it cannot be made whole, what it was goes
    /// on. Another version of a listener or cluster has contexts, and slots, of its own: none stands in for them.
    private func replaced(_ old: LiveTLS, by live: LiveTLS) {
        if !live.isReady, let serving = old.serving {
            live.standIn = serving
            if serving !== old { publisher.retire(old.part) }
        } else {
            old.eachPart { publisher.retire($0) }
        }
    }

    /// A secret has come: every context that uses it is made again, or the secret is refused and nothing changes.
    private func secretChanged(_ secret: DiscoveredSecret) throws(DiscoveryRefusal) {
        let diagnostics = Diagnostics(nil)
        var made: [PlanPart] = []
        let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { name in
            let part = PlanPart(.tls, name, ContentHash())
            made.append(part)
            return part
        }
        // By itself: it may be of a context that waits for another one.
        if let reason = secret.refusal(environment) { throw DiscoveryRefusal(reason: reason) }
        var drafts: [TLSDraft] = []
        for slot in tlsContexts.bySlot.keys.sorted() {
            guard let old = tlsContexts.bySlot[slot], old.discovered.contains(where: { $0 === secret }) else { continue }
            // What only drains does not judge it.
            if publisher.isRetiring(old.source.owner) { continue }
            if let draft = compiler.compile(old.source) { drafts.append(draft) }
        }
        if let first = diagnostics.errors.first {
            for part in made { part.destroy(environment.stats, environment.clusterSlots) }
            throw DiscoveryRefusal(reason: first.message)
        }
        for draft in drafts {
            let live = LiveTLS(draft, number: publisher.number)
            if let old = tlsContexts.insert(live) { replaced(old, by: live) }
        }
        publishSoon()
    }

    /// By context.
    package var certificates: [TLSRecords] { tlsContexts.records }
    package var dynamicSecrets: [DynamicSecret] { tlsContexts.secrets }

    /// Certificates whose files have changed are read again, every tick of main. A pair that does not belong together yet,
    /// or a file that is half written, leaves the old one serving: `failed` is told once for each state of the files.
    func reloadCertificates(applied: (String) -> Void, failed: (String, [ConfigError]) -> Void) {
        environment.secrets.stopUnused(environment)
        for slot in certificateWatch.changed(tlsContexts) {
            guard let old = tlsContexts.bySlot[slot] else { continue }
            let diagnostics = Diagnostics(nil)
            var made: PlanPart?
            let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { name in
                let part = PlanPart(.tls, name, ContentHash())
                made = part
                return part
            }
            guard let draft = compiler.compile(old.source, waits: false) else {
                made?.destroy(environment.stats, environment.clusterSlots)
                countRotationFailures(old)
                failed(old.source.statPrefix, diagnostics.errors)
                continue
            }
            let live = LiveTLS(draft, number: publisher.number)
            _ = tlsContexts.insert(live)
            replaced(old, by: live)
            certificateWatch.accepted(slot)
            publish()
            applied(old.source.statPrefix)
        }
    }

    /// Files that a secret names could not be read again.
    private func countRotationFailures(_ live: LiveTLS) {
        for secret in live.secrets {
            let scope = live.part.scope(environment.stats, "sds.\(secret.name).", SecretStat.self)
            environment.stats.mainCells.increment(scope[.keyRotationFailed])
        }
    }

    private func finish(_ live: LiveCluster, replacing old: LiveCluster?) {
        let part = live.draft.part
        publisher.number(part)
        unsafe live.draft.frozen.pointee.part = part.id
        unsafe live.config = UnsafePointer(live.draft.frozen)
        for draft in live.draft.tls { finish(draft, owner: part) }
        beginHosts(live, replacing: old)
    }

    package var clustersAreWarm: Bool { clusters.allSatisfy { $0.resolution?.isWarm ?? true } }

    func clusterWarmed() {
        guard !isWarm, clustersAreWarm, secretsAreSettled else { return }
        isWarm = true
        publishIfDue()
        onWarm()
    }

    /// Those that what is configured now asks for: what a reload has left out is not waited for.
    private var secretsAreSettled: Bool {
        let drafts = listeners.flatMap(\.draft.tls) + clusters.flatMap(\.draft.tls)
        return drafts.allSatisfy { tlsContexts.bySlot[$0.source.slot]?.discovered.allSatisfy(\.isSettled) ?? true }
    }

    private func noteChanges(_ result: Result) {
        changes = ConfigChanges()
        var lines: [String] = []
        func add(_ kind: String, _ name: String, _ new: [String]) {
            lines += new.prefix(ConfigDiff.linesMax).map { "\(kind) \(name): \($0)" }
        }
        let linesMax = ServerEvents.linesMax
        changes.listeners = ConfigChanges.Count(listeners, result.listeners, key: \.draft.key) { old, new in
            if lines.count < linesMax { add("listener", new.name, ConfigDiff.lines(old.message, new.message, bytes: new.messageBytes)) }
        }
        changes.clusters = ConfigChanges.Count(clusters, result.clusters, key: \.name) { old, new in
            if lines.count < linesMax { add("cluster", new.name, ConfigDiff.lines(old.message, new.message, bytes: new.messageBytes)) }
        }
        changes.lines = lines
    }

    private func retireOld(_ result: Result) {
        for old in listeners where !result.listeners.contains(where: { $0 === old }) {
            var gone = [old, old.predecessor].compactMap { $0 }.filter { one in !result.listeners.contains { $0 === one } }
            old.predecessor = nil
            let next = result.listeners.first { $0.draft.key == old.draft.key }
            if let next, isWarming(next.draft.tls), let last = gone.first(where: { !isWarming($0.draft.tls) }) {
                next.predecessor = last
                gone.removeAll { $0 === last }
            }
            for one in gone { publisher.retire(one.draft.part) }
            if next != nil { continue }
            draining.remove(publisher.retiring(.listener, old.draft.key), nowMs: Clock.monotonicNs() / 1_000_000)
        }
        for old in clusters where !result.clusters.contains(where: { $0 === old }) {
            var gone = [old, old.predecessor].compactMap { $0 }.filter { one in !result.clusters.contains { $0 === one } }
            old.predecessor = nil
            if let next = result.clusters.first(where: { $0.name == old.name }), isWarming(next.draft.tls),
                let last = gone.first(where: { !isWarming($0.draft.tls) })
            {
                next.predecessor = last
                gone.removeAll { $0 === last }
            }
            for one in gone { retire(one) }
        }
    }

    private func retire(_ cluster: LiveCluster) {
        cluster.resolution?.stop()
        publisher.retire(cluster.draft.part)
        if let hosts = cluster.hosts { publisher.retire(hosts) }
    }

    /// Listeners and clusters whose secrets have come, or are not waited for any more, take the places of those before.
    private func replacePredecessors() {
        var haveGone = false
        for live in listeners {
            guard let last = live.predecessor, !isWarming(live.draft.tls) else { continue }
            live.predecessor = nil
            publisher.retire(last.draft.part)
            haveGone = true
        }
        for live in clusters {
            guard let last = live.predecessor, !isWarming(live.draft.tls) else { continue }
            live.predecessor = nil
            retire(last)
        }
        // Addresses that only those had.
        if haveGone { shutUnlisted() }
    }

    private var withPredecessors: [LiveListener] { listeners + listeners.compactMap(\.predecessor) }

    // MARK: The plan

    private(set) var drain = DrainState.none

    package func setDrain(_ state: DrainState) {
        drain = state
        if state == .closing { sockets.shutAll(but: [], forGood: true) }
        publish()
    }

    /// Responses send clients elsewhere; nothing stops.
    func discourage(inboundOnly: Bool, nowMs: UInt64) {
        draining.begin(inboundOnly: inboundOnly, nowMs: nowMs)
        publish()
    }

    /// Connections of removed listeners whose time is over are closed.
    func endDrains(nowMs: UInt64) {
        if draining.ticked(nowMs: nowMs) { publish() }
    }

    /// Nothing is accepted any more: addresses are free for whoever comes next. Every worker must have emptied its
    /// accept queues (`PlanPublisher.nobodyAccepts`).
    package func closeSockets() {
        for live in withPredecessors {
            for group in live.draft.part.sockets { group.release() }
            live.draft.part.sockets = []
        }
    }

    /// These listeners accept nothing more; what they have accepted goes on. Their sockets are shut, and closed
    /// with their part.
    func stopListeners(inboundOnly: Bool) -> Int {
        let stopped = listeners.filter {
            !$0.isStopped && (!inboundOnly || $0.isInbound)
        }
        for live in stopped {
            live.isStopped = true
            for group in live.draft.part.sockets + (live.predecessor?.draft.part.sockets ?? []) { group.shut(forGood: true) }
        }
        publish()
        return stopped.count
    }

    /// Many names may be answered for in one turn: one plan for all of them. While nobody serves yet none is needed.
    func publishSoon() {
        publishIsDue = true
        // Main's worker may need a management server's hosts before anybody serves.
        guard isWarm || !environment.secrets.clusters.isEmpty, let dns else { return }
        if publishTimer == nil { publishTimer = dns.timer { [unowned self] in publishIfDue() } }
        publishTimer?.arm(afterMs: 1)
    }

    private func publishIfDue() {
        if publishIsDue { publish() }
    }

    func publish() {
        publishIsDue = false
        replacePredecessors()
        let arena = FrozenArena()
        var plan = Plan()
        plan.drain = drain
        plan.draining = arena.array(draining.entries(withPredecessors))
        plan.listeners = arena.array(
            listeners.compactMap { live in
                guard !live.isStopped, let shown = isWarming(live.draft.tls) ? live.predecessor : live else { return nil }
                return unsafe shown.config.map { unsafe ListenerSlot(part: shown.draft.part.id, config: $0) }
            })
        plan.indexListeners(arena)
        let served = clusters.map { $0.predecessor ?? $0 }
        let bySlot = Dictionary(
            served.compactMap { live in unsafe live.config.map { unsafe ($0.pointee.slot, live) } }, uniquingKeysWith: { a, _ in a })
        if let any = clusters.first, let config = unsafe any.config, let set = unsafe any.set {
            let filler = unsafe ClusterSlot(part: PlanPart.none, config: config, hosts: set)
            let count = Int((bySlot.keys.max() ?? 0) + 1)
            var slots = [ClusterSlot](repeating: filler, count: count)
            var present = [Bool](repeating: false, count: count)
            for (slot, live) in bySlot {
                guard let config = unsafe live.config, let set = unsafe live.set else { continue }
                slots[Int(slot)] = unsafe ClusterSlot(part: live.draft.part.id, config: config, hosts: set)
                present[Int(slot)] = true
            }
            plan.clusters = arena.array(slots)
            plan.clusterPresent = arena.array(present)
        }
        let names = served.compactMap { live in
            unsafe live.config.map { unsafe (Array(live.name.utf8), ClusterName(name: $0.pointee.name, slot: $0.pointee.slot)) }
        }
        plan.clusterNames = arena.array(
            names.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1))
        plan.tls = tlsContexts.slots(arena)
        publisher.publish(plan, main: mainPlan(plan, bySlot, arena), arena)
    }

    /// Of a listener or cluster that nobody is served by yet: a secret may come still. Its predecessor serves; who connects to
    /// a new listener waits in the kernel.
    private func isWarming(_ drafts: [TLSDraft]) -> Bool {
        drafts.contains { draft in
            guard let context = tlsContexts.bySlot[draft.source.slot], context.serving == nil else { return false }
            return context.discovered.contains { !$0.isSettled }
        }
    }

    /// What main's own worker serves: the admin, and calls to management servers.
    private func mainPlan(_ plan: Plan, _ bySlot: [UInt32: LiveCluster], _ arena: FrozenArena) -> Plan {
        var mains = Plan()
        mains.listeners = mainListeners
        let wanted = environment.secrets.clusters
        guard !wanted.isEmpty else { return mains }
        mains.clusters = plan.clusters
        mains.clusterPresent = arena.array(
            (0..<plan.clusters.count).map { slot in
                plan.clusterPresent[slot] && bySlot[UInt32(slot)].map { wanted.contains($0.name) } == true
            })
        mains.tls = plan.tls
        return mains
    }

    package func serveOnMain(_ listeners: FrozenArray<ListenerSlot>) {
        mainListeners = listeners
        publish()
    }
}
