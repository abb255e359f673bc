import TestSupport

extension Groups {
    /// `tunneling_config`: what the proxy behind is asked, what its answers mean, who closes when.
    static let tcpTunnels = Group(
        name: "tcp_tunnels",
        listeners: [
            .init(name: "connect", networkFilter: tunnel("h.example:443", to: "up")),
            .init(name: "connect_h2", networkFilter: tunnel("h.example:443", to: "h2")),
            .init(name: "clients", networkFilter: tunnel("h:1", to: "clients")),
            .init(name: "clients_h2", networkFilter: tunnel("h:1", to: "clients_h2")),
            .init(name: "old_clients_h2", networkFilter: tunnel("h:1", to: "old_clients_h2")),
            .init(name: "post", networkFilter: tunnel("h.example:443", "use_post: true, post_path: /tunnel", to: "up")),
            .init(name: "post_h2", networkFilter: tunnel("h.example:443", "use_post: true", to: "h2")),
            .init(name: "twice", networkFilter: tunnel("h.example:443", to: "up", more: "max_connect_attempts: 2")),
            .init(name: "twice_h2", networkFilter: tunnel("h.example:443", to: "h2", more: "max_connect_attempts: 2")),
            .init(name: "refused", networkFilter: tunnel("h:1", to: "refused", more: "max_connect_attempts: 2")),
            .init(name: "refused_h2", networkFilter: tunnel("h:1", to: "refused_h2", more: "max_connect_attempts: 2")),
            .init(name: "none", networkFilter: tunnel("h:1", to: "none")),
            .init(name: "silent", networkFilter: tunnel("h:1", to: "silent")),
            .init(name: "no_requests", networkFilter: tunnel("h:1", to: "no_requests")),
            .init(name: "no_requests_h2", networkFilter: tunnel("h:1", to: "no_requests_h2", more: "max_connect_attempts: 2")),
            .init(name: "no_pending", networkFilter: tunnel("h:1", to: "no_pending", more: "max_connect_attempts: 2")),
            .init(name: "no_connections", networkFilter: tunnel("h:1", to: "no_connections")),
            .init(name: "formats", networkFilter: tunnel("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%:%REQUESTED_SERVER_NAME%", addedHeaders, to: "up")),
            .init(name: "formats_h2", networkFilter: tunnel("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%:%REQUESTED_SERVER_NAME%", addedHeaders, to: "h2")),
            .init(name: "id", networkFilter: tunnel("h:1", id(""), to: "up")),
            .init(name: "named_id", networkFilter: tunnel("h:1", id("request_id_header: X-Tunnel, request_id_metadata_key: k, "
                + #"headers_to_add: [{header: {key: x-same, value: "%DYNAMIC_METADATA(envoy.filters.network.tcp_proxy:k)%"}}]"#), to: "up")),
            .init(name: "id_without_type", networkFilter: tunnel("h:1", "request_id_extension: {}", to: "up")),
            .init(name: "on_data", networkFilter: tunnel("h:1", to: "up", more: "upstream_connect_mode: ON_DOWNSTREAM_DATA\nmax_early_data_bytes: 1024")),
            .init(name: "early", networkFilter: tunnel("h:1", to: "h2", more: "max_early_data_bytes: 1024")),
            .init(name: "silent_early", networkFilter: tunnel("h:1", to: "slow", more: "max_early_data_bytes: 1024")),
            .init(name: "idle", networkFilter: tunnel("h:1", to: "up", more: "idle_timeout: 0.2s")),
            .init(name: "idle_slow", networkFilter: tunnel("h:1", to: "slow", more: "idle_timeout: 0.2s")),
            .init(name: "idle_h2", networkFilter: tunnel("h:1", to: "h2", more: "idle_timeout: 0.2s")),
            .init(name: "short", networkFilter: tunnel("h:1", to: "up", more: "max_downstream_connection_duration: 0.2s")),
            .init(name: "short_h2", networkFilter: tunnel("h:1", to: "h2", more: "max_downstream_connection_duration: 0.2s")),
        ],
        clusters: [
            Group.up, .init("h2", [.scripted("a")], http2Only), .init("refused", [.refused]), .init("refused_h2", [.refused], http2Only),
            .init("clients", [.scripted("a")], options("use_downstream_protocol_config: {http_protocol_options: {}}")),
            .init("clients_h2", [.scripted("a")], options("use_downstream_protocol_config: {http2_protocol_options: {}}")),
            .init("old_clients_h2", [.scripted("a")], "protocol_selection: USE_DOWNSTREAM_PROTOCOL\nhttp2_protocol_options: {}"),
            .init("none", []), .init("silent", [.silent], "connect_timeout: 0.2s"),
            .init("slow", [.silent], "connect_timeout: 2.5s"),
            .init("no_requests", [.scripted("a")], "circuit_breakers: {thresholds: [{max_requests: 0}]}"),
            .init("no_requests_h2", [.scripted("a")], "circuit_breakers: {thresholds: [{max_requests: 0}]}\n" + http2Only),
            .init("no_pending", [.scripted("a")], "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}"),
            .init("no_connections", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 0}]}"),
        ],
        cases: tunnelAnswers + tunnelEnds + tunnelRequests + tunnelFailures + tunnelTimes + tunnelsOverHTTP2)

    private static let addedHeaders = """
        headers_to_add: [{header: {key: X-One, value: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"}}, {header: {key: x-one, value: two}}, \
        {header: {key: x-two, value: "%UPSTREAM_CLUSTER%"}}, {header: {key: x-three, value: "%REQ(:authority)%"}}, \
        {header: {key: x-one, value: last}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
        """

    private static func id(_ more: String) -> String {
        "request_id_extension: {typed_config: {\"@type\": type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig}}"
            + (more.isEmpty ? "" : ", " + more)
    }

    private static let http2Only = options("explicit_http_config: {http2_protocol_options: {}}")

    private static func options(_ fields: String) -> String {
        """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            \(fields)
        """
    }

    private static let logFormat = Group.connectionLogFormat + [
        "", "answer=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers)%",
        "plain=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:PLAIN)%",
        "field=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:FIELD:x)%",
        "trailers=%FILTER_STATE(envoy.tcp_proxy.propagate_response_trailers)%",
        "ids=%DYNAMIC_METADATA(envoy.filters.network.tcp_proxy)%", "code=%RESPONSE_CODE%", "details=%RESPONSE_CODE_DETAILS%",
    ].joined(separator: " | ")

    private static func tunnel(_ hostname: String, _ fields: String = "", to cluster: String, more: String = "") -> String {
        """
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: tcp
            cluster: \(cluster)
            tunneling_config: {hostname: "\(hostname)", propagate_response_headers: true, propagate_response_trailers: true\(fields.isEmpty ? "" : ", " + fields)}
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: {text_format_source: {inline_string: "\(logFormat)\\n"}}

        """ + more.indented(4)
    }

    private static func bytes(_ name: String, _ steps: [RawClient.Step], on listener: String = "connect", _ upstream: [UpstreamStep]...) -> Case {
        Case("tcp_tunnels." + name, steps: steps, on: listener, methods: []).upstream(UpstreamScript(upstream))
            .with { $0.resetIsClose = true; $0.answerLimitMs = 1_000 }
    }

    private static let good = "HTTP/1.1 200 OK\r\nx-up: yes\r\n\r\n"
    private static let ping: [RawClient.Step] = [.send("ping"), .awaitText("pong")]
    private static func pong(_ answer: String = good) -> [UpstreamStep] {
        [.readText("\r\n\r\n"), .send(answer), .readText("ping"), .send("pong"), .close]
    }
    private static let hopeless: [RawClient.Step] = [.send("ping"), .awaitText("never")]
    private static func refuse(_ answer: String) -> [UpstreamStep] { [.readText("\r\n\r\n"), .send(answer)] }

    /// Of HTTP/1: 2xx is a tunnel.
    private static let tunnelAnswers: [Case] = [
        bytes("accepted", ping, pong()),
        bytes("accepted_with_length", ping, pong("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")),
        bytes("accepted_in_chunks", ping, pong("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")),
        bytes("accepted_with_204", ping, pong("HTTP/1.1 204 No Content\r\n\r\n")),
        bytes("accepted_with_299", ping, pong("HTTP/1.1 299 Fine\r\n\r\n")),
        bytes("accepted_by_http10", ping, pong("HTTP/1.0 200 OK\r\n\r\n")),
        bytes("accepted_that_closes", ping, pong("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")),
        bytes("accepted_behind_100", ping, pong("HTTP/1.1 100 Continue\r\n\r\n" + good)),
        bytes("accepted_behind_103", ping, pong("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + good)),
        bytes("bytes_behind_the_head", [.awaitText("hello"), .send("ping"), .awaitText("pong")], pong(good + "hello")),
        bytes("accepted_at_last", ping, on: "twice", refuse("HTTP/1.1 503 No\r\n\r\n"), pong()),
        bytes("refused_with_403", hopeless, refuse("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nx-why: no\r\n\r\nno")),
        bytes("refused_with_302", hopeless, refuse("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")),
        bytes("refused_with_101", hopeless, refuse("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")),
        bytes("refused_twice", hopeless, on: "twice", refuse("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), refuse("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")),
        bytes("no_http", hopeless, refuse("no http\r\n\r\n")),
        bytes("closed_without_an_answer", hopeless, [.readText("\r\n\r\n"), .close]),
        bytes("closed_within_the_answer", hopeless, [.readText("\r\n\r\n"), .send("HTTP/1.1 20"), .close]).with { $0.ignoringCounters = ["upstream_cx_protocol_error"] },
        bytes("reset_without_an_answer", hopeless, [.readText("\r\n\r\n"), .reset]),
        bytes("post_accepted", ping, on: "post", [.readText("\r\n\r\n"), .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), .readText("4\r\nping\r\n"), .send("4\r\npong\r\n"), .close]),
        bytes("post_refused", hopeless, on: "post", refuse("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")),
        bytes("post_without_content", hopeless, on: "post", refuse("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
        bytes("post_204", hopeless, on: "post", refuse("HTTP/1.1 204 No\r\n\r\n")),
    ]

    private static let tunnelEnds: [Case] = [
        bytes("client_ends", [.send("ping"), .awaitText("pong"), .shutdownWrite, .awaitText("never")],
              [.readText("\r\n\r\n"), .send(good), .readText("ping"), .send("pong")]),
        bytes("client_ends_before_the_answer", [.send("ping"), .shutdownWrite, .awaitText("never")],
              [.readText("\r\n\r\n"), .delay(ms: 80), .send(good), .readText("ping"), .delay(ms: 60), .send("pong")]),
        bytes("client_resets", ping + [.reset], [.readText("\r\n\r\n"), .send(good), .readText("ping"), .send("pong")]),
        bytes("client_closes_before_the_answer", [.pause(ms: 400), .close], [.readText("\r\n\r\n"), .delay(ms: 160), .send(good)]),
        bytes("client_leaves_while_connecting", [.send("x"), .pause(ms: 300), .reset], on: "silent_early", []),
        bytes("upstream_ends", [.send("ping"), .awaitText("pong"), .awaitText("never")], pong()),
        bytes("upstream_half_ends", [.send("ping"), .awaitText("pong"), .pause(ms: 400), .send("more")],
              [.readText("\r\n\r\n"), .send(good), .readText("ping"), .send("pong"), .shutdownWrite]),
        bytes("upstream_resets", hopeless, [.readText("\r\n\r\n"), .send(good), .readText("ping"), .reset]),
        bytes("post_client_ends", [.send("ping"), .awaitText("pong"), .shutdownWrite, .awaitText("never")], on: "post",
              [.readText("\r\n\r\n"), .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), .readText("ping\r\n"), .send("4\r\npong\r\n")]),
        // An answer to a POST that is complete ends Envoy 1.40 itself: it is no case here.
        bytes("post_upstream_resets", [.send("ping"), .awaitText("never")], on: "post",
              [.readText("\r\n\r\n"), .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), .readText("ping\r\n"), .reset]),
        bytes("large_up", [.send(many("0123456789abcdef", 32_768) + "end"), .awaitText("got")],
              [.readText("\r\n\r\n"), .send(good), .readText("end"), .send("got"), .close]),
        bytes("large_down", [.send("x"), .awaitText("end")],
              [.readText("\r\n\r\n"), .send(good), .readText("x"), .send(many("0123456789abcdef", 32_768) + "end"), .close]),
    ]

    private static let tunnelRequests: [Case] = [
        bytes("of_clients_protocol", ping, on: "clients", pong()),
        bytes("formats", ping, on: "formats", pong()),
        bytes("id", ping, on: "id", pong()),
        bytes("named_id", ping, on: "named_id", pong()),
        bytes("id_without_type", ping, on: "id_without_type", pong()),
        bytes("on_data", ping, on: "on_data", pong()),
        bytes("on_data_that_ends", [.send("ping"), .shutdownWrite, .awaitText("never")], on: "on_data",
              [.readText("\r\n\r\n"), .delay(ms: 60), .send(good), .readText("ping")])
            .with { $0.ignoringCounters = ["early_data_received_count_total"] },
        bytes("on_data_refused", hopeless, on: "on_data", refuse("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")),
    ]

    private static let tunnelFailures: [Case] =
        ["refused", "refused_h2", "none", "silent", "no_requests", "no_requests_h2", "no_pending", "no_connections"].map {
            bytes($0, hopeless, on: $0, [])
        }.map { test in
            // Envoy begins a connection of HTTP/2 with its first request.
            test.listener == "no_requests_h2" ? test.with { $0.ignoring = [.upstream] } : test
        }

    private static let tunnelTimes: [Case] = [
        bytes("idle", hopeless, on: "idle", [.readText("\r\n\r\n"), .send(good), .readText("ping"), .send("pong")]),
        bytes("idle_h2", hopeless, on: "idle_h2", [.http2([.awaitHead(1), .send([status("200")]), .awaitWord("DATA1"), .send([data("pong")])])]),
        bytes("idle_before_the_answer", [.awaitText("never")], on: "idle", [.readText("\r\n\r\n"), .readText("never")]),
        bytes("idle_h2_before_the_answer", [.awaitText("never")], on: "idle_h2", [.http2([.awaitHead(1), .awaitWord("DATA1")])]),
        bytes("idle_while_connecting", [.awaitText("never")], on: "idle_slow", []),
        bytes("short", hopeless, on: "short", [.readText("\r\n\r\n"), .send(good), .readText("ping")]),
        bytes("short_before_the_answer", [.awaitText("never")], on: "short", [.readText("\r\n\r\n")]),
        bytes("short_h2", hopeless, on: "short_h2", [.http2([.awaitHead(1), .send([status("200")])])]),
    ]

    // MARK: HTTP/2

    private static func status(_ value: String, ends: Bool = false) -> H2Frame { .head(1, [(":status", value), ("x-up", "yes")], flags: ends ? 5 : 4) }
    private static func over(_ name: String, _ steps: [RawClient.Step], on listener: String = "connect_h2", _ server: [H2Step]...) -> Case {
        var test = bytes("h2_" + name, steps, on: listener)
        test.upstreams["a"] = UpstreamScript(server.map { [.http2($0)] })
        return test
    }
    private static let pongThenEnd: [H2Step] = [.send([data("pong")]), .awaitEnd(1), .send([data("", ends: true)])]
    private static let accept: [H2Step] = [.awaitHead(1), .send([status("200")]), .awaitWord("DATA1")]

    private static let tunnelsOverHTTP2: [Case] = [
        over("accepted", ping + [.close], accept + pongThenEnd),
        over("upstream_ends", ping + [.shutdownWrite, .awaitText("never")], accept + [.send([data("pong", ends: true)]), .awaitEnd(1)]),
        over("upstream_ends_first", [.send("ping"), .awaitText("pong"), .pause(ms: 80), .send("more"), .shutdownWrite],
             accept + [.send([data("pong", ends: true)]), .awaitEnd(1)]),
        over("client_ends_first", [.send("ping"), .shutdownWrite, .awaitText("late")],
             accept + [.awaitEnd(1), .pause(ms: 400), .send([data("late", ends: true)])]),
        over("client_resets", ping + [.reset], accept + [.send([data("pong")]), .pause(ms: 100)]),
        over("trailers", [.send("ping"), .awaitText("pong"), .pause(ms: 400), .shutdownWrite],
             accept + [.send([data("pong"), .head(1, [("x-end", "1")])]), .awaitEnd(1)]),
        over("refused_with_201", hopeless, [.awaitHead(1), .send([status("201")]), .pause(ms: 400)]),
        over("refused_with_403", hopeless, [.awaitHead(1), .send([status("403"), data("no", ends: true)]), .pause(ms: 400)]),
        over("refused_twice", hopeless, on: "twice_h2", [.awaitHead(1), .send([status("403", ends: true)]), .awaitHead(3),
                                                       .send([.head(3, [(":status", "503")], flags: 5)]), .pause(ms: 400)]),
        over("accepted_at_last", ping, on: "twice_h2", [
            .awaitHead(1), .send([status("403", ends: true)]), .awaitHead(3), .send([.head(3, [(":status", "200")], flags: 4)]),
            .awaitWord("DATA3"), .send([data("pong", on: 3, ends: true)]), .pause(ms: 400),
        ]),
        over("ends_with_the_head", hopeless, [.awaitHead(1), .send([status("200", ends: true)]), .pause(ms: 400)]),
        over("reset_without_an_answer", hopeless, [.awaitHead(1), .send([resets(2)]), .pause(ms: 400)]),
        over("refused_stream", hopeless, [.awaitHead(1), .send([resets(7)]), .pause(ms: 400)]),
        over("reset", hopeless, accept + [.send([resets(2)]), .pause(ms: 400)]),
        over("reset_without_an_error", hopeless, accept + [.send([resets(0)]), .pause(ms: 400)]),
        over("cancelled", hopeless, accept + [.send([resets(8)]), .pause(ms: 400)]),
        over("closed", hopeless, accept + [.close]),
        over("goaway", [.send("ping"), .awaitText("pong"), .pause(ms: 400), .close],
             accept + [.send([H2Frame(.goaway, H2Frame.word(1) + H2Frame.word(0))])] + pongThenEnd)
            // Envoy takes its own close of a connection whose last stream ends for an error of the protocol.
            .with { $0.ignoringCounters = ["upstream_cx_protocol_error"] },
        over("closed_without_an_answer", hopeless, [.awaitHead(1), .close]),
        // Whether the answer or the bytes are there first depends on timing.
        over("early", ping + [.close], on: "early", accept + pongThenEnd).with { $0.ignoringCounters = ["early_data_received_count_total"] },
        over("formats", ping + [.close], on: "formats_h2", accept + pongThenEnd),
        over("of_clients_protocol", ping + [.close], on: "clients_h2", accept + pongThenEnd),
        over("of_clients_protocol_in_old_words", ping + [.close], on: "old_clients_h2", accept + pongThenEnd),
        over("post", ping + [.close], on: "post_h2", accept + pongThenEnd),
        over("post_ends", ping + [.shutdownWrite, .awaitText("never")], on: "post_h2", accept + [.send([data("pong", ends: true)]), .awaitEnd(1)]),
        over("post_refused", hopeless, on: "post_h2", [.awaitHead(1), .send([status("404"), data("no", ends: true)]), .pause(ms: 400)]),
        over("large_up", [.send(many("0123456789abcdef", 32_768)), .shutdownWrite, .awaitText("got")],
             [.awaitHead(1), .send([status("200")]), .awaitEnd(1), .send([data("got", ends: true)])]),
    ]
}
