// Layers of the runtime that management servers give (`rtds_layer`: RTDS, over streams of their own, ADS or REST), or that files
// hold: one subscription for each.
//
// Owner: main. As in Envoy they are asked for when the clusters of the first configuration are warm, and nothing is served before
// each has come once, was refused, or is not waited for any more.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

typealias RuntimeMessage = Envoy_Service_Runtime_V3_Runtime
typealias RuntimeLayerMessage = Envoy_Config_Bootstrap_V3_RuntimeLayer

final class DiscoveredRuntime {
    private final class Layer {
        /// The layer's, by which `/runtime` shows it.
        let name: String
        let message: RuntimeLayerMessage.RtdsLayer
        let part: PlanPart
        var subscription: Subscription?
        var transport: DiscoveryTransport?

        var isAggregated: Bool { if case .ads = message.rtdsConfig.configSourceSpecifier { true } else { false } }

        init(_ name: String, _ message: RuntimeLayerMessage.RtdsLayer) {
            self.name = name
            self.message = message
            part = PlanPart(.tls, "rtds." + name, ContentHash())
        }
    }
    private var layers: [Layer] = []
    private let aggregated: AggregatedStream
    private var node = NodeMessage()

    /// The values of a layer are these from here on.
    var apply: (_ layer: String, [String: String]) -> Void = { _, _ in }
    /// One that was waited for is there, or is not waited for any more.
    var settled: () -> Void = {}
    /// Lines for the process's log.
    var log: (String) -> Void = { _ in }

    init(_ aggregated: AggregatedStream) { self.aggregated = aggregated }

    /// Nothing that was asked for is waited for.
    var isSettled: Bool { layers.allSatisfy { $0.subscription?.isSettled ?? true } }

    var clusters: Set<String> {
        Set(layers.compactMap { $0.isAggregated ? aggregated.cluster : DiscoverySource.cluster($0.message.rtdsConfig.apiConfigSource) }).subtracting([""])
    }

    // MARK: Asking

    /// Asks for the layers of a configuration that nobody has asked for yet, and no more for those that it leaves out.
    func update(_ compilation: Compilation, _ reactor: DNSReactor) {
        let wanted = compilation.bootstrap.layeredRuntime.layers.compactMap { layer -> (name: String, message: RuntimeLayerMessage.RtdsLayer)? in
            guard case .rtdsLayer(let message) = layer.layerSpecifier else { return nil }
            return (layer.name, message)
        }
        let now = NodeMessages.node(compilation)
        // Streams say once who they are for: another node's layers are asked for anew.
        let isAnother = now != node
        node = now
        func isGone(_ layer: Layer) -> Bool {
            (isAnother && !layer.isAggregated) || !wanted.contains { $0.name == layer.name && $0.message == layer.message }
        }
        // A server does not answer again for what is asked for already: one that comes under such a name needs a stream anew.
        let asked = Set(layers.filter(\.isAggregated).map(\.message.name))
        var asksAgain = false
        let gone = layers.filter(isGone)
        layers.removeAll(where: isGone)
        aggregated.update(compilation, reactor, node: now)
        for (name, message) in wanted where !layers.contains(where: { $0.name == name }) {
            let layer = Layer(name, message)
            layers.append(layer)
            asksAgain = asksAgain || (layer.isAggregated && asked.contains(message.name))
            start(layer, compilation, reactor)
        }
        // Behind the new ones, so that a stream which both ask on goes on.
        stop(gone, compilation.environment)
        if asksAgain { aggregated.askAnew(compilation, reactor, node: now) }
        aggregated.sendChanges()
    }

    private func stop(_ gone: [Layer], _ environment: CompileEnvironment) {
        for layer in gone {
            layer.transport?.stop()
            layer.subscription?.stop()
        }
        aggregated.remove(gone.filter(\.isAggregated).compactMap(\.subscription), DiscoveredRuntime.kind, environment)
        for layer in gone { layer.part.destroy(environment.stats, environment.clusterSlots) }
    }

    private func start(_ layer: Layer, _ compilation: Compilation, _ reactor: DNSReactor) {
        let config = layer.message.rtdsConfig
        let source = DiscoverySource(config.apiConfigSource, node: node)
        let path = RuntimeFile.path(config) ?? (!layer.isAggregated && source.isPolled ? DiscoveredRuntime.kind.path : nil)
        let subscription = Subscription(
            [layer.message.name], type: DiscoveredRuntime.kind.typeURL, path: path, isFile: RuntimeFile.path(config) != nil, compilation.stats,
            layer.part.scope(compilation.stats, "runtime.", SubscriptionStat.self),
            update: { [unowned self, unowned layer] update throws(DiscoveryRefusal) -> Bool in try take(update, layer) },
            settled: { [unowned self] in settled() }, log: { [unowned self] in log($0) })
        layer.subscription = subscription
        subscription.start(reactor, timeoutMs: DiscoverySource.fetchTimeoutMs(config))
        if layer.isAggregated { return aggregated.add(subscription, DiscoveredRuntime.kind, compilation, reactor, node: node) }
        if let path = RuntimeFile.path(config) {
            layer.transport = RuntimeFile(path, subscription)
        } else {
            layer.transport = source.transport(
                DiscoveredRuntime.kind, subscription, prefix: "runtime.", compilation, layer.part, reactor, log: { [unowned self] in log($0) })
        }
        layer.transport?.start(reactor)
    }

    private static let kind = DiscoveryKind(
        typeURL: typeURL, service: "envoy.service.runtime.v3.RuntimeDiscoveryService", resources: "Runtime", path: "/v3/discovery:runtime",
        read: read)

    // MARK: What comes

    private static let typeURL = "type.googleapis.com/" + RuntimeMessage.protoMessageName

    /// A state of the world says by the message itself what it is called.
    static func read(_ resource: inout DiscoveredResource) throws(DiscoveryRefusal) {
        guard resource.typeURL.hasSuffix("/" + RuntimeMessage.protoMessageName) else {
            throw DiscoveryRefusal(reason: "not a \(RuntimeMessage.protoMessageName): \(resource.typeURL)")
        }
        let message: RuntimeMessage
        do throws(ConfigErrors) {
            message = try ConfigReader.read(
                RuntimeMessage.self, [ConfigReader.Input(resource.bytes, name: "", format: .binary, unknownFields: .warning)]).message
        } catch {
            let first = error.errors.first
            throw DiscoveryRefusal(reason: first.map { $0.path.isEmpty ? $0.message : "\($0.path): \($0.message)" } ?? "Unable to unpack as \(RuntimeMessage.protoMessageName)")
        }
        resource.message = message
        if resource.name.isEmpty { resource.name = message.name }
    }

    private func take(_ update: DiscoveryUpdate, _ layer: Layer) throws(DiscoveryRefusal) -> Bool {
        if update.isAnswer, update.resources.count != 1 {
            throw DiscoveryRefusal(
                reason: "Unexpected RTDS resource length, number of added resources \(update.resources.count), number of removed resources 0")
        }
        // Of several of one name the first is taken, as in Envoy.
        guard let resource = update.resources.first, let message = resource.message as? RuntimeMessage else {
            guard update.removed.contains(layer.message.name) else { return false }
            apply(layer.name, [:])
            return true
        }
        if message.name != layer.message.name {
            throw DiscoveryRefusal(reason: "Unexpected RTDS runtime (expecting \(layer.message.name)): \(message.name)")
        }
        do throws(RuntimeValues.Invalid) {
            apply(layer.name, try RuntimeValues.flat(message.layer))
        } catch {
            throw DiscoveryRefusal(reason: error.reason)
        }
        return true
    }
}
