import TestSupport

extension Groups {
    /// HTTP/2 towards clients: what they get, what is logged and counted, and how streams and connections end.
    static let http2 = Group(
        name: "http2",
        listeners: [
            .init(name: "main", virtualHosts: h2Routes()),
            .init(name: "websocket", manager: "upgrade_configs: [{upgrade_type: websocket}]\nhttp2_protocol_options: {allow_connect: true}", virtualHosts: h2Routes()),
            .init(name: "trailers", manager: "http_protocol_options: {enable_trailers: true}", virtualHosts: h2Routes("trailing")),
            .init(name: "two_streams", manager: "http2_protocol_options: {max_concurrent_streams: 2}", virtualHosts: h2Routes()),
            .init(name: "idle_stream", manager: "stream_idle_timeout: 0.3s", virtualHosts: h2Routes(timeout: "0s")),
            .init(name: "slow_head", manager: "request_headers_timeout: 0.3s", virtualHosts: h2Routes()),
            .init(name: "slow_request", manager: "request_timeout: 0.3s", virtualHosts: h2Routes()),
            .init(name: "short_stream", manager: "common_http_protocol_options: {max_stream_duration: 0.3s}", virtualHosts: h2Routes(timeout: "0s")),
            .init(name: "idle", manager: "common_http_protocol_options: {idle_timeout: 0.3s}\ndrain_timeout: 0.2s", virtualHosts: h2Routes()),
            .init(name: "old", manager: "common_http_protocol_options: {max_connection_duration: 0.3s}\ndrain_timeout: 0.2s", virtualHosts: h2Routes()),
            .init(name: "two_requests", manager: "common_http_protocol_options: {max_requests_per_connection: 2}\ndrain_timeout: 0.2s", virtualHosts: h2Routes()),
            .init(name: "small_heads", manager: "max_request_headers_kb: 4\ncommon_http_protocol_options: {max_headers_count: 10}", virtualHosts: h2Routes()),
            .init(name: "no_underscores", manager: "common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}", virtualHosts: h2Routes()),
            .init(name: "drop_underscores", manager: "common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}", virtualHosts: h2Routes()),
            .init(name: "lenient", manager: "http2_protocol_options: {override_stream_error_on_invalid_http_message: true}", virtualHosts: h2Routes()),
            .init(name: "pings", manager: "http2_protocol_options: {connection_keepalive: {interval: 0.3s, timeout: 0.2s, interval_jitter: {value: 0}}}", virtualHosts: h2Routes()),
            .init(name: "limited", manager: "http2_protocol_options: {max_outbound_control_frames: 10, max_consecutive_inbound_frames_with_empty_payload: 2, max_inbound_priority_frames_per_stream: 3, max_inbound_window_update_frames_per_data_frame_sent: 1}", virtualHosts: h2Routes()),
            .init(name: "few_frames", manager: "http2_protocol_options: {max_outbound_frames: 10}", virtualHosts: h2Routes()),
            .init(name: "no_delay", manager: "delayed_close_timeout: 0s", virtualHosts: h2Routes()),
        ],
        clusters: [
            Group.up, .init("refused", [.refused]),
            .init("trailing", [.scripted("a")], http1Options("enable_trailers: true")),
        ],
        cases: http2Messages + http2Ends + http2Times + http2Limits + http2Breaches + http2Floods)

