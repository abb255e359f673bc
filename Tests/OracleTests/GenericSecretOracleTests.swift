import TestSupport
import Testing

/// Generic secrets that formats write: which configurations Envoy 1.40 and Martlet refuse, and with what phrase; and the same
/// management server for both: what is asked, answered, written, counted and shown.
@Suite(.serialized)
struct GenericSecretOracleTests {
    private let directory = TemporaryDirectory()
    private static let secret = "{name: s, generic_secret: {secret: {inline_string: hunter2}}}"

    private func yaml(_ port: UInt16, secrets: String = secret, _ configs: [String], _ text: String, more: String = "", admin: UInt16? = nil) -> String {
        let formatters = configs.map {
            "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, secret_configs: {\($0)}}}"
        }.joined(separator: ", ")
        return """
            node: {id: the-node, cluster: the-cluster}
            \(admin.map { "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}" } ?? "")
            static_resources:
              secrets: [\(secrets)]
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"]}]}
                      local_reply_config: {body_format: {text_format_source: {inline_string: "\(text)"}, formatters: [\(formatters)]}}
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
              clusters: [\(more)]
            """
    }

    // MARK: Verdicts

    struct Verdict: Sendable, CustomTestStringConvertible {
        var name: String
        var secrets = GenericSecretOracleTests.secret
        var configs = ["a: {name: s}"]
        var text = "%SECRET(a)%"
        /// What both say; nil: both take it.
        var phrase: String?
        var testDescription: String { name }
    }

    private static func generic(_ source: String) -> String { "{name: s, generic_secret: {secret: \(source)}}" }

    static let verdicts: [Verdict] = [
        .init(name: "right"),
        .init(name: "unused", text: "-"),
        .init(name: "length", text: "%SECRET(a):3%"),
        .init(name: "length_of_none", text: "%SECRET(a):0%"),
        .init(name: "empty_key", configs: ["\"\": {name: s}"], text: "%SECRET% %SECRET()%"),
        .init(name: "key_with_colon", configs: ["\"a:b\": {name: s}"], text: "%SECRET(a:b)%"),
        .init(name: "no_formatter", configs: [], phrase: "Not supported field in StreamInfo: SECRET"),
        .init(name: "no_configs", configs: [""], phrase: "value must contain at least 1 pair(s)"),
        .init(name: "no_name", configs: ["a: {}"], phrase: "value length must be at least 1 characters"),
        .init(name: "another_key", configs: ["b: {name: s}"], phrase: "envoy.formatter.generic_secret: secret 'a' is not configured in secret_configs"),
        .init(name: "no_argument", text: "%SECRET%", phrase: "envoy.formatter.generic_secret: secret '' is not configured in secret_configs"),
        .init(name: "spaces", text: "%SECRET( a )%", phrase: "envoy.formatter.generic_secret: secret ' a ' is not configured in secret_configs"),
        .init(name: "missing", configs: ["a: {name: t}"], phrase: "envoy.formatter.generic_secret: secret 't' not found in static bootstrap resources"),
        .init(
            name: "missing_and_unused", configs: ["a: {name: s}, b: {name: t}"],
            phrase: "envoy.formatter.generic_secret: secret 't' not found in static bootstrap resources"),
        .init(
            name: "another_kind", secrets: "{name: s, session_ticket_keys: {keys: [{inline_string: hunter2}]}}",
            phrase: "envoy.formatter.generic_secret: secret 's' not found in static bootstrap resources"),
        .init(
            name: "second_formatter", configs: ["a: {name: s}", "b: {name: s}"], text: "%SECRET(b)%",
            phrase: "envoy.formatter.generic_secret: secret 'b' is not configured in secret_configs"),
        .init(
            name: "second_formatter_wrong", configs: ["a: {name: s}", "a: {name: t}"],
            phrase: "envoy.formatter.generic_secret: secret 't' not found in static bootstrap resources"),
        .init(name: "no_source", secrets: generic("{}"), phrase: "field: \"specifier\", reason: is required"),
        .init(name: "no_secret", secrets: "{name: s, generic_secret: {}}"),
        .init(name: "named_secrets", secrets: "{name: s, generic_secret: {secrets: {k: {inline_string: hunter2}}}}"),
        .init(name: "empty", secrets: generic("{inline_string: \"\"}")),
        .init(name: "file", secrets: generic("{filename: /etc/passwd}")),
        .init(name: "missing_file", secrets: generic("{filename: /nonexistent/s}"), phrase: "Invalid path: /nonexistent/s"),
        .init(name: "missing_file_unused", secrets: generic("{filename: /nonexistent/s}"), text: "-", phrase: "Invalid path: /nonexistent/s"),
        .init(name: "variable", secrets: generic("{environment_variable: PATH}")),
        .init(
            name: "missing_variable", secrets: generic("{environment_variable: MARTLET_NOT_THERE}"),
            phrase: "Environment variable doesn't exist: MARTLET_NOT_THERE"),
        .init(
            name: "missing_response", configs: ["a: {name: s, sds_config: {path_config_source: {path: /nonexistent/s.yaml}}}"],
            phrase: "paths must refer to an existing path in the system: '/nonexistent/s.yaml' does not exist"),
        .init(name: "no_config_source", configs: ["a: {name: s, sds_config: {}}"], phrase: "field: \"config_source_specifier\", reason: is required"),
        .init(name: "response_without_name", configs: ["a: {sds_config: {path_config_source: {path: /etc/passwd}}}"], phrase: "value length must be at least 1 characters"),
    ]

