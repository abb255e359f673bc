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
        let config = unsafe source.call(service: AggregatedDiscovery.service, resources: "AggregatedResources", compilation, part, log: log)
        stream = unsafe DiscoveryStream(
            reactor.worker, config, shown: source.shown(resources: "AggregatedResources"), [], compilation.stats,
            part.scope(compilation.stats, "control_plane.", ControlPlaneStat.self), log: log)
        stream.start(reactor)
    }

    func add(_ subscription: Subscription, type: String, nameOf: @escaping (DiscoveredResource) -> String) {
        if let channel = channels[type] {
            if let request = channel.add(subscription, isOpen: stream.isOpen) { stream.send(request) }
            return
        }
        let channel = DiscoveryChannel(source.session(type: type, names: subscription.names), [subscription], nameOf: nameOf)
        channels[type] = channel
        stream.add(channel)
    }

    func remove(_ subscription: Subscription, type: String) {
        if let request = channels[type]?.remove(subscription, isOpen: stream.isOpen) { stream.send(request) }
    }

    func stop(_ environment: CompileEnvironment) {
        stream.stop()
        part.destroy(environment.stats, environment.clusterSlots)
    }
}
