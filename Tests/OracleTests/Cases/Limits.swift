import TestSupport

extension Groups {
    /// How much a message may hold before it is refused, and how it is refused.
    static let limits = Group(
        name: "limits",
        listeners: [
            .init(name: "main"),
            .init(name: "ten_headers", manager: "common_http_protocol_options: {max_headers_count: 10}"),
            .init(name: "trailers", manager: "http_protocol_options: {enable_trailers: true}"),
            .init(name: "one_kilobyte", manager: "max_request_headers_kb: 1"),
            .init(name: "large_heads", manager: "max_request_headers_kb: 96\ncommon_http_protocol_options: {max_headers_count: 300}"),
            .init(
                name: "buffered", virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {prefix: /off}
                        route: {cluster: up}
                        typed_per_filter_config:
                          envoy.filters.http.buffer:
                            "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute
                            disabled: true
                      - match: {prefix: /small}
                        route: {cluster: up}
                        typed_per_filter_config:
                          envoy.filters.http.buffer:
                            "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute
                            buffer: {max_request_bytes: 4}
                      - match: {prefix: /}
                        route: {cluster: up}
                    """,
                filters: """
                    - name: envoy.filters.http.buffer
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
                        max_request_bytes: 16
                    """),
            .init(
                name: "rate", filters: """
                    - name: envoy.filters.http.local_ratelimit
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                        stat_prefix: rate
                        token_bucket: {max_tokens: 1, tokens_per_fill: 1, fill_interval: 3600s}
                        filter_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}
                        filter_enforced: {default_value: {numerator: 100, denominator: HUNDRED}}
                    """),
            .init(name: "to_small_responses", virtualHosts: everythingTo("small_responses")),
            .init(name: "to_few_response_headers", virtualHosts: everythingTo("few_response_headers")),
            .init(name: "to_one_request", virtualHosts: everythingTo("one_request")),
            .init(
                name: "direct_body", routeTable: "max_direct_response_body_size_bytes: 8192",
                virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {prefix: /}
                        direct_response: {status: 200, body: {inline_string: "\(many("d", 5000))"}}
                    """),
        ],
        clusters: [
            Group.up,
            .init("small_responses", [.scripted("a")], upstreamOptions("max_response_headers_kb: 1")),
            .init("few_response_headers", [.scripted("a")], upstreamOptions("max_headers_count: 5")),
            .init("one_request", [.scripted("a")], upstreamOptions("max_requests_per_connection: 1")),
        ],
        cases: limitsOfHeads + limitsOfLines + limitsOfBodies + limitsOfResponses)

    private static func upstreamOptions(_ fields: String) -> String {
        """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            common_http_protocol_options: {\(fields)}
            explicit_http_config: {http_protocol_options: {}}
        """
    }

    /// `count` header lines with names of their own.
    static func headers(_ count: Int, value: String = "v") -> String {
        (0..<count).map { "x-\($0): \(value)\r\n" }.joined()
    }

    private static func limit(_ name: String, _ bytes: String, on listener: String = "main") -> Case {
        Case("limits." + name, bytes, on: listener).with { $0.resetIsClose = true }
    }

    private static let limitsOfHeads: [Case] = [
        limit("headers_99_and_host", request("GET /a", headers(99))),
        limit("headers_100_and_host", request("GET /a", headers(100))),
        limit("headers_101_and_host", request("GET /a", headers(101))),
        limit("headers_10_of_10", request("GET /a", headers(9)), on: "ten_headers"),
        limit("headers_11_of_10", request("GET /a", headers(10)), on: "ten_headers"),
        limit("headers_200_of_300", request("GET /a", headers(200)), on: "large_heads"),
        limit("head_59_kilobytes", request("GET /a", headers(59, value: many("v", 1_015)))),
        limit("head_61_kilobytes", request("GET /a", headers(61, value: many("v", 1_015)))),
        limit("head_70_kilobytes", request("GET /a", headers(70, value: many("v", 1_015)))),
        limit("head_90_of_96_kilobytes", request("GET /a", headers(90, value: many("v", 1_015))), on: "large_heads"),
        limit("head_of_1_kilobyte_fits", request("GET /a", "x-long: \(many("v", 900))\r\n"), on: "one_kilobyte"),
        limit("head_of_1_kilobyte_too_long", request("GET /a", "x-long: \(many("v", 1_100))\r\n"), on: "one_kilobyte"),
        limit("head_without_end", "GET /a HTTP/1.1\r\nhost: h.test\r\n" + headers(70, value: many("v", 1_015))),
        limit("too_long_then_more", request("GET /1", "x-long: \(many("v", 1_100))\r\n") + request("GET /2"), on: "one_kilobyte"),
        limit("good_then_too_long", request("GET /1") + request("GET /2", "x-long: \(many("v", 1_100))\r\n"), on: "one_kilobyte")
            .with { $0.clients[0].methods = ["GET", "GET"] },
        limit("too_many_trailers", request("POST /a", "transfer-encoding: chunked\r\n") + "0\r\n" + headers(120) + "\r\n"),
        limit("too_long_trailers", request("POST /a", "transfer-encoding: chunked\r\n") + "0\r\n" + headers(70, value: many("v", 1_015)) + "\r\n"),
        limit("too_many_trailers_kept", request("POST /a", "transfer-encoding: chunked\r\n") + "0\r\n" + headers(120) + "\r\n", on: "trailers"),
        limit("too_long_trailers_kept", request("POST /a", "transfer-encoding: chunked\r\n") + "0\r\n" + headers(70, value: many("v", 1_015)) + "\r\n", on: "trailers"),
    ]

    private static let limitsOfLines: [Case] = [
        limit("target_8_kilobytes", request("GET /\(many("a", 8_000))")),
        limit("target_50_kilobytes", request("GET /\(many("a", 50_000))")),
        limit("target_70_kilobytes", request("GET /\(many("a", 70_000))")),
        limit("target_of_1_kilobyte_too_long", request("GET /\(many("a", 1_100))"), on: "one_kilobyte"),
        limit("name_8_kilobytes", request("GET /a", "\(many("n", 8_000)): 1\r\n")),
        limit("name_70_kilobytes", request("GET /a", "\(many("n", 70_000)): 1\r\n")),
        limit("value_50_kilobytes", request("GET /a", "x-long: \(many("v", 50_000))\r\n")),
        limit("value_70_kilobytes", request("GET /a", "x-long: \(many("v", 70_000))\r\n")),
        limit("method_long", request("\(many("M", 1_000)) /a")),
        limit("line_without_end", many("a", 70_000)),
        limit("host_long", "GET /a HTTP/1.1\r\nhost: \(many("h", 3_000)).test\r\n\r\n"),
        limit("leading_line_ends", many("\r\n", 1_000) + request("GET /a")),
    ]

    private static let limitsOfBodies: [Case] = [
        limit("body_fits_buffer", request("POST /a", "content-length: 16\r\n") + many("b", 16), on: "buffered"),
        limit("body_over_buffer", request("POST /a", "content-length: 17\r\n") + many("b", 17), on: "buffered"),
        limit("body_far_over_buffer", request("POST /a", "content-length: 100000\r\n") + many("b", 100_000), on: "buffered")
            // How much was read before the refusal depends on what has arrived.
            .with { $0.ignoringLogFields = ["received"] },
        limit("chunked_body_fits_buffer", request("POST /a", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n", on: "buffered"),
        limit("chunked_body_over_buffer", request("POST /a", "transfer-encoding: chunked\r\n") + "11\r\n\(many("b", 17))\r\n0\r\n\r\n", on: "buffered"),
        limit("buffer_off_for_route", request("POST /off", "content-length: 17\r\n") + many("b", 17), on: "buffered"),
        limit("buffer_smaller_for_route", request("POST /small", "content-length: 5\r\n") + "hello", on: "buffered"),
        limit("buffer_without_body", request("GET /a"), on: "buffered"),
        limit("declared_over_buffer_unsent", request("POST /a", "content-length: 17\r\n"), on: "buffered").with { $0.answerLimitMs = 300 },
        limit("rate_limited", request("GET /1") + request("GET /2"), on: "rate").with { $0.clients[0].methods = ["GET", "GET"] },
        limit("direct_response_5000", request("GET /a"), on: "direct_body"),
    ]

    private static func response(_ name: String, _ bytes: String, on listener: String = "main") -> Case {
        limit("response_" + name, request("GET /a"), on: listener).replying(bytes)
    }

    private static let limitsOfResponses: [Case] = [
        response("headers_90", reply("200 OK", headers(90))),
        response("headers_100", reply("200 OK", headers(100))),
        response("headers_120", reply("200 OK", headers(120))),
        response("headers_6_of_5", reply("200 OK", headers(6)), on: "to_few_response_headers"),
        response("head_50_kilobytes", reply("200 OK", headers(50, value: many("v", 1_015)))),
        response("head_70_kilobytes", reply("200 OK", headers(70, value: many("v", 1_015)))),
        response("head_of_1_kilobyte_too_long", reply("200 OK", "x-long: \(many("v", 1_100))\r\n"), on: "to_small_responses"),
        response("value_70_kilobytes", reply("200 OK", "x-long: \(many("v", 70_000))\r\n")),
        limit("one_request_per_upstream_connection", request("GET /1") + request("GET /2"), on: "to_one_request")
            .with { $0.clients[0].methods = ["GET", "GET"] },
    ]
}
