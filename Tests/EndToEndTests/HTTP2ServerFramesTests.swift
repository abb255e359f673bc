import TestSupport
import Testing

/// Frame by frame, with Martlet as the client and, where it is installed, with the real Envoy.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HTTP2ServerFramesTests {
    /// One request on a connection of its own: what the server is told, and what its client gets.
    private func outcome(
        _ one: HTTP2ServerFrameCase, _ serving: HTTP2Serving, _ listener: Descriptor, waitMs: Int
    ) throws -> (said: String, status: String) {
        let client = try Sockets.connect(port: serving.listener)
        defer { client.close() }
        _ = Sockets.send("GET /up HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".wire, from: 0, on: client)
        var accepted: Descriptor?
        guard wait(upToMs: 10_000, until: {
            accepted = Sockets.accept(listener)
            return accepted != nil
        }), let socket = accepted, let server = RawH2Client(accepted: socket) else { return ("", "no connection") }
        if one.begins {
            server.send([H2Frame(.settings)])
            server.begun()
        }
        server.read(forMs: 5_000) { $0.hasEnded(1) }
        server.send(one.bytes)
        server.read(forMs: waitMs) { client in client.words.contains { $0.hasPrefix("GOAWAY") || $0.hasPrefix("RST") } }
        let said = server.words.dropFirst().joined(separator: " ")
        server.close()
        let text = RawText.all(client, sending: "")
        return (said, String(text.dropFirst(9).prefix(3)))
    }

    private func serve(_ proxy: HTTP2Serving.Proxy) throws -> (HTTP2Serving, Descriptor) {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        return (try HTTP2Serving(proxy, cluster: HTTP2Serving.http2Cluster, upstreamPort: port), listener)
    }

    @Test func everyBreachIsAnsweredAsTheRFCSays() throws {
        let (serving, listener) = try serve(.martlet)
        for one in HTTP2ServerFrameCase.all {
            let seen = try outcome(one, serving, listener, waitMs: one.said.isEmpty || one.said == "PONG" ? 60 : 1_500)
            #expect(seen == (one.said, one.status), "\(one.name)")
        }
        for gauge in ["cluster.c.upstream_cx_active", "cluster.c.upstream_rq_active", "cluster.c.http2.streams_active", "http.h.downstream_rq_active"] {
            #expect(serving.stat(gauge, becomes: 0) == 0, "\(gauge)")
        }
    }

    /// Each flood has its counter, as in Envoy.
    @Test(arguments: [HTTP2Serving.Proxy.martlet, .envoy]) func floodsAreCounted(proxy: HTTP2Serving.Proxy) throws {
        if proxy == .envoy, (try? ProxyBinary.envoy().get()) == nil { return }
        let (serving, listener) = try serve(proxy)
        for one in HTTP2ServerFrameCase.floods { _ = try outcome(one, serving, listener, waitMs: 60) }
        for (name, count) in [("inbound_empty_frames_flood", 2), ("inbound_priority_frames_flood", 1), ("inbound_window_update_frames_flood", 1)] {
            #expect(serving.stat("cluster.c.http2.\(name)", becomes: count) == count, "\(name)")
        }
        #expect(serving.stat("cluster.c.upstream_cx_protocol_error", becomes: 4) == 4)
    }

    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "needs the real Envoy")) func envoysClientsGetTheSame() throws {
        let (serving, listener) = try serve(.envoy)
        for one in HTTP2ServerFrameCase.all {
            let seen = try outcome(one, serving, listener, waitMs: 60)
            #expect(seen.status == one.envoy, "\(one.name)")
        }
    }

    /// RFC 9113 §6.9.1, where Martlet's window is small.
    @Test func aServerMayNotExceedAWindow() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        let cluster = HTTP2Serving.http2Cluster.replacing(
            text: "allow_connect: true", by: "initial_stream_window_size: 65535, initial_connection_window_size: 65535")
        let serving = try HTTP2Serving(cluster: cluster, upstreamPort: port)
        let client = try Sockets.connect(port: serving.listener)
        // One that takes nothing: what comes waits, and the window stays shut.
        Sockets.receiveBuffer(4096, of: client)
        _ = Sockets.send("GET /up HTTP/1.1\r\nhost: a\r\n\r\n".wire, from: 0, on: client)
        var accepted: Descriptor?
        #expect(wait(upToMs: 10_000) {
            accepted = Sockets.accept(listener)
            return accepted != nil
        })
        let socket = try #require(accepted)
        let server = try #require(RawH2Client(accepted: socket))
        server.send([H2Frame(.settings)])
        server.begun()
        server.read(forMs: 5_000) { $0.hasEnded(1) }
        let part = H2Frame(.data, stream: 1, [UInt8](repeating: 0, count: 16_384))
        server.send([H2Frame.head(1, [(":status", "200")], flags: 4)])
        // What the windows allow, until the kernel's buffers are full as well and no window grows any more. Then one frame
        // more: had more been on its way, the reset that closing with unread bytes is could have taken the GOAWAY along.
        let deadline = Deadline(afterMs: 30_000)
        var sent = 0
        while server.end == "open", server.words.count == 1, !deadline.passed {
            let allowed = sent + part.payload.count
            server.read(forMs: 1_000) { client in client.words.count > 1 || [0, 1].allSatisfy { client.window(of: $0) >= allowed } }
            server.send([part])
            sent = allowed
        }
        #expect(server.words.contains { $0.hasPrefix("GOAWAY(0,3)") || $0 == "RST1(3)" }, "\(server.words)")
    }

    /// RFC 9113 §5.1.2: what the server allows is kept.
    @Test func twoStreamsWhereOneIsAllowed() throws {
        let (serving, listener) = try serve(.martlet)
        let clients = try (0..<2).map { _ in try Sockets.connect(port: serving.listener) }
        var servers: [RawH2Client] = []
        func accept() throws {
            var accepted: Descriptor?
            #expect(wait(upToMs: 10_000) {
                accepted = Sockets.accept(listener)
                return accepted != nil
            })
            let socket = try #require(accepted)
            let server = try #require(RawH2Client(accepted: socket))
            server.send([H2Frame(.settings, [0, 3] + H2Frame.word(1))])
            server.begun()
            servers.append(server)
        }
        _ = Sockets.send("GET /one HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".wire, from: 0, on: clients[0])
        try accept()
        servers[0].read(forMs: 5_000) { $0.hasEnded(1) }
        _ = Sockets.send("GET /two HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".wire, from: 0, on: clients[1])
        // The second request gets a connection of its own.
        try accept()
        servers[1].read(forMs: 5_000) { $0.hasEnded(1) }
        #expect(servers[0].heads.count == 1)
        for (server, client) in zip(servers, clients) {
            server.follow([.answer(1)])
            #expect(RawText.all(client, sending: "").hasPrefix("HTTP/1.1 200"))
        }
    }
}
