// `provider` of a connection manager's tracing: OpenTelemetry or Zipkin.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Routing
import Stats

typealias OpenTelemetryConfig = Envoy_Config_Trace_V3_OpenTelemetryConfig
typealias ZipkinConfig = Envoy_Config_Trace_V3_ZipkinConfig
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
        default:
            diagnostics.error(
                place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(type)'",
                expected: "envoy.tracers.opentelemetry or envoy.tracers.zipkin")
        }
        guard var config else { return nil }
        let node = compilation.bootstrap.node
        config.node = arena.text(node.id)
        config.zone = arena.text(node.locality.zone)
        config.address = NodeAddress.ipv4
        return unsafe arena.store(config)
    }
}
