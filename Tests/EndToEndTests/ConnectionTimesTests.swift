import TestSupport
import Testing

/// How a request came to its connection, in the access log: the upstream connection's own moments, the wait for it, the client's
/// handshake, and the search for a route.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ConnectionTimesTests {
    private static let operators = [
        "ready": "UPSTREAM_CONNECTION_POOL_READY_DURATION", "route": "ROUTE_RESOLUTION_TIME_US", "handshake": "DOWNSTREAM_HANDSHAKE_DURATION",
        "connect": "COMMON_DURATION(US_CX_BEG:US_CX_END:ns)", "secure": "COMMON_DURATION(US_CX_BEG:US_HS_END:ns)",
        "before": "COMMON_DURATION(US_CX_BEG:DS_RX_BEG:ns)", "within": "COMMON_DURATION(DS_RX_BEG:US_CX_BEG:ns)", "who": "REQ(X-WHO)",
        "xfcc": "XFCC_VALUE(URI)", "any": #"COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"X-NONE\"},\"BYTES_SENT\"]})"#,
    ]

    private static func log(_ path: String) -> String {
        let format = operators.map { "\($0.key): \"%\($0.value)%\"" }.joined(separator: ", ")
        return "[{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(path), log_format: {json_format: {\(format)}}}}]"
    }

    private func lines(_ path: String, _ count: Int) throws -> [JSON] {
        var text = ""
        _ = wait(upToMs: 20_000) {
            text = Files.text(path) ?? ""
            return text.split(separator: "\n").count >= count
        }
        return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
    }

    private func number(_ line: JSON, _ name: String) -> Int? {
        guard case .bare(let text)? = line[name] else { return nil }
        return Int(text)
    }

    @Test func ofRequestsOverTLS() throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("client", names: "URI:spiffe://a/c")
        let upstream = try TLSServed(certificates)
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let cluster = Served.cluster([upstream.port], more: "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}")
        let tls = try TLSServed(
            certificates, context: "validation_context: {trusted_ca: {filename: \(certificates.authority)}}",
            manager: "forward_client_cert_details: APPEND_FORWARD\n          set_current_client_cert_details: {uri: true}\n          access_log: \(ConnectionTimesTests.log(path))",
            clusters: [cluster])
        let both = "\(TLSServed.pair(certificates, "client")) -H 'x-who: one' https://localhost:\(tls.port)/a"
        #expect(try tls.curl("/b", both).contains("hello"))
        let seen = try lines(path, 2)
        try #require(seen.count == 2)
        let first = seen[0]
        let second = seen[1]
        for line in seen {
            #expect(number(line, "connect") ?? -1 > 0, "\(line)")
            #expect(number(line, "secure") ?? -1 > (number(line, "connect") ?? Int.max), "\(line)")
            #expect(number(line, "route") != nil, "\(line)")
            #expect(number(line, "handshake") ?? 1 <= 0, "a handshake is over when its first request begins: \(line)")
            #expect(line["xfcc"]?.string == "spiffe://a/c", "\(line)")
            #expect(number(line, "any") == 5, "\(line)")
        }
        // The connection's own moments, for each request that it carries.
        #expect(number(first, "connect") == number(second, "connect") && number(first, "secure") == number(second, "secure"))
        #expect(number(first, "within") != nil && number(first, "before") ?? 0 == 0 && number(second, "within") == nil && number(second, "before") ?? 0 > 0)
        #expect(number(first, "ready") ?? -1 >= (number(first, "secure") ?? 0) / 1_000_000 && number(second, "ready") == 0)
    }

    @Test func ofWhatHasNoConnection() throws {
        let closed = Ports.free()
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let served = try Served(try Binary.martlet(), arguments: ["--file-flush-interval-msec", "20"]) { port in
            Served.http(port, clusters: [Served.cluster([closed])])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          access_log: \(ConnectionTimesTests.log(path))")
        }
        #expect(try served.get("/").status == 503)
        let line = try #require(try lines(path, 1).first)
        #expect(number(line, "ready") != nil, "known not to be had: \(line)")
        for name in ["connect", "secure", "before", "within", "handshake", "xfcc"] { #expect(number(line, name) == nil && line[name]?.string == nil, "\(name) of \(line)") }
    }

    @Test(arguments: ["", ", tunneling_config: {hostname: \"a:1\"}"]) func ofConnections(tunnel: String) throws {
        let upstream = try ScriptedUpstream(name: "c")
        let opening: [UpstreamStep] = tunnel.isEmpty ? [] : [.readHead, .send("HTTP/1.1 200 OK\r\n\r\n")]
        upstream.begin(UpstreamScript([opening + [.readText("x"), .send("y"), .close]]))
        upstream.start()
        defer { upstream.stop() }
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let served = try Served(try Binary.martlet(), arguments: ["--file-flush-interval-msec", "20"]) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c\(tunnel), access_log: \(ConnectionTimesTests.log(path))}
              clusters:
            \(Served.cluster([upstream.port]))
            """
        }
        _ = try RawClient(steps: [.send("x"), .awaitText("y")], methods: []).run(port: served.listener)
        let line = try #require(try lines(path, 1).first)
        #expect(number(line, "ready") != nil, "\(line)")
        // Of a tunnel's connection Envoy tells no more.
        #expect((number(line, "connect") ?? -1 > 0) == tunnel.isEmpty && (number(line, "within") != nil) == tunnel.isEmpty, "\(line)")
        #expect(number(line, "secure") == nil && number(line, "handshake") == nil && number(line, "route") == nil, "\(line)")
    }
}
