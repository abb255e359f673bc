import TestSupport

extension Groups {
    /// Copies of requests for another cluster.
    static let mirroring = Group(
        name: "mirroring",
        listeners: [
            .init(name: "main", routeTable: "request_mirror_policies: [{cluster: t}]", virtualHosts: mirroringHosts),
            .init(name: "told", virtualHosts: mirroringHosts, router: mirrorLog, log: "filter: {header_filter: {header: {name: x-none}}}"),
        ],
        clusters: [Group.up, .init("s", [.scripted("s")]), .init("t", [.scripted("t")]), .init("refused", [.refused]), .init("none", [])],
        bootstrap: """
            layered_runtime: {layers: [{name: base, static_layer: {mirror: {share: 0}}}]}
            """,
        cases: mirroringCases)

    /// `upstream_log` of copies alone, and nothing else in the file.
    private static let mirrorLog = """
        suppress_envoy_headers: true
        upstream_log:
        - name: envoy.access_loggers.file
          filter: {header_filter: {header: {name: ":authority", string_match: {contains: "-shadow"}}}}
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
            path: {{dir}}/access.log
            log_format: {text_format_source: {inline_string: "\(mirrorFormat.map { "\($0)=%\($0)%" }.joined(separator: " | "))\\n"}}
        """

    private static let mirrorFormat = [
        "ACCESS_LOG_TYPE", "UPSTREAM_CLUSTER", "UPSTREAM_HOST", "REQ(:METHOD)", "REQ(:AUTHORITY)", "REQ(:PATH)", "REQ(X-FORWARDED-FOR)", "PROTOCOL",
        "UPSTREAM_PROTOCOL", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "RESP(X-UPSTREAM)", "BYTES_RECEIVED", "BYTES_SENT",
        "UPSTREAM_WIRE_BYTES_SENT", "UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_REQUEST_ATTEMPT_COUNT", "UPSTREAM_TRANSPORT_FAILURE_REASON",
        "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "REQUESTED_SERVER_NAME", "ROUTE_NAME",
        "VIRTUAL_CLUSTER_NAME", "STREAM_ID", "TRACE_ID", "CONNECTION_TERMINATION_DETAILS", "FILTER_CHAIN_NAME", "CONNECTION_ID",
    ]

    private static func mirrored(_ name: String, _ policies: String, _ more: String = "") -> String {
        "  - {name: \(name), match: {prefix: /\(name)}, route: {cluster: up, request_mirror_policies: [\(policies)]\(more)}}\n"
    }

    private static let mirroringHosts = """
        - name: all
          domains: ["*"]
          routes:

        """ + mirrored("plain", "{cluster: s}") + mirrored("two", "{cluster: s}, {cluster: t}")
        + mirrored("header", "{cluster_header: x-mirror}") + mirrored("never", "{cluster: s, runtime_fraction: {default_value: {numerator: 0}}}")
        + mirrored("by_runtime", "{cluster: s, runtime_fraction: {default_value: {numerator: 100}, runtime_key: mirror.share}}")
        + mirrored("no_suffix", "{cluster: s, disable_shadow_host_suffix_append: true}")
        + mirrored("host", "{cluster: s, host_rewrite_literal: copy.test}")
        + mirrored("with_port", "{cluster: s, host_rewrite_literal: \"copy.test:8080\"}")
        + mirrored("bare", "{cluster: s, host_rewrite_literal: copy.test, disable_shadow_host_suffix_append: true}")
        + mirrored(
            "mutated",
            "{cluster: s, request_headers_mutations: [{append: {header: {key: x-path, value: \"%REQ(:PATH)%\"}}}, {remove: x-gone}, {append: {header: {key: x-over, value: new}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]}"
        )
        + mirrored("rewritten", "{cluster: s}", ", prefix_rewrite: /new, host_rewrite_literal: inside.test, timeout: 3s")
        + mirrored("refused", "{cluster: refused}") + mirrored("none", "{cluster: none}") + """
          - {name: redirect, match: {prefix: /redirect}, redirect: {host_redirect: away.test}}
          - {name: inherited, match: {prefix: /inherited}, route: {cluster: up}}
        - name: host
          domains: [host.test]
          request_mirror_policies: [{cluster: s}]
          routes: [{name: host, match: {prefix: /}, route: {cluster: up}}]
        """

