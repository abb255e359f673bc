// Responses that wait at a filter while their connection goes; connections that change what they carry.

import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct HeldResponseTests {
    /// The response is here in full: how its connection ends is no concern of the client.
    @Test(arguments: [UpstreamStep.close, .reset])
    func aWholeResponseOutlivesItsConnection(end: UpstreamStep) throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(.steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), .delay(ms: 50), end))
        upstream.start()
        defer { upstream.stop() }
        var waiting = Handle.none
        let filter = unsafe ClosureFilter(responseHead: { _, _, stream, _ in
            waiting = unsafe stream.pointee.handle
            return .stop
        })
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let client = try bench.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(bench.turns { waiting != .none })
        #expect(bench.turns { bench.count(.upstreamCxDestroy) == 1 })
        #expect(bench.count(.upstreamCxDestroyRemote) == 1)
        #expect(bench.count(.upstreamCxDestroyWithActiveRq) == 0)
        #expect(bench.count(.upstreamCxProtocolError) == 0)
        bench.worker.resumeResponse(waiting, from: filter)
        let (text, ended) = bench.receive(client) { $0.hasSuffix("\r\n\r\n") }
        #expect(!ended && text.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(text)")
        #expect(filter.flags.isEmpty && filter.details == "via_upstream")
        #expect(bench.count(.downstreamRqTxReset) == 0)
    }

    /// Envoy passes the chunks on behind the 101, where the server takes them for the other protocol.
    @Test func anUpgradeWithAChunkedBodyIsRefused() throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(.always("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"))
        upstream.start()
        defer { upstream.stop() }
        let filter = unsafe ClosureFilter()
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, ended) = try bench.receive(
            bench.send(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ntransfer-encoding: chunked\r\n\r\n"
                    + "5\r\nhello\r\n0\r\n\r\n"))
        #expect(ended && text.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(filter.flags.contains(.downstreamProtocolError) && filter.details == "upgrade_with_chunked_body")
        #expect(upstream.records.isEmpty)
    }

    /// The answer to an upgrade names other protocols (RFC 9110 §7.8): the client is told, and may ask on. `early`: what the
    /// client has sent ahead was meant for the other protocol, and is no request.
    @Test(arguments: [false, true])
    func anUpgradeIsRefusedWithOtherProtocols(early: Bool) throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(
            UpstreamScript([
                [.readHead, .send("HTTP/1.1 426 Upgrade Required\r\nconnection: Upgrade\r\nupgrade: foo/2, bar\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")],
                [.readRequest, .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")],
            ]))
        upstream.start()
        defer { upstream.stop() }
        let bench = try unsafe ProxyBench(ClosureFilter(), upstream: upstream.port)
        let next = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n"
        let client = try bench.send(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + (early ? next : ""))
        let (refusal, ended) = bench.receive(client) { !early && $0.hasSuffix("0\r\n\r\n") }
        #expect(refusal.contains("\r\nconnection: Upgrade\r\nupgrade: foo/2, bar\r\n") && refusal.hasSuffix("\r\n\r\n2\r\nno\r\n0\r\n\r\n"), "\(refusal)")
        #expect(refusal.contains("connection: close") == early && ended == early, "\(refusal)")
        if !early {
            #expect(Sockets.send(Array(next.utf8), from: 0, on: client) == next.utf8.count)
            let (answer, ended) = bench.receive(client) { $0.hasSuffix("ok") }
            #expect(!ended && answer.hasPrefix("HTTP/1.1 200 OK\r\n") && !answer.contains("upgrade"), "\(answer)")
        }
        client.close()
        #expect(bench.turns { bench.count(.downstreamCxDestroy) == 1 })
        #expect(bench.count(.downstreamRqTotal) == (early ? 1 : 2))
        #expect(bench.count(.downstreamRqRxReset) == (early ? 1 : 0))
    }

    /// The connection of a CONNECT whose client has gone serves a request: it is HTTP then, and counts as such.
    @Test func aConnectionOfACONNECTThatCarriesHTTPIsCounted() throws {
        let port = Ports.free()
        // With a full queue the kernel answers no more connections: those of the proxy wait.
        let listener = try Sockets.listen(port: port, backlog: 0)
        var fillers: [Descriptor] = []
        while let filler = try? Sockets.connect(port: port, within: 100), fillers.count < 8 { fillers.append(filler) }
        let bench = try unsafe ProxyBench(ClosureFilter(), upstream: port, connects: true)
        let first = try bench.send("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n")
        #expect(bench.turns { bench.count(.upstreamCxTotal) == 1 })
        #expect(bench.count(.upstreamCxHttp1Total) == 0)
        first.close()
        #expect(bench.turns { bench.count(.downstreamCxDestroy) == 1 })
        // Room again: the kernel of the proxy's side asks once more after a second.
        for filler in fillers {
            filler.close()
            Sockets.accept(listener)?.close()
        }
        var server: Descriptor?
        #expect(
            bench.turns {
                server = Sockets.accept(listener)
                return server != nil
            })
        let client = try bench.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        var got = ""
        #expect(
            bench.turns {
                if let server, case .bytes(let bytes) = Sockets.receive(server) { got += String(decoding: bytes, as: UTF8.self) }
                return got.hasSuffix("\r\n\r\n")
            })
        #expect(got.hasPrefix("GET / HTTP/1.1\r\n"))
        if let server { _ = Sockets.send(Array("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".utf8), from: 0, on: server) }
        #expect(bench.receive(client) { $0.hasSuffix("\r\n\r\n") }.text.hasPrefix("HTTP/1.1 200"))
        #expect(bench.count(.upstreamCxTotal) == 1 && bench.count(.upstreamCxHttp1Total) == 1)
    }
}
