// `provider` of a connection manager's tracing: OpenTelemetry, Zipkin, SkyWalking, Datadog.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Routing
import Stats

typealias OpenTelemetryConfig = Envoy_Config_Trace_V3_OpenTelemetryConfig
typealias ZipkinConfig = Envoy_Config_Trace_V3_ZipkinConfig
typealias SkyWalkingConfig = Envoy_Config_Trace_V3_SkyWalkingConfig
typealias DatadogConfig = Envoy_Config_Trace_V3_DatadogConfig
typealias EnvoyGRPC = Envoy_Config_Core_V3_GrpcService.EnvoyGrpc

struct TracerCompiler {
    let compilation: Compilation
    let part: PlanPart
    var diagnostics: Diagnostics { compilation.diagnostics }
    var arena: FrozenArena { part.arena }
    var exports: ExportCompiler { ExportCompiler(compilation: compilation, part: part) }

    func compile(_ message: Envoy_Config_Trace_V3_Tracing.Http, _ place: Place) -> UnsafePointer<TracerConfig>? {
        let at = place.at("typed_config")
        let type = message.typedConfig.messageName
        var config: TracerConfig?
        switch type {
        case OpenTelemetryConfig.protoMessageName:
            if let decoded = try? OpenTelemetryConfig(serializedBytes: message.typedConfig.bytes) { config = openTelemetry(decoded, at) }
        case ZipkinConfig.protoMessageName:
            if let decoded = try? ZipkinConfig(serializedBytes: message.typedConfig.bytes) { config = zipkin(decoded, at) }
        case SkyWalkingConfig.protoMessageName:
            if let decoded = try? SkyWalkingConfig(serializedBytes: message.typedConfig.bytes) { config = skyWalking(decoded, at) }
        case DatadogConfig.protoMessageName:
            if let decoded = try? DatadogConfig(serializedBytes: message.typedConfig.bytes) { config = datadog(decoded, at) }
        default:
            diagnostics.error(
                place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(type)'",
                expected: "envoy.tracers.datadog, envoy.tracers.opentelemetry, envoy.tracers.skywalking or envoy.tracers.zipkin")
        }
        guard var config else { return nil }
        let node = compilation.bootstrap.node
        config.node = arena.text(node.id)
        config.zone = arena.text(node.locality.zone)
        config.address = NodeAddress.ipv4
        return unsafe arena.store(config)
    }

    /// Where Envoy accepts a cluster that is not there, and never sends anything.
    func noSpan(_ tracer: String) -> ExportCompiler.Missing {
        { cluster, diagnostics, place in
            diagnostics.warning(place, "\(tracer): unknown cluster '\(cluster)': no span is sent")
        }
    }

    /// Where Envoy does not.
    func unknown(_ tracer: String) -> ExportCompiler.Missing {
        { [names = compilation.clusterNames] cluster, diagnostics, place in
            diagnostics.error(
                place, "\(tracer): unknown cluster '\(cluster)'", expected: "the name of a cluster",
                suggestion: nearestName(cluster, names))
        }
    }
}
