// Secrets that management servers give (`sds_config` with `api_config_source` or `ads`): one subscription for each name and
// source, however many contexts use it, on a stream of its own or on the aggregated one.
//
// Owner: main. A context's part leases what it was made with; what no part leases any more is let go of at the next look.
// A secret that comes is tried by every context that uses it (`apply`): one that cannot use it refuses it for all, and what
// was there before serves on.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

final class DiscoveredSecret {
    let name: String
    fileprivate let source: ConfigSourceMessage
    fileprivate var users = 0
    /// What serves, or is being tried; nil: nothing has come yet.
    fileprivate(set) var current: TLSSecret?
    fileprivate(set) var version = ""
    fileprivate(set) var updatedNs = Clock.wallNs()
    fileprivate var part: PlanPart?
    fileprivate var subscription: Subscription?
    fileprivate var transport: DiscoveryTransport?

    private unowned let owner: DiscoveredSecrets

    /// It has come once, or is not waited for any more.
    var isSettled: Bool { subscription?.isSettled ?? false }

    fileprivate var isAggregated: Bool { if case .ads = source.configSourceSpecifier { true } else { false } }

    fileprivate init(_ reference: SecretReference, _ owner: DiscoveredSecrets) {
        name = reference.name
        source = reference.sdsConfig
        self.owner = owner
    }

    /// What is wrong with it, whatever it is for; nil: nothing.
    func refusal(_ environment: CompileEnvironment) -> String? {
        let diagnostics = Diagnostics(nil)
        let part = PlanPart(.tls, "sds." + name, ContentHash())
        defer { part.destroy(environment.stats, environment.clusterSlots) }
        switch current?.type {
        case .tlsCertificate(let certificate):
            _ = CertificateReader(part: part, diagnostics: diagnostics).certificate(certificate, Place.root)
        // Names without authorities may have those of a context that they are joined with.
        case .validationContext(let context) where context.hasTrustedCa:
            _ = PeerValidationCompiler(part: part, diagnostics: diagnostics, matchesServerName: false).compile(context, Place.root)
        case .sessionTicketKeys(let keys):
            _ = TLSContextCompiler.ticketKeys(keys, Place.root, part, diagnostics)
        default: break
        }
        return diagnostics.errors.first?.message
    }

    /// `body` sees what was there before.
    func asIt(was before: TLSSecret?, _ body: () -> Bool) -> Bool {
        let now = current
        current = before
        defer { current = now }
        return body()
    }

    /// As long as `part` lives.
    func lease(_ part: PlanPart) {
        users += 1
        part.onDestroy { [self] in
            users -= 1
            if users == 0 { owner.hasUnused = true }
        }
    }
}

final class DiscoveredSecrets {
    private struct Key: Hashable {
        let name: String
        let source: [UInt8]
    }
    private var secrets: [Key: DiscoveredSecret] = [:]
    /// Some may have no user any more.
    fileprivate var hasUnused = false
    private var aggregated: AggregatedDiscovery?

    /// Every context that uses a secret is made again with what it is now.
    var apply: (DiscoveredSecret, _ before: TLSSecret?) throws(DiscoveryRefusal) -> Void = { _, _ in }
    /// One that was waited for is there, or is not waited for any more.
    var settled: () -> Void = {}
    /// Lines for the process's log.
    var log: (String) -> Void = { _ in }

    func secret(_ reference: SecretReference) -> DiscoveredSecret {
        let key = Key(name: reference.name, source: (try? reference.sdsConfig.serializedBytes()) ?? [])
        if let secret = secrets[key] { return secret }
        let secret = DiscoveredSecret(reference, self)
        secrets[key] = secret
        return secret
    }

    /// Clusters that main's own worker needs.
    var clusters: Set<String> {
        Set(
            secrets.values.compactMap { secret in
                guard secret.subscription != nil else { return nil }
                return secret.isAggregated ? aggregated.flatMap { DiscoverySource.cluster($0.source.api) } : DiscoverySource.cluster(secret.source.apiConfigSource)
            })
    }

    // MARK: Streams

    /// Asks for what nobody has asked for yet.
    func update(_ compilation: Compilation, _ reactor: DNSReactor) {
        changeAggregated(compilation, reactor)
        let new = secrets.values.filter { $0.subscription == nil && $0.users > 0 }.sorted { $0.name < $1.name }
        for secret in new { start(secret, compilation, reactor) }
    }

    private func start(_ secret: DiscoveredSecret, _ compilation: Compilation, _ reactor: DNSReactor) {
        let part = PlanPart(.tls, "sds." + secret.name, ContentHash())
        let stats = compilation.stats
        let prefix = "sds.\(secret.name)."
        let source = DiscoverySource(secret.source.apiConfigSource, node: NodeMessages.node(compilation))
        _ = part.scope(stats, prefix, SecretStat.self)
        let subscription = Subscription(
            [secret.name], type: DiscoveredSecrets.type, path: source.isPolled ? DiscoveredSecrets.path : nil, stats,
            part.scope(stats, prefix, SubscriptionStat.self),
            update: { [unowned self, unowned secret] update throws(DiscoveryRefusal) -> Bool in try take(update, secret) },
            settled: { [unowned self] in settled() }, log: { [unowned self] in log($0) })
        secret.part = part
        secret.subscription = subscription
        subscription.start(reactor, timeoutMs: DiscoverySource.fetchTimeoutMs(secret.source))
        if secret.isAggregated {
            aggregated?.add(subscription, type: DiscoveredSecrets.type, nameOf: DiscoveredSecrets.name)
            return
        }
        secret.transport = transport(source, subscription, prefix, compilation, part, reactor)
        secret.transport?.start(reactor)
    }

