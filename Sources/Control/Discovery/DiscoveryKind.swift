// A type of resource as management servers are asked for it: secrets (SDS), layers of the runtime (RTDS).

import Pipeline
import Stats

struct DiscoveryKind: Sendable {
    let typeURL: String
    /// Of gRPC.
    let service: String
    /// As its methods name them: `Secrets`.
    let resources: String
    /// Of REST.
    let path: String
    /// What is in a resource, and what it is called where only that says so.
    let read: @Sendable (inout DiscoveredResource) throws(DiscoveryRefusal) -> Void
}

extension DiscoverySource {
    /// On a stream, or asked again and again, for one subscription alone. `prefix`: of its statistics. Lives with `part`.
    func transport(
        _ kind: DiscoveryKind, _ subscription: Subscription, prefix: String, _ compilation: Compilation, _ part: PlanPart,
        _ reactor: DNSReactor, log: @escaping (String) -> Void
    ) -> DiscoveryTransport {
        let channel = DiscoveryChannel(session(type: kind.typeURL), read: kind.read)
        channel.add(subscription)
        if isPolled {
            let config = unsafe requests(path: kind.path, compilation, part)
            return unsafe DiscoveryPolling(
                reactor.worker, config, path: kind.path, refreshMs: refreshMs, channel, subscription, log: log)
        }
        let config = unsafe call(service: kind.service, resources: kind.resources, compilation, part)
        return unsafe DiscoveryStream(
            reactor.worker, config, shown: shown(resources: kind.resources), [channel], pauses, compilation.stats,
            part.scope(compilation.stats, prefix + "control_plane.", ControlPlaneStat.self), log: log)
    }
}
