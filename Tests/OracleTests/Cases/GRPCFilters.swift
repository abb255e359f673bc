import TestSupport

extension Groups {
    /// `grpc_stats`, `grpc_web`, `grpc_http1_bridge`.
    static let grpcFilters = Group(
        name: "grpc_filters",
        listeners: [
            .init(name: "stats_none", manager: trailers, filters: stats("")),
            .init(name: "stats_off", manager: trailers, filters: stats("stats_for_all_methods: false")),
            .init(name: "stats_all", manager: trailers, virtualHosts: filterHosts, filters: stats("stats_for_all_methods: true")),
            .init(name: "stats_dots", manager: trailers, filters: stats("stats_for_all_methods: true\nreplace_dots_in_grpc_service_name: true")),
            .init(
                name: "stats_listed", manager: trailers,
                filters: stats("individual_method_stats_allowlist: {services: [{name: a.Listed, method_names: [One, Two]}]}\nreplace_dots_in_grpc_service_name: true")),
            .init(name: "web", manager: trailers, virtualHosts: filterHosts, filters: web),
            .init(name: "web_stats", manager: trailers, filters: web + stats("stats_for_all_methods: true")),
            .init(name: "bridge", manager: trailers, virtualHosts: filterHosts, filters: bridge("")),
            .init(name: "bridge_upgrade", manager: trailers, virtualHosts: filterHosts, filters: bridge("upgrade_protobuf_to_grpc: true")),
            .init(name: "bridge_query", manager: trailers, filters: bridge("ignore_query_parameters: true\nupgrade_protobuf_to_grpc: true")),
        ],
        clusters: [.init("up", [.scripted("a")], upstreamTrailers), .init("none", [])],
        cases: statsCases + webCases + bridgeCases)

    private static let trailers = "http_protocol_options: {enable_trailers: true}\n"

    private static let upstreamTrailers = """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http_protocol_options: {enable_trailers: true}}
        """

    private static func filter(_ name: String, _ type: String, _ fields: String) -> String {
        """
        - name: envoy.filters.http.\(name)
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.\(name).v3.\(type)
        \(fields.indented(4))

        """
    }

    private static func stats(_ fields: String) -> String { filter("grpc_stats", "FilterConfig", fields) }
    private static let web = filter("grpc_web", "GrpcWeb", "")
    private static func bridge(_ fields: String) -> String { filter("grpc_http1_bridge", "Config", fields) }

