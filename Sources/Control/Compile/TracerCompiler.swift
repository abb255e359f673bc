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
        (config.number, config.serial) = TracerNumbers.acquire()
        let number = config.number
        part.onDestroy { TracerNumbers.release(number) }
        return unsafe arena.store(config)
    }

    /// Where requests to the collector go. A cluster that is not there: `missing` says what that is.
    func target(
        _ cluster: String, timeoutMs: UInt64, _ place: Place, missing: (Diagnostics, Place) -> Void
    ) -> UnsafePointer<RouteConfig> {
        if !compilation.clusterNames.contains(cluster) { missing(diagnostics, place) }
        let slot = part.slot(compilation.environment.clusterSlots, cluster)
        return unsafe CallTarget.make(cluster: slot, name: cluster, timeoutMs: timeoutMs, in: arena)
    }

    /// Host and path of a URI; without a scheme it is a path, and the host is the cluster's name.
    func split(_ uri: String, cluster: String) -> (host: String, path: String) {
        let marker = Array("://".utf8)
        let bytes = Array(uri.utf8)
        guard let scheme = (0..<max(0, bytes.count - 2)).first(where: { Array(bytes[$0..<($0 + 3)]) == marker }) else {
            return (cluster, uri)
        }
        let rest = bytes[(scheme + 3)...]
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return (String(decoding: rest, as: UTF8.self), "/") }
        let host = String(decoding: rest[..<slash], as: UTF8.self)
        return (host.isEmpty ? cluster : host, String(decoding: rest[slash...], as: UTF8.self))
    }
}

/// Numbers for tracers: places in a table of each worker, used again when their part is gone. Main thread only.
enum TracerNumbers {
    nonisolated(unsafe) private static var last: UInt32 = 0
    nonisolated(unsafe) private static var free: [UInt32] = []
    nonisolated(unsafe) private static var lastSerial: UInt64 = 0

    static func acquire() -> (number: UInt32, serial: UInt64) {
        unsafe lastSerial += 1
        if let number = unsafe free.popLast() { return unsafe (number, lastSerial) }
        unsafe last += 1
        return unsafe (last, lastSerial)
    }

    static func release(_ number: UInt32) { unsafe free.append(number) }
}
