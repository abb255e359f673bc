// `access_log`, wherever it stands: loggers and their formats. The filters are in `AccessLogFilterCompiler`.

import EnvoyAPI
import Pipeline
import Primitives

typealias AccessLogMessage = Envoy_Config_Accesslog_V3_AccessLog
typealias FileAccessLog = Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog
typealias StdoutAccessLog = Envoy_Extensions_AccessLoggers_Stream_V3_StdoutAccessLog
typealias StderrAccessLog = Envoy_Extensions_AccessLoggers_Stream_V3_StderrAccessLog

struct AccessLogCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// Envoy's, for a logger without a format.
    static let defaultFormat =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% "
        + "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
        + "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n"

    /// `place`: the message that has the field `field`.
    func compile(
        _ messages: [AccessLogMessage], _ place: Place, field: StaticString = "access_log"
    ) -> FrozenArray<AccessLogConfig> {
        part.arena.array(
            messages.enumerated().compactMap { i, message in
                let at = place.at(field, i)
                guard var config = logger(message, at) else { return nil }
                if message.hasFilter {
                    config.filter = AccessLogFilterCompiler(compilation: compilation, part: part)
                        .compile(message.filter, at.at("filter"))
                }
                return config
            })
    }

    private enum Kind {
        case file, output, error, httpGRPC, tcpGRPC, openTelemetry, fluentd

        init?(message: String) {
            switch message {
            case FileAccessLog.protoMessageName: self = .file
            case StdoutAccessLog.protoMessageName: self = .output
            case StderrAccessLog.protoMessageName: self = .error
            case HTTPGRPCAccessLog.protoMessageName: self = .httpGRPC
            case TCPGRPCAccessLog.protoMessageName: self = .tcpGRPC
            case OpenTelemetryAccessLog.protoMessageName: self = .openTelemetry
            case FluentdAccessLog.protoMessageName: self = .fluentd
            default: return nil
            }
        }

        init?(name: String) {
            switch ExtensionNames.canonical(name) {
            case "envoy.access_loggers.file": self = .file
            case "envoy.access_loggers.stdout": self = .output
            case "envoy.access_loggers.stderr": self = .error
            case "envoy.access_loggers.http_grpc": self = .httpGRPC
            case "envoy.access_loggers.tcp_grpc": self = .tcpGRPC
            case "envoy.access_loggers.open_telemetry": self = .openTelemetry
            case "envoy.access_loggers.fluentd": self = .fluentd
            default: return nil
            }
        }
    }

    private func logger(_ message: AccessLogMessage, _ place: Place) -> AccessLogConfig? {
        var bytes: [UInt8] = []
        var type = ""
        var kind = Kind(name: message.name)
        if case .typedConfig(let any) = message.configType {
            bytes = any.bytes
            type = any.messageName
            kind = Kind(message: type)
        }
        let at = place.at("typed_config")
        guard let kind else {
            diagnostics.error(
                place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(type)'",
                expected:
                    "envoy.access_loggers.file, stdout, stderr, http_grpc, tcp_grpc, open_telemetry or fluentd")
            return nil
        }
        switch kind {
        case .file:
            guard let file: FileAccessLog = decode(bytes, at) else { return nil }
            guard !file.path.isEmpty else {
                diagnostics.error(
                    at.at("path"), "Proto constraint validation failed (FileAccessLogValidationError.Path: value length must be at least 1 characters)",
                    expected: "the file to write to")
                return nil
            }
            return config(.file(file.path), fileFormat(file, at), at.at("path"))
        case .output:
            guard let stream: StdoutAccessLog = decode(bytes, at) else { return nil }
            let format = stream.accessLogFormat == nil ? defaultFormat() : formats.compile(stream.logFormat, at.at("log_format"))
            return config(.output, format, at)
        case .error:
            guard let stream: StderrAccessLog = decode(bytes, at) else { return nil }
            let format = stream.accessLogFormat == nil ? defaultFormat() : formats.compile(stream.logFormat, at.at("log_format"))
            return config(.error, format, at)
        case .httpGRPC, .tcpGRPC, .openTelemetry, .fluentd: return remote(kind, bytes, at)
        }
    }

    private func remote(_ kind: Kind, _ bytes: [UInt8], _ at: Place) -> AccessLogConfig? {
        let compiler = RemoteLogCompiler(compilation: compilation, part: part)
        let config: RemoteLogConfig?
        switch kind {
        case .httpGRPC: config = (decode(bytes, at) as HTTPGRPCAccessLog?).map { compiler.http($0, at) }
        case .tcpGRPC: config = (decode(bytes, at) as TCPGRPCAccessLog?).map { compiler.tcp($0, at) }
        case .openTelemetry: config = (decode(bytes, at) as OpenTelemetryAccessLog?).flatMap { compiler.openTelemetry($0, at) }
        default: config = (decode(bytes, at) as FluentdAccessLog?).flatMap { compiler.fluentd($0, at) }
        }
        guard let config else { return nil }
        return unsafe AccessLogConfig(remote: part.arena.store(config))
    }

    /// What was read before can only be nested deeper than protobuf goes: a `json_format`.
    private func decode<M: Message>(_ bytes: [UInt8], _ place: Place) -> M? {
        if let message = try? M(serializedBytes: bytes) { return message }
        diagnostics.error(place, "\(M.protoMessageName) is nested too deep", expected: "at most 100 messages inside each other")
        return nil
    }

    private var formats: SubstitutionFormatCompiler {
        SubstitutionFormatCompiler(part: part, diagnostics: diagnostics)
    }

    private func defaultFormat() -> SubstitutionFormat? {
        Formats.compile(AccessLogCompiler.defaultFormat, Place.root, part, diagnostics).map { SubstitutionFormat(.text($0)) }
    }

    private func fileFormat(_ file: FileAccessLog, _ place: Place) -> SubstitutionFormat? {
        switch file.accessLogFormat {
        case .none: defaultFormat()
        case .logFormat(let format): formats.compile(format, place.at("log_format"))
        case .format(let text):
            text.isEmpty
                ? defaultFormat()
                : Formats.compile(text, place.at("format"), part, diagnostics).map { SubstitutionFormat(.text($0)) }
        case .jsonFormat(let fields): formats.json(fields, omitsEmpty: false, place.at("json_format"))
        case .typedJsonFormat(let fields): formats.json(fields, omitsEmpty: false, place.at("typed_json_format"))
        }
    }

    private func config(_ target: LogTarget, _ format: SubstitutionFormat?, _ place: Place) -> AccessLogConfig? {
        guard let format else { return nil }
        do throws(LogSinks.OpenFailure) {
            let lease = try compilation.environment.logSinks.lease(target)
            part.own(lease)
            var config = AccessLogConfig(queue: lease.queue, body: format.body)
            config.missing = format.missing
            return config
        } catch {
            diagnostics.error(place, error.message)
            return nil
        }
    }
}
