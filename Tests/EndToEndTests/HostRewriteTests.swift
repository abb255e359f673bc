import TestSupport
import Testing

/// `auto_host_rewrite`: the host that is asked is the one that was chosen, also when another is chosen for a retry.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HostRewriteTests {
    private func endpoint(_ port: UInt16, _ hostname: String) -> String {
        "{endpoint: {hostname: \(hostname), address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}"
    }

    private func serve(_ endpoints: [String], route: String) throws -> Served {
        try Served(try Binary.martlet()) {
            Served.http(
                $0, route: route,
                clusters: ["      - {name: c, connect_timeout: 10s, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [\(endpoints.joined(separator: ", "))]}]}}"])
        }
    }

    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    @Test func theChosenHostIsAsked() throws {
        let upstream = try ScriptedUpstream(name: "a")
        upstream.begin(.always(HostRewriteTests.ok))
        upstream.start()
        defer { upstream.stop() }
        let served = try serve([endpoint(upstream.port, "a.test")], route: "auto_host_rewrite: true, append_x_forwarded_host: true")
        #expect(try served.get().status == 200)
        let asked = try #require(HTTPParser.requests(upstream.records.flatMap(\.received)).first)
        #expect(asked.header("host") == "a.test")
        #expect(asked.header("x-forwarded-host") == "h.test")
        #expect(asked.header("x-envoy-original-host") == "h.test")
    }

    @Test func aRetryAsksItsOwnHost() throws {
        let first = try ScriptedUpstream(name: "a")
        let second = try ScriptedUpstream(name: "b")
        for upstream in [first, second] {
            upstream.begin(.always("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"))
            upstream.start()
        }
        defer {
            first.stop()
            second.stop()
        }
        let served = try serve(
            [endpoint(first.port, "a.test"), endpoint(second.port, "b.test")],
            route: "auto_host_rewrite: true, retry_policy: {retry_on: 5xx, num_retries: 1}")
        #expect(try served.get().status == 503)
        for (upstream, host) in [(first, "a.test"), (second, "b.test")] {
            let asked = HTTPParser.requests(upstream.records.flatMap(\.received))
            #expect(asked.map { $0.header("host") } == [host])
            #expect(asked.map { $0.header("x-envoy-original-host") } == ["h.test"], "what the client asked for")
        }
    }
}
