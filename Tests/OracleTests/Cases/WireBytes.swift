import TestSupport

extension Groups {
    /// What lines of access logs tell of the bytes of each side, and of how and why connections ended. Of HTTP/2 only what
    /// comes is compared, and what goes as names and values: two encoders of HPACK need not agree on the rest.
    static let wireBytes = Group(
        name: "wire_bytes",
        listeners: [
            .init(name: "both", manager: "http_protocol_options: {enable_trailers: true}", virtualHosts: routes("up"), router: quiet,
                  logFormat: text(received + sent), chain: "name: the-chain"),
            .init(name: "plain", virtualHosts: routes("plain"), router: quiet, logFormat: text(received + sent)),
            .init(name: "framed", virtualHosts: routes("framed"), router: quiet,
                  logFormat: text(received + ["%UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%", "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%"])),
            .init(name: "h2", virtualHosts: routes("up"), router: quiet,
                  logFormat: text(["%BYTES_RECEIVED%", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "%DOWNSTREAM_HEADER_BYTES_RECEIVED%",
                                   "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%", "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%"])),
            .init(name: "ends", virtualHosts: """
                - name: one
                  domains: ["*"]
                  metadata: {filter_metadata: {com.test: {k: of-the-host}}}
                  routes:
                  - match: {prefix: /up}
                    route: {cluster: up}
                  - match: {prefix: /refused}
                    route: {cluster: refused}
                  - match: {prefix: /none}
                    route: {cluster: none}
                  - match: {prefix: /direct}
                    direct_response: {status: 200}
                """, logFormat: text(["%METADATA(VIRTUAL_HOST:com.test:k)%"] + ends), chain: "name: the-chain"),
            .init(name: "tries_framed", networkFilter: tries("framed")), .init(name: "tries_plain", networkFilter: tries("plain")),
            .init(name: "tcp", chain: "name: tcp-chain", networkFilter: proxy("up")),
            .init(name: "tcp_idle", networkFilter: proxy("up", "idle_timeout: 0.2s")),
            .init(name: "tcp_short", networkFilter: proxy("up", "max_downstream_connection_duration: 0.2s")),
            .init(name: "tcp_refused", networkFilter: proxy("refused")), .init(name: "tcp_none", networkFilter: proxy("none")),
        ],
        clusters: [
            .init("up", [.scripted("a")], http1Options("enable_trailers: true")), .init("plain", [.scripted("a")]),
            .init("framed", [.scripted("a")], """
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                """),
            .init("refused", [.refused]), .init("none", []),
        ],
        cases: http1Cases + http2Cases + endCases)

    private static let quiet = "suppress_envoy_headers: true"
    private static let received = [
        "%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%BYTES_RECEIVED%", "%BYTES_SENT%", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
        "%DOWNSTREAM_HEADER_BYTES_RECEIVED%", "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%", "%UPSTREAM_WIRE_BYTES_RECEIVED%",
        "%UPSTREAM_HEADER_BYTES_RECEIVED%",
    ]
    private static let sent = [
        "%DOWNSTREAM_WIRE_BYTES_SENT%", "%DOWNSTREAM_HEADER_BYTES_SENT%", "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%",
        "%UPSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_HEADER_BYTES_SENT%",
    ]
    private static let ends = [
        "%FILTER_CHAIN_NAME%", "%RESPONSE_FLAGS%", "%DOWNSTREAM_DETECTED_CLOSE_TYPE%", "%UPSTREAM_DETECTED_CLOSE_TYPE%",
        "%DOWNSTREAM_LOCAL_CLOSE_REASON%", "%UPSTREAM_LOCAL_CLOSE_REASON%",
    ]

    private static func text(_ operators: [String]) -> String {
        "{text_format_source: {inline_string: '\(operators.joined(separator: " "))\n\n'}}"
    }

