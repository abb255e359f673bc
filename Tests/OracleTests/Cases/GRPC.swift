import TestSupport

extension Groups {
    /// What the router and the connection manager do for gRPC.
    static let grpc = Group(
        name: "grpc",
        listeners: [
            .init(name: "main", manager: grpcTrailers, virtualHosts: grpcHosts),
            .init(name: "inside", manager: grpcTrailers + grpcInside, virtualHosts: grpcHosts),
            .init(name: "suppressed", manager: grpcTrailers, router: "suppress_grpc_request_failure_code_stats: true"),
            .init(name: "stream", manager: grpcTrailers + "common_http_protocol_options: {max_stream_duration: 0.2s}\n", virtualHosts: grpcHosts),
        ],
        clusters: [.init("up", [.scripted("a")], grpcUpstreamTrailers), .init("none", [])],
        cases: timeoutCases + durationCases + retryCases + accountCases)

    private static let grpcTrailers = "http_protocol_options: {enable_trailers: true}\n"
    private static let grpcInside = """
        use_remote_address: true
        internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}

        """

    private static let grpcUpstreamTrailers = """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http_protocol_options: {enable_trailers: true}}
        """

    private static let grpcHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {name: max, match: {prefix: /max/}, route: {cluster: up, max_grpc_timeout: 0.2s}}
          - {name: max_off, match: {prefix: /max_off/}, route: {cluster: up, max_grpc_timeout: 0s, timeout: 0.1s}}
          - {name: offset, match: {prefix: /offset/}, route: {cluster: up, max_grpc_timeout: 10s, grpc_timeout_offset: 0.05s}}
          - {name: per_try, match: {prefix: /per_try/}, route: {cluster: up, max_grpc_timeout: 10s, retry_policy: {per_try_timeout: 1.5s}}}
          - {name: header_max, match: {prefix: /header_max/}, route: {cluster: up, max_stream_duration: {grpc_timeout_header_max: 2s}}}
          - {name: header_any, match: {prefix: /header_any/}, route: {cluster: up, max_stream_duration: {grpc_timeout_header_max: 0s}}}
          - {name: header_offset, match: {prefix: /header_offset/}, route: {cluster: up, max_stream_duration: {grpc_timeout_header_max: 0s, grpc_timeout_header_offset: 0.1s}}}
          - {name: header_stream, match: {prefix: /header_stream/}, route: {cluster: up, max_stream_duration: {max_stream_duration: 0.2s, grpc_timeout_header_max: 5s}}}
          - {name: stream_off, match: {prefix: /stream_off/}, route: {cluster: up, max_stream_duration: {max_stream_duration: 0s}}}
          - {name: stream_empty, match: {prefix: /stream_empty/}, route: {cluster: up, timeout: 0.1s, max_stream_duration: {}}}
          - {name: retry, match: {prefix: /retry/}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable", num_retries: 1, retry_back_off: {base_interval: 0.001s}}}}
          - {name: retry_one, match: {prefix: /retry_one/}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: unavailable, num_retries: 1, retry_back_off: {base_interval: 0.001s}}}}
          - {name: none, match: {prefix: /none/}, route: {cluster: none}}
          - {name: stat, match: {prefix: /stat/}, stat_prefix: s, route: {cluster: up}}
          - {name: rest, match: {prefix: /}, route: {cluster: up, timeout: 0s}}
        """

    static func grpcRequest(_ path: String, _ more: String = "", type: String = "application/grpc") -> String {
        request("POST " + path, "content-type: \(type)\r\ncontent-length: 0\r\n" + more)
    }

    /// A response whose status stands in the trailers, behind one empty message.
    static func grpcReply(_ status: String, _ more: String = "") -> String {
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n"
            + "5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: \(status)\r\n\(more)\r\n"
    }

    static func trailersOnly(_ status: String, _ more: String = "") -> String {
        reply("200 OK", "content-type: application/grpc\r\ngrpc-status: \(status)\r\n\(more)", body: "")
    }

    private static func call(_ name: String, _ path: String, _ more: String = "", on listener: String = "main", type: String = "application/grpc") -> Case {
        Case("grpc." + name, grpcRequest(path, more, type: type), on: listener).with { $0.answerLimitMs = 2_500; $0.resetIsClose = true }.replying(grpcReply("0"))
    }

    private static func slowly(_ test: Case, _ delay: Int = 450) -> Case {
        test.upstream(.steps(.readRequest, .delay(ms: delay), .send(grpcReply("0"))))
    }

    // MARK: Timeouts

    private static let timeoutCases: [Case] = [
        call("max_without_header", "/max/a"), slowly(call("max_without_header_late", "/max/a")),
        call("max_shorter", "/max/a", "grpc-timeout: 100m\r\n"), slowly(call("max_shorter_late", "/max/a", "grpc-timeout: 100m\r\n"), 300),
        call("max_longer", "/max/a", "grpc-timeout: 5S\r\n"), slowly(call("max_longer_late", "/max/a", "grpc-timeout: 5S\r\n")),
        call("max_not_grpc", "/max/a", "grpc-timeout: 5S\r\n", type: "application/json"),
        call("max_off", "/max_off/a", "grpc-timeout: 5S\r\n"), slowly(call("max_off_without_header", "/max_off/a"), 300),
        slowly(call("max_off_late", "/max_off/a", "grpc-timeout: 100m\r\n"), 300),
        call("offset", "/offset/a", "grpc-timeout: 1S\r\n"), call("offset_too_large", "/offset/a", "grpc-timeout: 50m\r\n"),
        call("offset_without_header", "/offset/a"), call("per_try", "/per_try/a", "grpc-timeout: 5S\r\n"),
        call("per_try_of_header", "/per_try/a", "grpc-timeout: 5S\r\nx-envoy-upstream-rq-timeout-ms: 900\r\n", on: "inside"),
        call("passed_on", "/rest/a", "grpc-timeout: 5S\r\n"),
    ] + [
        ("hours", "1H"), ("minutes", "3M"), ("seconds", "7S"), ("micro", "1500001u"), ("nano", "99999999n"), ("eight_digits", "12345678m"),
        ("nine_digits", "123456789m"), ("many_digits", "99999999999999999999m"), ("no_unit", "100"), ("unknown_unit", "100x"), ("empty", ""), ("unit_alone", "m"), ("behind_unit", "10Sx"),
        ("negative", "-1S"), ("space", "1 S"), ("hours_max", "99999999H"), ("hours_many", "100000H"), ("minutes_max", "99999999M"), ("seconds_max", "99999999S"),
    ].map { call("format_\($0.0)", "/header_any/a", "grpc-timeout: \($0.1)\r\n") }

    // MARK: The whole stream

    private static let durationCases: [Case] = [
        call("header_max", "/header_max/a", "grpc-timeout: 1S\r\n"), call("header_max_over", "/header_max/a", "grpc-timeout: 9S\r\n"),
        call("header_max_none", "/header_max/a"), call("header_max_not_grpc", "/header_max/a", "grpc-timeout: 9S\r\n", type: "text/plain"),
        slowly(call("header_late", "/header_max/a", "grpc-timeout: 100m\r\n"), 300),
        slowly(call("header_late_not_grpc", "/header_max/a", "grpc-timeout: 100m\r\n", type: "text/plain"), 300),
        call("header_offset", "/header_offset/a", "grpc-timeout: 1S\r\n"),
        slowly(call("header_offset_late", "/header_offset/a", "grpc-timeout: 300m\r\n"), 260),
        slowly(call("header_stream_without", "/header_stream/a")), slowly(call("header_stream_with", "/header_stream/a", "grpc-timeout: 1S\r\n")),
        slowly(call("stream_of_the_manager", "/rest/a", on: "stream")), slowly(call("stream_off", "/stream_off/a", on: "stream")),
        slowly(call("stream_header_only", "/header_max/a", on: "stream")), slowly(call("stream_empty", "/stream_empty/a"), 300),
        slowly(call("stream_empty_of_the_manager", "/stream_empty/a", on: "stream")),
            ]

    // MARK: Tries

    private static func tries(_ name: String, _ path: String, _ more: String = "", on listener: String = "main", first: String, type: String = "application/grpc") -> Case {
        call(name, path, more, on: listener, type: type).upstream(UpstreamScript([[.readRequest, .send(first), .readRequest, .send(grpcReply("0"))]]))
    }

    private static let retryCases: [Case] =
        [1, 2, 4, 8, 13, 14].map { tries("retry_\($0)", "/retry/a", first: trailersOnly("\($0)")) } + [
            tries("retry_not_listed", "/retry_one/a", first: trailersOnly("13")), tries("retry_listed", "/retry_one/a", first: trailersOnly("14", "grpc-message: no\r\n")),
            tries("retry_not_of_trailers", "/retry/a", first: grpcReply("14")), tries("retry_not_grpc", "/retry/a", first: trailersOnly("14"), type: "text/plain"),
            tries("retry_of_header", "/rest/a", "x-envoy-retry-grpc-on: unavailable,cancelled\r\n", on: "inside", first: trailersOnly("14")),
            tries("retry_of_header_other", "/rest/a", "x-envoy-retry-grpc-on: internal\r\n", on: "inside", first: trailersOnly("14")),
            tries("retry_of_common_header", "/rest/a", "x-envoy-retry-on: unavailable\r\n", on: "inside", first: trailersOnly("14")),
            tries("retry_header_adds", "/retry_one/a", "x-envoy-retry-grpc-on: internal\r\n", on: "inside", first: trailersOnly("13")),
            tries("retry_header_from_outside", "/rest/a", "x-envoy-retry-grpc-on: unavailable\r\n", first: trailersOnly("14")),
            call("retry_exhausted", "/retry/a").replying(trailersOnly("14")),
            tries("retry_odd_status", "/retry/a", first: trailersOnly("014")),
        ]

    // MARK: Accounts

    private static let accountCases: [Case] = [
        call("ok", "/s/m"), call("failed", "/s/m").replying(grpcReply("13", "grpc-message: a%20b\r\n")),
        call("status_twice", "/s/m").replying(grpcReply("0", "grpc-status: 5\r\nx-a: 1\r\nx-a: 2\r\n")), call("status_empty", "/s/m").replying(grpcReply("")),
        call("trailers_only", "/s/m").replying(trailersOnly("5", "grpc-message: gone\r\n")), call("http_error", "/s/m").replying(reply("503 Unavailable")),
        call("of_route", "/stat/m").replying(trailersOnly("14")), call("no_host", "/none/m"),
        call("suppressed_ok", "/s/m", on: "suppressed"), call("suppressed_error", "/s/m", on: "suppressed").replying(reply("503 Unavailable")),
        call("suppressed_reset", "/s/m", on: "suppressed").upstream(.steps(.readRequest, .close)),
        call("suppressed_not_grpc", "/s/m", on: "suppressed", type: "text/plain").replying(reply("503 Unavailable")),
        call("cut", "/s/m").upstream(.steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n"), .close)),
    ]
}
