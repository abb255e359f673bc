import Glibc
import TestSupport
import Testing

/// Upgraded connections, and what is left of them in the statistics.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct TunnelTests {
    private static let ask = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    private static let accept = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"

    private func serve(_ script: UpstreamScript, more: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port], more: more)])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          upgrade_configs: [{upgrade_type: websocket}]\n          stream_idle_timeout: 0.5s")
        }
        return (served, upstream)
    }

    private func isBackAtZero(_ served: Served) {
        for name in [
            "http.h.downstream_cx_active", "http.h.downstream_rq_active", "http.h.downstream_cx_upgrades_active",
            "cluster.c.upstream_rq_active", "cluster.c.upstream_cx_active",
        ] { #expect(served.stat(name, becomes: 0) == 0, "\(name)") }
    }

    @Test func bytesGoBothWays() throws {
        let (served, upstream) = try serve(.steps(.readHead, .send(TunnelTests.accept + "early"), .readText("ping"), .send("pong"), .close))
        defer { upstream.stop() }
        let client = RawClient(
            steps: [.send(TunnelTests.ask), .awaitText("early"), .send("ping"), .awaitText("pong")], methods: ["GET"])
        let outcome = try client.run(port: served.listener)
        #expect(String(wire: outcome.received).hasSuffix("\r\n\r\nearlypong"))
        isBackAtZero(served)
    }

    /// The time runs from the client's end on, and there is none.
    @Test func aTunnelThatItsHostEndsHasNoTime() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readHead, .send(TunnelTests.accept + "all"), .close))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          upgrade_configs: [{upgrade_type: websocket}]")
                .replacing(text: "static_resources:", by: "stats_flush_on_admin: true\nstatic_resources:")
        }
        let outcome = try RawClient(steps: [.send(TunnelTests.ask), .awaitText("all")], methods: ["GET"]).run(port: served.listener)
        #expect(String(wire: outcome.received).hasSuffix("\r\n\r\nall"))
        isBackAtZero(served)
        func histogram(_ name: String) -> String {
            String(wire: served.admin.request("GET", "/stats?filter=" + Admin.escaped("^\(name)$"))?.body ?? [])
        }
        #expect(wait(upToMs: 10_000) { histogram("http.h.downstream_rq_time").contains("P100(") }, "\(histogram("http.h.downstream_rq_time"))")
        // One that nothing was recorded in may be missing.
        #expect(!histogram("cluster.c.upstream_rq_time").contains("P100("), "\(histogram("cluster.c.upstream_rq_time"))")
    }

    /// However a tunnel ends, nobody counts it any more.
    @Test(arguments: ["client closes", "client resets", "upstream resets", "idle"])
    func aTunnelThatEndedIsNotCounted(how: String) throws {
        let (served, upstream) = try serve(
            .steps(.readHead, .send(TunnelTests.accept), .readText("ping"), how == "upstream resets" ? .reset : .delay(ms: 1)))
        defer { upstream.stop() }
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send(TunnelTests.ask.wire, from: 0, on: socket)
        #expect(Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
        #expect(served.stat("http.h.downstream_cx_upgrades_active", becomes: 1) == 1)
        _ = Sockets.send("ping".wire, from: 0, on: socket)
        switch how {
        case "client closes": socket.close()
        case "client resets": socket.reset()
        default: break
        }
        isBackAtZero(served)
        socket.close()
    }

    /// The client leaves while the upstream still has to take what it sent: its connection is given back all the same,
    /// also when it never takes it.
    @Test func anUpstreamThatReadsNothingIsLetGo() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        let served = try Served(try Binary.martlet()) { listener in
            Served.http(listener, clusters: [Served.cluster([port], more: "per_connection_buffer_limit_bytes: 33554432")])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          upgrade_configs: [{upgrade_type: websocket}]")
        }
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send(TunnelTests.ask.wire, from: 0, on: socket)
        #expect(Sockets.ready(listener, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
        let upstream = try #require(Sockets.accept(listener))
        #expect(Sockets.ready(upstream, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
        _ = Sockets.receive(upstream)
        _ = Sockets.send(TunnelTests.accept.wire, from: 0, on: upstream)
        #expect(Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
        let piece = [UInt8](repeating: 0x78, count: 65_536)
        let deadline = Deadline(afterMs: 3_000)
        var sent = 0
        // More than the kernel takes, less than the proxy keeps.
        while sent < 12_000_000, Sockets.ready(socket, for: Sockets.writable, until: deadline) != 0 {
            sent += max(0, Sockets.send(piece, from: 0, on: socket))
        }
        #expect(sent >= 12_000_000)
        socket.close()
        isBackAtZero(served)
        upstream.close()
        listener.close()
    }
}
