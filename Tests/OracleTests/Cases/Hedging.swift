import TestSupport

extension Groups {
    /// `hedge_policy`: a try whose time is over goes on, and another one begins beside it. A try's time is 0.2 s; what an
    /// upstream does before that, or long after, is far from it.
    static let hedging = Group(
        name: "hedging",
        listeners: [
            .init(name: "main", virtualHosts: hedgeHosts, router: "suppress_envoy_headers: true"),
            .init(
                name: "inside",
                manager: "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\nproxy_100_continue: true",
                virtualHosts: hedgeHosts, router: "suppress_envoy_headers: true"),
            .init(
                name: "bytes", virtualHosts: hedgeHosts,
                router: """
                    suppress_envoy_headers: true
                    upstream_log:
                    - name: envoy.access_loggers.file
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                        path: {{dir}}/access.log
                        log_format: \(upstreamBytes("try"))
                    """,
                logFormat: upstreamBytes("all")),
        ],
        clusters: [
            Group.up,
            .init("limited", [.scripted("a")], "circuit_breakers: {thresholds: [{max_retries: 0}]}"),
            .init("one_connection", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 1}]}"),
            .init("one_request", [.scripted("a")], "circuit_breakers: {thresholds: [{max_requests: 1}]}"),
            .init("h2", [.scripted("a")], """
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                """),
        ],
        cases: (hedgeAnswers + hedgeAccounts + hedgeFailures + hedgePolicies + bothLimits + plainTries + hedgeBodies + hedgeStreams)
            .map { test in test.with { $0.resetIsClose = true } })

    private static let hedgeHosts = """
        - name: all
          domains: ["h.test"]
          include_request_attempt_count: true
          include_attempt_count_in_response: true
          routes:
          - {match: {prefix: /once}, route: {cluster: up, timeout: 3s, \(tries(1)), \(hedge)}}
          - {match: {prefix: /often}, route: {cluster: up, timeout: 3s, \(tries(3)), \(hedge)}}
          - {match: {prefix: /short}, route: {cluster: up, timeout: 0.5s, \(tries(1)), \(hedge)}}
          - {match: {prefix: /closed}, route: {cluster: up, timeout: 3s, retry_policy: {retry_on: retriable-4xx, num_retries: 2, per_try_timeout: 0.2s}, \(hedge)}}
          - {match: {prefix: /unasked}, route: {cluster: up, timeout: 3s, retry_policy: {num_retries: 1, per_try_timeout: 0.2s}, \(hedge)}}
          - {match: {prefix: /idle}, route: {cluster: up, timeout: 3s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_idle_timeout: 0.2s}, \(hedge)}}
          - {match: {prefix: /both/none}, route: {cluster: up, timeout: 4s, \(limits(0)), \(hedge)}}
          - {match: {prefix: /both/once}, route: {cluster: up, timeout: 4s, \(limits(1)), \(hedge)}}
          - {match: {prefix: /both/often}, route: {cluster: up, timeout: 4s, \(limits(3)), \(hedge)}}
          - {match: {prefix: /both/turned}, route: {cluster: up, timeout: 4s, \(limits(3, idle: 0.9, whole: 0.3)), \(hedge)}}
          - {match: {prefix: /both/pause}, route: {cluster: up, timeout: 4s, \(limits(3, pause: 3600)), \(hedge)}}
          - {match: {prefix: /both/waits}, route: {cluster: one_connection, timeout: 4s, \(limits(3)), \(hedge)}}
          - {match: {prefix: /limited}, route: {cluster: limited, timeout: 3s, \(tries(1)), \(hedge)}}
          - {match: {prefix: /one_request}, route: {cluster: one_request, timeout: 3s, \(tries(1)), \(hedge)}}
          - {match: {prefix: /small}, per_request_buffer_limit_bytes: 4, route: {cluster: up, timeout: 3s, \(tries(1)), \(hedge)}}
          - {match: {prefix: /waits}, route: {cluster: up, timeout: 0.5s, retry_policy: {retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: x-seconds, format: SECONDS}]}}}}
          - {match: {prefix: /alone}, route: {cluster: up, timeout: 0.5s, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.01s}}}}
          - {match: {prefix: /plain}, route: {cluster: up, timeout: 3s, \(tries(1))}}
          - {match: {prefix: /rest}, route: {cluster: up, timeout: 3s, \(tries(1)), hedge_policy: {initial_requests: 3, additional_request_chance: {numerator: 100}}}}
          - {match: {prefix: /h2}, route: {cluster: h2, timeout: 3s, \(tries(1)), \(hedge)}}
        - name: of_the_host
          domains: ["*"]
          hedge_policy: {hedge_on_per_try_timeout: true}
          routes:
          - {match: {prefix: /once}, route: {cluster: up, timeout: 3s, \(tries(1))}}
          - {match: {prefix: /own}, route: {cluster: up, timeout: 3s, \(tries(1)), hedge_policy: {}}}
        """

    /// What lines of tries, and of the request, tell of its upstreams' bytes.
    private static func upstreamBytes(_ whose: String) -> String {
        let operators = ["RESPONSE_CODE", "UPSTREAM_WIRE_BYTES_SENT", "UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_HEADER_BYTES_SENT", "UPSTREAM_HEADER_BYTES_RECEIVED"]
        return "{text_format_source: {inline_string: \"\(whose) \(operators.map { "%\($0)%" }.joined(separator: " "))\\n\"}}"
    }

    private static func tries(_ retries: Int) -> String {
        "retry_policy: {retry_on: \"5xx,retriable-4xx\", num_retries: \(retries), per_try_timeout: 0.2s, retry_back_off: {base_interval: 0.01s, max_interval: 0.01s}}"
    }

    private static func limits(_ retries: Int, idle: Double = 0.3, whole: Double = 0.9, pause: Double = 0.001) -> String {
        "retry_policy: {retry_on: 5xx, num_retries: \(retries), per_try_timeout: \(whole)s, per_try_idle_timeout: \(idle)s, retry_back_off: {base_interval: \(pause)s, max_interval: \(pause)s}}"
    }

    private static let hedge = "hedge_policy: {hedge_on_per_try_timeout: true}"

    /// What the host does on each connection, one for each attempt.
    private static func hedged(_ name: String, at path: String = "/once", asking more: String = "", on listener: String = "main", _ attempts: [UpstreamStep]...) -> Case {
        Case("hedging." + name, request("GET " + path, more), on: listener).upstream(UpstreamScript(attempts))
    }

    private static func answers(_ status: String, afterMs delay: Int = 0, _ more: String = "", body: String = "ok") -> [UpstreamStep] {
        [.readRequest] + (delay > 0 ? [.delay(ms: delay)] : []) + [.answer(reply(status, more, body: body)), .again]
    }

    private static let silent: [UpstreamStep] = [.readRequest, .delay(ms: 6_000)]
    private static func closes(afterMs delay: Int = 0) -> [UpstreamStep] { [.readRequest, .delay(ms: delay), .close] }

    private static let hedgeAnswers: [Case] = [
        hedged("in_time", answers("200 OK", body: "first"), silent),
        hedged("second_answers", silent, answers("200 OK", body: "second")),
        hedged("first_answers_later", answers("200 OK", afterMs: 600, body: "first"), silent),
        hedged("third_answers", at: "/often", silent, silent, answers("200 OK", body: "third")),
        hedged("middle_answers", at: "/often", silent, answers("200 OK", afterMs: 500, body: "second"), silent, silent),
        hedged("all_are_used", at: "/short", silent, silent),
        hedged("more_than_there_are", at: "/often", answers("200 OK", afterMs: 1_300, body: "first"), silent),
        hedged("first_bad_second_good", answers("503 No", afterMs: 250), answers("200 OK", afterMs: 600, body: "second")),
        hedged("first_bad_without_body", answers("503 No", afterMs: 250, body: ""), answers("200 OK", afterMs: 600, body: "second")),
        hedged("second_bad_first_good", answers("200 OK", afterMs: 700, body: "first"), answers("503 No", body: "second")),
        hedged("both_bad", answers("503 No", afterMs: 700, body: "first"), answers("502 No", body: "second")),
        hedged("both_bad_first_first", answers("503 No", afterMs: 250, body: "first"), answers("502 No", afterMs: 500, body: "second")),
        hedged("second_is_tried_again", at: "/often", answers("200 OK", afterMs: 1_500, body: "first"), answers("503 No"), answers("200 OK", body: "third")),
        hedged("not_retriable_wins", answers("404 No", afterMs: 250, body: "first"), silent),
        hedged("answer_in_parts", [.readRequest, .delay(ms: 250), .send("HTTP/1.1 200 OK\r\ncontent-le"), .delay(ms: 30), .send("ngth: 5\r\n\r\nfi"), .delay(ms: 100), .send("rst")], silent),
        hedged("trailers", [.readRequest, .delay(ms: 250), .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")], silent),
        hedged("interim_wins", [.readRequest, .delay(ms: 250), .send("HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"), .delay(ms: 200), .answer(reply("503 No", body: "first"))], answers("200 OK", afterMs: 250, body: "second")),
        hedged("interim_of_the_second_wins", silent, [.readRequest, .send("HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"), .delay(ms: 200), .answer(reply("503 No", body: "second"))]),
    ]

    /// No byte of an attempt is lost or counted twice, whoever of them wins.
    private static let hedgeAccounts: [Case] = [
        hedged("bytes_of_one", on: "bytes", answers("200 OK", body: "first")),
        hedged("bytes_second_answers", on: "bytes", silent, answers("200 OK", body: "second")),
        hedged("bytes_first_answers_later", on: "bytes", answers("200 OK", afterMs: 1_400, body: "first"), silent),
        hedged("bytes_first_bad_second_good", on: "bytes", answers("503 No", afterMs: 900), answers("200 OK", afterMs: 1_300, body: "second")),
    ]

    private static let hedgeFailures: [Case] = [
        hedged("first_closes_second_good", closes(afterMs: 250), answers("200 OK", afterMs: 600, body: "second")),
        hedged("second_closes_first_good", answers("200 OK", afterMs: 600, body: "first"), closes()),
        hedged("both_close", closes(afterMs: 600), closes()),
        hedged("both_close_first_first", closes(afterMs: 250), closes(afterMs: 500)),
        hedged("second_closes_first_bad", answers("503 No", afterMs: 600, body: "first"), closes()),
        hedged("second_bad_first_closes", closes(afterMs: 600), answers("503 No", body: "second")),
        hedged("second_is_no_http", answers("200 OK", afterMs: 600, body: "first"), [.readRequest, .send("hello\r\n\r\n")]),
        hedged("cut_after_it_won", silent, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"), .delay(ms: 100), .close]),
        hedged("close_is_no_condition", at: "/closed", answers("200 OK", afterMs: 700, body: "first"), closes()),
        hedged("overflow_of_retries", at: "/limited", answers("200 OK", afterMs: 600, body: "first"), silent),
        hedged("overflow_of_requests", at: "/one_request", answers("200 OK", afterMs: 600, body: "first"), silent),
        Case("hedging.client_leaves", steps: [.send(request("GET /once")), .pause(ms: 500), .close]).upstream(UpstreamScript([silent])),
        Case("hedging.client_resets", steps: [.send(request("GET /often")), .pause(ms: 700), .reset]).upstream(UpstreamScript([silent])),
    ]

    private static let hedgePolicies: [Case] = [
        hedged("without_policy", at: "/plain", silent, answers("200 OK", body: "second")),
        hedged("without_condition", at: "/unasked", answers("200 OK", afterMs: 600, body: "first"), silent),
        hedged("fields_without_effect", at: "/rest", answers("200 OK", body: "first"), silent),
        Case("hedging.of_the_host", "GET /once HTTP/1.1\r\nhost: other\r\n\r\n").upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
        Case("hedging.own_before_the_host's", "GET /own HTTP/1.1\r\nhost: other\r\n\r\n").upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
        hedged("header_true", at: "/plain", asking: "x-forwarded-for: 10.1.2.3\r\nx-envoy-hedge-on-per-try-timeout: true\r\n", on: "inside", silent, answers("200 OK", body: "second")),
        hedged("header_false", at: "/once", asking: "x-forwarded-for: 10.1.2.3\r\nx-envoy-hedge-on-per-try-timeout: false\r\n", on: "inside", silent, answers("200 OK", body: "second")),
        hedged("header_of_anybody", at: "/plain", asking: "x-envoy-hedge-on-per-try-timeout: true\r\n", silent, answers("200 OK", body: "second")),
        hedged("header_other", at: "/plain", asking: "x-forwarded-for: 10.1.2.3\r\nx-envoy-hedge-on-per-try-timeout: TRUE\r\n", on: "inside", silent, answers("200 OK", body: "second")),
        hedged("unknown_condition_is_a_policy", at: "/unasked", asking: "x-forwarded-for: 10.1.2.3\r\nx-envoy-retry-on: nonsense\r\n", on: "inside", silent, answers("200 OK", body: "second")),
        hedged("idle", at: "/idle", silent, answers("200 OK", body: "second")),
        hedged("idle_answer_is_not_cut", at: "/idle", [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfi"), .delay(ms: 500), .send("rst")], silent),
    ]

    /// An attempt with two limits is late once, whichever of them is reached first. What answers does so 0.3 s behind the last
    /// limit, or more.
    private static let bothLimits: [Case] = [
        hedged("two_limits_no_retry", at: "/both/none", answers("200 OK", afterMs: 1_500, body: "first")),
        hedged("two_limits_one_retry", at: "/both/once", answers("200 OK", afterMs: 1_800, body: "first"), silent),
        hedged("two_limits", at: "/both/often", answers("200 OK", afterMs: 1_600, body: "first"), silent),
        hedged("two_limits_turned", at: "/both/turned", answers("200 OK", afterMs: 1_600, body: "first"), silent),
        hedged("two_limits_all_bad", at: "/both/once", answers("503 No", afterMs: 2_000, body: "first"), answers("503 No", afterMs: 1_000, body: "second")),
        hedged("second_limit_in_the_pause", at: "/both/pause", answers("200 OK", afterMs: 1_500, body: "first"), silent),
        hedged("second_limit_while_one_waits", at: "/both/waits", answers("200 OK", afterMs: 1_500, body: "first"), silent),
        hedged("bad_while_one_waits", at: "/both/waits", answers("503 No", afterMs: 1_500, body: "first"), answers("200 OK", body: "second")),
    ]

    /// What a further try does without hedging, where hedging made it worth a look.
    private static let plainTries: [Case] = [
        hedged("plain_timeout_in_the_pause", at: "/waits", answers("503 No", "x-seconds: 2\r\n")),
        hedged("plain_timeout_behind_an_empty_answer", at: "/alone", [.readRequest, .answer(reply("503 No", body: "")), .readRequest, .delay(ms: 6_000)]),
        hedged("plain_interim_then_bad", at: "/plain", [.readRequest, .send("HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"), .answer(reply("503 No", body: "first"))], answers("200 OK", body: "second")),
        hedged("plain_continue_then_bad", at: "/plain", [.readRequest, .send("HTTP/1.1 100 Continue\r\n\r\n"), .answer(reply("503 No", body: "first"))], answers("200 OK", body: "second")),
    ]

    private static let hedgeBodies: [Case] = [
        Case("hedging.body", request("POST /once", "content-length: 5\r\n") + "hello").upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
        Case("hedging.body_in_chunks", request("POST /once", "transfer-encoding: chunked\r\n") + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
            .upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
        Case("hedging.body_beyond_the_buffer", request("POST /small", "content-length: 5\r\n") + "hello")
            .upstream(UpstreamScript([answers("200 OK", afterMs: 600, body: "first"), silent])),
        Case("hedging.slow_body", steps: [.send(request("POST /once", "content-length: 5\r\n") + "he"), .pause(ms: 500), .send("llo"), .awaitResponse])
            .upstream(UpstreamScript([[.readRequest, .answer(reply("200 OK", body: "first"))], silent])),
        Case("hedging.head_only", request("HEAD /once")).upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
        Case("hedging.two_requests", steps: [.send(request("GET /once/1")), .awaitResponse, .send(request("GET /once/2")), .awaitResponse], methods: ["GET", "GET"])
            .upstream(UpstreamScript([silent, answers("200 OK", body: "second")])),
    ]

    private static func pair(_ name: String, _ first: [H2Step]...) -> Case {
        var test = Case("hedging." + name, request("GET /h2"))
        test.upstreams["a"] = UpstreamScript(first.map { [.http2($0)] })
        return test
    }

    private static func head(_ stream: UInt32, _ status: String, ends: Bool = false) -> H2Frame {
        .head(stream, [(":status", status)], flags: ends ? 5 : 4)
    }

    /// Both attempts are streams of one connection: their answers may come in one read.
    private static let hedgeStreams: [Case] = [
        pair("streams_second_answers", [.awaitEnd(3), .answer(3), .pause(ms: 300)]),
        pair("streams_first_answers", [.awaitEnd(3), .pause(ms: 100), .answer(1), .pause(ms: 300)]),
        pair("streams_both_in_one_read", [.awaitEnd(3), .send([head(3, "200"), data("second", on: 3, ends: true), head(1, "200"), data("first")]), .pause(ms: 300)]),
        pair("streams_both_first_first", [.awaitEnd(3), .send([head(1, "200"), data("first", ends: true), head(3, "200"), data("second", on: 3)]), .pause(ms: 300)]),
        pair("streams_heads_then_bodies", [.awaitEnd(3), .send([head(1, "200"), head(3, "200"), data("second", on: 3), data("first", ends: true)]), .pause(ms: 300)]),
        pair("streams_bad_then_good", [.awaitEnd(3), .send([head(1, "503"), data("first"), head(3, "200"), data("second", on: 3, ends: true)]), .pause(ms: 300)]),
        pair("streams_bad_second_then_good", [.awaitEnd(3), .send([head(3, "503"), data("second", on: 3), head(1, "200"), data("first", ends: true)]), .pause(ms: 300)]),
        pair("streams_both_bad", [.awaitEnd(3), .send([head(3, "502"), data("second", on: 3), head(1, "503"), data("first", ends: true)]), .pause(ms: 300)]),
        pair("streams_reset_then_good", [.awaitEnd(3), .send([resets(2, on: 1), head(3, "200"), data("second", on: 3, ends: true)]), .pause(ms: 300)]),
        pair("streams_second_reset_then_good", [.awaitEnd(3), .send([resets(2, on: 3), head(1, "200"), data("first", on: 1, ends: true)]), .pause(ms: 300)]),
        pair("streams_both_reset", [.awaitEnd(3), .send([resets(2, on: 3), resets(2, on: 1)]), .pause(ms: 300)]),
        pair("streams_connection_closes", [.awaitEnd(3), .close]),
        pair("streams_empty_answers", [.awaitEnd(3), .send([head(1, "200", ends: true), head(3, "200")]), .pause(ms: 300)]),
        pair("streams_trailers", [.awaitEnd(3), .send([head(1, "200"), .head(1, [("x-t", "1")]), head(3, "200")]), .pause(ms: 300)]),
    ]
}