    @Test(arguments: verdicts) func verdictIsEnvoys(_ verdict: Verdict) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let file = directory.write(yaml(Ports.free(), secrets: verdict.secrets, verdict.configs, verdict.text), to: "config.yaml")
        for (binary, options) in [(envoy, ["-l", "error"]), (martlet, [])] {
            let process = try ChildProcess(binary, ["-c", file, "--mode", "validate"] + options)
            let status = process.waitForExit(upToMs: 60_000)
            #expect((status == 0) == (verdict.phrase == nil), "\(binary): \(process.output.suffix(500))")
            if let phrase = verdict.phrase { #expect(process.output.contains(phrase), "\(binary): \(process.output.suffix(500))") }
        }
    }

    // MARK: Of a management server

    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"), arguments: ["GRPC", "DELTA_GRPC"])
    func theConversationIsEnvoys(api: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try conversation(envoy, ["--disable-hot-restart", "-l", "error"], api)
        let found = try conversation(martlet, [], api)
        #expect(expected.contains { $0.contains("<first>") } && expected.contains { $0.contains("<second>") }, "Envoy talked: \(expected)")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    private func conversation(_ binary: String, _ options: [String], _ api: String) throws -> [String] {
        let manager = try ManagementServer()
        let admin = Admin(port: Ports.free())
        let port = Ports.free()
        let source =
            "a: {name: s, sds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}}"
        let cluster =
            "{name: sds, connect_timeout: 10s, load_assignment: {cluster_name: sds, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(manager.port)}}}}]}]}, \(GenericSecretOracleTests.http2)}"
        let file = directory.write(yaml(port, [source], "<%SECRET(a)%>", more: cluster, admin: admin.port), to: "config.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        _ = manager.lines("request", 1)
        var seen: [String] = []
        var answers = 1
        func body() -> String {
            var client = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
            client.closeLimitMs = 0
            return (try? client.run(port: port))?.responses.last.map { String(decoding: $0.body, as: UTF8.self) } ?? "none"
        }
        func step(_ what: String, becomes wanted: String) throws {
            answers += 1
            let last = manager.lines("request", answers).last
            if answers == 2 { try #require(process.becomesReady(admin: admin.port), "\(process.output)") }
            _ = wait(upToMs: 10_000, everyMs: 20) { body() == wanted }
            let error = last?["error"]?.string ?? ""
            let dump = String(wire: admin.request("GET", "/config_dump?mask=dynamic_active_secrets,dynamic_warming_secrets")?.body ?? [])
            // Envoy writes bytes that are redacted in base64.
            let whole = try JSON(parsing: dump.replacing(text: "W3JlZGFjdGVkXQ==", by: "[redacted]"))["configs"]?.array?.first
            let shown = ["dynamic_active_secrets", "dynamic_warming_secrets"].flatMap { kind in
                (whole?[kind]?.array ?? []).map { "\(kind) \($0["name"]?.string ?? "") \($0["version_info"]?.string ?? "") \($0["secret"]?.text() ?? "")" }
            }
            seen.append("\(what): \(body()), \(last?["code"]?.text() ?? "") \(error.hasPrefix("Invalid path: /etc/martlet-not-there") ? "Invalid path" : error), \(shown.joined(separator: "; "))")
        }
        func value(_ source: String) -> String { "\"generic_secret\": {\"secret\": {\(source)}}" }
        manager.give("s", "1", value("\"inline_string\": \"first\""))
        try step("first", becomes: "<first>")
        manager.give("s", "2", value("\"inline_bytes\": \"c2Vjb25k\""))
        try step("second", becomes: "<second>")
        manager.give("s", "3", value("\"filename\": \"\(directory.write("of a file", to: "value"))\""))
        try step("file", becomes: "<of a file>")
        manager.give("s", "4", value("\"inline_string\": \"\""))
        try step("empty", becomes: "<->")
        manager.give("s", "5", value("\"environment_variable\": \"MARTLET_SECRET_OF_ORACLE\""))
        try step("variable that is not there", becomes: "<->")
        manager.give("s", "6", value("\"inline_string\": \"sixth\""))
        try step("after that", becomes: "<sixth>")
        manager.give("s", "7", value("\"filename\": \"/etc/martlet-not-there\""))
        try step("missing file", becomes: "<sixth>")
        manager.give("s", "8", "\"generic_secret\": {\"secrets\": {\"k\": {\"inline_string\": \"x\"}}}")
        try step("named", becomes: "<->")
        manager.give("s", "9", value("\"inline_string\": \"ninth\""))
        try step("ninth", becomes: "<ninth>")
        manager.give("s", "10", "\"session_ticket_keys\": {\"keys\": [{\"inline_string\": \"x\"}]}")
        try step("another kind", becomes: "<->")
        let names = ["init_fetch_timeout", "key_rotation_failed", "update_attempt", "update_failure", "update_rejected", "update_success"].map { "sds.s." + $0 }
        let counted = admin.stats(matching: "^sds")
        return seen + names.map { "\($0) \(counted[$0] ?? -1)" }
    }
}
