import TestSupport

extension Groups {
    /// METADATA frames in both directions (`allow_metadata`): where they stand among a message's frames, what is skipped, what
    /// ends the connection.
    static let metadata = Group(
        name: "metadata",
        listeners: [
            .init(name: "main", manager: "http2_protocol_options: {allow_metadata: true}", virtualHosts: metadataRoutes("both")),
            .init(name: "small", manager: "http2_protocol_options: {allow_metadata: true, max_metadata_size: 100}", virtualHosts: metadataRoutes("small")),
            .init(name: "deaf", virtualHosts: metadataRoutes("both")),
            .init(name: "mute", manager: "http2_protocol_options: {allow_metadata: true}", virtualHosts: metadataRoutes("mute")),
            .init(name: "http1", manager: "http2_protocol_options: {allow_metadata: true}", virtualHosts: metadataRoutes("http1")),
        ],
        clusters: [
            .init("both", [.scripted("a")], metadataOptions("allow_metadata: true")),
            .init("small", [.scripted("a")], metadataOptions("allow_metadata: true, max_metadata_size: 100")),
            .init("mute", [.scripted("a")], metadataOptions("")),
            .init("http1", [.scripted("a")], ""),
        ],
        cases: metadataOfRequests + metadataOfResponses + metadataThatIsSkipped + metadataBreaches)

