import TestSupport
import Testing

/// `preconnect_policy`: how many connections there are after a few requests, one after the other, as with Envoy 1.40.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PreconnectTests {
    private func connections(
        _ policy: String, hosts: Int, requests: Int, limits: String = "",
        script: UpstreamScript = .always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    ) throws -> Served {
        let upstreams = try (0..<hosts).map { i in
            let upstream = try ScriptedUpstream(name: "u\(i)")
            upstream.begin(script)
            upstream.start()
            return upstream
        }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster(upstreams.map(\.port), more: "preconnect_policy: {\(policy)}\(limits)")])
        }
        for _ in 0..<requests { #expect(try served.get().status == 200) }
        stopping.withLock { $0 += upstreams }
        return served
    }

    private let stopping = Locked<[ScriptedUpstream]>([])

    private func finish() { stopping.withLock { for upstream in $0 { upstream.stop() } } }

    @Test func perUpstream() throws {
        defer { finish() }
        let served = try connections("per_upstream_preconnect_ratio: 2", hosts: 1, requests: 3)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2, "one that serves, and one ahead")
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 2) == 2)
    }

    @Test func atMostThreeAtATime() throws {
        defer { finish() }
        let served = try connections("per_upstream_preconnect_ratio: 3", hosts: 1, requests: 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 3) == 3)
    }

    @Test func predicted() throws {
        defer { finish() }
        let served = try connections("predictive_preconnect_ratio: 3", hosts: 4, requests: 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 4) == 4, "the chosen host, and the next three in turn")
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 1) == 1)
    }

    /// The hosts that were looked at are the ones that come next, each once.
    @Test func whatWasPredictedComes() throws {
        defer { finish() }
        let served = try connections("predictive_preconnect_ratio: 3", hosts: 4, requests: 8)
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 8) == 8)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 4) == 4, "in turn over four connections")
    }

    /// Over HTTP/2 room is what counts: the numbers are Envoy 1.40's.
    @Test(arguments: [
        ("per_upstream_preconnect_ratio: 3", "", 1, 1), ("per_upstream_preconnect_ratio: 1.5", "max_concurrent_streams: 1", 1, 2),
        ("per_upstream_preconnect_ratio: 3", "max_concurrent_streams: 1", 1, 3), ("per_upstream_preconnect_ratio: 3", "max_concurrent_streams: 2", 1, 2),
        ("predictive_preconnect_ratio: 3", "", 4, 2), ("predictive_preconnect_ratio: 3", "max_concurrent_streams: 1", 4, 4),
        ("predictive_preconnect_ratio: 3", "max_concurrent_streams: 2", 4, 3),
    ])
    func overHTTP2(policy: String, options: String, hosts: Int, total: Int) throws {
        defer { finish() }
        let http2 = ", typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {\(options)}}}}"
        let script: [H2Step] = [.awaitEnd(1), .answer(1), .awaitEnd(3), .answer(3), .awaitEnd(5), .answer(5)]
        let served = try connections(policy, hosts: hosts, requests: 2, limits: http2, script: UpstreamScript([[.http2(script)]]))
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: total) == total)
        #expect(served.stat("cluster.c.upstream_cx_http2_total", becomes: total) == total)
        #expect(served.admin.stats(matching: "upstream_cx_http1_total")["cluster.c.upstream_cx_http1_total"] ?? 0 == 0)
    }

    /// The limit holds for what is opened ahead.
    @Test func limits() throws {
        defer { finish() }
        let served = try connections(
            "per_upstream_preconnect_ratio: 3", hosts: 1, requests: 2, limits: ", circuit_breakers: {thresholds: [{max_connections: 2}]}")
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        #expect(served.admin.stats(matching: "upstream_cx_overflow")["cluster.c.upstream_cx_overflow"] ?? 0 > 0)
    }
}
