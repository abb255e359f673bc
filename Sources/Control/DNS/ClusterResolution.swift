// The names of one cluster: looked up when the cluster comes, and again as long as it stays.
//
// Each endpoint with a name has a target of its own, with its own refresh, as in Envoy. A failure keeps what the name
// had; a name without records empties a STRICT_DNS endpoint and keeps a LOGICAL_DNS one.

import Pipeline
import Primitives
import Stats

final class ClusterResolution {
    private final class Target {
        let endpoint: Int
        let name: String
        let port: UInt16
        var timer: ControlTimer?
        /// Bound of the next pause after a failure.
        var failureMs: UInt64
        init(_ endpoint: Int, _ name: String, _ port: UInt16, _ failureMs: UInt64) {
            self.endpoint = endpoint
            self.name = name
            self.port = port
            self.failureMs = failureMs
        }
    }

    private let options: DNSOptions
    private let isLogical: Bool
    private let channel: DNSChannel
    private let reactor: DNSReactor
    private let control: StatScope<ClusterControlStat>
    private var targets: [Target] = []
    private var isStopped = false
    /// Some name has been answered for, or could not be: workers need not wait for this cluster any longer.
    private(set) var isWarm = false
    /// An endpoint has these addresses now; whether that changed anything.
    private let resolved: (_ endpoint: Int, _ addresses: [SocketAddress]) -> Bool
    private let warmed: () -> Void

    /// Nil when no endpoint has a name.
    init?(
        _ live: LiveCluster, _ reactor: DNSReactor, resolved: @escaping (Int, [SocketAddress]) -> Bool,
        warmed: @escaping () -> Void
    ) {
        guard let options = live.draft.discovery.dns else { return nil }
        self.options = options
        if case .logicalDNS = live.draft.discovery { isLogical = true } else { isLogical = false }
        self.reactor = reactor
        channel = reactor.channel(options.resolver)
        control = live.control
        self.resolved = resolved
        self.warmed = warmed
        for (i, endpoint) in live.draft.endpoints.enumerated() {
            guard case .name(let name, let port) = endpoint.location else { continue }
            targets.append(Target(i, name, port, options.failureBaseMs ?? options.refreshMs))
        }
        if targets.isEmpty { return nil }
        if !options.waitsForWarm { isWarm = true }
        for target in targets { target.timer = reactor.timer { [unowned self, unowned target] in lookUp(target) } }
    }

    func start() { for target in targets { lookUp(target) } }

    func stop() {
        isStopped = true
        for target in targets { target.timer?.end() }
    }

    private func count(_ leaf: ClusterControlStat) { reactor.worker.cells.increment(control[leaf]) }

    private func lookUp(_ target: Target) {
        guard !isStopped else { return }
        count(.updateAttempt)
        channel.lookUp(target.name, options.family) { [self] outcome in
            guard !isStopped else { return }
            answered(target, outcome)
        }
    }

    private func answered(_ target: Target, _ outcome: DNSOutcome) {
        var wait = options.refreshMs
        switch outcome {
        case .addresses(let found):
            succeeded(target, found.map(\.address))
            let ttl = isLogical ? found[0].ttlS : found.map(\.ttlS).min() ?? 0
            if options.respectTTL, ttl > 0 { wait = max(ttl * 1000, options.refreshMinMs) }
            wait += jitter
        case .noRecords where !isLogical:
            succeeded(target, [])
            wait += jitter
        case .noRecords, .failed:
            count(.updateFailure)
            wait = pauseAfterFailure(target)
        }
        target.timer?.arm(afterMs: wait)
        guard !isWarm else { return }
        isWarm = true
        warmed()
    }

    private func succeeded(_ target: Target, _ addresses: [SocketAddress]) {
        count(.updateSuccess)
        target.failureMs = options.failureBaseMs ?? options.refreshMs
        var addresses = isLogical ? Array(addresses.prefix(1)) : addresses
        for i in addresses.indices { addresses[i].port = target.port }
        if !resolved(target.endpoint, addresses) { count(.updateNoRebuild) }
    }

    private var jitter: UInt64 { options.jitterMs == 0 ? 0 : reactor.worker.random.below(options.jitterMs) }

    private func pauseAfterFailure(_ target: Target) -> UInt64 {
        guard let most = options.failureMaxMs else { return options.refreshMs }
        let bound = target.failureMs
        target.failureMs = bound < most / 2 ? bound * 2 : most
        return reactor.worker.random.below(max(1, bound))
    }
}