    private static func metadataRoutes(_ cluster: String) -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /retry}
            route: {cluster: \(cluster), timeout: 0s, retry_policy: {retry_on: "5xx", num_retries: 1, retry_back_off: {base_interval: 0.001s}}}
          - match: {prefix: /direct}
            direct_response: {status: 200}
          - match: {prefix: /}
            route: {cluster: \(cluster)}
        """
    }

    private static func metadataOptions(_ fields: String) -> String {
        """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {\(fields)}}
        """
    }

    private static func meta(_ fields: [(String, String)], on stream: UInt32 = 1, flags: UInt8 = 4) -> H2Frame {
        H2Frame(.metadata, flags: flags, stream: stream, H2Frame.fields(fields))
    }

    private static func part(_ text: String, on stream: UInt32 = 1, ends: Bool = false) -> H2Frame {
        H2Frame(.data, flags: ends ? 1 : 0, stream: stream, text.wire)
    }

    private static func post(_ path: String = "/up", ends: Bool = false) -> H2Frame { .head(1, H2Frame.request("POST", path), flags: ends ? 5 : 4) }
    private static func status(ends: Bool = false) -> H2Frame { .head(1, [(":status", "200")], flags: ends ? 5 : 4) }
    private static let answers: [H2Step] = [.awaitEnd(1), .answer(1)]

    private static func talk(_ name: String, on listener: String = "main", _ frames: [H2Frame], _ servers: [H2Step]..., waits: Bool = true) -> Case {
        var test = Case("metadata." + name, frames: [.send(frames), waits ? .awaitEnd(1) : .awaitClose(ms: 3_000)], on: listener)
        test.upstreams["a"] = UpstreamScript((servers.isEmpty ? [answers] : servers).map { [.http2($0)] })
        test.resetIsClose = true
        return test
    }

    private static let metadataOfRequests: [Case] = [
        talk("between_head_and_body", [post(), meta([("k", "v")]), part("body", ends: true)]),
        talk("behind_part_of_the_body", [post(), part("bo"), meta([("k", "v")]), part("dy", ends: true)]),
        talk("several_maps", [post(), meta([("a", "1")]), meta([("b", "2")]), part("", ends: true)]),
        talk("ahead_of_trailers", [post(), part("x"), meta([("a", "1")]), .head(1, [("t", "1")])]),
        talk("cut_into_frames", [
            post(), H2Frame(.metadata, stream: 1, Array(H2Frame.fields([("key", "value")]).prefix(4))),
            H2Frame(.metadata, flags: 4, stream: 1, Array(H2Frame.fields([("key", "value")]).dropFirst(4))), part("x", ends: true),
        ]),
        talk("larger_than_a_frame", [
            post(), meta([("a", String(repeating: "x", count: 9000))], flags: 0), meta([("b", String(repeating: "y", count: 9000))]), part("x", ends: true),
        ]),
        talk("any_text", [post(), meta([("KeY", "V")]), meta([(":path", "/x")]), meta([("", "e")]), meta([("e", "")]), meta([("bin", "a\u{1}b\n")]), part("x", ends: true)]),
        talk("not_sent_again", [post("/retry"), meta([("k", "v")]), part("x", ends: true)], [
            .awaitEnd(1), .send([.head(1, [(":status", "503")])]), .awaitEnd(3), .answer(3),
        ]),
        talk("to_an_upstream_that_may_not", on: "mute", [post(), meta([("k", "v")]), part("x", ends: true)]),
        talk("to_an_answer_of_the_proxy", [post("/direct"), meta([("k", "v")]), part("x", ends: true)]),
        talk("to_http1", on: "http1", [post(), meta([("k", "v")]), part("x", ends: true)])
            .with { $0.upstreams["a"] = .always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") },
    ]

    private static let metadataOfResponses: [Case] = [
        talk("of_the_response", [post(ends: true)], [.awaitEnd(1), .send([status(), meta([("k", "v")]), part("ok", ends: true)])]),
        talk("ahead_of_the_head", [post(ends: true)], [.awaitEnd(1), .send([meta([("k", "v")])]), .pause(ms: 50), .send([status(), part("ok", ends: true)])]),
        talk("among_the_body", [post(ends: true)], [
            .awaitEnd(1), .send([status(), part("abc")]), .pause(ms: 50), .send([meta([("k", "v")])]), .pause(ms: 50), .send([part("def"), .head(1, [("t", "1")])]),
        ]),
        talk("two_of_the_response", [post(ends: true)], [.awaitEnd(1), .send([status(), meta([("k", "v")]), meta([("k2", "v2")]), part("", ends: true)])]),
        talk("of_the_response_ahead_of_trailers", [post(ends: true)], [.awaitEnd(1), .send([status(), meta([("k", "v")]), .head(1, [("t", "1")])])]),
        talk("to_a_client_that_may_not", on: "deaf", [post(ends: true)], [.awaitEnd(1), .send([status(), meta([("k", "v")]), part("ok", ends: true)])]),
        talk("from_an_upstream_that_may_not", on: "mute", [post(ends: true)], [.awaitEnd(1), .send([status(), meta([("k", "v")]), part("ok", ends: true)])]),
        Case("metadata.to_a_client_of_http1", "GET /up HTTP/1.1\r\nhost: h\r\n\r\n").with {
            $0.upstreams["a"] = UpstreamScript([[.http2([.awaitEnd(1), .send([status(), meta([("k", "v")]), part("ok", ends: true)])])]])
        },
    ]

    private static let metadataThatIsSkipped: [Case] = [
        talk("from_a_client_that_may_not", on: "deaf", [post(), meta([("k", "v")]), part("x", ends: true)]),
        talk("behind_the_end", [post(ends: true), meta([("k", "v")])]),
        talk("behind_the_bodys_end", [post(), part("x", ends: true), meta([("k", "v")])]),
        talk("on_stream_0", [meta([("k", "v")], on: 0), post(ends: true)]),
        talk("on_no_stream", [meta([("k", "v")], on: 7), post(ends: true)]),
        talk("ahead_of_the_request", [meta([("k", "v")]), post(ends: true)]),
        talk("empty", [post(), meta([]), part("x", ends: true)]),
        talk("empty_and_not_empty", [post(), meta([], flags: 0), meta([]), meta([("k", "v")]), part("x", ends: true)]),
        talk("not_ended", [post(), meta([("k", "v")], flags: 0), part("x", ends: true)]),
        talk("with_other_flags", [post(), meta([("k", "v")], flags: 0xff), part("x", ends: true)]),
        talk("behind_the_responses_end", [post(ends: true)], [.awaitEnd(1), .send([status(ends: true), meta([("k", "v")])])]),
    ]

    /// Envoy closes without a word (docs/http2.md): that there is GOAWAY, and whether the upstream got the request, is not compared.
    private static let metadataBreaches: [Case] = [
        talk("that_is_no_hpack", [post(), H2Frame(.metadata, flags: 4, stream: 1, [255, 255, 255, 255, 255, 255])], waits: false),
        talk("that_ends_too_soon", [post(), H2Frame(.metadata, flags: 4, stream: 1, Array(H2Frame.fields([("key", "value")]).dropLast(2)))], waits: false),
        talk("too_large", on: "small", [post(), meta([("k", String(repeating: "v", count: 120))])], waits: false),
        talk("too_large_together", on: "small", [post(), meta([("k", String(repeating: "v", count: 60))]), meta([("k", String(repeating: "v", count: 60))])], waits: false),
    ].map { test in
        test.with {
            $0.ignoring = [.status, .end, .upstream, .log, .counters]
        }
    } + [
        talk("too_large_of_the_response", on: "small", [post(ends: true)], [.awaitEnd(1), .send([status()]), .pause(ms: 200), .send([meta([("k", String(repeating: "v", count: 120))])])]),
    ]
}
