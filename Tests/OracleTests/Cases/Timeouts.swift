import TestSupport

extension Groups {
    /// What happens when somebody is too slow. Limits are 0.2 s, delays are far from them.
    static let timeouts = Group(
        name: "timeouts",
        listeners: [
            .init(name: "main", virtualHosts: timeoutHosts),
            .init(name: "idle", manager: "common_http_protocol_options: {idle_timeout: 0.2s}\ndrain_timeout: 0.1s"),
            .init(name: "idle_default_drain", manager: "common_http_protocol_options: {idle_timeout: 0.2s}"),
            .init(
                name: "inside", manager: """
                    use_remote_address: true
                    internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}
                    """, virtualHosts: timeoutHosts),
            .init(
                name: "respecting", manager: """
                    use_remote_address: true
                    internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}
                    """, virtualHosts: timeoutHosts, router: "respect_expected_rq_timeout: true"),
            .init(name: "stream_idle", manager: "stream_idle_timeout: 0.2s", virtualHosts: timeoutHosts),
            .init(name: "stream_idle_off", manager: "stream_idle_timeout: 0s", virtualHosts: timeoutHosts),
            .init(name: "request", manager: "request_timeout: 0.2s"),
            .init(name: "request_headers", manager: "request_headers_timeout: 0.2s"),
            .init(name: "max_connection", manager: "common_http_protocol_options: {max_connection_duration: 0.3s}\ndrain_timeout: 0.1s"),
            .init(name: "lingering", manager: "common_http_protocol_options: {max_connection_duration: 0.3s}\ndrain_timeout: 0.6s\ndelayed_close_timeout: 0.6s"),
            .init(
                name: "lingering_late",
                manager: "common_http_protocol_options: {max_connection_duration: 0.3s}\ndrain_timeout: 0.6s\ndelayed_close_timeout: 0.6s\nrequest_headers_timeout: 0.2s"),
            .init(name: "max_stream", manager: "common_http_protocol_options: {max_stream_duration: 0.2s}"),
            .init(name: "delayed_close_off", manager: "delayed_close_timeout: 0s"),
            .init(name: "delayed_close_half_second", manager: "delayed_close_timeout: 0.5s"),
        ],
        clusters: [
            Group.up,
            .init("silent", [.silent], "connect_timeout: 0.2s"),
            .init("idle_upstream", [.scripted("a")], timeoutOptions("idle_timeout: 0.6s")),
            .init("stream_upstream", [.scripted("a")], timeoutOptions("max_stream_duration: 0.4s")),
            .init("max_upstream", [.scripted("a")], timeoutOptions("max_connection_duration: 0.2s")),
        ],
        cases: timeoutRoutes + timeoutStreams + timeoutTries + timeoutConnections)

    private static func timeoutOptions(_ fields: String) -> String {
        """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            common_http_protocol_options: {\(fields)}
            explicit_http_config: {http_protocol_options: {}}
        """
    }