    private static let filterHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {name: none, match: {prefix: /none/}, route: {cluster: none}}
          - {name: direct, match: {prefix: /direct/}, direct_response: {status: 200, body: {inline_string: hello}}}
          - {name: gone, match: {prefix: /gone/}, redirect: {host_redirect: away.test}}
          - {name: rest, match: {prefix: /}, route: {cluster: up}}
        """

    /// A gRPC message.
    private static func message(_ body: String, flags: UInt8 = 0) -> String {
        String(wire: [flags, 0, 0, 0, UInt8(body.utf8.count)]) + body
    }

    private static func chunked(_ bodies: [String], trailers: String = "") -> String {
        bodies.map { String($0.wire.count, radix: 16) + "\r\n" + $0 + "\r\n" }.joined() + "0\r\n" + trailers + "\r\n"
    }

    private static func answer(_ bodies: [String], status: String = "0", _ more: String = "", type: String = "application/grpc", code: String = "200 OK") -> String {
        "HTTP/1.1 \(code)\r\ncontent-type: \(type)\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(bodies, trailers: "grpc-status: \(status)\r\n\(more)")
    }

    private static func send(
        _ name: String, _ path: String, _ body: String = message("hi"), on listener: String, type: String = "application/grpc", _ more: String = ""
    ) -> Case {
        Case(
            "grpc_filters." + name, request("POST " + path, "content-type: \(type)\r\ncontent-length: \(body.wire.count)\r\n\(more)") + body,
            on: listener
        ).replying(answer([message("answer")]))
    }

    // MARK: grpc_stats

    private static let statsCases: [Case] = [
        send("stats_none", "/a.S/M", on: "stats_none"), send("stats_off", "/a.S/M", on: "stats_off"), send("stats_all", "/a.S/M", on: "stats_all"),
        send("stats_all_failure", "/a.S/M", on: "stats_all").replying(answer([], status: "13")),
        send("stats_all_trailers_only", "/a.S/M", on: "stats_all").replying(trailersOnly("5")),
        send("stats_all_messages", "/a.S/M", message("a") + message("b") + message(""), on: "stats_all").replying(answer([message("1"), message("22") + message("333")])),
        send("stats_all_other_path", "/a.S/M/x", on: "stats_all"), send("stats_all_short_path", "/a", on: "stats_all"),
        send("stats_all_slashes", "//a.S//M/", on: "stats_all"), send("stats_all_query", "/a.S/M?q=/x", on: "stats_all"),
        send("stats_all_colon", "/a:S/M:x", on: "stats_all"),
        send("stats_all_not_grpc", "/a.S/M", on: "stats_all", type: "text/plain"), send("stats_all_no_status", "/a.S/M", on: "stats_all").replying(reply("200 OK", "content-type: application/grpc\r\n", body: message("x"))),
        send("stats_all_http_error", "/a.S/M", on: "stats_all").replying(reply("503 No")), send("stats_all_no_host", "/none/M", on: "stats_all"),
        send("stats_all_direct", "/direct/M", on: "stats_all"), send("stats_all_redirect", "/gone/M", on: "stats_all"),
        send("stats_dots", "/a.b.S/M.N", on: "stats_dots"),
        send("stats_listed", "/a.Listed/One", on: "stats_listed"), send("stats_listed_two", "/a.Listed/Two", on: "stats_listed"), send("stats_unlisted", "/a.Listed/Three", on: "stats_listed"),
        send("stats_unlisted_path", "/x", on: "stats_listed"), send("stats_none_path", "/x", on: "stats_none"),
        send("stats_all_part_of_prefix", "/a.S/M", "\0\0", on: "stats_all").replying(answer(["\0"])),
        send("stats_all_part_of_message", "/a.S/M", "\0\0\0\0\u{9}abc", on: "stats_all").replying(answer(["\0\0\0\0\u{9}abc"])),
        send("stats_all_compressed", "/a.S/M", message("a", flags: 1), on: "stats_all").replying(answer([message("a", flags: 1) + message("b")])),
        send("stats_all_odd_flags", "/a.S/M", message("a", flags: 2) + message("b"), on: "stats_all").replying(answer([message("a", flags: 64) + message("b")])),
        send("stats_all_odd_flags_later", "/a.S/M", message("b") + message("a", flags: 2) + message("c"), on: "stats_all").replying(answer([message("a") + message("b", flags: 65), message("c")])),
    ]

    // MARK: grpc_web

    private static func web(_ name: String, _ body: String = message("hi"), type: String = "application/grpc-web+proto", _ more: String = "", path: String = "/a.S/M") -> Case {
        send("web_" + name, path, body, on: "web", type: type, more)
    }

    private static let text = "application/grpc-web-text"

    /// Whether the request's end has been seen when its body is refused.
    private static func early(_ test: inout Case) {
        test.ignoringCounters = ["downstream_rq_response_before_rq_complete", "downstream_rq_rx_reset"]
    }

    private static let webCases: [Case] = [
        web("binary"), web("binary_short_type", type: "application/grpc-web"), web("binary_parameters", type: "application/grpc-web+proto; charset=utf-8"),
        web("upper_case", type: "Application/grpc-web"), web("json", type: "application/grpc-web+json"), web("not_web", type: "application/grpc"),
        web("with_te", "", "te: trailers, deflate\r\ngrpc-accept-encoding: br\r\n"), web("chunked").with {
            $0.clients[0].steps = [.send(request("POST /a.S/M", "content-type: application/grpc-web\r\ntransfer-encoding: chunked\r\n") + chunked([message("hi")]))]
        },
        web("no_body", ""), web("messages").replying(answer([message("1"), message("22")], status: "0", "grpc-message: fine\r\nX-More: a, b\r\n")),
        web("failure").replying(answer([], status: "13", "grpc-message: a%20b\r\n")), web("trailers_only").replying(trailersOnly("5", "grpc-message: gone\r\n")),
        web("no_trailers").replying("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n" + chunked([message("1")])),
        web("with_length").replying(reply("200 OK", "content-type: application/grpc\r\n", body: message("1"))),
        web("answer_is_web").replying(reply("200 OK", "content-type: application/grpc-web+proto\r\n", body: message("1"))),
        web("answer_with_suffix").replying(answer([message("1")], type: "application/grpc+proto")),
        web("http_error").replying(reply("503 Unavailable", "content-type: text/plain\r\n", body: "no room: 100%")), web("http_error_empty").replying(reply("404 Not Found", body: "")),
        web("http_ok_text").replying(reply("200 OK", "content-type: text/plain\r\n", body: "hello")), web("http_error_long").replying(reply("500 Bad", body: many("x", 20_000))),
        web("http_error_chunked").replying("HTTP/1.1 502 Bad\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(["a", "b"])),
        web("http_error_with_trailers").replying(answer(["xyz"], status: "9", type: "text/plain", code: "500 Bad")),
        web("http_403").replying(reply("403 Forbidden", body: "no")), web("http_429").replying(reply("429 Slow", body: "no")),
        web("no_host", path: "/none/M"), web("direct", path: "/direct/M"), web("redirect", path: "/gone/M"),
        web("text", "AAAAAAJoaQ==", type: text), web("text_proto", "AAAAAAJoaQ==", type: "application/grpc-web-text+proto"),
        web("text_accept", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text\r\n"),
        web("text_accept_proto", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text+proto\r\n"),
        web("text_accept_more", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text, text/plain\r\n"),
        web("text_accept_of_binary", "accept: application/grpc-web-text\r\n"),
        web("binary_accept_text", message("hi"), "accept: application/grpc-web-text\r\n"),
        web("text_bad_size", "AAAAAAJoaQ=", type: text), web("text_bad_byte", "AAA*AAJoaQ==", type: text).with(early), web("text_one_byte", "A", type: text),
        web("text_bad_bits", "AAAAAAJoaR==", type: text).with(early), web("text_url_alphabet", "AAAAAAJ-_w==", type: text).with(early),
        web("text_padding_inside", "AAAAAAE=aGk=", type: text).with(early), web("text_padding_too_much", "AAAAAA====", type: text), web("text_line_end", "AAAAAAJoaQ==\r\n", type: text),
        web("text_empty", "", type: text),
        web("text_messages", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text\r\n")
            .replying(answer([message("1"), message("22") + message("333")], status: "0", "grpc-message: fine\r\n")),
        web("text_message_split", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text\r\n").replying(answer(["\0\0", "\0\0\u{5}he", "llo"])),
        web("text_trailers_only", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text\r\n").replying(trailersOnly("5")),
        web("text_http_error", "AAAAAAJoaQ==", type: text, "accept: application/grpc-web-text\r\n").replying(reply("503 Unavailable", body: "no room")),
        Case(
            "grpc_filters.web_text_in_parts",
            steps: [.send(request("POST /a.S/M", "content-type: \(text)\r\ncontent-length: 12\r\n") + "AAAAA"), .pause(ms: 40), .send("AJ"), .pause(ms: 40), .send("oaQ==")],
            on: "web"
        ).replying(answer([message("1")])),
        send("web_and_stats", "/a.S/M", on: "web_stats", type: "application/grpc-web"),
        Case("grpc_filters.web_get", request("GET /a.S/M", "content-type: application/grpc-web\r\n"), on: "web").replying(answer([message("1")])),
    ]

    // MARK: grpc_http1_bridge

    private static func bridged(_ name: String, _ body: String = message("hi"), on listener: String = "bridge", type: String = "application/grpc", _ more: String = "", path: String = "/a.S/M") -> Case {
        send("bridge_" + name, path, body, on: listener, type: type, more)
    }

    private static let protobuf = "application/x-protobuf"

    private static let bridgeCases: [Case] = [
        bridged("ok"), bridged("failure").replying(answer([], status: "13", "grpc-message: a%20b\r\n")), bridged("failure_with_body").replying(answer([message("1")], status: "5")),
        bridged("trailers_only").replying(trailersOnly("5", "grpc-message: gone\r\n")), bridged("trailers_only_ok").replying(trailersOnly("0")),
        bridged("messages").replying(answer([message("1"), message("22")], status: "0", "grpc-message: fine\r\nx-more: a\r\n")),
        bridged("odd_status").replying(answer([message("1")], status: "x")),
        bridged("no_trailers").replying("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n" + chunked([message("1")])),
        bridged("with_length").replying(reply("200 OK", "content-type: application/grpc\r\n", body: message("1"))),
        bridged("http_error").replying(reply("503 Unavailable", body: "no")), bridged("not_grpc", type: "text/plain"), bridged("with_suffix", type: "application/grpc+proto"),
        bridged("query", path: "/a.S/M?q=1"), bridged("query_ignored", on: "bridge_query", path: "/a.S/M?q=1"), bridged("query_ignored_not_grpc", on: "bridge_query", type: "text/plain", path: "/a.S/M?q=1"),
        bridged("no_host", path: "/none/M"), bridged("direct", path: "/direct/M"), bridged("no_body", ""), bridged("other_path", path: "/a"),
        bridged("protobuf_without_upgrade", "hi", type: protobuf),
        bridged("upgrade", "hi", on: "bridge_upgrade", type: protobuf), bridged("upgrade_parameters", "hi", on: "bridge_upgrade", type: protobuf + "; a=b"),
        bridged("upgrade_query", "hi", on: "bridge_query", type: protobuf, path: "/a.S/M?q=1"),
        bridged("upgrade_grpc", on: "bridge_upgrade"), bridged("upgrade_failure", "hi", on: "bridge_upgrade", type: protobuf).replying(answer([], status: "13", "grpc-message: no\r\n")),
        bridged("upgrade_failure_with_body", "hi", on: "bridge_upgrade", type: protobuf).replying(answer([message("1")], status: "5")),
        bridged("upgrade_trailers_only", "hi", on: "bridge_upgrade", type: protobuf).replying(trailersOnly("5")),
        bridged("upgrade_messages", "hi", on: "bridge_upgrade", type: protobuf).replying(answer([message("1"), message("22")])),
        bridged("upgrade_http_error", "hi", on: "bridge_upgrade", type: protobuf).replying(reply("503 Unavailable", "content-type: text/plain\r\n", body: "no room at all")),
        bridged("upgrade_no_host", "hi", on: "bridge_upgrade", type: protobuf, path: "/none/M"), bridged("upgrade_empty", "", on: "bridge_upgrade", type: protobuf),
        Case(
            "grpc_filters.bridge_upgrade_chunked",
            request("POST /a.S/M", "content-type: \(protobuf)\r\ntransfer-encoding: chunked\r\n") + chunked(["hi", " you"]), on: "bridge_upgrade"
        ).replying(answer([message("1")])),
        Case(
            "grpc_filters.bridge_upgrade_in_parts",
            steps: [.send(request("POST /a.S/M", "content-type: \(protobuf)\r\ncontent-length: 6\r\n") + "hi"), .pause(ms: 40), .send(" you")], on: "bridge_upgrade"
        ).replying(answer([message("1")])),
        Case("grpc_filters.bridge_get", request("GET /a.S/M", "content-type: application/grpc\r\n"), on: "bridge"),
        Case("grpc_filters.bridge_keep_alive", steps: [.send(grpcRequest("/a.S/M")), .awaitResponse, .send(grpcRequest("/a.S/N"))], on: "bridge", methods: ["POST", "POST"]).replying(answer([message("1")])),
    ]
}
