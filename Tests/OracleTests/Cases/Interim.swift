import TestSupport

extension Groups {
    /// `proxy_100_continue`: what a host says ahead of its answer, from and to both protocols.
    static let interim = Group(
        name: "interim",
        listeners: [
            .init(name: "main", manager: passed, virtualHosts: interimRoutes),
            .init(name: "more", manager: passed + "\nalways_set_request_id_in_response: true\nvia: v-test\nhttp_protocol_options: {header_key_format: {proper_case_words: {}}, accept_http_10: true}", virtualHosts: interimRoutes),
            .init(name: "bytes", manager: passed, virtualHosts: interimRoutes, router: "suppress_envoy_headers: true", logFormat: "{text_format_source: {inline_string: \"sent=%DOWNSTREAM_HEADER_BYTES_SENT% all=%DOWNSTREAM_WIRE_BYTES_SENT% code=%RESPONSE_CODE%\\n\"}}"),
        ],
        clusters: [
            Group.up,
            .init("h2", [.scripted("a")], """
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                """),
        ],
        cases: (interimHTTP1 + interimHTTP2).map { test in test.with { $0.resetIsClose = true } })

    private static let passed = "proxy_100_continue: true"

    private static let interimRoutes = """
        - name: all
          domains: ["*"]
          response_headers_to_add: [{header: {key: x-added, value: "%RESPONSE_CODE%"}}]
          routes:
          - match: {prefix: /h2}
            route: {cluster: h2}
          - match: {prefix: /}
            route: {cluster: up}
        """

    private static func early(_ status: String, _ fields: String = "") -> String { "HTTP/1.1 \(status)\r\n\(fields)\r\n" }

    private static func told(_ name: String, _ request: String, on listener: String = "main", _ heads: String...) -> Case {
        Case("interim." + name, request, on: listener)
            .upstream(UpstreamScript([[.readRequest] + heads.flatMap { [.send($0), .delay(ms: 30)] } + [.answer(reply("200 OK"))]]))
    }

    private static let hints = early("103 Early Hints", "link: </s.css>\r\nX-Own: 1\r\n")
    private static let hop = "connection: x-own\r\nupgrade: a\r\nkeep-alive: 1\r\nproxy-connection: a\r\nx-own: 1\r\nserver: s\r\n"

    private static let interimHTTP1: [Case] = [
        told("hints", request("GET /a"), hints),
        told("two", request("GET /a"), early("102 Processing"), hints),
        told("together", request("GET /a"), early("102 Processing") + hints),
        Case("interim.with_the_answer", request("GET /a")).replying(hints + reply("200 OK")),
        told("continue_unasked", request("GET /a"), early("100 Continue", "x-own: 1\r\n")),
        told("continue_twice", request("POST /a", "content-length: 1\r\nexpect: 100-continue\r\n") + "x", early("100 Continue"), early("100 Continue")),
        Case("interim.continue_behind_hints", steps: [
            .send(request("POST /a", "content-length: 1\r\nexpect: 100-continue\r\n")), .pause(ms: 150), .send("x"),
        ], methods: ["POST"]).upstream(.steps(.readHead, .send(hints + early("100 Continue")), .readText("x"), .send(reply("200 OK")))),
        told("of_other_codes", request("GET /a"), early("104 Four"), early("199 Odd")),
        told("of_an_unknown_code_first", request("GET /a"), early("199 Odd"), early("103 Three")),
        told("hop_by_hop", request("GET /a"), early("103 Hints", hop)),
        told("more", request("GET /a"), on: "more", hints),
        told("http10", "GET /a HTTP/1.0\r\nhost: h\r\n\r\n", on: "more", hints),
        told("head", request("HEAD /a"), hints),
        told("bytes", request("GET /a"), on: "bytes", hints),
        Case("interim.then_reset", request("GET /a")).upstream(.steps(.readRequest, .send(hints), .delay(ms: 30), .close)),
        Case("interim.client_leaves", steps: [.send(request("GET /a")), .awaitText("103"), .close])
            .upstream(.steps(.readRequest, .send(hints), .delay(ms: 300))),
        Case("interim.two_requests", steps: [.send(request("GET /a")), .awaitResponse, .send(request("GET /b"))], methods: ["GET", "GET"])
            .replying(hints + reply("200 OK")),
    ]

    private static func head(_ status: String, _ more: [(String, String)] = []) -> H2Frame { .head(1, [(":status", status)] + more, flags: 4) }

    private static func bridge(_ name: String, _ steps: [H2Step], _ server: [H2Step]) -> Case {
        Case("interim." + name, frames: steps).with { $0.upstreams["a"] = UpstreamScript([[.http2(server)]]) }
    }

    private static let interimHTTP2: [Case] = [
        Case("interim.to_http2", frames: [.send([ask("GET", "/a")]), .awaitEnd(1)])
            .upstream(.steps(.readRequest, .send(hints), .delay(ms: 30), .send(reply("200 OK")))),
        Case("interim.to_http2_at_once", frames: [.send([ask("GET", "/a")]), .awaitEnd(1)]).replying(hints + reply("200 OK")),
        Case("interim.hop_by_hop_to_http2", frames: [.send([ask("GET", "/a")]), .awaitEnd(1)])
            .upstream(.steps(.readRequest, .send(early("103 Hints", hop)), .delay(ms: 30), .send(reply("200 OK")))),
        Case("interim.from_http2", request("GET /h2"))
            .with { $0.upstreams["a"] = UpstreamScript([[.http2([.awaitEnd(1), .send([head("103", [("link", "a")])]), .pause(ms: 30), .answer(1)])]]) },
        Case("interim.from_http2_at_once", request("GET /h2"))
            .with { $0.upstreams["a"] = UpstreamScript([[.http2([.awaitEnd(1), .send([head("102"), head("103", [("link", "a"), ("x-own", "1")]), head("200", [("content-length", "2")]), data("ok", ends: true)])])]]) },
        bridge("from_http2_to_http2", [.send([ask("GET", "/h2")]), .awaitEnd(1)], [.awaitEnd(1), .send([head("103", [("link", "a")])]), .answer(1)]),
        bridge("continue_from_http2_to_http2", [.send([ask("POST", "/h2", [("expect", "100-continue")], ends: false)]), .awaitHead(1), .send([data("x", ends: true)]), .awaitEnd(1)],
               [.awaitHead(1), .send([head("100")]), .awaitEnd(1), .answer(1)]),
        bridge("of_other_codes_from_http2", [.send([ask("GET", "/h2")]), .awaitEnd(1)], [.awaitEnd(1), .send([head("104", [("link", "a")]), head("199")]), .answer(1)]),
    ]
}
