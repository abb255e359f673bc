// `application_log_config`: the log's line format from the bootstrap, as text or as a JSON object.

import EnvoyAPI

package enum ApplicationLog {
    /// `hasFormat`: `--log-format` was given; both at once is a mistake.
    package static func apply(_ document: ConfigDocument, to log: Log, hasFormat: Bool) throws(ServerError) {
        let config = document.bootstrap.applicationLogConfig
        guard config.hasLogFormat, let format = config.logFormat.logFormat else { return }
        if hasFormat {
            throw .config(
                ConfigErrors([
                    ConfigError(
                        path: "application_log_config.log_format",
                        message:
                            "Only one of ApplicationLogConfig.log_format or CLI option --log-format can be specified.")
                ]))
        }
        switch format {
        case .textFormat(let text): log.use(LogPattern(text))
        case .jsonFormat(let structure): log.use(LogPattern(json(structure)))
        }
    }

    /// A pattern that writes one JSON object per line; keys in their order.
    static func json(_ structure: Google_Protobuf_Struct) -> String {
        let members = structure.fields.sorted { $0.key < $1.key }.map { JSONText.quoted($0.key) + ":" + json($0.value) }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func json(_ value: Google_Protobuf_Value) -> String {
        switch value.kind {
        case .stringValue(let text): JSONText.quoted(text)
        case .numberValue(let number): JSONText.number(number)
        case .boolValue(let flag): flag ? "true" : "false"
        case .structValue(let inner): json(inner)
        case .listValue(let list): "[" + list.values.map(json).joined(separator: ",") + "]"
        case .nullValue, nil: "null"
        }
    }
}
