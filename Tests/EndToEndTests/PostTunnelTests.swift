import TestSupport
import Testing

/// `connect_config` with `allow_post` and a PROXY header, where the oracle's cases cannot look: addresses, HTTP/2.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PostTunnelTests {
    private static func tunnel(_ connect: String) -> String {
        "upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true\(connect)}}]"
    }

    /// As Envoy 1.40: the client's addresses, version 1 and 2, in front of what it sends.
    @Test(arguments: ["V1", "V2"])
    func theHeaderIsTheClients(version: String) throws {
        let upstream = try ScriptedUpstream(name: "tcp")
        upstream.begin(.steps(.readText("ping"), .send("pong"), .close))
        upstream.start()
        defer { upstream.stop() }
        let route = PostTunnelTests.tunnel(", proxy_protocol_config: {version: \(version)}")
        let served = try Served(Binary.martlet()) { Served.http($0, route: route, clusters: [Served.cluster([upstream.port])]) }
        let socket = try Sockets.connect(port: served.listener)
        let source = Sockets.localPort(of: socket)
        let request = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nping".wire
        #expect(Sockets.send(request, from: 0, on: socket) == request.count)
        #expect(wait(upToMs: patienceMs) { upstream.records.first.map { $0.end != .open } ?? false })
        #expect(served.stat("cluster.c.upstream_rq_200", becomes: 1) == 1)
        let ports = [source, served.listener]
        let header: [UInt8] = version == "V1"
            ? "PROXY TCP4 127.0.0.1 127.0.0.1 \(ports[0]) \(ports[1])\r\n".wire
            : [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1]
                + ports.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        #expect(upstream.records.first?.received == header + "ping".wire)
    }

    /// Bytes of both directions while the request is still open, and the end of each.
    @Test func overHTTP2() throws {
        let serving = try HTTP2Serving(
            script: .steps(.readText("ping"), .send("pong"), .readText("more"), .send("end"), .close),
            routes: "- match: {prefix: /}\n  route: {cluster: c, \(PostTunnelTests.tunnel(""))}")
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")], flags: 4)])
        #expect(client.read(forMs: patienceMs) { !$0.heads.isEmpty })
        client.send([H2Frame(.data, stream: 1, "ping".wire)])
        #expect(client.read(forMs: patienceMs) { $0.body[1] == "pong".wire })
        client.send([H2Frame(.data, flags: 1, stream: 1, "more".wire)])
        #expect(client.read(forMs: patienceMs) { $0.hasEnded(1) })
        #expect(client.body[1] == "pongend".wire)
        #expect(serving.upstream.records.first?.received == "pingmore".wire)
        #expect(serving.stat("cluster.c.upstream_rq_200", becomes: 1) == 1)
    }
}
