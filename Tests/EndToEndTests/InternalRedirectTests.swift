import TestSupport
import Testing

/// What OracleTests cannot show of internal redirects: bodies of some size, and what stays behind.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct InternalRedirectTests {
    private func serve(_ script: UpstreamScript, _ policy: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "internal_redirect_policy: {redirect_response_codes: [307], max_internal_redirects: 100\(policy)}",
                clusters: [Served.cluster([upstream.port])])
        }
        return (served, upstream)
    }

    private static let again = "HTTP/1.1 307 X\r\nlocation: http://h.test/next\r\ncontent-length: 0\r\n\r\n"
    private static let done = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    /// The whole body each time, whatever its parts were; the client sees nothing of the hops.
    @Test func bodiesAreSentAgain() throws {
        let hops: [UpstreamStep] = (0..<20).flatMap { _ in [.readRequest, .answer(InternalRedirectTests.again)] }
        let (served, upstream) = try serve(UpstreamScript([hops + [.readRequest, .answer(InternalRedirectTests.done), .again]]))
        defer { upstream.stop() }
        let body = String(repeating: "0123456789abcdef", count: 20_000)
        let response = try served.send("POST / HTTP/1.1\r\nhost: h.test\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)", method: "POST")
        #expect(response.status == 200)
        let requests = HTTPParser.requests(upstream.records.flatMap(\.received))
        #expect(requests.count == 21)
        for request in requests { #expect(request.body.count == body.utf8.count && String(wire: request.body) == body) }
        #expect(served.stat("cluster.c.upstream_internal_redirect_succeeded_total", becomes: 20) == 20)
        #expect(served.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }

    /// A body beyond the limit is not kept: the redirect is the client's.
    @Test func aBodyThatIsNotKept() throws {
        let (served, upstream) = try serve(.always(InternalRedirectTests.again))
        defer { upstream.stop() }
        let body = String(repeating: "x", count: 1_200_000)
        let response = try served.send("POST / HTTP/1.1\r\nhost: h.test\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)", method: "POST")
        #expect(response.status == 307)
        #expect(served.stat("cluster.c.retry_or_shadow_abandoned", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_internal_redirect_failed_total", becomes: 1) == 1)
    }

    /// The client goes while a hop is on its way: nothing is left.
    @Test func aClientThatLeaves() throws {
        let (served, upstream) = try serve(.steps(.readRequest, .answer(InternalRedirectTests.again), .readRequest, .delay(ms: 300)))
        defer { upstream.stop() }
        let client = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h.test\r\n\r\n"), .pause(ms: 100), .reset], methods: ["GET"])
        _ = try? client.run(port: served.listener)
        #expect(served.stat("http.h.downstream_rq_total", becomes: 2) == 2)
        #expect(served.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }
}
