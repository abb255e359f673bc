// Access loggers that send to a log server: gRPC (`http_grpc`, `tcp_grpc`). Those of OpenTelemetry and fluentd are beside.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Stats

typealias HTTPGRPCAccessLog = Envoy_Extensions_AccessLoggers_Grpc_V3_HttpGrpcAccessLogConfig
typealias TCPGRPCAccessLog = Envoy_Extensions_AccessLoggers_Grpc_V3_TcpGrpcAccessLogConfig
typealias CommonGRPCAccessLog = Envoy_Extensions_AccessLoggers_Grpc_V3_CommonGrpcAccessLogConfig

struct RemoteLogCompiler {
    let compilation: Compilation
    let part: PlanPart
    /// What the logger's `formatters` allow.
    var extensions = FormatExtensions()
    var diagnostics: Diagnostics { compilation.diagnostics }
    var arena: FrozenArena { part.arena }
    var exports: ExportCompiler { ExportCompiler(compilation: compilation, part: part) }

    /// Envoy's, in bytes and milliseconds.
    static let bufferBytes = 16384
    static let flushIntervalMs: UInt64 = 1000

    func http(_ message: HTTPGRPCAccessLog, _ place: Place) -> RemoteLogConfig {
        var config = grpc(message.commonConfig, .http, layer: 2, place)
        config.requestHeaders = headers(message.additionalRequestHeadersToLog, place, "additional_request_headers_to_log", isRequest: true)
        config.responseHeaders = headers(
            message.additionalResponseHeadersToLog, place, "additional_response_headers_to_log", isRequest: false)
        config.responseTrailers = headers(
            message.additionalResponseTrailersToLog, place, "additional_response_trailers_to_log", isRequest: false)
        return config
    }

    func tcp(_ message: TCPGRPCAccessLog, _ place: Place) -> RemoteLogConfig {
        grpc(message.commonConfig, .tcp, layer: 3, place)
    }

    /// `layer`: field of `StreamAccessLogsMessage` that holds the entries.
    private func grpc(_ common: CommonGRPCAccessLog, _ kind: RemoteLogConfig.Kind, layer: UInt8, _ place: Place) -> RemoteLogConfig {
        var export = exports.config()
        export.transport = .stream
        let stats = part.processScope(compilation.stats, "access_logs.grpc_access_log.", RemoteLogStat.self)
        let flushes = part.processScope(compilation.stats, "access_logs.grpc_access_log.", GRPCLogStat.self)
        // Envoy counts the entries of TCP connections when they leave only.
        if kind == .http { export.stats.taken = stats[.logsWritten] }
        export.stats.dropped = stats[.logsDropped]
        export.stats.flushed = flushes[.grpcEntriesFlushed]
        export.stats.flushFailed = flushes[.grpcEntriesFlushFailed]
        limits(common.hasBufferFlushInterval ? common.bufferFlushInterval.milliseconds : nil,
            common.hasBufferSizeBytes ? common.bufferSizeBytes.value : nil, &export)
        let at = place.at("common_config")
        // Whatever its 'retry_on' says (Envoy).
        let retry = common.hasGrpcStreamRetryPolicy
            ? ServiceRetries(policy: common.grpcStreamRetryPolicy, on: "connect-failure", place: at.at("grpc_stream_retry_policy")) : nil
        exports.grpc(
            common.grpcService, method: "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs", hasDeadline: false,
            retry: retry, at.at("grpc_service"), &export, missing: unknownCluster)
        export.layers = arena.array([ExportLayer(field: layer)])
        export.introduction = arena.text(introduction(logName: common.logName))
        var config = unsafe RemoteLogConfig(kind, arena.store(export))
        config.tags = tags(common.customTags, at)
        config.states = states(common.filterStateObjectsToLog)
        // Its messages tell the wire's bytes of every request (`HTTPConfig.metersWire`).
        arena.marks += 1
        return config
    }

    func limits(_ intervalMs: UInt64?, _ bytes: UInt32?, _ export: inout ExportConfig) {
        export.limits.intervalMs = intervalMs.map { max(1, $0) } ?? RemoteLogCompiler.flushIntervalMs
        export.limits.bytesMax = bytes.map { Int($0) } ?? RemoteLogCompiler.bufferBytes
    }

