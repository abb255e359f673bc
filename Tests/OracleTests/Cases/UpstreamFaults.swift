import TestSupport

extension Groups {
    /// Upstreams that refuse, lie, leave or answer too soon.
    static let upstreamFaults = Group(
        name: "upstream_faults",
        listeners: [
            .init(name: "main", virtualHosts: faultHosts),
            .init(name: "proxy_status", manager: "proxy_status_config: {set_recommended_response_code: true}", virtualHosts: faultHosts),
        ],
        clusters: [
            Group.up, .init("refused", [.refused]), .init("none", []),
            .init("two", [.scripted("a"), .scripted("b")]),
            .init("half_dead", [.refused, .scripted("a")]),
            .init("one_request", [.scripted("a")], "circuit_breakers: {thresholds: [{max_requests: 1}]}"),
            .init("no_pending", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 0}]}"),
            .init("one_pending", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}"),
            .init("one_connection", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 1}]}"),
        ],
        cases: faultsBeforeHead + faultsInBody + faultsOfReuse + faultsOfLimits)

    private static let faultHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {match: {prefix: /refused}, route: {cluster: refused}}
          - {match: {prefix: /none}, route: {cluster: none}}
          - {match: {prefix: /two}, route: {cluster: two}}
          - {match: {prefix: /half_dead}, route: {cluster: half_dead}}
          - {match: {prefix: /one_request}, route: {cluster: one_request}}
          - {match: {prefix: /no_pending}, route: {cluster: no_pending}}
          - {match: {prefix: /one_pending}, route: {cluster: one_pending}}
          - {match: {prefix: /one_connection}, route: {cluster: one_connection}}
          - {match: {prefix: /}, route: {cluster: up}}
        """

    private static func fault(_ name: String, _ request: String = Groups.plain, _ steps: [UpstreamStep]) -> Case {
        Case("upstream_faults." + name, request).upstream(UpstreamScript([steps])).with { $0.resetIsClose = true; $0.answerLimitMs = 2_000 }
    }

    private static let plain = "GET /a HTTP/1.1\r\nhost: h.test\r\n\r\n"
    private static let upload = "POST /a HTTP/1.1\r\nhost: h.test\r\ncontent-length: 5\r\n\r\nhello"

    /// An answer to HEAD with framing that says something else than its body, which there is none of.
    private static func headed(_ name: String, _ fields: String) -> Case {
        Case("upstream_faults.head_" + name, request("HEAD /a")).replying("HTTP/1.1 200 OK\r\n\(fields)\r\n\r\n")
    }

    private static let faultsBeforeHead: [Case] = [
        Case("upstream_faults.refused", request("GET /refused")),
        Case("upstream_faults.refused_head", request("HEAD /refused")),
        headed("gzip", "transfer-encoding: gzip"), headed("gzip_chunked", "transfer-encoding: gzip, chunked"),
        headed("identity", "transfer-encoding: identity"), headed("chunked_and_length", "transfer-encoding: chunked\r\ncontent-length: 3"),
        headed("chunked", "transfer-encoding: chunked"),
        Case("upstream_faults.not_modified_gzip", request("GET /a")).replying("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: gzip\r\n\r\n"),
        Case("upstream_faults.refused_post", request("POST /refused", "content-length: 5\r\n") + "hello"),
        Case("upstream_faults.refused_then_good", request("GET /refused") + request("GET /a"), methods: ["GET", "GET"]),
        Case("upstream_faults.none", request("GET /none")),
        Case("upstream_faults.refused_proxy_status", request("GET /refused"), on: "proxy_status"),
        Case("upstream_faults.none_proxy_status", request("GET /none"), on: "proxy_status"),
        fault("closes_after_request_proxy_status", plain, [.readRequest, .close]).with { $0.listener = "proxy_status" },
        fault("garbage_proxy_status", plain, [.readRequest, .send("garbage\r\n\r\n")]).with { $0.listener = "proxy_status" },
        fault("no_error_proxy_status", plain, [.readRequest, .send(reply("200 OK", "proxy-status: up; error=dns_error\r\n"))])
            .with { $0.listener = "proxy_status" },
        Case("upstream_faults.bad_request_proxy_status", "GET /a HTTP/1.1\r\nhost: h.test\r\nx\r\n\r\n", on: "proxy_status"),
        fault("closes_on_connect", plain, [.close]).with { $0.ignoring = [.counters, .upstream] },
        fault("resets_on_connect", plain, [.reset]).with { $0.ignoring = [.counters, .upstream, .log, .body, .headers] },
        fault("closes_after_request", plain, [.readRequest, .close]),
        fault("resets_after_request", plain, [.readRequest, .reset]),
        fault("closes_after_request_with_body", upload, [.readRequest, .close]),
        fault("closes_in_status_line", plain, [.readRequest, .send("HTTP/1.1 2"), .close]),
        fault("closes_in_head", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-le"), .close]),
        fault("resets_in_head", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-le"), .delay(ms: 60), .reset]),
        fault("closes_after_100", upload, [.readRequest, .send("HTTP/1.1 100 Continue\r\n\r\n"), .close]),
        fault("garbage", plain, [.readRequest, .send("garbage\r\n\r\n")]),
        fault("garbage_binary", plain, [.readRequest, .send("\u{0}\u{1}\u{2}\u{ff}")]),
        fault("garbage_html", plain, [.readRequest, .send("<html>no head</html>")]),
        fault("speaks_tls", plain, [.readRequest, .send("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{28}")]),
        fault("speaks_http2", plain, [.readRequest, .send("\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}")]),
        fault("speaks_ssh", plain, [.send("SSH-2.0-OpenSSH_9.2\r\n"), .readRequest]).with { $0.ignoring = [.counters, .upstream, .log, .body] },
        fault("half_closes", plain, [.readRequest, .shutdownWrite]),
        fault("answers_before_request", plain, [.send(reply("200 OK")), .readText("never")]).with { $0.ignoring = [.counters, .upstream, .log, .body] },
        Case("upstream_faults.keeps_silent_then_closes", plain).upstream(.steps(.readRequest, .delay(ms: 150), .close)),
    ]

    private static let faultsInBody: [Case] = [
        fault("short_body", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 60), .close]),
        fault("short_body_reset", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 60), .reset]),
        fault("no_body", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"), .delay(ms: 60), .close]),
        fault("chunked_cut", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), .delay(ms: 60), .close]),
        fault("chunked_cut_in_chunk", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello"), .delay(ms: 60), .close]),
        fault("chunked_reset", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), .delay(ms: 60), .reset]),
        fault("chunked_garbage", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), .delay(ms: 60), .send("garbage\r\n")]),
        fault("until_close_reset", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\n\r\nhello"), .delay(ms: 60), .reset]),
        fault("long_body", plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello")]),
        fault("early_response", request("POST /a", "content-length: 100000\r\n") + "begin", [.readHead, .send(reply("200 OK"))]),
        fault("early_error", request("POST /a", "content-length: 100000\r\n") + "begin", [.readHead, .send(reply("413 Payload Too Large", "connection: close\r\n", body: "big")), .close]),
        fault("early_response_then_body", request("POST /a", "content-length: 5\r\n"), [.readHead, .send(reply("200 OK"))])
            .with { $0.clients[0].steps += [.awaitResponse, .send("hello")] },
        fault("early_response_unfinished", request("POST /a", "content-length: 5\r\n"), [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"), .readText("hello"), .send("ok")])
            .with { $0.clients[0].steps += [.awaitText("ok"), .send("hello")] },
        fault("closes_while_uploading", request("POST /a", "content-length: 1000000\r\n") + many("u", 1_000), [.readHead, .delay(ms: 50), .close]),
        fault("resets_while_uploading", request("POST /a", "content-length: 1000000\r\n") + many("u", 1_000), [.readHead, .delay(ms: 50), .reset]),
        fault("http10_short", plain, [.readRequest, .send("HTTP/1.0 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 60), .close]),
        fault("head_cut_pipelined", plain + plain, [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), .delay(ms: 60), .close])
            .with { $0.clients[0].methods = ["GET", "GET"] },
    ]

    private static func twice(_ name: String, pause: Int, _ connections: [[UpstreamStep]]) -> Case {
        Case(
            "upstream_faults." + name, steps: [.send(plain), .awaitResponse, .pause(ms: pause), .send(plain)], methods: ["GET", "GET"]
        ).upstream(UpstreamScript(connections))
    }

    private static let faultsOfReuse: [Case] = [
        twice("reuses", pause: 20, [[.readRequest, .send(reply("200 OK")), .again]]),
        twice("closed_while_idle", pause: 150, [[.readRequest, .send(reply("200 OK")), .delay(ms: 30), .close], [.readRequest, .send(reply("201 Created"))]]),
        twice("reset_while_idle", pause: 150, [[.readRequest, .send(reply("200 OK")), .delay(ms: 30), .reset], [.readRequest, .send(reply("201 Created"))]]),
        twice("close_races_with_request", pause: 20, [[.readRequest, .send(reply("200 OK")), .readRequest, .close], [.readRequest, .send(reply("201 Created"))]]),
        twice("garbage_while_idle", pause: 150, [[.readRequest, .send(reply("200 OK")), .delay(ms: 30), .send("garbage")], [.readRequest, .send(reply("201 Created"))]]),
        twice("timeout_response_408_while_idle", pause: 150, [[.readRequest, .send(reply("200 OK")), .delay(ms: 30), .send(reply("408 Request Timeout", "connection: close\r\n", body: "")), .close], [.readRequest, .send(reply("201 Created"))]]),
        twice("keep_alive_header_is_ignored", pause: 20, [[.readRequest, .send(reply("200 OK", "keep-alive: timeout=0\r\n")), .again]]),
    ]

    /// Two clients at once: the second comes while the first one's answer is still out.
    private static func both(_ name: String, _ path: String) -> Case {
        let first = Case.Client(steps: [.send(request("GET \(path)/1"))], methods: ["GET"])
        let second = Case.Client(steps: [.send(request("GET \(path)/2"))], methods: ["GET"], startAfterMs: 150)
        return Case("upstream_faults." + name, plain).with { $0.clients = [first, second] }
            .upstream(.steps(.readRequest, .delay(ms: 400), .send(reply("200 OK")), .again))
    }

    private static let faultsOfLimits: [Case] = [
        both("overflow_requests", "/one_request"),
        both("overflow_pending", "/no_pending"),
        both("pending_waits", "/one_pending"),
        both("connection_limit_waits", "/one_connection"),
        both("no_limit", "/a"),
        Case("upstream_faults.overflow_grpc", plain).with {
            let first = Case.Client(steps: [.send(request("GET /one_request/1"))], methods: ["GET"])
            let second = Case.Client(steps: [.send(request("POST /one_request/2", "content-type: application/grpc\r\ncontent-length: 0\r\n"))], methods: ["POST"], startAfterMs: 150)
            $0.clients = [first, second]
            $0.upstreams["a"] = .steps(.readRequest, .delay(ms: 400), .send(reply("200 OK")), .again)
        },
        Case("upstream_faults.pending_client_leaves", plain).with {
            let first = Case.Client(steps: [.send(request("GET /one_pending/1"))], methods: ["GET"])
            let second = Case.Client(steps: [.send(request("GET /one_pending/2")), .pause(ms: 60), .close], methods: ["GET"], startAfterMs: 150)
            $0.clients = [first, second]
            $0.upstreams["a"] = .steps(.readRequest, .delay(ms: 400), .send(reply("200 OK")), .again)
        },
        Case("upstream_faults.round_robin", many(request("GET /two"), 4), methods: ["GET", "GET", "GET", "GET"])
            .with { $0.ignoring = [.upstream, .headers, .log] },
        Case("upstream_faults.half_dead", many(request("GET /half_dead"), 2), methods: ["GET", "GET"])
            .with { $0.ignoring = [.status, .upstream, .headers, .body, .log, .counters] },
    ]
}
