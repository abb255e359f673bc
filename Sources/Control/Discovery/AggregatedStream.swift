// Who asks over `ads`, for whatever type: the stream of `dynamic_resources.ads_config` is opened with the first of them and
// closed with the last.
//
// Owner: main. Secrets and layers of the runtime share it.

import EnvoyAPI
import Pipeline

final class AggregatedStream {
    private struct Asker {
        let subscription: Subscription
        let kind: DiscoveryKind
    }
    private var askers: [Asker] = []
    private var stream: AggregatedDiscovery?

    /// Lines for the process's log.
    var log: (String) -> Void = { _ in }

    /// What main's own worker needs.
    var cluster: String? { stream.flatMap { DiscoverySource.cluster($0.source.api) } }

    /// Another `ads_config`, or node, is another stream, on which all ask anew.
    func update(_ compilation: Compilation, _ reactor: DNSReactor, node: NodeMessage) {
        let dynamic = compilation.bootstrap.dynamicResources
        guard stream?.source.api != dynamic.adsConfig || stream?.source.node != node else { return }
        askAnew(compilation, reactor, node: node)
    }

    /// Another stream, which has been told nothing.
    func askAnew(_ compilation: Compilation, _ reactor: DNSReactor, node: NodeMessage) {
        guard compilation.bootstrap.dynamicResources.hasAdsConfig, !askers.isEmpty else { return }
        stream?.stop(compilation.environment)
        open(compilation, reactor, node: node)
    }

    private func open(_ compilation: Compilation, _ reactor: DNSReactor, node: NodeMessage) {
        let source = DiscoverySource(compilation.bootstrap.dynamicResources.adsConfig, node: node)
        let new = AggregatedDiscovery(source, compilation, reactor) { [unowned self] in log($0) }
        for asker in askers { new.add(asker.subscription, type: asker.kind.typeURL, read: asker.kind.read) }
        stream = new
    }

    /// The server is told by `sendChanges`.
    func add(_ subscription: Subscription, _ kind: DiscoveryKind, _ compilation: Compilation, _ reactor: DNSReactor, node: NodeMessage) {
        askers.append(Asker(subscription: subscription, kind: kind))
        if let stream { return stream.add(subscription, type: kind.typeURL, read: kind.read) }
        if compilation.hasAggregated { open(compilation, reactor, node: node) }
    }

    func remove(_ gone: [Subscription], _ kind: DiscoveryKind, _ environment: CompileEnvironment) {
        guard !gone.isEmpty else { return }
        let ids = Set(gone.map { ObjectIdentifier($0) })
        askers.removeAll { ids.contains(ObjectIdentifier($0.subscription)) }
        if askers.isEmpty {
            stream?.stop(environment)
            stream = nil
        } else {
            stream?.remove(gone, type: kind.typeURL)
            stream?.sendChanges()
        }
    }

    func sendChanges() { stream?.sendChanges() }
}
