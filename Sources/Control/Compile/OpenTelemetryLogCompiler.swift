// `envoy.access_loggers.open_telemetry`: OTLP logs over gRPC or HTTP.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

typealias OpenTelemetryAccessLog = Envoy_Extensions_AccessLoggers_OpenTelemetry_V3_OpenTelemetryAccessLogConfig
private typealias AnyValue = Opentelemetry_Proto_Common_V1_AnyValue

extension RemoteLogCompiler {
    /// Nil after an error.
    func openTelemetry(_ message: OpenTelemetryAccessLog, _ place: Place) -> RemoteLogConfig? {
        // The older way to say half of it.
        let common = message.commonConfig
        let transports = [message.hasGrpcService, message.hasHTTPService, message.hasCommonConfig && common.hasGrpcService]
        guard transports.contains(true) else {
            diagnostics.error(
                place,
                "OpenTelemetry access logger requires one of: grpc_service, http_service, or common_config.grpc_service to be configured.")
            return nil
        }
        guard transports.filter({ $0 }).count == 1 else {
            diagnostics.error(
                place,
                "OpenTelemetry access logger can only have one transport configured. Specify exactly one of: grpc_service, http_service, or common_config.grpc_service.")
            return nil
        }
        var export = exports.config()
        count(message, &export)
        let interval = message.hasBufferFlushInterval ? message.bufferFlushInterval.milliseconds
            : common.hasBufferFlushInterval ? common.bufferFlushInterval.milliseconds : nil
        let bytes = message.hasBufferSizeBytes ? message.bufferSizeBytes.value : common.hasBufferSizeBytes ? common.bufferSizeBytes.value : nil
        limits(interval, bytes, &export)
        if message.hasHTTPService {
            exports.http(message.httpService, place.at("http_service"), &export, missing: unknownCluster)
        } else {
            let service = message.hasGrpcService ? message.grpcService : common.grpcService
            let at = message.hasGrpcService ? place.at("grpc_service") : place.at("common_config").at("grpc_service")
            exports.grpc(
                service, method: "/opentelemetry.proto.collector.logs.v1.LogsService/Export", hasDeadline: false, at, &export,
                missing: unknownCluster)
        }
        (export.layers, export.head) = exports.otlpLayers(resource: resource(message, place), scope: [])
        var compiler = self
        compiler.extensions = FormatExtensions(message.formatters, place, part, diagnostics)
        var isRight = true
        var body: [OTLPToken] = []
        if message.hasBody { compiler.add(message.body, key: nil, depth: 0, place.at("body"), &body, &isRight) }
        var attributes: [OTLPToken] = []
        for (i, attribute) in message.attributes.values.enumerated() {
            compiler.add(attribute.value, key: attribute.key, depth: 0, place.at("attributes").at("values", i), &attributes, &isRight)
        }
        guard isRight else { return nil }
        var config = unsafe RemoteLogConfig(.openTelemetry, arena.store(export))
        config.body = arena.array(body)
        config.attributes = arena.array(attributes)
        config.tags = tags(message.customTags.isEmpty ? common.customTags : message.customTags, place)
        config.states = states(
            message.filterStateObjectsToLog.isEmpty ? common.filterStateObjectsToLog : message.filterStateObjectsToLog)
        return config
    }

    private func count(_ message: OpenTelemetryAccessLog, _ export: inout ExportConfig) {
        let prefix = "access_logs.open_telemetry_access_log." + message.statPrefix
        let stats = part.processScope(compilation.stats, prefix, RemoteLogStat.self)
        export.stats.delivered = stats[.logsWritten]
        export.stats.lost = stats[.logsDropped]
        export.stats.dropped = stats[.logsDropped]
        // There in Envoy, and 0: what is sent is counted by its answer.
        if !message.hasHTTPService { _ = part.processScope(compilation.stats, prefix, GRPCLogStat.self) }
    }

    // MARK: Resource

    /// What the bootstrap says of us, what detectors find, then what the logger says.
    private func resource(_ message: OpenTelemetryAccessLog, _ place: Place) -> [UInt8] {
        let node = compilation.bootstrap.node
        var attributes = ResourceAttributes()
        if !message.disableBuiltinLabels {
            let name = message.logName.isEmpty ? message.commonConfig.logName : message.logName
            attributes = ResourceAttributes([
                ("log_name", name), ("zone_name", node.locality.zone), ("cluster_name", node.cluster), ("node_name", node.id),
            ])
        }
        for (key, value) in ResourceCompiler(compilation: compilation).detected(message.resourceDetectors, place) {
            attributes.set(key, value)
        }
        let own = message.resourceAttributes.values.compactMap { try? $0.serializedBytes() as [UInt8] }
        return OTLPResource.wrapped { inner in
            for (key, value) in attributes.list {
                Array(key.utf8).withBytes { key in
                    Array(value.utf8).withBytes { value in OTLP.put(attribute: key, value, number: 1, &inner) }
                }
            }
            for bytes in own { bytes.withBytes { inner.put(field: 1, $0) } }
        }
    }

    // MARK: Values

    private func add(
        _ value: AnyValue, key: String?, depth: Int, _ place: Place, _ tokens: inout [OTLPToken], _ isRight: inout Bool
    ) {
        guard depth <= FormatWriter.jsonDepthMax else {
            diagnostics.error(place, "values are nested deeper than \(FormatWriter.jsonDepthMax) levels")
            isRight = false
            return
        }
        switch value.value {
        case .stringValue(let text):
            guard let format = Formats.compile(text, place, part, diagnostics, extensions) else {
                isRight = false
                return
            }
            var token = token(.text, key)
            token.format = format
            tokens.append(token)
        case .arrayValue(let list):
            tokens.append(token(.beginList, key))
            for element in list.values { add(element, key: nil, depth: depth + 1, place, &tokens, &isRight) }
            tokens.append(OTLPToken(.end))
        case .kvlistValue(let map):
            tokens.append(token(.beginMap, key))
            for member in map.values { add(member.value, key: member.key, depth: depth + 1, place, &tokens, &isRight) }
            tokens.append(OTLPToken(.end))
        default:
            diagnostics.error(
                place, "Only string values, nested key value lists and array values are supported in OpenTelemetry access log format.")
            isRight = false
        }
    }

    private func token(_ kind: OTLPToken.Kind, _ key: String?) -> OTLPToken {
        var token = OTLPToken(kind)
        token.hasKey = key != nil
        token.key = arena.text(key ?? "")
        return token
    }
}