    static func h2Routes(_ cluster: String = "up", timeout: String = "") -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /direct}
            direct_response: {status: 200, body: {inline_string: "hello"}}
          - match: {prefix: /short}
            route: {cluster: \(cluster), timeout: 0.3s}
          - match: {prefix: /patient}
            route: {cluster: \(cluster), timeout: 2s, retry_policy: {retry_on: "reset", num_retries: 1, per_try_idle_timeout: 0.15s, retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /refused}
            route: {cluster: refused}
          - match: {prefix: /up}
            route: {cluster: \(cluster)\(timeout.isEmpty ? "" : ", timeout: \(timeout)")}
        """
    }

    static func h2(_ name: String, _ steps: [H2Step], on listener: String = "main", _ upstream: [UpstreamStep]? = nil) -> Case {
        var test = Case("http2." + name, frames: steps, on: listener)
        if let upstream { test.upstreams["a"] = UpstreamScript([upstream]) }
        // A client that has more to send gets FIN or RST.
        test.resetIsClose = true
        return test
    }

    static func ask(_ method: String = "GET", _ path: String, _ more: [(String, String)] = [], on stream: UInt32 = 1, ends: Bool = true) -> H2Frame {
        .head(stream, H2Frame.request(method, path, more), flags: ends ? 5 : 4)
    }
    static func data(_ text: String, on stream: UInt32 = 1, ends: Bool = false) -> H2Frame {
        H2Frame(.data, flags: ends ? 1 : 0, stream: stream, text.wire)
    }
    static func resets(_ code: UInt32, on stream: UInt32 = 1) -> H2Frame { H2Frame(.reset, stream: stream, H2Frame.word(code)) }

    private static let http2Messages: [Case] = [
        h2("local_reply", [.send([ask("/direct")]), .awaitEnd(1)]),
        h2("no_route", [.send([ask("/nowhere")]), .awaitEnd(1)]),
        h2("get", [.send([ask("/up")]), .awaitEnd(1)]),
        h2("head", [.send([ask("HEAD", "/up")]), .awaitEnd(1)]),
        h2("post", [.send([ask("POST", "/up", ends: false), data("body"), data(" and more", ends: true)]), .awaitEnd(1)]),
        h2("post_with_length", [.send([ask("POST", "/up", [("content-length", "4")], ends: false), data("body", ends: true)]), .awaitEnd(1)]),
        h2("post_that_ends_late", [.send([ask("POST", "/up", ends: false), data("body"), data("", ends: true)]), .awaitEnd(1)]),
        h2("connect_without_a_route", [
            .send([.head(1, [(":method", "CONNECT"), (":authority", "a:1")], flags: 4)]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3),
        ]),
        h2("cookies_are_joined", [.send([ask("/up", [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")])]), .awaitEnd(1)]),
        h2("host_beside_authority", [.send([ask("/up", [("host", "other.test")])]), .awaitEnd(1)]),
        h2("te_trailers", [.send([ask("/up", [("te", "trailers")])]), .awaitEnd(1)]),
        h2("expect_continue", [.send([ask("POST", "/up", [("expect", "100-continue")], ends: false)]), .awaitHead(1), .send([data("x", ends: true)]), .awaitEnd(1)]),
        h2("no_content", [.send([ask("/up")]), .awaitEnd(1)], [.readRequest, .send("HTTP/1.1 204 No Content\r\n\r\n"), .again]),
        h2("not_modified", [.send([ask("/up")]), .awaitEnd(1)], [.readRequest, .send("HTTP/1.1 304 Not Modified\r\netag: a\r\n\r\n"), .again]),
        h2("hints", [.send([ask("/up")]), .awaitEnd(1)], [.readRequest, .send("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + reply("200 OK")), .again]),
        h2("connection_headers_of_the_upstream_stay", [.send([ask("/up")]), .awaitEnd(1)],
           [.readRequest, .send(reply("200 OK", "connection: keep-alive, x-own\r\nkeep-alive: 5\r\nx-own: 1\r\n")), .again]),
        h2("request_trailers", [.send([ask("POST", "/up", ends: false), data("x"), .head(1, [("x-end", "1"), ("x-more", "2")])]), .awaitEnd(1)], on: "trailers",
           [.readText("\r\n\r\n"), .readText("\r\n\r\n"), .send(reply("200 OK")), .again]),
        h2("request_trailers_that_nobody_takes", [.send([ask("POST", "/up", ends: false), data("x"), .head(1, [("x-end", "1")])]), .awaitEnd(1)]),
        h2("response_trailers", [.send([ask("/up")]), .awaitEnd(1)], on: "trailers",
           [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-end: 1\r\n\r\n"), .again]),
        h2("response_trailers_behind_nothing", [.send([ask("/up")]), .awaitEnd(1)], on: "trailers",
           [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-end: 1\r\n\r\n"), .again]),
        h2("websocket", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .send([data("ping")]), .awaitWord("DATA1"), .send([data("", ends: true)]), .awaitEnd(1),
        ], on: "websocket", [
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .delay(ms: 100), .close,
        ]),
        h2("websocket_whose_upstream_closes", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .send([data("ping")]), .awaitEnd(1),
        ], on: "websocket", [
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .delay(ms: 100), .close,
        ]),
        h2("websocket_whose_upstream_resets", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .send([data("ping")]), .awaitEnd(1),
        ], on: "websocket", [
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .delay(ms: 100), .reset,
        ]),
        h2("websocket_whose_client_resets", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .send([data("ping")]), .awaitWord("DATA1"), .send([resets(8)]), .pause(ms: 100),
        ], on: "websocket", [
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .delay(ms: 400),
        ]),
        h2("websocket_with_early_bytes", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4), data("ping")]),
            .awaitWord("DATA1"), .pause(ms: 50), .send([resets(8)]), .pause(ms: 100),
        ], on: "websocket", [
            .readHead, .delay(ms: 50), .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .delay(ms: 400),
        ]),
        h2("websocket_refused", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .pause(ms: 50),
        ], on: "websocket", [.readHead, .send(reply("403 Forbidden", body: "no")), .delay(ms: 100)]),
        h2("websocket_of_another_sort", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "other"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]), .awaitEnd(1),
        ], on: "websocket"),
        h2("three_streams", [.send([ask("/up"), ask("/direct", on: 3), ask("/nowhere", on: 5)]), .awaitEnd(1), .awaitEnd(3), .awaitEnd(5)])
            .with { $0.ignoring = [.status, .headers, .log] },
    ]

    private static func ask(_ path: String, _ more: [(String, String)] = [], on stream: UInt32 = 1) -> H2Frame { ask("GET", path, more, on: stream) }

    private static let http2Ends: [Case] = [
        h2("reset_before_the_answer", [.send([ask("/up")]), .pause(ms: 100), .send([resets(8)]), .pause(ms: 50)], [.readHead, .delay(ms: 400)]),
        h2("reset_with_no_error", [.send([ask("/up")]), .pause(ms: 100), .send([resets(0)]), .pause(ms: 50)], [.readHead, .delay(ms: 400)]),
        h2("reset_refused", [.send([ask("/up")]), .pause(ms: 100), .send([resets(7)]), .pause(ms: 50)], [.readHead, .delay(ms: 400)]),
        h2("reset_within_the_answer", [.send([ask("/up")]), .awaitWord("DATA1"), .send([resets(8)]), .pause(ms: 50)],
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 400)]),
        h2("reset_within_the_upload", [.send([ask("POST", "/up", ends: false), data("some")]), .pause(ms: 100), .send([resets(8)]), .pause(ms: 50)],
           [.readHead, .delay(ms: 400)]),
        h2("reset_of_one_of_two", [.send([ask("/up"), ask("/up", on: 3)]), .pause(ms: 100), .send([resets(8)]), .awaitEnd(3)],
           [.readHead, .delay(ms: 300), .send(reply("200 OK")), .delay(ms: 200)]),
        h2("client_closes", [.send([ask("/up")]), .pause(ms: 250), .close], [.readHead, .delay(ms: 500)]),
        h2("client_aborts", [.send([ask("/up")]), .pause(ms: 250), .reset], [.readHead, .delay(ms: 300)]),
        h2("client_closes_within_the_answer", [.send([ask("/up")]), .awaitWord("DATA1"), .close],
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 400)]),
        h2("client_closes_without_request", [.pause(ms: 50), .close]),
        h2("client_says_goaway", [.send([H2Frame(.goaway, [UInt8](repeating: 0, count: 8)), ask("/direct")]), .awaitEnd(1)]),
        h2("client_says_goaway_with_an_error", [.send([ask("/up"), H2Frame(.goaway, H2Frame.word(0) + H2Frame.word(2))]), .awaitEnd(1)]),
        h2("upstream_closes", [.send([ask("/up")]), .awaitEnd(1)], [.readHead, .close]),
        h2("upstream_resets", [.send([ask("/up")]), .awaitEnd(1)], [.readHead, .reset]),
        h2("upstream_closes_within_the_answer", [.send([ask("/up")]), .awaitEnd(1)],
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 100), .close]),
        h2("upstream_answers_nonsense", [.send([ask("/up")]), .awaitEnd(1)], [.readHead, .send("hello\r\n\r\n"), .delay(ms: 200)]),
        h2("upstream_answers_early", [.send([ask("POST", "/up", ends: false), data("x")]), .awaitEnd(1), .pause(ms: 50)], [.readHead, .send(reply("200 OK")), .delay(ms: 300)]),
        h2("answered_before_the_end", [.send([ask("POST", "/direct", ends: false), data("x")]), .awaitWord("RST1"), .send([ask("/direct", on: 3)]), .awaitEnd(3)]),
        h2("upstream_is_not_there", [.send([ask("/refused")]), .awaitEnd(1)]),
    ]

    private static let http2Times: [Case] = [
        h2("route_timeout", [.send([ask("/short")]), .awaitEnd(1)], [.readHead, .delay(ms: 900)]),
        h2("route_timeout_within_the_answer", [.send([ask("/short")]), .awaitEnd(1)],
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 900)]),
        h2("idle_tries", [.send([ask("/patient")]), .awaitEnd(1)], [.readHead, .delay(ms: 900)]).with { $0.ignoring = [.log, .upstream] },
        h2("idle_try_within_the_answer", [.send([ask("/patient")]), .awaitEnd(1)],
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 100), .send("wor"), .delay(ms: 900)]),
        h2("stream_idle_timeout", [.send([ask("/up")]), .awaitEnd(1)], on: "idle_stream", [.readHead, .delay(ms: 900)]),
        h2("stream_idle_timeout_within_the_answer", [.send([ask("/up")]), .awaitEnd(1)], on: "idle_stream",
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 900)]),
        h2("stream_idle_timeout_of_an_upload", [.send([ask("POST", "/up", ends: false), data("x")]), .awaitEnd(1)], on: "idle_stream", [.readHead, .delay(ms: 900)]),
        h2("request_timeout", [.send([ask("POST", "/up", ends: false), data("x")]), .awaitEnd(1)], on: "slow_request", [.readHead, .delay(ms: 900)]),
        h2("head_that_does_not_end", [.pause(ms: 100), .send([H2Frame(.headers, flags: 1, stream: 1, H2Frame.fields([(":method", "GET")]))]), .pause(ms: 600)], on: "slow_head"),
        h2("max_stream_duration", [.send([ask("/up")]), .awaitEnd(1)], on: "short_stream", [.readHead, .delay(ms: 900)]),
        h2("max_stream_duration_within_the_answer", [.send([ask("/up")]), .awaitEnd(1)], on: "short_stream",
           [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 900)]),
        h2("idle_connection", [.awaitClose(ms: 2_000)], on: "idle"),
        h2("idle_connection_behind_a_request", [.send([ask("/direct")]), .awaitClose(ms: 2_000)], on: "idle"),
        h2("max_connection_duration", [.send([ask("/direct")]), .awaitClose(ms: 2_000)], on: "old"),
        h2("max_connection_duration_waits_for_its_streams", [.send([ask("/up")]), .awaitClose(ms: 3_000)], on: "old", [.readHead, .delay(ms: 900), .send(reply("200 OK")), .delay(ms: 100)]),
        h2("max_requests_per_connection", [.send([ask("/direct")]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3), .send([ask("/direct", on: 5)]), .awaitClose(ms: 2_000)], on: "two_requests"),
        h2("pings_unanswered", [.awaitClose(ms: 2_000)], on: "pings"),
        h2("pings_unanswered_with_a_request", [.send([ask("/up")]), .awaitClose(ms: 2_000)], on: "pings", [.readHead, .delay(ms: 1_500)]),
        h2("pings_answered", [.answerPings(ms: 900), .send([ask("/direct")]), .awaitEnd(1)], on: "pings")
            .with { $0.ignoring = [.status, .end] },
    ]

    private static let http2Limits: [Case] = [
        h2("a_stream_too_many", [.acknowledgeNothing, .send([ask("/up"), ask("/up", on: 3), ask("/up", on: 5)]), .awaitEnd(5), .awaitEnd(3), .awaitEnd(1)], on: "two_streams",
           [.readHead, .delay(ms: 300), .send(reply("200 OK")), .delay(ms: 200)])
            .with { $0.ignoring = [.status, .headers, .log] },
        h2("head_too_large", [.send([ask("/up", [("x", many("y", 5_000))])]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "small_heads"),
        h2("head_with_too_many_fields", [.send([ask("/up", (0..<12).map { ("x-\($0)", "y") })]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "small_heads"),
        h2("trailers_too_large", [.send([ask("POST", "/up", ends: false), .head(1, [("x", many("y", 5_000))])]), .awaitEnd(1)], on: "small_heads", [.readHead, .delay(ms: 400)]),
        h2("underscore_rejected", [.send([ask("/up", [("x_y", "z")])]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "no_underscores"),
        h2("underscore_dropped", [.send([ask("/up", [("x_y", "z"), ("a_b", "c"), ("d", "e")])]), .awaitEnd(1)], on: "drop_underscores"),
        h2("fragment", [.send([ask("/direct#a")]), .awaitEnd(1)]),
        h2("lenient_to_a_bad_field", [.send([ask("/up", [("connection", "close")])]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "lenient"),
        h2("lenient_to_a_bad_length", [.send([ask("POST", "/up", [("content-length", "2")], ends: false), data("abc", ends: true)]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "lenient", [.readHead, .delay(ms: 300)]),
        h2("lenient_to_upper_case", [.send([ask("/up", [("Upper", "x")])]), .awaitEnd(1), .send([ask("/direct", on: 3)]), .awaitEnd(3)], on: "lenient"),
    ]

    /// One of each family; `HTTP2FrameCases` has a hundred, without the counters.
    private static let http2Breaches: [Case] = [
        h2("wrong_preface", [.silent, .raw("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".wire), .pause(ms: 300)]),
        h2("no_settings", [.silent, .raw(H2Frame.preface), .send([ask("/direct")]), .pause(ms: 300)]),
        h2("bad_field", [.send([ask("/up", [("connection", "close")])]), .pause(ms: 300)]),
        h2("bad_length", [.send([ask("POST", "/up", [("content-length", "2")], ends: false), data("abc", ends: true)]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("no_path", [.send([.head(1, H2Frame.request("GET", "/up").filter { $0.0 != ":path" })]), .pause(ms: 300)]),
        h2("data_on_an_idle_stream", [.send([data("x", on: 5)]), .pause(ms: 300)]),
        h2("data_behind_the_end", [.send([ask("/up"), data("x")]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("head_that_does_not_decompress", [.send([H2Frame(.headers, flags: 5, stream: 1, [255, 255, 255, 255, 255, 255])]), .pause(ms: 300)]),
        h2("frame_too_large", [.send([ask("POST", "/up", ends: false), data(many("x", 16_385))]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("ping_of_seven_bytes", [.send([ask("/up"), H2Frame(.ping, [0, 0, 0, 0, 0, 0, 0])]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("window_beyond_its_bound", [.send([ask("/up"), H2Frame(.windowUpdate, H2Frame.word(0x7fff_ffff))]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("breach_without_delay", [.send([ask("/up", [("connection", "close")])]), .pause(ms: 300)], on: "no_delay"),
        h2("settings_of_five_bytes", [.send([H2Frame(.settings, [0, 0, 0, 0, 0])]), .pause(ms: 300)]),
        h2("window_update_of_nothing", [.send([ask("/up"), H2Frame(.windowUpdate, stream: 1, H2Frame.word(0))]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
        h2("stream_window_beyond_its_bound", [.send([ask("/up"), H2Frame(.windowUpdate, stream: 1, H2Frame.word(0x7fff_ffff))]), .pause(ms: 300)], [.readHead, .delay(ms: 400)]),
    ]

    private static let ping = H2Frame(.ping, [UInt8](repeating: 7, count: 8))

    private static let http2Floods: [Case] = [
        h2("flood_of_empty_data", [.send([ask("POST", "/up", ends: false)] + [H2Frame](repeating: data(""), count: 4)), .pause(ms: 300)], on: "limited", [.readHead, .delay(ms: 400)]),
        h2("empty_data_within_the_limit", [.send([ask("POST", "/direct", ends: false), data(""), data(""), data("x", ends: true)]), .awaitEnd(1)], on: "limited"),
        h2("flood_of_priority", [.send([ask("/up")] + [H2Frame](repeating: H2Frame(.priority, stream: 3, H2Frame.word(0) + [16]), count: 9)), .pause(ms: 300)], on: "limited", [.readHead, .delay(ms: 400)]),
        h2("flood_of_window_updates", [.send([ask("/up")] + [H2Frame](repeating: H2Frame(.windowUpdate, stream: 1, H2Frame.word(1)), count: 20)), .pause(ms: 300)], on: "limited", [.readHead, .delay(ms: 400)]),
        h2("flood_of_empty_continuation", [.send([H2Frame(.headers, flags: 1, stream: 1, [0x82])] + [H2Frame](repeating: H2Frame(.continuation, stream: 1), count: 4)), .pause(ms: 300)], on: "limited"),
        h2("flood_of_pings", [.send([ask("/up")] + [H2Frame](repeating: ping, count: 20)), .pause(ms: 300)], on: "limited", [.readHead, .delay(ms: 400)]),
        h2("pings_within_the_limit", [.send([H2Frame](repeating: ping, count: 8) + [ask("/direct")]), .awaitEnd(1)], on: "limited"),
        h2("flood_of_settings", [.send([ask("/up")] + [H2Frame](repeating: H2Frame(.settings), count: 20)), .pause(ms: 300)], on: "limited", [.readHead, .delay(ms: 400)]),
        h2("flood_of_answers", [.send((0..<20).map { ask("/direct", on: UInt32(1 + 2 * $0)) }), .pause(ms: 300)], on: "few_frames"),
        h2("answers_within_the_limit", [.send((0..<3).map { ask("/direct", on: UInt32(1 + 2 * $0)) }), .awaitEnd(5)], on: "few_frames"),
        h2("flood_of_resets", (0..<520).map { i in .send([ask("/up", on: UInt32(1 + 2 * i)), resets(8, on: UInt32(1 + 2 * i))]) } + [.pause(ms: 300)], [.readHead, .delay(ms: 300)])
            .with { $0.ignoring = [.status, .log, .upstream, .counters] },
    ]
}
