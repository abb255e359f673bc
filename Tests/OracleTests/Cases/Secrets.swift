import TestSupport

extension Groups {
    /// `%SECRET(name)%` of static secrets, in access logs and in bodies of local replies. Those of management servers are in
    /// GenericSecretOracleTests.
    static let secrets = Group(
        name: "secrets",
        secrets: """
            - {name: text, generic_secret: {secret: {inline_string: "hunter2 und größer"}}}
            - {name: empty, generic_secret: {secret: {inline_string: ""}}}
            - {name: none, generic_secret: {}}
            - {name: named, generic_secret: {secrets: {k: {inline_string: x}}}}
            - {name: both, generic_secret: {secret: {inline_string: first}, secrets: {k: {inline_string: x}}}}
            - {name: bytes, generic_secret: {secret: {inline_bytes: "YQD/IiAKXGI="}}}
            - {name: lines, generic_secret: {secret: {inline_string: "a b\\n"}}}
            - {name: file, generic_secret: {secret: {filename: "{{certs}}/ca.pem"}}}
            - {name: variable, generic_secret: {secret: {environment_variable: PATH}}}
            - {name: operator, generic_secret: {secret: {inline_string: "%REQ(x)% %%"}}}
            """,
        listeners: [
            logged("text", "{text_format_source: {inline_string: '\(operators.joined(separator: " | "))\n\n'}, formatters: [\(formatter)]}"),
            logged("omitting", "{text_format_source: {inline_string: '\(operators.joined(separator: " | "))\n\n'}, omit_empty_values: true, formatters: [\(formatter)]}"),
            logged("json", "{json_format: {\(members)}, formatters: [\(formatter)]}"),
            logged("json_omitting", "{json_format: {\(members)}, omit_empty_values: true, formatters: [\(formatter)]}"),
            replied("body", "{text_format_source: {inline_string: \"[\(operators.joined(separator: "|"))]\"}, formatters: [\(formatter)]}"),
            replied("json_body", "{json_format: {\(members)}, formatters: [\(formatter)]}"),
        ],
        clusters: [Group.up],
        cases: ["text", "omitting", "json", "json_omitting", "body", "json_body"].map { listener in
            Case("secrets." + listener, request("GET /nowhere", "x-none: 1\r\n"), on: listener)
        })

    private static let names = ["text", "empty", "none", "named", "both", "bytes", "lines", "operator"]

    private static let formatter =
        "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, secret_configs: {"
        + (names + ["file", "variable"]).map { "\($0): {name: \($0)}" }.joined(separator: ", ") + ", \"\": {name: text}, \"a:b\": {name: text}}}}"

    private static let operators =
        names.map { "%SECRET(\($0))%" } + ["%SECRET(file):27%", "%SECRET(variable):1%", "%SECRET(text):3%", "%SECRET(text):0%", "%SECRET(text):1000%", "%SECRET%", "%SECRET()%", "%SECRET(a:b)%"]

    private static let members =
        names.flatMap { ["\($0): \"%SECRET(\($0))%\"", "\($0)_around: \"<%SECRET(\($0)):4%>\""] }.joined(separator: ", ")
        + ", file: \"%SECRET(file):27%\", variable: \"%SECRET(variable):1%\""

    private static let nobody = "- {name: all, domains: [\"*\"], routes: [{match: {path: /up}, route: {cluster: up}}]}"

    private static func logged(_ name: String, _ format: String) -> Group.Listener {
        .init(name: name, virtualHosts: nobody, logFormat: format)
    }

    private static func replied(_ name: String, _ format: String) -> Group.Listener {
        .init(name: name, manager: "local_reply_config: {body_format: \(format)}", virtualHosts: nobody)
    }
}
