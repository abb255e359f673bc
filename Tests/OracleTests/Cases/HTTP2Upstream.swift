import TestSupport

extension Groups {
    /// HTTP/2 towards upstreams, of frames that a script sends: what clients of both protocols get, what is tried again, how
    /// connections are left.
    static let http2Upstream = Group(
        name: "http2_upstream",
        listeners: [
            .init(name: "main", virtualHosts: upstreamRoutes("h2")),
            .init(name: "trailers", manager: "http_protocol_options: {enable_trailers: true}", virtualHosts: upstreamRoutes("h2")),
            .init(name: "websocket", manager: "upgrade_configs: [{upgrade_type: websocket}]\nhttp2_protocol_options: {allow_connect: true}", virtualHosts: upstreamRoutes("h2")),
            .init(name: "refused", virtualHosts: upstreamRoutes("refused")),
            .init(name: "silent", virtualHosts: upstreamRoutes("silent")),
            .init(name: "one_request", virtualHosts: upstreamRoutes("one_request")),
            .init(name: "idle", virtualHosts: upstreamRoutes("idle")),
            .init(name: "old", virtualHosts: upstreamRoutes("old")),
            .init(name: "pings", virtualHosts: upstreamRoutes("pings")),
            .init(name: "small_heads", virtualHosts: upstreamRoutes("small_heads")),
            .init(name: "lenient", virtualHosts: upstreamRoutes("lenient")),
            .init(name: "one_stream", virtualHosts: upstreamRoutes("one_stream")),
        ],
        clusters: [
            .init("h2", [.scripted("a")], http2Options("allow_connect: true")),
            .init("refused", [.refused], http2Options("")),
            .init("silent", [.silent], "connect_timeout: 0.2s\n" + http2Options("")),
            .init("one_request", [.scripted("a")], http2Options("", "max_requests_per_connection: 1")),
            .init("idle", [.scripted("a")], http2Options("", "idle_timeout: 0.3s")),
            .init("old", [.scripted("a")], http2Options("", "max_connection_duration: 0.3s")),
            .init("pings", [.scripted("a")], http2Options("connection_keepalive: {interval: 0.3s, timeout: 0.2s, interval_jitter: {value: 0}}")),
            .init("small_heads", [.scripted("a")], http2Options("", "max_headers_count: 10, max_response_headers_kb: 4")),
            .init("lenient", [.scripted("a")], http2Options("override_stream_error_on_invalid_http_message: true")),
            .init("one_stream", [.scripted("a")], http2Options("max_concurrent_streams: 1")),
        ],
        cases: (upstreamMessages + upstreamResets + upstreamEnds + upstreamRetries + upstreamTimes + upstreamLimits + upstreamBreaches)
            .map { test in
                guard closesWithItsLastStream.contains(String(test.name.dropFirst("http2_upstream.".count))) else { return test }
                return test.with { $0.ignoringCounters.append("upstream_cx_protocol_error") }
            })

    /// Envoy takes its own close of a connection whose last stream ends for an error of the protocol (docs/http2.md).
    private static let closesWithItsLastStream: Set<String> = [
        "goaway_that_names_the_request", "goaway_with_an_error", "notice_then_goaway", "max_connection_duration_waits",
        "one_request_per_connection",
    ]

