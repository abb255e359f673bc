// `envoy.stat_sinks.open_telemetry` and `envoy.stat_sinks.metrics_service`.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore

typealias OpenTelemetrySinkMessage = Envoy_Extensions_StatSinks_OpenTelemetry_V3_SinkConfig
typealias MetricsServiceMessage = Envoy_Config_Metrics_V3_MetricsServiceConfig

struct MetricsSinkCompiler {
    let compilation: Compilation

    func openTelemetry(_ message: OpenTelemetrySinkMessage, _ place: Place) -> SinkSpec {
        var format = OTLPMetricFormat()
        format.countersAreDeltas = message.reportCountersAsDeltas
        format.histogramsAreDeltas = message.reportHistogramsAsDeltas
        if message.hasEmitTagsAsAttributes { format.tagsAreAttributes = message.emitTagsAsAttributes.value }
        if message.hasUseTagExtractedName { format.usesExtractedName = message.useTagExtractedName.value }
        if !message.prefix.isEmpty { format.prefix = Array((message.prefix + ".").utf8) }
        if message.hasCustomMetricConversions {
            let conversions = MetricConversionCompiler(diagnostics: compilation.diagnostics)
            format.convert = conversions.compile(message.customMetricConversions, place.at("custom_metric_conversions"))
        }
        let holder = holder()
        let exports = ExportCompiler(compilation: compilation, part: holder.part)
        var export = export(exports, holder)
        if case .httpService(let service)? = message.protocolSpecifier {
            exports.http(service, place.at("http_service"), &export, missing: unknownCluster)
        } else {
            exports.grpc(
                message.grpcService, method: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", hasDeadline: false,
                place.at("grpc_service"), &export, missing: unknownCluster)
        }
        var attributes = ResourceAttributes([
            ("telemetry.sdk.name", "envoy"), ("telemetry.sdk.language", "swift"),
            ("telemetry.sdk.version", compilation.environment.version),
        ])
        for (key, value) in ResourceCompiler(compilation: compilation).detected(message.resourceDetectors, place) {
            attributes.set(key, value)
        }
        (export.layers, export.head) = exports.otlpLayers(resource: OTLPResource.encoded(attributes.list), scope: [])
        unsafe holder.set(holder.part.arena.store(export))
        return .metrics(
            MetricsSinkSpec(format: .openTelemetry(format), itemsMax: Int(message.maxDataPointsPerRequest), holder: holder))
    }

    func metricsService(_ message: MetricsServiceMessage, _ place: Place) -> SinkSpec {
        var format = MetricsServiceFormat()
        format.countersAreDeltas = message.reportCountersAsDeltas.value
        format.tagsAreLabels = message.emitTagsAsLabels
        format.histograms =
            switch message.histogramEmitMode {
            case .summary: .summaries
            case .histogram: .buckets
            default: .both
            }
        let holder = holder()
        let exports = ExportCompiler(compilation: compilation, part: holder.part)
        var export = export(exports, holder)
        export.transport = .stream
        exports.grpc(
            message.grpcService, method: "/envoy.service.metrics.v3.MetricsService/StreamMetrics", hasDeadline: false,
            place.at("grpc_service"), &export, missing: unknownCluster)
        let node = (try? NodeMessages.node(compilation).serializedBytes() as [UInt8]) ?? []
        export.introduction = holder.part.arena.text(OTLPResource.wrapped { inner in node.withBytes { inner.put(field: 1, $0) } })
        unsafe holder.set(holder.part.arena.store(export))
        return .metrics(MetricsSinkSpec(format: .metricsService(format), itemsMax: Int(message.batchSize), holder: holder))
    }

    private func holder() -> SinkPart {
        let environment = compilation.environment
        return SinkPart(PlanPart(kind: .listener, name: "stats_sinks")) { $0.destroy(environment.stats, environment.clusterSlots) }
    }

    private func export(_ exports: ExportCompiler, _ holder: SinkPart) -> ExportConfig {
        var export = exports.config()
        let stats = holder.part.scope(compilation.stats, "martlet.stats_sinks.", MetricsSinkStat.self)
        export.stats.flushed = stats[.metricsSent]
        export.stats.dropped = stats[.metricsDropped]
        return export
    }

    /// As in Envoy: nothing is sent then.
    private func unknownCluster(_ cluster: String, _ diagnostics: Diagnostics, _ place: Place) {
        diagnostics.warning(place, "unknown cluster '\(cluster)': no statistic is sent")
    }
}
