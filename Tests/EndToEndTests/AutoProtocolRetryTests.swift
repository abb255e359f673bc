import TestSupport
import Testing

/// Retries inside a cluster with `auto_config`, from a host of one protocol to a host of the other: real servers of both, each
/// with one fault.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl")),
    .enabled(if: (try? Shell.run("python3 -c 'import h2.connection'"))?.status == 0, "needs PyPI's h2"))
struct AutoProtocolRetryTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test")
    }

    /// `Collector/alpn_upstream.py`.
    private final class Upstream {
        let port = Ports.free()
        private let process: ChildProcess

        init(_ certificates: Certificates, _ speaks: String, _ behaviour: String) throws {
            let folder = "\(#filePath)".split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/TestSupport/Collector"
            process = try ChildProcess(
                "/usr/bin/env",
                ["python3", folder + "/alpn_upstream.py", "\(port)", certificates.chain("server"), certificates.key("server"), speaks, behaviour])
            try #require(wait(upToMs: 20_000, everyMs: 20) { process.output.contains("ready") }, "\(process.output)")
        }

        deinit { process.kill() }

        var requests: Int { process.output.textLines.filter { $0.hasPrefix("request") }.count }
    }

    private func serve(_ ports: [UInt16], _ policy: String) throws -> Served {
        let types = "type.googleapis.com/envoy.extensions."
        let socket = "transport_socket: {name: t, typed_config: {\"@type\": \(types)transport_sockets.tls.v3.UpstreamTlsContext, sni: server.test, common_tls_context: {validation_context: {trusted_ca: {filename: \(certificates.authority)}}}}}"
        let protocols = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": \(types)upstreams.http.v3.HttpProtocolOptions, auto_config: {http2_protocol_options: {}}}}"
        return try Served(Binary.martlet()) { port in
            Served.http(
                port, route: "timeout: 120s, retry_policy: {num_retries: 3, host_selection_retry_max_attempts: 5, retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts}], retry_back_off: {base_interval: 0.001s}, \(policy)}",
                clusters: [Served.cluster(ports, more: "\(socket), \(protocols)")])
        }
    }

    private static let faults: [(fault: String, policy: String)] = [
        ("503", "retry_on: 5xx"), ("reset", "retry_on: reset"), ("close", "retry_on: reset"), ("refuse", "retry_on: \"refused-stream,reset\""),
        ("silent", "retry_on: 5xx, per_try_timeout: 3s"),
    ]

    @Test(arguments: [("h2", "http/1.1"), ("http/1.1", "h2"), ("h2", "h2")], AutoProtocolRetryTests.faults.indices)
    func aRetryGoesToTheOtherHost(protocols: (bad: String, good: String), index: Int) throws {
        let (fault, policy) = AutoProtocolRetryTests.faults[index]
        let bad = try Upstream(certificates, protocols.bad, fault)
        let good = try Upstream(certificates, protocols.good, "ok")
        let served = try serve([bad.port, good.port], policy)
        // Hosts take turns: of two requests the bad one has had one.
        for _ in 0..<2 {
            let answer = try served.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello", method: "POST")
            #expect(answer.status == 200, "\(fault)")
            // The whole body, in the other protocol.
            #expect(String(wire: answer.body) == "\(protocols.good) 5")
        }
        #expect(good.requests == 2)
        #expect(bad.requests >= 1)
        #expect(served.stat("cluster.c.upstream_rq_retry", becomes: bad.requests) == bad.requests)
        #expect(served.stat("cluster.c.upstream_rq_retry_success", becomes: bad.requests) == bad.requests)
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 2 + bad.requests) == 2 + bad.requests)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
    }

    /// One host that is not there, before any handshake has said what it speaks.
    @Test(arguments: ["h2", "http/1.1"])
    func aHostThatIsNotThereIsLeft(speaks: String) throws {
        let good = try Upstream(certificates, speaks, "ok")
        let served = try serve([Ports.free(), good.port], "retry_on: connect-failure")
        for _ in 0..<4 {
            let answer = try served.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello", method: "POST")
            #expect(answer.status == 200 && String(wire: answer.body) == "\(speaks) 5")
        }
        let failed = served.admin.stats(matching: "upstream_cx_connect_fail")["cluster.c.upstream_cx_connect_fail"] ?? 0
        #expect(failed >= 1)
        #expect(served.stat("cluster.c.upstream_rq_retry", becomes: failed) == failed)
    }

    /// Both fail: the last answer is the client's, and nothing is left behind.
    @Test func whereNobodyAnswersTheLastFailureIsTold() throws {
        let hosts = [try Upstream(certificates, "h2", "reset"), try Upstream(certificates, "http/1.1", "close")]
        let served = try serve(hosts.map(\.port), "retry_on: reset")
        let answer = try served.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello", method: "POST")
        #expect(answer.status == 503 || answer.status == 502)
        #expect(hosts[0].requests + hosts[1].requests == 4)
        #expect(hosts.allSatisfy { $0.requests >= 1 })
        #expect(served.stat("cluster.c.upstream_rq_retry_limit_exceeded", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }
}
