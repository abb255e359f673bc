// `envoy.tracers.skywalking`: the collector's stream, and what the proxy is called.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

extension TracerCompiler {
    /// What stands for a service or an instance that nobody names.
    private static let unnamed = "EnvoyProxy"

    func skyWalking(_ message: SkyWalkingConfig, _ place: Place) -> TracerConfig {
        var config = TracerConfig()
        config.payload = .skyWalking
        let client = message.clientConfig
        let node = compilation.bootstrap.node
        config.service = arena.text([client.serviceName, node.cluster].first { !$0.isEmpty } ?? TracerCompiler.unnamed)
        config.instance = arena.text([client.instanceName, node.id].first { !$0.isEmpty } ?? TracerCompiler.unnamed)
        var export = exports.config()
        export.transport = .stream
        let stats = part.processScope(compilation.stats, "tracing.skywalking.", SkyWalkingStat.self)
        export.stats.flushed = stats[.segmentsSent]
        export.stats.dropped = stats[.segmentsDropped]
        export.stats.delayed = stats[.segmentsFlushed]
        export.stats.delayedBatches = stats[.cacheFlushed]
        // Each segment leaves alone, and those that wait for a stream try it again and again.
        export.limits.flushItems = 1
        export.limits.intervalMs = 100
        export.limits.itemsMax = client.hasMaxCacheSize ? max(1, Int(client.maxCacheSize.value)) : 1024
        export.reconnect.streamPauseMs = 500
        var service = message.grpcService
        if !client.backendToken.isEmpty {
            var token = Envoy_Config_Core_V3_HeaderValue()
            token.key = "authentication"
            // No format: the token is told as it is.
            token.value = client.backendToken.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
            service.initialMetadata.append(token)
        }
        exports.grpc(
            service, method: "/skywalking.v3.TraceSegmentReportService/collect", hasDeadline: false, place.at("grpc_service"), &export,
            missing: noSpan("envoy.tracers.skywalking"))
        // Segments are messages of their own, framed when they are written.
        export.envelope = .none
        unsafe config.export = unsafe arena.store(export)
        return config
    }
}