    private static func mirror(_ name: String, _ path: String, _ more: String = "") -> Case {
        Case("mirroring." + name, request("GET " + path, more))
    }

    private static func post(_ name: String, _ path: String, _ more: String, _ body: String) -> Case {
        Case("mirroring." + name, request("POST " + path, more) + body)
    }

    private static func told(_ name: String, _ request: String) -> Case {
        Case("mirroring.told_" + name, request, on: "told")
    }

    private static let mirroringCases: [Case] = [
        mirror("plain", "/plain?q=1"), mirror("two", "/two"), mirror("head", "/plain").with { $0.clients[0].steps = [.send(request("HEAD /plain"))]; $0.clients[0].methods = ["HEAD"] },
        mirror("by_header", "/header", "x-mirror: s\r\n"), mirror("by_header_missing", "/header"), mirror("by_header_unknown", "/header", "x-mirror: nope\r\n"),
        mirror("never", "/never"), mirror("by_runtime", "/by_runtime"), mirror("no_suffix", "/no_suffix"), mirror("host", "/host"), mirror("host_port", "/with_port"),
        mirror("host_bare", "/bare"),
        Case("mirroring.suffix_before_port", "GET /plain HTTP/1.1\r\nhost: h.test:81\r\n\r\n"),
        Case("mirroring.suffix_on_ipv6", "GET /plain HTTP/1.1\r\nhost: [::1]:81\r\n\r\n"),
        mirror("mutated", "/mutated", "x-gone: 1\r\nx-over: old\r\n"), mirror("rewritten", "/rewritten/x"),
        mirror("forwarded_for", "/plain", "x-forwarded-for: 10.1.2.3\r\n"), mirror("timeout_of_the_caller", "/plain", "x-envoy-upstream-rq-timeout-ms: 4000\r\n"),
        mirror("of_the_table", "/inherited"), Case("mirroring.of_the_host", "GET /x HTTP/1.1\r\nhost: host.test\r\n\r\n"),
        mirror("not_of_a_redirect", "/redirect"), mirror("to_refused", "/refused"), mirror("to_an_empty_cluster", "/none"),
        post("body", "/plain", "content-length: 5\r\n", "hello"), post("chunked", "/plain", "transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        post("empty_body", "/plain", "content-length: 0\r\n", ""),
        Case("mirroring.in_parts", steps: [.send(request("POST /plain", "content-length: 5\r\n") + "he"), .pause(ms: 60), .send("llo")]),
        mirror("answer_is_dropped", "/plain").upstream(.always(reply("500 X", body: many("x", 3000))), named: "s"),
        mirror("mirror_closes", "/plain").upstream(.steps(.readRequest, .close), named: "s"),
        Case("mirroring.keep_alive", steps: [.send(request("GET /plain")), .awaitResponse, .pause(ms: 60), .send(request("GET /plain"))])
            .with { $0.clients[0].methods = ["GET", "GET"] },
        told("plain", request("GET /plain")), told("rewritten", request("GET /rewritten/x")),
        told("body", request("POST /plain", "content-length: 5\r\n") + "hello"), told("refused", request("GET /refused")),
        told("closed", request("GET /plain")).upstream(.steps(.readRequest, .close), named: "s"),
        told("failed", request("GET /plain")).upstream(.always(reply("500 X", body: "abc")), named: "s"),
        told("expected", request("GET /plain", "x-envoy-expected-rq-timeout-ms: 7\r\n")),
    ]
}