    /// As in Envoy: nothing is sent then.
    func unknownCluster(_ cluster: String, _ diagnostics: Diagnostics, _ place: Place) {
        diagnostics.warning(place, "unknown cluster '\(cluster)': no log line is sent")
    }

    /// Field `identifier`, with which a stream begins.
    private func introduction(logName: String) -> [UInt8] {
        let node = (try? NodeMessages.node(compilation).serializedBytes() as [UInt8]) ?? []
        return OTLPResource.wrapped { inner in
            node.withBytes { inner.put(field: 1, $0) }
            Array(logName.utf8).withBytes { inner.put(field: 2, $0) }
        }
    }

    // MARK: What is told beside

    private func headers(_ names: [String], _ place: Place, _ field: StaticString, isRequest: Bool) -> FrozenArray<FormatHeader> {
        arena.array(
            names.enumerated().compactMap { i, name in
                do throws(FormatError) {
                    return try FormatCompiler.header(name.lowercased(), isRequest: isRequest, in: arena)
                } catch {
                    diagnostics.error(place.at(field, i), error.description, found: error.found, expected: error.expected)
                    return nil
                }
            })
    }

    func states(_ names: [String]) -> FrozenArray<LoggedState> {
        arena.array(
            names.compactMap { name in
                switch name {
                case "envoy.filters.http.grpc_stats": LoggedState(.grpcStats, arena.text(name))
                case "envoy.network.proxy_protocol.tlv": LoggedState(.proxyTLVs, arena.text(name))
                default: nil
                }
            })
    }

    func tags(_ messages: [CustomTagMessage], _ place: Place) -> FrozenArray<LogTag> {
        arena.array(messages.enumerated().compactMap { i, message in tag(message, place.at("custom_tags", i)) })
    }

    private func tag(_ message: CustomTagMessage, _ place: Place) -> LogTag? {
        var tag = LogTag(name: arena.text(message.tag))
        switch message.type {
        case .literal(let literal): tag.value = arena.text(literal.value)
        case .environment(let variable):
            tag.value = arena.text(unsafe getenv(variable.name).map { unsafe String(cString: $0) } ?? variable.defaultValue)
        case .requestHeader(let header):
            tag.format = Formats.compile("%REQ(\(header.name))%", place, part, diagnostics)
            tag.value = arena.text(header.defaultValue)
        case .metadata(let metadata):
            tag.metadata = CustomTags.metadata(metadata, arena)
            if tag.metadata == nil { tag.format = dynamicFormat(metadata).flatMap { Formats.compile($0, place, part, diagnostics) } }
            tag.value = arena.text(metadata.defaultValue)
        case .value(let text): tag.format = Formats.compile(text, place.at("value"), part, diagnostics)
        case .none: return nil
        }
        return tag
    }

    /// Of the request, or of the connection. Nil: a key that no operator can name.
    private func dynamicFormat(_ metadata: CustomTagMessage.Metadata) -> String? {
        let parts = [metadata.metadataKey.key] + metadata.metadataKey.path.map(\.key)
        guard parts.allSatisfy({ !$0.isEmpty && !$0.utf8.contains { [0x3a, 0x29, 0x25].contains($0) } }) else { return nil }
        return "%DYNAMIC_METADATA(\(parts.joined(separator: ":")))%"
    }
}

enum CustomTags {
    /// Nil: metadata of the request, which configuration does not know.
    static func metadata(_ message: CustomTagMessage.Metadata, _ arena: FrozenArena) -> MetadataTag? {
        let owner: MetadataTag.Owner
        switch message.kind.kind {
        case .request, .none: return nil
        case .route: owner = .route
        case .cluster: owner = .cluster
        case .host: owner = .host
        }
        let keys = [message.metadataKey.key] + message.metadataKey.path.map(\.key)
        return MetadataTag(owner, arena.text(keys.flatMap { Array($0.utf8) + [0] }))
    }
}

/// What we call ourselves towards management and log servers.
enum NodeMessages {
    static func node(_ compilation: Compilation) -> Envoy_Config_Core_V3_Node {
        var node = compilation.bootstrap.node
        node.userAgentName = "envoy"
        node.userAgentVersion = compilation.environment.version
        return node
    }
}
