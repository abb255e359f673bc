import TestSupport
import Testing

/// ORIGINAL_DST clusters: the address that a PROXY header restores, or a header of the request names, is the host.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct OriginalDstClusterTests {
    private func serve(_ options: String = "") throws -> Served {
        try Served(Binary.martlet()) { port in
            Served.http(
                port, clusters: ["  - {name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 1s, cleanup_interval: 0.2s\(options)}"]
            ).replacing(
                text: "    filter_chains:",
                by: "    listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true}}]\n    filter_chains:")
        }
    }

    private func ask(_ served: Served, _ header: String, more: String = "") throws -> HTTPMessage {
        try served.send("\(header)GET / HTTP/1.1\r\nhost: h.test\r\n\(more)\r\n")
    }

    private func to(_ port: UInt16) -> String { "PROXY TCP4 9.9.9.9 127.0.0.1 7 \(port)\r\n" }

    @Test func theConnectionsAddressIsTheHost() throws {
        let one = try LoadUpstream("one")
        let two = try LoadUpstream("two")
        defer {
            one.stop()
            two.stop()
        }
        let served = try serve()
        for _ in 0..<3 {
            #expect(try ask(served, to(one.port)).status == 200)
            #expect(try ask(served, to(two.port)).status == 200)
        }
        // Each has its own pool.
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        // Nothing says where to.
        for header in ["", "PROXY UNKNOWN\r\n"] {
            let answer = try ask(served, header)
            #expect(answer.status == 503 && String(wire: answer.body) == "no healthy upstream")
        }
        #expect(served.stat("cluster.c.upstream_cx_none_healthy", becomes: 2) == 2)
    }

    @Test func aHeaderGoesBeforeIt() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try serve(", original_dst_lb_config: {use_http_header: true, http_header_name: X-Go}")
        let refused = Ports.free()
        #expect(try ask(served, to(refused), more: "x-go: 127.0.0.1:\(one.port)\r\n").status == 200)
        #expect(try ask(served, "", more: "x-go: 127.0.0.1:\(one.port)\r\n").status == 200)
        for value in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "[127.0.0.1]:80", "::1:80", ":80", ""] {
            #expect(try ask(served, to(one.port), more: "x-go: \(value)\r\n").status == 200)
            #expect(try ask(served, "", more: "x-go: \(value)\r\n").status == 503)
        }
        #expect(served.stat("cluster.c.original_dst_host_invalid", becomes: 14) == 14)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// A host without connections goes, and comes again when it is asked for.
    @Test func hostsComeAndGo() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try serve(", upstream_connection_options: {}, common_http_protocol_options: {idle_timeout: 0.1s}, original_dst_lb_config: {upstream_port_override: \(one.port)}")
        for round in 1...3 {
            for port: UInt16 in 1...20 { #expect(try ask(served, to(port)).status == 200) }
            #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
            _ = wait(upToMs: 700, everyMs: 700) { false }
            #expect(served.stat("cluster.c.upstream_rq_200", becomes: 20 * round) == 20 * round)
        }
        #expect(served.admin.isReady())
    }
}
