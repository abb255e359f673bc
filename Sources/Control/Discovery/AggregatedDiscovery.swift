// The stream of `dynamic_resources.ads_config`, which all who say `ads` share (ADS): opened when somebody asks, one channel for
// each type.
//
// Owner: main. Another `ads_config` is another one of these, which whoever still asks is moved to.

import Pipeline
import Stats

final class AggregatedDiscovery {
    let source: DiscoverySource
    private let part: PlanPart
    private let stream: DiscoveryStream
    private var channels: [String: DiscoveryChannel] = [:]

    static let service = "envoy.service.discovery.v3.AggregatedDiscoveryService"

    init(_ source: DiscoverySource, _ compilation: Compilation, _ reactor: DNSReactor, log: @escaping (String) -> Void) {
        self.source = source
        part = PlanPart(.tls, "ads", ContentHash())
        let config = unsafe source.call(service: AggregatedDiscovery.service, resources: "AggregatedResources", compilation, part)
        stream = unsafe DiscoveryStream(
            reactor.worker, config, shown: source.shown(resources: "AggregatedResources"), [], source.pauses, compilation.stats,
            part.scope(compilation.stats, "control_plane.", ControlPlaneStat.self), log: log)
        stream.start(reactor)
    }

    /// The server is told by `sendChanges`.
    func add(_ subscription: Subscription, type: String, read: @escaping (inout DiscoveredResource) throws(DiscoveryRefusal) -> Void) {
        let channel = channels[type] ?? DiscoveryChannel(source.session(type: type), read: read)
        channel.add(subscription)
        if channels.updateValue(channel, forKey: type) == nil { stream.add(channel) }
    }

    func remove(_ gone: [Subscription], type: String) { channels[type]?.remove(gone) }

    func sendChanges() { stream.sendChanges() }

    func stop(_ environment: CompileEnvironment) {
        stream.stop()
        part.destroy(environment.stats, environment.clusterSlots)
    }
}