    private static func routes(_ cluster: String) -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /retry}
            route: {cluster: \(cluster), retry_policy: {retry_on: "5xx", num_retries: 2, retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /direct}
            direct_response: {status: 404, body: {inline_string: nothing here}}
          - match: {prefix: /}
            route: {cluster: \(cluster)}
        """
    }

    private static func proxy(_ cluster: String, _ fields: String = "") -> String {
        """
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: tcp
            cluster: \(cluster)
            \(fields)
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: \(text(ends))
        """
    }

    /// A connection manager without a log of its own: lines of its tries alone.
    private static func tries(_ cluster: String) -> String {
        let format = [
            "%RESPONSE_CODE%", "%BYTES_RECEIVED%", "%BYTES_SENT%", "%UPSTREAM_WIRE_BYTES_RECEIVED%", "%UPSTREAM_HEADER_BYTES_RECEIVED%",
            "%UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%",
        ]
        return """
        - name: envoy.filters.network.http_connection_manager
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: tries_\(cluster)
            route_config:
              virtual_hosts:
        \(routes(cluster).indented(6).dropLast(1))
            http_filters:
            - name: envoy.filters.http.router
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                suppress_envoy_headers: true
                upstream_log:
                - name: envoy.access_loggers.file
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                    path: {{dir}}/access.log
                    log_format: \(text(format))
        """
    }

    // MARK: Cases

    private static let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: tv\r\n\r\n"
    private static let refusal = "HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"
    private static let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    private static func wire(_ name: String, _ request: String, on listener: String = "plain") -> Case {
        Case("wire_bytes." + name, request, on: listener)
    }

    private static let http1Cases: [Case] = [
        wire("get", request("GET /")), wire("local", request("GET /direct")),
        wire("chunked_answer", request("GET /")).replying(chunked),
        wire("chunked_answer_with_trailers", request("GET /"), on: "both").replying(chunked),
        wire("chunked_request", request("POST /", "transfer-encoding: chunked\r\n") + "4\r\nbody\r\n0\r\n\r\n"),
        wire("chunked_request_with_trailers", request("POST /", "transfer-encoding: chunked\r\n") + "4\r\nbody\r\n0\r\nx-t: v\r\n\r\n", on: "both"),
        wire("other_reason", request("GET /")).replying(refusal),
        wire("interim", request("GET /")).replying("HTTP/1.1 103 Early Hints\r\nx-i: 1\r\n\r\n" + answer),
        wire("head", request("HEAD /")).replying("HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n"),
        wire("retried", request("GET /retry")).upstream(.steps(.readRequest, .send(refusal), .readRequest, .send(answer), .close)),
        wire("retried_body", request("POST /retry", "content-length: 4\r\n") + "body")
            .upstream(.steps(.readRequest, .send(refusal), .readRequest, .send(refusal), .readRequest, .send(answer), .close)),
        wire("not_http", "xx\r\n\r\n"), wire("bad_field", "GET /bad HTTP/1.1\r\nhost: a\r\nfoo bar\r\n\r\n"),
        wire("logged_by_tries_alone", request("POST /", "content-length: 4\r\n") + "body", on: "tries_plain"),
        wire("retried_and_logged_by_tries_alone", request("GET /retry"), on: "tries_plain")
            .upstream(.steps(.readRequest, .send(refusal), .readRequest, .send(answer), .close)),
        Case("wire_bytes.continue", steps: [
            .send(request("POST /", "content-length: 5\r\nexpect: 100-continue\r\n")), .awaitText("100 "), .send("hello"),
        ], on: "plain"),
        Case("wire_bytes.continue_and_gone", steps: [
            .send(request("POST /", "content-length: 5\r\nexpect: 100-continue\r\n")), .awaitText("100 "), .close,
        ], on: "plain").with { $0.ignoring = [.upstream] },
    ]

    private static func framed(_ name: String, _ steps: [H2Step], on listener: String = "framed", _ servers: [H2Step]...) -> Case {
        var test = Case("wire_bytes." + name, frames: steps, on: listener)
        if !servers.isEmpty { test.upstreams["a"] = UpstreamScript(servers.map { [.http2($0)] }) }
        test.resetIsClose = true
        return test
    }

    private static func head(_ stream: UInt32, _ status: String, _ more: [(String, String)] = [], ends: Bool = false) -> H2Frame {
        .head(stream, [(":status", status)] + more, flags: ends ? 5 : 4)
    }

    private static let http2Cases: [Case] = [
        framed("upstream_of_http2", [.send([ask("GET", "/up")]), .awaitEnd(1)], [.awaitEnd(1), .send([head(1, "200", [("x-a", "b")]), data("some"), data(" more", ends: true)])]),
        framed("upstream_of_http2_with_trailers", [.send([ask("POST", "/up", ends: false), data("hi"), .head(1, [("x-end", "1")])]), .awaitEnd(1)],
               [.awaitEnd(1), .send([head(1, "200"), data("ok"), .head(1, [("x-end", "1")])])]),
        framed("upstream_of_http2_with_an_interim", [.send([ask("GET", "/up")]), .awaitEnd(1)], [.awaitEnd(1), .send([head(1, "103"), head(1, "200", ends: true)])]),
        framed("retried_upstream_of_http2", [.send([ask("GET", "/retry")]), .awaitEnd(1)],
               [.awaitEnd(1), .send([head(1, "503", ends: true)]), .awaitEnd(3), .send([head(3, "200"), data("ok", on: 3, ends: true)])]),
        framed("logged_by_tries_alone_over_http2", [.send([ask("POST", "/up", ends: false), data("hi", ends: true)]), .awaitEnd(1)], on: "tries_framed",
               [.awaitEnd(1), .send([head(1, "200", [("x-a", "b")]), data("some"), data(" more", ends: true)])]),
        framed("client_of_http2", [.send([ask("GET", "/")]), .awaitEnd(1)], on: "h2"),
        framed("client_of_http2_with_a_body", [.send([ask("POST", "/", [("x-a", "b")], ends: false), data("some"), data(" more", ends: true)]), .awaitEnd(1)], on: "h2"),
        framed("client_of_http2_with_trailers", [.send([ask("POST", "/", ends: false), data("hi"), .head(1, [("x-end", "1")])]), .awaitEnd(1)], on: "h2"),
        framed("client_of_http2_continues", [.send([ask("POST", "/", [("expect", "100-continue")], ends: false)]), .awaitHead(1), .send([data("x", ends: true)]), .awaitEnd(1)], on: "h2"),
    ]

    private static func tcp(_ name: String, _ steps: [RawClient.Step], on listener: String, _ upstream: [UpstreamStep]) -> Case {
        Case("wire_bytes." + name, steps: steps, on: listener, methods: []).upstream(UpstreamScript([upstream])).with { $0.resetIsClose = true }
    }

    private static let endCases: [Case] = [
        wire("ends_of_a_request", request("GET /up"), on: "ends"), wire("ends_refused", request("GET /refused"), on: "ends"),
        wire("ends_without_a_host", request("GET /none"), on: "ends"), wire("ends_without_a_route", request("GET /else"), on: "ends"),
        wire("ends_of_a_local_answer", request("GET /direct"), on: "ends"),
        tcp("tcp_upstream_ends", [.send("ping"), .awaitText("pong!")], on: "tcp", [.readText("ping"), .send("pong!"), .close]),
        tcp("tcp_client_resets", [.send("ping"), .awaitText("pong!"), .reset], on: "tcp", [.readText("ping"), .send("pong!"), .delay(ms: 500)]),
        tcp("tcp_upstream_resets", [.send("ping"), .awaitText("never")], on: "tcp", [.readText("ping"), .reset]),
        tcp("tcp_idle", [.send("ping"), .awaitText("never")], on: "tcp_idle", [.readText("ping"), .delay(ms: 3_000)]),
        tcp("tcp_too_long", [.send("ping"), .awaitText("never")], on: "tcp_short", [.readText("ping"), .delay(ms: 3_000)]),
        tcp("tcp_is_refused", [.send("x"), .awaitText("never")], on: "tcp_refused", []),
        tcp("tcp_without_a_host", [.send("x"), .awaitText("never")], on: "tcp_none", []),
    ]
}