    /// Made with the first one that asks; another `ads_config` is another stream.
    private func changeAggregated(_ compilation: Compilation, _ reactor: DNSReactor) {
        let dynamic = compilation.bootstrap.dynamicResources
        let asked = secrets.values.filter { $0.isAggregated && $0.users > 0 }
        guard dynamic.hasAdsConfig, !asked.isEmpty, aggregated?.source.api != dynamic.adsConfig else { return }
        aggregated?.stop(compilation.environment)
        let source = DiscoverySource(dynamic.adsConfig, node: NodeMessages.node(compilation))
        aggregated = AggregatedDiscovery(source, compilation, reactor) { [unowned self] in log($0) }
        for secret in asked.sorted(by: { $0.name < $1.name }) {
            guard let subscription = secret.subscription else { continue }
            aggregated?.add(subscription, type: DiscoveredSecrets.type, nameOf: DiscoveredSecrets.name)
        }
    }

    private static let type = "type.googleapis.com/" + TLSSecret.protoMessageName
    private static let path = "/v3/discovery:secrets"

    private func transport(
        _ source: DiscoverySource, _ subscription: Subscription, _ prefix: String, _ compilation: Compilation, _ part: PlanPart,
        _ reactor: DNSReactor
    ) -> DiscoveryTransport {
        let log: (String) -> Void = { [unowned self] in self.log($0) }
        if source.isPolled {
            let config = unsafe source.requests(path: DiscoveredSecrets.path, compilation, part)
            return unsafe DiscoveryPolling(
                reactor.worker, config, path: DiscoveredSecrets.path, refreshMs: source.refreshMs,
                source.session(type: DiscoveredSecrets.type, names: subscription.names), subscription, log: log)
        }
        let config = unsafe source.call(service: "envoy.service.secret.v3.SecretDiscoveryService", resources: "Secrets", compilation, part, log: log)
        return unsafe DiscoveryStream(
            reactor.worker, config, shown: source.shown(resources: "Secrets"),
            [
                DiscoveryChannel(
                    source.session(type: DiscoveredSecrets.type, names: subscription.names), [subscription], nameOf: DiscoveredSecrets.name)
            ], compilation.stats,
            part.scope(compilation.stats, prefix + "control_plane.", ControlPlaneStat.self), log: log)
    }

    /// Every tick: what nobody uses any more is not asked for any more.
    func stopUnused(_ environment: CompileEnvironment) {
        guard hasUnused else { return }
        hasUnused = false
        for (key, secret) in secrets where secret.users == 0 {
            secrets[key] = nil
            secret.transport?.stop()
            if secret.isAggregated, let subscription = secret.subscription { aggregated?.remove(subscription, type: DiscoveredSecrets.type) }
            secret.subscription?.stop()
            secret.part?.destroy(environment.stats, environment.clusterSlots)
        }
        if !secrets.values.contains(where: \.isAggregated) {
            aggregated?.stop(environment)
            aggregated = nil
        }
    }

    // MARK: What comes

    private static func name(_ resource: DiscoveredResource) -> String {
        resource.name.isEmpty ? (try? TLSSecret(serializedBytes: resource.bytes))?.name ?? "" : resource.name
    }

    /// With the constraints of the API, as a file's: what they refuse, the compiler does not look for any more.
    private func read(_ resource: DiscoveredResource) throws(DiscoveryRefusal) -> TLSSecret {
        guard (try? TLSSecret(serializedBytes: resource.bytes)) != nil else {
            throw DiscoveryRefusal(reason: "Unable to unpack as \(TLSSecret.protoMessageName)")
        }
        do throws(ConfigErrors) {
            return try ConfigReader.read(
                TLSSecret.self, [ConfigReader.Input(resource.bytes, name: "", format: .binary, unknownFields: .warning)]).message
        } catch {
            throw DiscoveryRefusal(reason: error.errors.first.map { "\($0.path): \($0.message)" } ?? "not a secret")
        }
    }

    private func take(_ update: DiscoveryUpdate, _ secret: DiscoveredSecret) throws(DiscoveryRefusal) -> Bool {
        if update.isAnswer {
            if update.resources.isEmpty { throw DiscoveryRefusal(reason: "Missing SDS resources for \(secret.name) in onConfigUpdate()") }
            if update.resources.count > 1 { throw DiscoveryRefusal(reason: "Unexpected SDS secrets length: \(update.resources.count)") }
        }
        // A secret that is taken away serves on, as in Envoy: a listener without one would refuse everybody.
        guard !update.resources.isEmpty else {
            // Nor is one that says nothing of it an answer: it is waited for.
            guard update.removed.contains(secret.name) else { return false }
            log("sds: server sent a delta SDS update attempting to remove a resource: \(secret.name). Ignored")
            return true
        }
        var found: (TLSSecret, DiscoveredResource)?
        for resource in update.resources {
            let message = try read(resource)
            if message.name == secret.name {
                found = (message, resource)
            } else if resource.name == secret.name || update.isAnswer {
                throw DiscoveryRefusal(reason: "Unexpected SDS secret (expecting \(secret.name)): \(message.name)")
            }
        }
        // Others that nobody has asked for are nobody's fault.
        guard let (message, resource) = found else { return false }
        let before = secret.current
        if before != message {
            secret.current = message
            do throws(DiscoveryRefusal) {
                try apply(secret, before)
            } catch {
                secret.current = before
                throw error
            }
        }
        secret.version = resource.version
        secret.updatedNs = Clock.wallNs()
        return true
    }
}
