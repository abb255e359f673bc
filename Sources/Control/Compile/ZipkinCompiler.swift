// `envoy.tracers.zipkin`: collector, ids, propagation.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

extension TracerCompiler {
    /// Nil after an error.
    func zipkin(_ message: ZipkinConfig, _ place: Place) -> TracerConfig? {
        var config = TracerConfig()
        var export = exports.config()
        let stats = part.processScope(compilation.stats, "tracing.zipkin.", ZipkinStat.self)
        export.stats.flushed = stats[.spansSent]
        export.stats.dropped = stats[.spansDropped]
        export.stats.timerFlushed = stats[.timerFlushed]
        export.stats.accepted = stats[.reportsSent]
        export.stats.refused = stats[.reportsDropped]
        export.stats.failed = stats[.reportsFailed]
        export.stats.acceptedStatus = 202
        let runtime = compilation.runtime(part)
        export.limits.intervalMs = Worker.flushIntervalMs
        export.limits.intervalCell = runtime.cell("tracing.zipkin.flush_interval_ms")
        export.limits.flushItems = Worker.flushSpansMin
        export.limits.flushItemsCell = runtime.cell("tracing.zipkin.min_flush_spans")
        export.requestTimeout = runtime.cell("tracing.zipkin.request_timeout")
        config.service = arena.text(compilation.bootstrap.node.cluster)
        config.has128BitIDs = message.traceID128Bit
        config.datesIDs = message.timestampTraceIds
        config.sharesContext = message.hasSharedSpanContext ? message.sharedSpanContext.value : true
        config.splitsSpans = message.splitSpansForRequest
        config.usesW3C = message.traceContextOption == .useB3WithW3CPropagation
        guard payload(message, place, &config) else { return nil }
        export.envelope = config.payload == .zipkinJSON ? .list : .none
        export.contentType = arena.text(config.payload == .zipkinJSON ? "application/json" : "application/x-protobuf")
        guard collector(message, place, &export) else { return nil }
        unsafe config.export = unsafe arena.store(export)
        return config
    }

    private func payload(_ message: ZipkinConfig, _ place: Place, _ config: inout TracerConfig) -> Bool {
        switch message.collectorEndpointVersion {
        case .httpJson: config.payload = .zipkinJSON
        case .httpProto: config.payload = .zipkinProto
        default:
            diagnostics.error(
                place.at("collector_endpoint_version"), "collector_endpoint_version must be HTTP_JSON or HTTP_PROTO",
                expected: "HTTP_JSON or HTTP_PROTO")
            return false
        }
        return true
    }

    private func collector(_ message: ZipkinConfig, _ place: Place, _ config: inout ExportConfig) -> Bool {
        if message.hasCollectorService {
            exports.service(
                message.collectorService, timeoutMs: 5000, place.at("collector_service"), &config, missing: unknown("envoy.tracers.zipkin"))
            return true
        }
        guard !message.collectorCluster.isEmpty, !message.collectorEndpoint.isEmpty else {
            diagnostics.error(
                place, "collector_cluster and collector_endpoint must be specified when not using collector_service")
            return false
        }
        unsafe config.target = unsafe exports.target(message.collectorCluster, timeoutMs: 5000, place.at("collector_cluster"), missing: unknown("envoy.tracers.zipkin"))
        config.host = arena.text(message.collectorHostname.isEmpty ? message.collectorCluster : message.collectorHostname)
        config.path = arena.text(message.collectorEndpoint)
        return true
    }
}
