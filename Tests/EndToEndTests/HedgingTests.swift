import Glibc
import TestSupport
import Testing

/// `hedge_policy` where the oracle's cases (`hedging.…`) do not look: what upstreams are told, the log of every attempt, the
/// bound, and that nothing is left behind. The log's lines are Envoy 1.40's for the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HedgingTests {
    private let directory = TemporaryDirectory()
    private static let hedge = "hedge_policy: {hedge_on_per_try_timeout: true}"
    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    private static let silent: [UpstreamStep] = [.readRequest, .delay(ms: 8_000)]

    private func serve(_ route: String, _ connections: [[UpstreamStep]], more: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript(connections))
        upstream.start()
        let log = "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: \"%ACCESS_LOG_TYPE% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% received=%BYTES_RECEIVED% %REQ(:PATH)%\\n\"}}}}"
        let router = "typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, upstream_log: [\(log)]}"
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, route: route, clusters: [Served.cluster([upstream.port], more: more)])
                .replacing(text: "- name: envoy.filters.http.router", by: "- {name: envoy.filters.http.router, \(router)}")
        }
        return (served, upstream)
    }

    /// An attempt may use all the time that the request has left, not only a try's.
    @Test func theTimeoutThatUpstreamsAreTold() throws {
        let (served, upstream) = try serve(
            "timeout: 20s, retry_policy: {retry_on: 5xx, per_try_timeout: 0.2s}, \(HedgingTests.hedge)",
            [HedgingTests.silent, [.readRequest, .answer(HedgingTests.ok)]])
        defer { upstream.stop() }
        #expect(try served.get("/").status == 200)
        let told = upstream.records.compactMap { record -> Int? in
            let text = String(decoding: record.received, as: UTF8.self)
            guard let line = text.split(separator: "\r\n").first(where: { $0.hasPrefix("x-envoy-expected-rq-timeout-ms: ") }) else { return nil }
            return Int(line.split(separator: " ")[1])
        }
        try #require(told.count == 2)
        #expect(told[0] == 20_000 && told[1] > 1_000 && told[1] <= 19_800, "\(told)")
    }

    @Test func everyAttemptHasALine() throws {
        let (served, upstream) = try serve(
            "timeout: 20s, retry_policy: {retry_on: 5xx, per_try_timeout: 0.2s}, \(HedgingTests.hedge)",
            [
                HedgingTests.silent, [.readRequest, .answer(HedgingTests.ok)],
                [.readRequest, .delay(ms: 700), .answer(HedgingTests.ok)], [.readRequest, .close],
            ])
        defer { upstream.stop() }
        #expect(try served.get("/second").status == 200)
        #expect(try served.get("/first").status == 200)
        var lines: [String] = []
        _ = wait(upToMs: 20_000) {
            lines = (Files.text(directory.path + "/log") ?? "").split(separator: "\n").map(String.init)
            return lines.count >= 4
        }
        #expect(lines == [
            "UpstreamEnd code=0 flags=UT received=0 /second", "UpstreamEnd code=200 flags=- received=2 /second",
            "UpstreamEnd code=0 flags=UC received=0 /first", "UpstreamEnd code=200 flags=UT received=2 /first",
        ])
    }

    /// However many tries a policy grants, so many are under way at most.
    @Test func attemptsUnderWayAreBounded() throws {
        let (served, upstream) = try serve(
            "timeout: 3s, retry_policy: {retry_on: 5xx, num_retries: 1000, per_try_timeout: 0.002s, retry_back_off: {base_interval: 0.001s, max_interval: 0.001s}}, \(HedgingTests.hedge)",
            [HedgingTests.silent], more: "circuit_breakers: {thresholds: [{max_retries: 1000, track_remaining: true}]}")
        defer { upstream.stop() }
        #expect(try served.get("/").status == 504)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        let stats = served.admin.stats(matching: "cluster.c")
        #expect(stats["cluster.c.upstream_rq_total"] == 17)
        #expect(stats["cluster.c.upstream_rq_timeout"] == 17)
        #expect((stats["cluster.c.upstream_rq_retry_overflow"] ?? 0) >= 1)
        #expect(stats["cluster.c.circuit_breakers.default.remaining_retries"] == 1000)
        #expect(upstream.records.count == 17)
    }

    /// Upstreams that answer, fail, cut short and keep silent in a random order, clients that leave: nothing is left of any
    /// attempt afterwards.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func nothingIsLeft(seed: UInt64) throws {
        var state = seed &* 0x9e37_79b9_7f4a_7c15
        func draw(_ below: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % below
        }
        let scripts = (0..<600).map { _ -> [UpstreamStep] in
            let pause = UpstreamStep.delay(ms: Int(draw(60)))
            switch draw(7) {
            case 0: return [.readRequest, .delay(ms: 2_000), .close]
            case 1: return [.readRequest, pause, .close]
            case 2: return [.readRequest, pause, .answer("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), .close]
            case 3: return [.readRequest, pause, .send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), .close]
            case 4: return [.readRequest, pause, .reset]
            default: return [.readRequest, pause, .answer(HedgingTests.ok), .close]
            }
        }
        let (served, upstream) = try serve(
            "timeout: 0.4s, retry_policy: {retry_on: 5xx, num_retries: 4, per_try_timeout: 0.02s, retry_back_off: {base_interval: 0.001s, max_interval: 0.01s}}, \(HedgingTests.hedge)",
            scripts, more: "circuit_breakers: {thresholds: [{max_retries: 100, track_remaining: true}]}")
        defer { upstream.stop() }
        let port = served.listener
        let clients = (0..<4).map { number in
            BackgroundThread {
                for i in 0..<25 {
                    let body = (i + number) % 3 == 0
                    let text = body ? "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello" : "GET / HTTP/1.1\r\nhost: h\r\n\r\n"
                    let steps: [RawClient.Step] = (i &* 7 &+ number) % 5 == 0 ? [.send(text), .pause(ms: 30), .close] : [.send(text), .awaitResponse]
                    var client = RawClient(steps: steps, methods: [body ? "POST" : "GET"])
                    client.closeLimitMs = 0
                    _ = try? client.run(port: port)
                }
            }
        }
        for client in clients { client.join() }
        #expect(served.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.circuit_breakers.default.remaining_retries", becomes: 100) == 100)
        #expect(served.stat("cluster.c.circuit_breakers.default.remaining_rq", becomes: 1024) == 1024)
        let stats = served.admin.stats(matching: "cluster.c.upstream_rq_(retry|total)$")
        #expect((stats["cluster.c.upstream_rq_retry"] ?? 0) > 20, "attempts were hedged: \(stats)")
        upstream.settle()
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
    }
}
