// Secrets that management servers give (`sds_config` with `api_config_source` or `ads`): one subscription for each name and
// source, however many contexts use it, on a stream of its own, or for each name on the aggregated one.
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
    /// What who asked first wants it to be.
    fileprivate let kind: SecretKind
    fileprivate let source: ConfigSourceMessage
    fileprivate var users = 0
    /// What serves, or is being tried; nil: nothing has come yet.
    fileprivate(set) var current: TLSSecret?
    fileprivate(set) var version = ""
    fileprivate(set) var updatedNs = Clock.wallNs()
    /// The last one that came and could not be used, as Envoy shows it; nil: what came last serves.
    fileprivate(set) var refused: DynamicSecret?
    fileprivate var part: PlanPart?
    fileprivate var subscription: Subscription?
    fileprivate var transport: DiscoveryTransport?

    private unowned let owner: DiscoveredSecrets

    /// It has come once, or is not waited for any more.
    var isSettled: Bool { subscription?.isSettled ?? false }

    var isAggregated: Bool { if case .ads = source.configSourceSpecifier { true } else { false } }

    fileprivate var isPolled: Bool { !isAggregated && source.apiConfigSource.apiType == .rest }

    fileprivate init(_ reference: SecretReference, _ kind: SecretKind, _ owner: DiscoveredSecrets) {
        name = reference.name
        source = reference.sdsConfig
        self.kind = kind
        self.owner = owner
    }

    /// What is wrong with it, whoever uses it; nil: nothing.
    func refusal(_ environment: CompileEnvironment) -> String? {
        let diagnostics = Diagnostics(nil)
        let part = PlanPart(.tls, "sds." + name, ContentHash())
        defer { part.destroy(environment.stats, environment.clusterSlots) }
        switch current?.type {
        case .tlsCertificate(let certificate):
            _ = CertificateReader(part: part, diagnostics: diagnostics).certificate(certificate, Place.root)
        // Names without authorities may have those of a context that they are joined with.
        case .validationContext(let context) where context.hasTrustedCa || context.hasCustomValidatorConfig:
            _ = PeerValidationCompiler(part: part, diagnostics: diagnostics, matchesServerName: false).compile(context, Place.root)
        case .sessionTicketKeys(let keys):
            _ = TLSContextCompiler.ticketKeys(keys, Place.root, part, diagnostics)
        default: break
        }
        return diagnostics.errors.first?.message
    }

    /// As `/config_dump` shows it.
    func shown(as kind: SecretKind) -> DynamicSecret {
        if let refused { return refused }
        guard let current else { return DynamicSecret(awaited: name, updatedNs: updatedNs) }
        return DynamicSecret(current, version: version, updatedNs: updatedNs, as: kind)
    }

    /// `body` sees what was there before.
    func asIt<Answer>(was before: TLSSecret?, _ body: () -> Answer) -> Answer {
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
    private let aggregated: AggregatedStream
    /// Who streams are told that they are for.
    private var node = NodeMessage()

    /// Every context that uses a secret is made again with what it is now.
    var apply: (DiscoveredSecret, _ before: TLSSecret?) throws(DiscoveryRefusal) -> Void = { _, _ in }
    /// One that was waited for is there, or is not waited for any more.
    var settled: () -> Void = {}
    /// Lines for the process's log.
    var log: (String) -> Void = { _ in }

    init(_ aggregated: AggregatedStream) { self.aggregated = aggregated }

    func secret(_ reference: SecretReference, _ kind: SecretKind) -> DiscoveredSecret {
        let key = Key(name: reference.name, source: DiscoveredSecrets.identity(reference.sdsConfig))
        if let secret = secrets[key] { return secret }
        let secret = DiscoveredSecret(reference, kind, self)
        secrets[key] = secret
        return secret
    }

    /// There is one aggregated stream, and a name is asked for on it once: a server does not answer again to who asks for the same
    /// with another timeout.
    private static func identity(_ source: ConfigSourceMessage) -> [UInt8] {
        if case .ads = source.configSourceSpecifier { return [] }
        return (try? source.serializedBytes()) ?? []
    }

    /// Clusters that main's own worker needs.
    var clusters: Set<String> {
        Set(
            secrets.values.compactMap { secret in
                guard secret.subscription != nil else { return nil }
                return secret.isAggregated ? aggregated.cluster : DiscoverySource.cluster(secret.source.apiConfigSource)
            })
    }

    // MARK: Streams

    /// Asks for what nobody has asked for yet, of `wanted`; nil: of all.
    func update(_ compilation: Compilation, _ reactor: DNSReactor, _ wanted: [DiscoveredSecret]? = nil) {
        let now = NodeMessages.node(compilation)
        let isAnother = now != node
        node = now
        let chosen = wanted.map { wanted in Set(wanted.map { ObjectIdentifier($0) }) }
        let new = secrets.values.filter { secret in
            secret.subscription == nil && secret.users > 0 && chosen?.contains(ObjectIdentifier(secret)) != false
        }
        aggregated.update(compilation, reactor, node: now)
        if isAnother { begin(compilation, reactor) }
        for secret in new.sorted(by: { $0.name < $1.name }) { start(secret, compilation, reactor) }
        aggregated.sendChanges()
    }

    /// Streams say once who they are for: what is for another node is asked for anew, without the versions that were for the one
    /// before.
    private func begin(_ compilation: Compilation, _ reactor: DNSReactor) {
        for secret in secrets.values where !secret.isAggregated {
            guard let before = secret.transport, let subscription = secret.subscription, let part = secret.part else { continue }
            before.stop()
            secret.transport = transport(secret, subscription, compilation, part, reactor)
            secret.transport?.start(reactor)
        }
    }

    private func start(_ secret: DiscoveredSecret, _ compilation: Compilation, _ reactor: DNSReactor) {
        let part = PlanPart(.tls, "sds." + secret.name, ContentHash())
        let stats = compilation.stats
        let prefix = "sds.\(secret.name)."
        _ = part.scope(stats, prefix, SecretStat.self)
        let subscription = Subscription(
            [secret.name], type: SecretReader.typeURL, path: secret.isPolled ? DiscoveredSecrets.kind.path : nil, stats,
            part.scope(stats, prefix, SubscriptionStat.self),
            update: { [unowned self, unowned secret] update throws(DiscoveryRefusal) -> Bool in try take(update, secret) },
            settled: { [unowned self] in settled() }, log: { [unowned self] in log($0) })
        secret.part = part
        secret.subscription = subscription
        subscription.start(reactor, timeoutMs: DiscoverySource.fetchTimeoutMs(secret.source))
        if secret.isAggregated {
            aggregated.add(subscription, DiscoveredSecrets.kind, compilation, reactor, node: node)
            return
        }
        secret.transport = transport(secret, subscription, compilation, part, reactor)
        secret.transport?.start(reactor)
    }

    private func transport(
        _ secret: DiscoveredSecret, _ subscription: Subscription, _ compilation: Compilation, _ part: PlanPart, _ reactor: DNSReactor
    ) -> DiscoveryTransport {
        DiscoverySource(secret.source.apiConfigSource, node: node).transport(
            DiscoveredSecrets.kind, subscription, prefix: "sds.\(secret.name).", compilation, part, reactor,
            log: { [unowned self] in log($0) })
    }

    /// Every tick: what nobody uses any more is not asked for any more.
    func stopUnused(_ environment: CompileEnvironment) {
        guard hasUnused else { return }
        hasUnused = false
        var gone: [Subscription] = []
        for (key, secret) in secrets where secret.users == 0 {
            secrets[key] = nil
            secret.transport?.stop()
            secret.subscription?.stop()
            if secret.isAggregated, let subscription = secret.subscription { gone.append(subscription) }
            secret.part?.destroy(environment.stats, environment.clusterSlots)
        }
        aggregated.remove(gone, DiscoveredSecrets.kind, environment)
    }

    private static let kind = DiscoveryKind(
        typeURL: SecretReader.typeURL, service: "envoy.service.secret.v3.SecretDiscoveryService", resources: "Secrets",
        path: "/v3/discovery:secrets", read: read)

    // MARK: What comes

    /// A state of the world says by the secret itself what it is called.
    private static func read(_ resource: inout DiscoveredResource) throws(DiscoveryRefusal) {
        let secret = try SecretReader.read(resource)
        resource.message = secret
        if resource.name.isEmpty { resource.name = secret.name }
    }

    private func take(_ update: DiscoveryUpdate, _ secret: DiscoveredSecret) throws(DiscoveryRefusal) -> Bool {
        if update.isAnswer { _ = try SecretReader.only(secret.name, update.resources) }
        // A secret that is taken away serves on, as in Envoy: a listener without one would refuse everybody.
        guard !update.resources.isEmpty else {
            // Nor is one that says nothing of it an answer: it is waited for.
            guard update.removed.contains(secret.name) else { return false }
            log("sds: server sent a delta SDS update attempting to remove a resource: \(secret.name). Ignored")
            return true
        }
        // Of several of one name the first is taken, as in Envoy.
        guard let resource = update.resources.first, let message = resource.message as? TLSSecret else { return false }
        try SecretReader.expect(secret.name, message)
        let before = secret.current
        if before != message {
            secret.current = message
            do throws(DiscoveryRefusal) {
                try apply(secret, before)
            } catch {
                secret.current = before
                secret.refused = DynamicSecret(refused: message, version: resource.version, updatedNs: secret.updatedNs, as: secret.kind)
                throw error
            }
        }
        secret.refused = nil
        secret.version = resource.version
        secret.updatedNs = Clock.wallNs()
        return true
    }
}