    private static func upstreamRoutes(_ cluster: String) -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /short}
            route: {cluster: \(cluster), timeout: 0.3s}
          - match: {prefix: /patient}
            route: {cluster: \(cluster), timeout: 2s, retry_policy: {retry_on: "reset", num_retries: 1, per_try_idle_timeout: 0.15s}}
          - match: {prefix: /retry}
            route: {cluster: \(cluster), retry_policy: {retry_on: "5xx,refused-stream,connect-failure,reset", num_retries: 2, retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /refused}
            route: {cluster: \(cluster), retry_policy: {retry_on: "refused-stream", retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /tries}
            route: {cluster: \(cluster), retry_policy: {retry_on: "5xx", per_try_timeout: 0.2s, retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /up}
            route: {cluster: \(cluster)}
        """
    }

    private static func http2Options(_ fields: String, _ common: String = "") -> String {
        """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {\(fields)}}
        """ + (common.isEmpty ? "" : "\n    common_http_protocol_options: {\(common)}")
    }

    /// A client of HTTP/2, and one script for each connection of the upstream.
    private static func bridge(_ name: String, _ steps: [H2Step], on listener: String = "main", _ servers: [H2Step]...) -> Case {
        var test = Case("http2_upstream." + name, frames: steps, on: listener)
        test.upstreams["a"] = UpstreamScript(servers.map { [.http2($0)] })
        test.resetIsClose = true
        return test
    }

    /// A client of HTTP/1.
    private static func bridge(_ name: String, _ request: String, on listener: String = "main", _ servers: [H2Step]...) -> Case {
        var test = Case("http2_upstream." + name, request, on: listener)
        test.upstreams["a"] = UpstreamScript(servers.map { [.http2($0)] })
        test.resetIsClose = true
        return test
    }

    private static func bridge(_ name: String, steps: [RawClient.Step], on listener: String = "main", _ servers: [H2Step]...) -> Case {
        var test = Case("http2_upstream." + name, steps: steps, on: listener)
        test.upstreams["a"] = UpstreamScript(servers.map { [.http2($0)] })
        test.resetIsClose = true
        return test
    }

    /// One whole exchange: `path` is asked for, the server does `steps`.
    private static func told(_ name: String, at path: String = "/up", on listener: String = "main", _ steps: [H2Step]) -> Case {
        bridge(name, [.send([ask("GET", path)]), .awaitEnd(1)], on: listener, steps)
    }

    private static let answers: [H2Step] = [.awaitEnd(1), .answer(1)]
    private static func status(_ value: String, _ more: [(String, String)] = [], ends: Bool = false) -> H2Frame {
        .head(1, [(":status", value)] + more, flags: ends ? 5 : 4)
    }

    private static let upstreamMessages: [Case] = [
        told("get", answers),
        bridge("head", [.send([ask("HEAD", "/up")]), .awaitEnd(1)], [.awaitEnd(1), .send([status("200", [("content-length", "5")], ends: true)])]),
        bridge("post", [.send([ask("POST", "/up", ends: false), data("body", ends: true)]), .awaitEnd(1)], answers),
        bridge("post_with_length", [.send([ask("POST", "/up", [("content-length", "4")], ends: false), data("body", ends: true)]), .awaitEnd(1)], answers),
        bridge("http1_get", request("GET /up"), answers),
        bridge("http1_told_https", request("GET /up", "x-forwarded-proto: HTTPS\r\n"), answers),
        bridge("http1_told_another_scheme", request("GET /up", "x-forwarded-proto: https, http\r\n"), answers),
        bridge("another_scheme", [.send([.head(1, [(":method", "GET"), (":scheme", "foo"), (":path", "/up"), (":authority", "a")], flags: 5)]), .awaitEnd(1)], answers),
        bridge("http1_head", request("HEAD /up"), [.awaitEnd(1), .send([status("200", [("content-length", "5")], ends: true)])]),
        bridge("http1_post", request("POST /up", "content-length: 4\r\n") + "body", answers),
        bridge("http1_post_in_chunks", request("POST /up", "transfer-encoding: chunked\r\n") + "4\r\nbody\r\n0\r\n\r\n", answers),
        bridge("http1_answer_without_length", request("GET /up"), [.awaitEnd(1), .send([status("200"), data("some"), data(" more", ends: true)])]),
        bridge("http1_answer_with_length", request("GET /up"), [.awaitEnd(1), .send([status("200", [("content-length", "4")]), data("some", ends: true)])]),
        bridge("http1_hop_by_hop", request("GET /up", "connection: x-own, keep-alive\r\nkeep-alive: 5\r\nx-own: 1\r\nte: gzip, trailers\r\nproxy-connection: close\r\n"), answers),
        bridge("http1_http10_is_426", "GET /up HTTP/1.0\r\nhost: h\r\n\r\n", answers),
        bridge("http1_trailers", steps: [.send(request("POST /up", "transfer-encoding: chunked\r\ntrailer: x-end\r\n") + "2\r\nhi\r\n0\r\nx-end: 1\r\n\r\n")], on: "trailers", answers),
        bridge("http1_trailers_of_the_answer", request("GET /up"), on: "trailers",
               [.awaitEnd(1), .send([status("200"), data("ok"), .head(1, [("x-end", "1")])])]),
        bridge("http1_trailers_that_are_dropped", request("GET /up"), [.awaitEnd(1), .send([status("200"), data("ok"), .head(1, [("x-end", "1")])])]),
        bridge("trailers_of_the_request", [.send([ask("POST", "/up", ends: false), data("hi"), .head(1, [("x-end", "1")])]), .awaitEnd(1)], answers),
        bridge("trailers_without_a_body", [.send([ask("POST", "/up", ends: false), .head(1, [("x-end", "1")])]), .awaitEnd(1)], answers),
        told("trailers_of_the_answer", [.awaitEnd(1), .send([status("200"), data("ok"), .head(1, [("x-end", "1")])])]),
        told("trailers_alone", [.awaitEnd(1), .send([status("200"), .head(1, [("x-end", "1")])])]),
        told("empty_answer", [.awaitEnd(1), .send([status("200", ends: true)])]),
        told("empty_data_at_the_end", [.awaitEnd(1), .send([status("200"), data("ok"), data("", ends: true)])]),
        told("end_behind_a_pause", [.awaitEnd(1), .send([status("200"), data("ok")]), .pause(ms: 80), .send([data("", ends: true)])]),
        told("no_content", [.awaitEnd(1), .send([status("204", ends: true)])]),
        told("not_modified", [.awaitEnd(1), .send([status("304", [("etag", "a")], ends: true)])]),
        told("hints", [.awaitEnd(1), .send([status("103", [("link", "a")])]), .answer(1)]),
        bridge("continue", [.send([ask("POST", "/up", [("expect", "100-continue")], ends: false)]), .awaitHead(1), .send([data("x", ends: true)]), .awaitEnd(1)],
               [.awaitHead(1), .send([status("100")]), .awaitEnd(1), .answer(1)]),
        bridge("two_requests", [.send([ask("GET", "/up")]), .awaitEnd(1), .send([ask("GET", "/up", on: 3)]), .awaitEnd(3)], [.awaitEnd(1), .answer(1), .awaitEnd(3), .answer(3)]),
        bridge("two_at_a_time", [.send([ask("GET", "/up"), ask("GET", "/up", on: 3)]), .awaitEnd(1), .awaitEnd(3)], [.awaitEnd(3), .answer(3), .pause(ms: 50), .answer(1)])
            .with { $0.ignoring = [.log] },
        bridge("websocket", steps: [
            .send(request("GET /up", "connection: upgrade\r\nupgrade: websocket\r\n")), .awaitText("\r\n\r\n"), .send("ping"), .awaitText("pong"), .close,
        ], on: "websocket", [.send([H2Frame(.settings, [0, 8, 0, 0, 0, 1])]), .awaitHead(1), .send([status("200")]), .awaitWord("DATA1"), .send([data("pong")]), .pause(ms: 100)]),
        bridge("websocket_with_early_bytes", steps: [
            .send(request("GET /up", "connection: upgrade\r\nupgrade: websocket\r\n") + "ping"), .awaitText("pong"), .close,
        ], on: "websocket", [.send([H2Frame(.settings, [0, 8, 0, 0, 0, 1])]), .awaitHead(1), .pause(ms: 50), .send([status("200")]), .awaitWord("DATA1"), .send([data("pong")]), .pause(ms: 100)]),
        bridge("websocket_refused", steps: [.send(request("GET /up", "connection: upgrade\r\nupgrade: websocket\r\n"))], on: "websocket",
               [.awaitHead(1), .send([status("403", [("content-length", "2")]), data("no", ends: true)])]),
        bridge("websocket_between_http2", [
            .send([.head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/up"), (":authority", "a")], flags: 4)]),
            .awaitHead(1), .send([data("ping")]), .awaitWord("DATA1"), .send([data("", ends: true)]), .awaitEnd(1),
        ], on: "websocket", [.awaitHead(1), .send([status("200")]), .awaitWord("DATA1"), .send([data("pong")]), .awaitEnd(1), .send([data("", ends: true)])]),
    ]

    private static let upstreamResets: [Case] =
        ([0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 13] as [UInt32]).map { code in
            told("reset_\(code)", [.awaitEnd(1), .send([resets(code)])])
        } + [
            told("reset_within_the_answer", [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 60), .send([resets(2)])]),
            told("reset_refused_within_the_answer", [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 60), .send([resets(7)])]),
            bridge("http1_reset_within_the_answer", request("GET /up"), [.awaitEnd(1), .send([status("200", [("content-length", "9")]), data("some")]), .pause(ms: 60), .send([resets(2)])]),
            bridge("reset_within_the_upload", [.send([ask("POST", "/up", ends: false), data("some")]), .awaitEnd(1)], [.awaitWord("DATA1"), .send([resets(8)])]),
            bridge("answer_then_no_error", [.send([ask("POST", "/up", ends: false), data("some")]), .awaitEnd(1), .pause(ms: 60)],
                   [.awaitWord("DATA1"), .answer(1), .send([resets(0)])]).with { $0.ignoringCounters = ["http2.rx_reset"] },
            bridge("early_answer", [.send([ask("POST", "/up", ends: false), data("some")]), .awaitEnd(1), .pause(ms: 60)], [.awaitWord("DATA1"), .answer(1)]),
            bridge("http1_early_answer", steps: [.send(request("POST /up", "content-length: 10\r\n") + "some")], [.awaitWord("DATA1"), .answer(1)]),
            bridge("client_resets", [.send([ask("GET", "/up")]), .pause(ms: 100), .send([resets(8)]), .pause(ms: 60)], [.awaitEnd(1), .awaitWord("RST1")]),
            bridge("client_resets_within_the_answer", [.send([ask("GET", "/up")]), .awaitWord("DATA1"), .send([resets(8)]), .pause(ms: 60)],
                   [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 300)]),
            bridge("client_resets_within_the_upload", [.send([ask("POST", "/up", ends: false), data("some")]), .pause(ms: 100), .send([resets(8)]), .pause(ms: 60)],
                   [.awaitWord("DATA1"), .awaitWord("RST1")]),
            bridge("http1_client_closes", steps: [.send(request("GET /up")), .pause(ms: 100), .close], [.awaitEnd(1), .awaitWord("RST1")]),
            bridge("http1_client_resets", steps: [.send(request("GET /up")), .pause(ms: 100), .reset], [.awaitEnd(1), .awaitWord("RST1")]),
        ]

    private static func goaway(_ last: UInt32, _ code: UInt32 = 0) -> H2Frame { H2Frame(.goaway, H2Frame.word(last) + H2Frame.word(code)) }

    private static let upstreamEnds: [Case] = [
        bridge("refused", [.send([ask("GET", "/up")]), .awaitEnd(1)], on: "refused"),
        bridge("http1_refused", request("GET /up"), on: "refused"),
        bridge("connect_timeout", [.send([ask("GET", "/up")]), .awaitEnd(1)], on: "silent"),
        told("closes", [.awaitEnd(1), .close]),
        told("resets_the_connection", [.awaitEnd(1), .reset]),
        told("closes_within_the_answer", [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 60), .close]),
        bridge("http1_closes_within_the_answer", request("GET /up"), [.awaitEnd(1), .send([status("200", [("content-length", "9")]), data("some")]), .pause(ms: 60), .close]),
        bridge("closes_with_two_streams", [.send([ask("GET", "/up"), ask("GET", "/up", on: 3)]), .awaitEnd(1), .awaitEnd(3)], [.awaitEnd(3), .close]).with { $0.ignoring = [.status, .headers, .log] },
        bridge("goaway_that_names_the_request", [.send([ask("GET", "/up")]), .awaitEnd(1), .send([ask("GET", "/up", on: 3)]), .awaitEnd(3)],
               [.awaitEnd(1), .send([goaway(1)]), .pause(ms: 60), .answer(1)], answers),
        told("goaway_that_does_not_name_the_request", [.awaitEnd(1), .send([goaway(0)]), .pause(ms: 100)]),
        bridge("goaway_that_does_not_name_it_is_retried", [.send([ask("GET", "/refused")]), .awaitEnd(1)], [.awaitEnd(1), .send([goaway(0)]), .pause(ms: 100)], answers),
        told("goaway_with_an_error", [.awaitEnd(1), .send([goaway(1, 2)]), .pause(ms: 60), .answer(1)]),
        bridge("goaway_between_requests", [.send([ask("GET", "/up")]), .awaitEnd(1), .pause(ms: 150), .send([ask("GET", "/up", on: 3)]), .awaitEnd(3)],
               [.awaitEnd(1), .answer(1), .pause(ms: 60), .send([goaway(1)]), .pause(ms: 100)], answers),
        bridge("notice_then_goaway", [.send([ask("GET", "/up")]), .awaitEnd(1)], [.awaitEnd(1), .send([goaway(0x7fff_ffff)]), .pause(ms: 50), .send([goaway(1)]), .pause(ms: 50), .answer(1)]),
    ]

    private static let upstreamRetries: [Case] = [
        bridge("retry_of_a_refused_stream", [.send([ask("GET", "/refused")]), .awaitEnd(1)], [.awaitEnd(1), .send([resets(7)]), .awaitEnd(3), .answer(3)]),
        bridge("retry_of_a_reset", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .send([resets(2)]), .awaitEnd(3), .answer(3)]),
        bridge("retry_of_a_status", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .send([status("503")]), .awaitEnd(3), .answer(3)]),
        bridge("retry_of_a_whole_answer", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .answer(1, "503"), .awaitEnd(3), .answer(3)]),
        bridge("retry_of_a_close", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .close], answers),
        bridge("retry_with_a_body", [.send([ask("POST", "/retry", ends: false), data("body", ends: true)]), .awaitEnd(1)], [.awaitEnd(1), .send([status("503")]), .awaitEnd(3), .answer(3)]),
        bridge("retry_with_trailers", [.send([ask("POST", "/retry", ends: false), data("body"), .head(1, [("x-end", "1")])]), .awaitEnd(1)], [.awaitEnd(1), .send([status("503")]), .awaitEnd(3), .answer(3)]),
        bridge("retries_are_used_up", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .send([status("503")]), .awaitEnd(3), .send([.head(3, [(":status", "503")], flags: 4)]), .awaitEnd(5), .answer(5, "503")]),
        bridge("retry_of_a_refused_connection", [.send([ask("GET", "/retry")]), .awaitEnd(1)], on: "refused"),
        bridge("a_reset_is_not_refused", [.send([ask("GET", "/refused")]), .awaitEnd(1)], [.awaitEnd(1), .send([resets(2)])]),
        bridge("per_try_timeout", [.send([ask("GET", "/tries")]), .awaitEnd(1)], [.awaitEndWithin(3, ms: 600), .answer(3)]),
        bridge("per_try_timeouts", [.send([ask("GET", "/tries")]), .awaitEnd(1)], [.pause(ms: 800)])
            .with { $0.ignoring = [.log] },
        bridge("no_retry_behind_the_head", [.send([ask("GET", "/retry")]), .awaitEnd(1)], [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 60), .send([resets(2)])]),
    ]

    private static let upstreamTimes: [Case] = [
        told("timeout", at: "/short", [.pause(ms: 700)]),
        bridge("http1_timeout", request("GET /short"), [.pause(ms: 700)]),
        told("timeout_within_the_answer", at: "/short", [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 700)]),
        told("idle_try", at: "/patient", [.awaitEnd(1), .pause(ms: 700)]).with { $0.ignoring = [.log, .upstream] },
        told("idle_try_within_the_answer", at: "/patient", [.awaitEnd(1), .send([status("200"), data("some")]), .pause(ms: 100), .send([data("more")]), .pause(ms: 700)]),
        told("idle_connection", on: "idle", [.awaitEnd(1), .answer(1), .awaitClose(ms: 900)]).with { $0.closeLimitMs = 600 },
        told("max_connection_duration", on: "old", [.awaitEnd(1), .answer(1), .awaitClose(ms: 900)]).with { $0.closeLimitMs = 600 },
        told("max_connection_duration_waits", on: "old", [.awaitEnd(1), .pause(ms: 500), .answer(1), .awaitClose(ms: 900)]),
        told("pings_unanswered", on: "pings", [.awaitEnd(1), .pause(ms: 900)]),
        told("pings_unanswered_between_requests", on: "pings", [.awaitEnd(1), .answer(1), .pause(ms: 900)]).with { $0.closeLimitMs = 800 },
    ]

    private static let upstreamLimits: [Case] = [
        bridge("one_request_per_connection", [.send([ask("GET", "/up")]), .awaitEnd(1), .send([ask("GET", "/up", on: 3)]), .awaitEnd(3)], on: "one_request", answers, answers),
        bridge("one_stream_of_ours", [.send([ask("GET", "/up"), ask("GET", "/up", on: 3)]), .awaitEnd(1), .awaitEnd(3)], on: "one_stream", answers, answers)
            .with { $0.ignoring = [.status, .headers, .body, .log, .upstream] },
        told("head_too_large", on: "small_heads", [.awaitEnd(1), .send([status("200", [("x", many("y", 5_000))], ends: true)]), .pause(ms: 50)]),
        told("head_with_too_many_fields", on: "small_heads", [.awaitEnd(1), .send([status("200", (0..<12).map { ("x-\($0)", "y") }, ends: true)]), .pause(ms: 50)]),
        bridge("window_of_nothing", [.send([ask("POST", "/up", ends: false), data("body", ends: true)]), .awaitEnd(1)],
               [.silent, .send([H2Frame(.settings, [0, 4, 0, 0, 0, 0])]), .awaitHead(1), .pause(ms: 100), .send([H2Frame(.windowUpdate, stream: 1, H2Frame.word(100))]), .awaitEnd(1), .answer(1)]),
        bridge("window_that_stays_shut", [.send([ask("POST", "/short", ends: false), data("body", ends: true)]), .awaitEnd(1)],
               [.silent, .send([H2Frame(.settings, [0, 4, 0, 0, 0, 0])]), .awaitHead(1), .pause(ms: 600)]),
    ]

    private static let upstreamBreaches: [Case] = [
        told("bad_field", [.awaitEnd(1), .send([status("200", [("connection", "close")], ends: true)]), .pause(ms: 100)]),
        told("no_status", [.awaitEnd(1), .send([.head(1, [("x", "y")])]), .pause(ms: 100)]),
        told("upper_case", [.awaitEnd(1), .send([status("200", [("Upper", "y")], ends: true)]), .pause(ms: 100)]),
        told("bad_length", [.awaitEnd(1), .send([status("200", [("content-length", "5")]), data("ok", ends: true)]), .pause(ms: 100)]),
        told("lenient_to_a_bad_field", on: "lenient", [.awaitEnd(1), .send([status("200", [("connection", "close")], ends: true)]), .pause(ms: 100)]),
        told("lenient_to_a_bad_length", on: "lenient", [.awaitEnd(1), .send([status("200", [("content-length", "5")]), data("ok", ends: true)]), .pause(ms: 100)]),
        told("data_before_the_head", [.awaitEnd(1), .send([data("ok", ends: true)]), .pause(ms: 100)]),
        told("push", [.awaitEnd(1), .send([H2Frame(.pushPromise, flags: 4, stream: 1, H2Frame.word(2) + H2Frame.fields(H2Frame.request()))]), .pause(ms: 100)]),
        told("answer_to_an_idle_stream", [.awaitEnd(1), .send([.head(5, [(":status", "200")])]), .pause(ms: 100)]),
        told("speaks_http1", [.silent, .awaitEnd(1), .raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".wire), .pause(ms: 100)]),
        told("ping_of_seven_bytes", [.awaitEnd(1), .send([H2Frame(.ping, [0, 0, 0, 0, 0, 0, 0])]), .pause(ms: 100)]),
        told("frame_too_large", [.awaitEnd(1), .send([status("200"), data(many("x", 16_385))]), .pause(ms: 100)]),
        told("status_101", [.awaitEnd(1), .send([status("101")]), .pause(ms: 100)]),
        told("flood_of_empty_data", [.awaitEnd(1), .send([status("200")]), .pause(ms: 80), .send([data(""), data(""), data("ok", ends: true)]), .pause(ms: 100)]),
        told("flood_of_empty_continuation", [.awaitEnd(1), .send([H2Frame(.headers, flags: 0, stream: 1), H2Frame(.continuation, stream: 1), H2Frame(.continuation, stream: 1)]), .pause(ms: 100)]),
        told("flood_of_priority", [.awaitEnd(1), .send([H2Frame](repeating: H2Frame(.priority, stream: 3, H2Frame.word(0) + [16]), count: 250)), .pause(ms: 100)]),
        told("flood_of_window_updates", [.awaitEnd(1), .send([H2Frame](repeating: H2Frame(.windowUpdate, stream: 1, H2Frame.word(1)), count: 20)), .pause(ms: 100)]),
        told("trailers_with_a_status", [.awaitEnd(1), .send([status("200"), data("ok"), status("200", ends: true)]), .pause(ms: 100)]),
    ]
}
