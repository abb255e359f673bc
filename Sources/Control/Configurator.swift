// From a document to a plan: compiles what changed, keeps what did not, and hands the result to the publisher.
//
// Main thread only. A configuration is applied whole or not at all: every error is collected first, sockets are opened
// last, and until then no worker has seen anything.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

package final class Configurator {
    let environment: CompileEnvironment
    let sockets: ListenSockets
    package private(set) var listeners: [LiveListener] = []
    package private(set) var clusters: [LiveCluster] = []
    /// Those of the configuration that is being taken over.
    var arriving: [LiveCluster] = []
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
    /// Stopped listeners have sockets that are still open.
    var closesStopped = false
    var hostVersion: UInt64 = 0
    /// Set before the first configuration by who serves; a validator has none.
    package var dns: DNSReactor?
    let tlsContexts: ServedContexts
    /// Of main's own worker: the admin's.
    var mainListeners = FrozenArray<ListenerSlot>()
    var publishTimer: ControlTimer?
    var publishIsDue = false
    var drain = DrainState.none
    /// Every cluster of the first configuration has been looked up once, or could not be: workers may start.
    package private(set) var isWarm = false
    package var onWarm: () -> Void = {}
    /// Of the first configuration, until its clusters are warm, and for listeners until the layers of the runtime are there.
    private var askForLayers: (() -> Void)?
    private var askForListeners: (() -> Void)?
    /// What streams to management servers have to say.
    var onDiscovery: (String) -> Void {
        get { environment.secrets.log }
        set {
            environment.secrets.log = newValue
            environment.layers.log = newValue
            environment.aggregated.log = newValue
        }
    }
    /// A management server has given a layer of the runtime: its name, and all layers with it.
    var onLayer: (String, RuntimeValues) -> Void = { _, _ in }
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
        tlsContexts = ServedContexts(environment, publisher)
        publisher.destroy = { [environment, draining] part in
            draining.destroyed(part.id)
            part.destroy(environment.stats, environment.clusterSlots)
        }
        tlsContexts.changed = { [unowned self] in publishSoon() }
        environment.secrets.apply = { [unowned self] secret, before throws(DiscoveryRefusal) in
            let take = try environment.genericSecrets.judge(secret)
            try tlsContexts.secretChanged(secret, before: before)
            take()
        }
        environment.secrets.settled = { [unowned self] in
            // Listeners that waited for it are in the next plan.
            publishSoon()
            clusterWarmed()
        }
        environment.layers.apply = { [unowned self] layer, found in
            var values = runtime
            if values.take(found, of: layer) { onLayer(layer, values) }
        }
        environment.layers.settled = { [unowned self] in clusterWarmed() }
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

    private func compile(_ compilation: Compilation) -> CompiledConfig {
        let result = CompiledConfig(compilation, old: (listeners, clusters))
        if let statisticsHash, statisticsHash != result.statisticsHash {
            compilation.diagnostics.warning(
                Place.root.at("stats_config"), "how statistics are named, kept and sent is read when the process starts",
                suggestion: "restart for it to change")
        }
        return result
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
        var changes: [ListenSocketGroup.Change] = []
        do throws(ListenError) {
            for live in result.listeners where unsafe live.config == nil { try open(live) }
            for live in result.listeners where unsafe live.config == nil {
                for (group, options) in zip(live.draft.part.sockets, live.draft.options) {
                    changes.append(try group.adopt(options.settings))
                }
            }
        } catch {
            for change in changes.reversed() { change.undo() }
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
        // Host sets are made by it.
        let values = RuntimeValues(document.bootstrap, overrides: runtime)
        if values.failure == nil { environment.runtime.adopt(values) }
        let old = clusters.byKey
        let added = result.clusters.filter { live in unsafe live.config == nil }
        // The local cluster first: the others look at its hosts.
        arriving = result.clusters
        let local = document.bootstrap.clusterManager.localClusterName
        for live in added where live.name == local { finish(live, replacing: old[live.name]) }
        for live in added where live.name != local || local.isEmpty { finish(live, replacing: old[live.name]) }
        arriving = []
        for live in result.listeners where unsafe live.config == nil { finish(live) }
        noteChanges(result)
        retireOld(result)
        listeners = result.listeners
        clusters = result.clusters
        shutUnlisted()
        environment.logSinks.start()
        // Ahead of the plan, which gives main's worker the clusters of management servers.
        askForSecrets(compilation)
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
        for (address, options) in zip(live.draft.addresses, live.draft.options) {
            live.draft.part.sockets.append(try sockets.acquire(address, options))
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
        for draft in live.draft.tls { tlsContexts.serve(draft, owner: part) }
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

    private func finish(_ live: LiveCluster, replacing old: LiveCluster?) {
        let part = live.draft.part
        publisher.number(part)
        unsafe live.draft.frozen.pointee.part = part.id
        unsafe live.config = UnsafePointer(live.draft.frozen)
        for draft in live.draft.tls { tlsContexts.serve(draft, owner: part) }
        beginHosts(live, replacing: old)
    }

    private func noteChanges(_ result: CompiledConfig) {
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

    /// What the new configuration leaves out drains, but for what serves until its successor can.
    private func retireOld(_ result: CompiledConfig) {
        let keys = Set(result.listeners.map(\.key))
        for gone in result.listeners.succeeding(listeners, isWarming: isWarming) { publisher.retire(gone.part) }
        for old in listeners where !keys.contains(old.key) {
            draining.remove(publisher.retiring(.listener, old.key), nowMs: Clock.monotonicNs() / 1_000_000)
        }
        for gone in result.clusters.succeeding(clusters, isWarming: isWarming) { retire(gone) }
    }

    private func retire(_ cluster: LiveCluster) {
        cluster.resolution?.stop()
        publisher.retire(cluster.part)
        if let hosts = cluster.hosts { publisher.retire(hosts) }
    }

    // MARK: Warming

    /// Their names have been looked up, and what they ask management servers for has come or is not waited for any more.
    package var clustersAreWarm: Bool {
        clusters.allSatisfy { $0.resolution?.isWarm ?? true } && areSettled(clusters)
    }

    /// As in Envoy layers of the runtime are asked for when the clusters of the first configuration have what they ask for, or do
    /// not wait for it any more, and listeners ask behind those. Later everybody asks at once.
    private func askForSecrets(_ compilation: Compilation) {
        guard let dns else { return }
        askForLayers = nil
        askForListeners = nil
        if isWarm {
            environment.layers.update(compilation, dns)
            return environment.secrets.update(compilation, dns)
        }
        askForLayers = { [unowned self] in
            environment.layers.update(compilation, dns)
            // Main's worker needs the clusters that they are asked of.
            if !environment.layers.clusters.isEmpty { publish() }
        }
        environment.secrets.update(compilation, dns, clusters.flatMap(\.tls).flatMap(\.discovered) + clusters.flatMap(\.part.awaited))
        let logs = adminLogs?.part.awaited ?? []
        guard !logs.isEmpty || listeners.contains(where: { !$0.part.awaited.isEmpty || $0.tls.contains { !$0.discovered.isEmpty } }) else { return }
        askForListeners = { [unowned self] in
            environment.secrets.update(compilation, dns)
            // Main's worker needs the clusters that they are asked of.
            publish()
        }
    }

    func clusterWarmed() {
        if clustersAreWarm, let ask = askForLayers {
            askForLayers = nil
            ask()
        }
        if clustersAreWarm, layersAreSettled, let ask = askForListeners {
            askForListeners = nil
            ask()
        }
        showWarming()
        guard !isWarm, clustersAreWarm, layersAreSettled, secretsAreSettled else { return }
        isWarm = true
        publishIfDue()
        onWarm()
    }

    /// Layers of the runtime have come, or are not waited for.
    package var layersAreSettled: Bool { environment.layers.isSettled }

    /// Those that what is configured now asks for: what a reload has left out is not waited for.
    private var secretsAreSettled: Bool { areSettled(listeners) && adminLogs?.part.awaited.allSatisfy(\.isSettled) ?? true }

    private func areSettled(_ all: [some LiveResource]) -> Bool {
        tlsContexts.areSettled(all.flatMap(\.tls)) && all.allSatisfy { $0.part.awaited.allSatisfy(\.isSettled) }
    }

    /// Of a listener or cluster that nobody is served by yet: a secret may come still. Its predecessor serves; who connects to
    /// a new listener waits in the kernel.
    func isWarming(_ live: some LiveResource) -> Bool {
        tlsContexts.areWarming(live.tls) || live.part.awaited.contains { !$0.isSettled }
    }

    /// `cluster.<name>.warming_state`.
    func showWarming() {
        for live in clusters {
            let waits = live.resolution?.isWarm == false || isWarming(live)
            environment.stats.mainCells.set(live.control[.warmingState], waits ? 1 : 0)
        }
    }

    // As in Envoy all of the first configuration are active, served or not; later ones are when they serve.
    package var activeListeners: [LiveListener] { active(listeners) }
    package var warmingListeners: [LiveListener] { isWarm ? listeners.filter(isWarming) : [] }
    /// The names of the secrets that a warming listener waits for.
    package func awaitedSecrets(_ listener: LiveListener) -> [String] {
        var names = tlsContexts.awaited(listener.tls)
        for secret in listener.part.awaited where !secret.isSettled && !names.contains(secret.name) { names.append(secret.name) }
        return names
    }
    package var activeClusters: [LiveCluster] { active(clusters) }
    /// Clusters whose endpoints are shown one by one in statistics, as in Envoy by their names.
    package var endpointGroups: [EndpointGroup] {
        let shown = activeClusters.filter(\.draft.showsEndpoints).sorted { $0.name < $1.name }
        return shown.map { $0.endpointGroup(environment.stats) }
    }
    package var warmingClusters: [LiveCluster] { isWarm ? clusters.filter(isWarming) : [] }

    private func active<Live: LiveResource>(_ all: [Live]) -> [Live] {
        isWarm ? all.compactMap { isWarming($0) ? $0.predecessor : $0 } : all
    }

    /// Listeners and clusters whose secrets have come, or are not waited for any more, take the places of those before.
    func replacePredecessors() {
        let gone = listeners.takeReplaced(isWarming: isWarming)
        for last in gone { publisher.retire(last.part) }
        for last in clusters.takeReplaced(isWarming: isWarming) { retire(last) }
        // Addresses that only those had.
        if !gone.isEmpty { shutUnlisted() }
    }

    var withPredecessors: [LiveListener] { listeners + listeners.compactMap(\.predecessor) }

    // MARK: Certificates

    /// By context.
    package var certificates: [TLSRecords] { tlsContexts.certificates }
    package var dynamicSecrets: [DynamicSecret] { tlsContexts.secrets + environment.genericSecrets.dynamic }

    /// Every tick of main: certificates whose files have changed are read again.
    func reloadCertificates(applied: (String, [ConfigError]) -> Void, failed: (String, [ConfigError]) -> Void) {
        environment.secrets.stopUnused(environment)
        if tlsContexts.reloadFiles(applied: applied, failed: failed) { publish() }
    }

    /// The same of files and secrets that formats write.
    func reloadTexts(applied: (String) -> Void, failed: (String, String) -> Void) {
        let files = environment.texts.reload(applied: applied, failed: failed)
        let secrets = environment.genericSecrets.reload(applied: applied, failed: failed)
        if files || secrets { publish() }
    }
}