    private static let timeoutHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {name: short, match: {prefix: /short}, route: {cluster: up, timeout: 0.2s}}
          - {name: no_timeout, match: {prefix: /off}, route: {cluster: up, timeout: 0s}}
          - {name: idle, match: {prefix: /idle}, route: {cluster: up, timeout: 0s, idle_timeout: 0.2s}}
          - {name: idle_off, match: {prefix: /no_idle}, route: {cluster: up, timeout: 0s, idle_timeout: 0s}}
          - {name: stream, match: {prefix: /stream}, route: {cluster: up, timeout: 0s, max_stream_duration: {max_stream_duration: 0.2s}}}
          - {name: grpc, match: {prefix: /grpc}, route: {cluster: up, timeout: 0s, max_stream_duration: {grpc_timeout_header_max: 0.2s}}}
          - {name: silent, match: {prefix: /connect}, route: {cluster: silent}}
          - {name: idle_upstream, match: {prefix: /upstream_idle}, route: {cluster: idle_upstream}}
          - {name: max_upstream, match: {prefix: /upstream_max}, route: {cluster: max_upstream}}
          - {name: tried, match: {prefix: /tried}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.01s}}}}
          - {name: stream_upstream, match: {prefix: /upstream_stream}, route: {cluster: stream_upstream, timeout: 0s}}
          - {name: rest, match: {prefix: /}, route: {cluster: up}}
        """

    private static func slow(_ name: String, _ request: String, on listener: String = "main") -> Case {
        Case("timeouts." + name, request, on: listener).with { $0.resetIsClose = true; $0.answerLimitMs = 1_500 }
    }

    private static func answering(after delay: Int, _ reply: String = Groups.quick) -> UpstreamScript {
        .steps(.readRequest, .delay(ms: delay), .send(reply))
    }

    private static let quick = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    private static let timeoutRoutes: [Case] = [
        slow("route", request("GET /short")).upstream(answering(after: 700)),
        slow("route_in_time", request("GET /short")).upstream(answering(after: 60)),
        slow("route_head", request("HEAD /short")).upstream(answering(after: 700)),
        slow("route_post", request("POST /short", "content-length: 2\r\n") + "hi").upstream(answering(after: 700)),
        slow("route_body_not_sent", request("POST /short", "content-length: 2\r\n")).upstream(answering(after: 700)),
        slow("route_headers_sent_body_late", request("GET /short")).upstream(
            .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .delay(ms: 700), .send("ok"))),
        slow("route_chunked_body_late", request("GET /short")).upstream(
            .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"), .delay(ms: 700), .send("0\r\n\r\n"))),
        slow("route_then_next", request("GET /short") + request("GET /off")).with {
            $0.clients[0].methods = ["GET", "GET"]
            $0.upstreams["a"] = UpstreamScript([[.readRequest, .delay(ms: 900)], [.readRequest, .send(Groups.quick)]])
        },
        slow("route_early_hints_do_not_help", request("GET /short")).upstream(
            .steps(.readRequest, .send("HTTP/1.1 103 Early Hints\r\n\r\n"), .delay(ms: 700), .send(Groups.quick))),
        slow("header_shortens", request("GET /off", "x-envoy-upstream-rq-timeout-ms: 200\r\n"), on: "inside").upstream(answering(after: 700)),
        slow("header_lengthens", request("GET /short", "x-envoy-upstream-rq-timeout-ms: 1200\r\n"), on: "inside").upstream(answering(after: 500)),
        slow("header_alternative_response", request("GET /short", "x-envoy-upstream-rq-timeout-alt-response: 1\r\n"), on: "inside").upstream(answering(after: 700)),
        slow("header_per_try", request("GET /off", "x-envoy-upstream-rq-per-try-timeout-ms: 200\r\n"), on: "inside").upstream(answering(after: 700)),
        slow("header_from_outside_is_ignored", request("GET /off", "x-envoy-upstream-rq-timeout-ms: 200\r\n")).upstream(answering(after: 500)),
        slow("header_through_internal_proxy", request("GET /off", "x-forwarded-for: 10.0.0.1\r\nx-envoy-upstream-rq-timeout-ms: 200\r\n")).upstream(answering(after: 500)),
        slow("expected_shortens", request("GET /off", "x-envoy-expected-rq-timeout-ms: 200\r\n"), on: "respecting").upstream(answering(after: 700)),
        slow("expected_lengthens", request("GET /short", "x-envoy-expected-rq-timeout-ms: 1200\r\n"), on: "respecting").upstream(answering(after: 500)),
        slow("expected_goes_before", request("GET /off", "x-envoy-upstream-rq-timeout-ms: 1200\r\nx-envoy-expected-rq-timeout-ms: 200\r\n"), on: "respecting").upstream(answering(after: 700)),
        slow("expected_is_no_number", request("GET /short", "x-envoy-upstream-rq-timeout-ms: 1200\r\nx-envoy-expected-rq-timeout-ms: soon\r\n"), on: "respecting").upstream(answering(after: 700)),
        slow("expected_is_not_there", request("GET /off", "x-envoy-upstream-rq-timeout-ms: 200\r\n"), on: "respecting").upstream(answering(after: 700)),
        slow("expected_from_outside", request("GET /off", "x-envoy-expected-rq-timeout-ms: 200\r\nx-forwarded-for: 8.8.8.8\r\n"), on: "respecting").upstream(answering(after: 500)),
        slow("expected_is_not_asked_for", request("GET /off", "x-envoy-expected-rq-timeout-ms: 200\r\n"), on: "inside").upstream(answering(after: 500)),
        slow("grpc_header", request("POST /grpc", "content-type: application/grpc\r\ngrpc-timeout: 200m\r\ncontent-length: 0\r\n")).upstream(answering(after: 700)),
        slow("connect", request("GET /connect")),
        slow("connect_post", request("POST /connect", "content-length: 2\r\n") + "hi"),
    ]

    private static let halfAnswer: [UpstreamStep] = [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .delay(ms: 1100), .send("ok")]

    /// How long a try may be on its connection.
    private static let timeoutTries: [Case] = [
        slow("upstream_stream_header", request("GET /off", "x-envoy-upstream-stream-duration-ms: 400\r\n"), on: "inside").upstream(answering(after: 1100)),
        slow("upstream_stream_header_in_time", request("GET /off", "x-envoy-upstream-stream-duration-ms: 1200\r\n"), on: "inside").upstream(answering(after: 60)),
        slow("upstream_stream_header_none", request("GET /upstream_stream", "x-envoy-upstream-stream-duration-ms: 0\r\n"), on: "inside").upstream(answering(after: 700)),
        slow("upstream_stream_header_no_number", request("GET /off", "x-envoy-upstream-stream-duration-ms: soon\r\n"), on: "inside").upstream(answering(after: 700)),
        slow("upstream_stream_header_from_outside", request("GET /off", "x-envoy-upstream-stream-duration-ms: 400\r\n")).upstream(answering(after: 700)),
        slow("upstream_stream_half", request("GET /off", "x-envoy-upstream-stream-duration-ms: 400\r\n"), on: "inside").upstream(UpstreamScript([halfAnswer])),
        slow("upstream_stream_body_not_sent", request("POST /off", "content-length: 2\r\nx-envoy-upstream-stream-duration-ms: 400\r\n"), on: "inside").upstream(answering(after: 1100)),
        slow("upstream_stream_tried_again", request("GET /tried", "x-envoy-upstream-stream-duration-ms: 400\r\n"), on: "inside")
            .upstream(UpstreamScript([[.readRequest, .delay(ms: 1100)], [.readRequest, .answer(quick)]])),
        slow("upstream_stream_tried_in_vain", request("GET /tried", "x-envoy-upstream-stream-duration-ms: 400\r\n"), on: "inside")
            .upstream(UpstreamScript([[.readRequest, .delay(ms: 1300)]])),
        slow("upstream_stream_cluster", request("GET /upstream_stream")).upstream(answering(after: 1100)),
        slow("upstream_stream_cluster_half", request("GET /upstream_stream")).upstream(UpstreamScript([halfAnswer])),
    ]

    private static let timeoutStreams: [Case] = [
        slow("stream_idle_request_body", request("POST /off", "content-length: 2\r\n"), on: "stream_idle"),
        slow("stream_idle_response", request("GET /off"), on: "stream_idle").upstream(answering(after: 700)),
        slow("stream_idle_response_body", request("GET /off"), on: "stream_idle").upstream(
            .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .delay(ms: 700), .send("ok"))),
        slow("stream_idle_kept_alive_by_body", request("GET /off"), on: "stream_idle").upstream(
            .steps(
                .readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nok"), .delay(ms: 110), .send("ok"), .delay(ms: 110),
                .send("ok"))),
        slow("stream_idle_in_head", "GET /off HTTP/1.1\r\nho", on: "stream_idle"),
        slow("stream_idle_off", request("GET /off"), on: "stream_idle_off").upstream(answering(after: 400)),
        slow("route_idle", request("GET /idle")).upstream(answering(after: 700)),
        slow("route_idle_off_over_listener", request("GET /no_idle"), on: "stream_idle").upstream(answering(after: 400)),
        slow("route_idle_in_body", request("POST /idle", "content-length: 2\r\n") + "h"),
        slow("max_stream_route", request("GET /stream")).upstream(answering(after: 700)),
        slow("max_stream_route_after_head", request("GET /stream")).upstream(
            .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .delay(ms: 700), .send("ok"))),
        slow("max_stream_listener", request("GET /off"), on: "max_stream").upstream(answering(after: 700)),
        slow("request_body", request("POST /a", "content-length: 2\r\n") + "h", on: "request"),
        slow("request_head", "GET /a HTTP/1.1\r\n", on: "request"),
        slow("request_complete", request("GET /a"), on: "request").upstream(answering(after: 400)),
        slow("request_headers", "GET /a HTTP/1.1\r\nho", on: "request_headers"),
        slow("request_headers_empty_line", "\r\n", on: "request_headers"),
        slow("stream_idle_empty_line", "\r\n", on: "stream_idle").with { $0.answerLimitMs = 500; $0.closeLimitMs = 500 },
        slow("request_empty_line", "\r\n", on: "request").with { $0.answerLimitMs = 500; $0.closeLimitMs = 500 },
        slow("request_headers_first_byte_of_a_preface", "P", on: "request_headers"),
        Case("timeouts.request_while_answered", steps: [.send(request("POST /a", "content-length: 2\r\n") + "h"), .pause(ms: 500), .send("i")], on: "request")
            .upstream(.steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .readText("hi"), .send("ok")))
            .with { $0.answerLimitMs = 1_500 },
        slow("request_headers_complete", request("POST /a", "content-length: 2\r\n"), on: "request_headers").with { $0.answerLimitMs = 500 },
        slow("request_headers_nothing_sent", "", on: "request_headers").with { $0.answerLimitMs = 500 },
    ]

    private static func after(_ milliseconds: Int, _ name: String, _ first: String, _ second: String, on listener: String) -> Case {
        Case(
            "timeouts." + name, steps: [.send(first), .awaitResponse, .pause(ms: milliseconds), .send(second)], on: listener,
            methods: ["GET", "GET"]
        ).with { $0.resetIsClose = true; $0.answerLimitMs = 1_500 }
    }

    private static let timeoutConnections: [Case] = [
        slow("idle_connection", request("GET /a"), on: "idle").with { $0.closeLimitMs = 800 },
        slow("idle_connection_drains_first", request("GET /a"), on: "idle_default_drain").with { $0.closeLimitMs = 800 },
        slow("idle_connection_without_request", "", on: "idle").with { $0.closeLimitMs = 800 },
        slow("idle_not_during_request", request("GET /a"), on: "idle").upstream(answering(after: 400)).with { $0.closeLimitMs = 800 },
        after(100, "idle_reset_by_request", request("GET /1"), request("GET /2"), on: "idle").with { $0.closeLimitMs = 800 },
        slow("max_connection", request("GET /a"), on: "max_connection").with { $0.closeLimitMs = 1_000 },
        slow("max_connection_during_request", request("GET /a"), on: "max_connection").upstream(answering(after: 600)).with { $0.closeLimitMs = 1_000 },
        after(50, "upstream_idle_not_yet", request("GET /upstream_idle"), request("GET /upstream_idle"), on: "main"),
        after(1_200, "upstream_idle", request("GET /upstream_idle"), request("GET /upstream_idle"), on: "main"),
        after(500, "upstream_max_connection", request("GET /upstream_max"), request("GET /upstream_max"), on: "main"),
        Case(
            "timeouts.empty_lines_are_idle", steps: [.send("\r\n"), .pause(ms: 130), .send("\r\n"), .pause(ms: 130), .send("\r\n"), .pause(ms: 130), .send("\r\n")],
            on: "idle"
        ).with { $0.resetIsClose = true; $0.closeLimitMs = 150; $0.answerLimitMs = 200 },
        Case(
            "timeouts.empty_line_then_a_slow_head", steps: [.send("\r\n"), .pause(ms: 100), .send("GET /a HTTP/1.1\r\nho"), .pause(ms: 400), .send("st: h.test\r\n\r\n")],
            on: "idle", methods: ["GET"]
        ).with { $0.closeLimitMs = 100; $0.answerLimitMs = 1_500 },
        after(550, "lingering_over_the_end_of_a_drain", request("GET /1"), "nonsense\r\n\r\n", on: "lingering").with { $0.closeLimitMs = 1_500 },
        after(550, "late_head_over_the_end_of_a_drain", request("GET /1"), "GET /a HTTP/1.1\r\nho", on: "lingering_late").with { $0.closeLimitMs = 1_500 },
        after(550, "early_answer_over_the_end_of_a_drain", request("GET /1"), request("POST /2", "content-length: 9\r\n") + "h", on: "lingering")
            .upstream(UpstreamScript([[.readRequest, .send(quick), .readHead, .send(quick)]])).with { $0.closeLimitMs = 1_500 },
        slow("delayed_close_off", "nonsense\r\n\r\n", on: "delayed_close_off"),
        slow("delayed_close_waits", "nonsense\r\n\r\n", on: "delayed_close_half_second"),
        Case("timeouts.delayed_close_client_first", steps: [.send("nonsense\r\n\r\n"), .awaitResponse, .close], on: "delayed_close_half_second"),
    ]
}
