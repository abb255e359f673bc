// `envoy.tracers.opentelemetry`: exporter, resource, sampler.

import EnvoyAPI
import Pipeline
import Primitives
import Routing
import Stats

private typealias AlwaysOn = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_AlwaysOnSamplerConfig
private typealias ParentBased = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_ParentBasedSamplerConfig
private typealias ByExpression = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_CELSamplerConfig
private typealias Ratio = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_TraceIdRatioBasedSamplerConfig

extension TracerCompiler {
    func openTelemetry(_ message: OpenTelemetryConfig, _ place: Place) -> TracerConfig {
        var config = TracerConfig()
        var export = exports.config()
        let stats = part.processScope(compilation.stats, "tracing.opentelemetry.", OpenTelemetryStat.self)
        export.stats.flushed = stats[.spansSent]
        export.stats.dropped = stats[.spansDropped]
        export.stats.timerFlushed = stats[.timerFlushed]
        let runtime = compilation.runtime(part)
        export.limits.intervalMs = Worker.flushIntervalMs
        export.limits.intervalCell = runtime.cell("tracing.opentelemetry.flush_interval_ms")
        export.limits.flushItems = Worker.flushSpansMin
        export.limits.flushItemsCell = runtime.cell("tracing.opentelemetry.min_flush_spans")
        export.limits.itemsMax = message.hasMaxCacheSize ? Int(message.maxCacheSize.value) : 1024
        guard [message.hasGrpcService, message.hasHTTPService, message.hasExporter].filter({ $0 }).count == 1 else {
            diagnostics.error(
                place, "OpenTelemetry Tracer must have exactly one of gRPC, HTTP, or custom exporter configured.",
                expected: "grpc_service or http_service")
            return config
        }
        guard !message.hasExporter else {
            // Envoy has none of its own either.
            diagnostics.error(
                place.at("exporter"),
                "Didn't find a registered implementation for '\(message.exporter.name)' with type URL: '\(message.exporter.typedConfig.messageName)'",
                expected: "grpc_service or http_service")
            return config
        }
        let missing = noSpan("envoy.tracers.opentelemetry")
        if message.hasGrpcService {
            config.payload = .otlpGRPC
            exports.grpc(
                message.grpcService, method: "/opentelemetry.proto.collector.trace.v1.TraceService/Export", hasDeadline: true,
                place.at("grpc_service"), &export, missing: missing)
            export.userAgent = arena.text("OTel-OTLP-Exporter-Envoy/" + compilation.environment.version)
        } else {
            config.payload = .otlpHTTP
            exports.http(message.httpService, place.at("http_service"), &export, missing: missing)
        }
        let resources = ResourceCompiler(compilation: compilation)
        let tellsScope = message.hasSetInstrumentationScope ? message.setInstrumentationScope.value : true
        (export.layers, export.head) = exports.otlpLayers(
            resource: OTLPResource.encoded(resources.ofTracer(message, place)),
            scope: tellsScope ? OTLPResource.scope(name: "envoy", version: compilation.environment.version) : [])
        unsafe config.export = unsafe arena.store(export)
        if message.hasSampler { config.sampler = sampler(message.sampler, place.at("sampler")) }
        return config
    }

    // MARK: Sampler

    private func sampler(_ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> TraceSampler {
        var sampler = TraceSampler()
        let any = message.typedConfig
        switch any.messageName {
        case AlwaysOn.protoMessageName: sampler.kind = .alwaysOn
        case ParentBased.protoMessageName:
            let parent = (try? ParentBased(serializedBytes: any.bytes)) ?? .init()
            sampler = self.sampler(parent.wrappedSampler, place.at("typed_config").at("wrapped_sampler"))
            sampler.followsParent = true
        case Ratio.protoMessageName:
            let ratio = (try? Ratio(serializedBytes: any.bytes)) ?? .init()
            sampler.kind = .ratio
            sampler.fraction = Fraction(
                ratio.samplingPercentage.numerator, RuntimeCompiler.denominator(ratio.samplingPercentage.denominator))
        case ByExpression.protoMessageName:
            let message = (try? ByExpression(serializedBytes: any.bytes)) ?? .init()
            sampler.kind = .expression
            sampler.program = ExpressionCompiler(part: part, diagnostics: diagnostics)
                .compile(parsed: message.expression, place.at("typed_config").at("expression"))
        default:
            diagnostics.error(
                place, "Sampler factory not found: '\(message.name)'", found: "'\(any.messageName)'",
                expected: "always_on, parent_based, trace_id_ratio_based or cel")
        }
        return sampler
    }
}
