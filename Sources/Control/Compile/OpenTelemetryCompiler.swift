// `envoy.tracers.opentelemetry`: exporter, resource, sampler.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Routing
import Stats

private typealias EnvironmentDetector =
    Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_EnvironmentResourceDetectorConfig
private typealias StaticDetector =
    Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_StaticConfigResourceDetectorConfig
private typealias AlwaysOn = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_AlwaysOnSamplerConfig
private typealias ParentBased = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_ParentBasedSamplerConfig
private typealias Ratio = Envoy_Extensions_Tracers_Opentelemetry_Samplers_V3_TraceIdRatioBasedSamplerConfig

extension TracerCompiler {
    func openTelemetry(_ message: OpenTelemetryConfig, _ place: Place) -> TracerConfig {
        var config = TracerConfig()
        config.stats = part.scope(compilation.stats, "tracing.opentelemetry.", OpenTelemetryStat.self).base
        let runtime = compilation.runtime(part)
        config.flushInterval = runtime.cell("tracing.opentelemetry.flush_interval_ms")
        config.flushSpansMin = runtime.cell("tracing.opentelemetry.min_flush_spans")
        if message.hasMaxCacheSize { config.spansMax = Int(message.maxCacheSize.value) }
        config.userAgent = arena.text("OTel-OTLP-Exporter-Envoy/" + compilation.environment.version)
        guard message.hasGrpcService != message.hasHTTPService else {
            diagnostics.error(
                place, "OpenTelemetry Tracer must have exactly one of gRPC, HTTP, or custom exporter configured.",
                expected: "grpc_service or http_service")
            return config
        }
        if message.hasGrpcService {
            grpc(message.grpcService, place.at("grpc_service"), &config)
        } else {
            http(message.httpService, place.at("http_service"), &config)
        }
        resource(message, place, &config)
        if message.hasSampler { config.sampler = sampler(message.sampler, place.at("sampler")) }
        return config
    }

    private func grpc(_ message: Envoy_Config_Core_V3_GrpcService, _ place: Place, _ config: inout TracerConfig) {
        let service = message.envoyGrpc
        config.payload = .otlpGRPC
        let timeoutMs = message.hasTimeout ? message.timeout.milliseconds : 0
        unsafe config.target = unsafe target(service.clusterName, timeoutMs: timeoutMs, place.at("envoy_grpc").at("cluster_name"), missing: unknown(service.clusterName))
        config.path = arena.text("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        config.host = arena.text(service.authority.isEmpty ? service.clusterName : service.authority)
        let headers = message.initialMetadata.map { header in
            var option = HeaderValueOption()
            option.header = header
            return option
        }
        config.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(headers, place, field: "initial_metadata")
    }

    private func http(_ message: Envoy_Config_Core_V3_HttpService, _ place: Place, _ config: inout TracerConfig) {
        let uri = message.httpUri
        config.payload = .otlpHTTP
        unsafe config.target = unsafe target(uri.cluster, timeoutMs: uri.timeout.milliseconds, place.at("http_uri").at("cluster"), missing: unknown(uri.cluster))
        let (host, path) = split(uri.uri, cluster: uri.cluster)
        config.host = arena.text(host)
        config.path = arena.text(path)
        config.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(message.requestHeadersToAdd, place, field: "request_headers_to_add")
    }

    /// Envoy accepts it and never sends anything.
    private func unknown(_ cluster: String) -> (Diagnostics, Place) -> Void {
        { diagnostics, place in
            diagnostics.warning(place, "envoy.tracers.opentelemetry: unknown cluster '\(cluster)': no span is sent")
        }
    }

    // MARK: Resource

    private func resource(_ message: OpenTelemetryConfig, _ place: Place, _ config: inout TracerConfig) {
        var attributes: [(key: String, value: String)] = [
            ("telemetry.sdk.name", "envoy"), ("telemetry.sdk.language", "swift"),
            ("telemetry.sdk.version", compilation.environment.version),
        ]
        func set(_ key: String, _ value: String) {
            if let at = attributes.firstIndex(where: { $0.key == key }) {
                attributes[at].value = value
            } else {
                attributes.append((key, value))
            }
        }
        set("service.name", message.serviceName.isEmpty ? "unknown_service:envoy" : message.serviceName)
        // A detector that knows better goes before both (Envoy).
        for (i, detector) in message.resourceDetectors.enumerated() {
            for (key, value) in detected(detector, place.at("resource_detectors", i)) { set(key, value) }
        }
        let pool = BlockPool()
        var inner = TextBuffer(pool: pool)
        var outer = TextBuffer(pool: pool)
        defer {
            inner.destroy()
            outer.destroy()
        }
        for (key, value) in attributes {
            Array(key.utf8).withBytes { key in
                Array(value.utf8).withBytes { value in OTLP.put(attribute: key, value, number: 1, &inner) }
            }
        }
        outer.put(field: 1, inner.bytes)
        config.resource = arena.text((0..<outer.count).map { outer.bytes[$0] })
        inner.reset()
        outer.reset()
        inner.put(field: 1, Bytes("envoy" as StaticString))
        Array(compilation.environment.version.utf8).withBytes { inner.put(field: 2, $0) }
        outer.put(field: 1, inner.bytes)
        config.scope = arena.text((0..<outer.count).map { outer.bytes[$0] })
    }

    private func detected(_ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> [(String, String)] {
        let any = message.typedConfig
        switch any.messageName {
        case EnvironmentDetector.protoMessageName: return environment()
        case StaticDetector.protoMessageName:
            guard let detector = try? StaticDetector(serializedBytes: any.bytes) else { return [] }
            return detector.attributes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        default:
            diagnostics.error(
                place, "Resource detector factory not found: '\(message.name)'",
                found: "'\(any.messageName)'", expected: "the environment or the static_config resource detector")
            return []
        }
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`.
    private func environment() -> [(String, String)] {
        let text = unsafe getenv("OTEL_RESOURCE_ATTRIBUTES").map { unsafe String(cString: $0) } ?? ""
        return text.split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
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
        default:
            diagnostics.error(
                place, "Sampler factory not found: '\(message.name)'", found: "'\(any.messageName)'",
                expected: "always_on, parent_based or trace_id_ratio_based")
        }
        return sampler
    }
}
