import TestSupport
import Testing

/// Where a response ends, for a client that reads it by the book.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct FramingTests {
    private func serve(_ script: UpstreamScript, options: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\(options.isEmpty ? "" : "\n          " + options)")
        }
        return (served, upstream)
    }

    /// RFC 9110 §15.4.5: a 304 has no content, whatever its coding says; not even a last chunk.
    @Test func nothingFollowsA304ThatNamesACoding() throws {
        let (served, upstream) = try serve(.always("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n"))
        defer { upstream.stop() }
        var client = RawClient(
            steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitResponse, .pause(ms: 50)], methods: [])
        client.closeLimitMs = 100
        client.answerLimitMs = 500
        let text = try String(wire: client.run(port: served.listener).received)
        #expect(text.hasPrefix("HTTP/1.1 304"))
        #expect(text.hasSuffix("\r\n\r\n") && text.components(of: "\r\n\r\n") == 1, "\(text)")
    }

    /// RFC 9112 §6.1: HTTP/1.0 knows no chunks.
    @Test func anHTTP10ClientSeesNoChunks() throws {
        let (served, upstream) = try serve(
            .always("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            options: "http_protocol_options: {accept_http_10: true}")
        defer { upstream.stop() }
        let client = RawClient(steps: [.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n")], methods: ["GET"])
        let outcome = try client.run(port: served.listener)
        let text = String(wire: outcome.received)
        #expect(text.hasSuffix("\r\n\r\nhello"), "\(text)")
        #expect(outcome.end == .closed)
    }

    /// What an upstream says before it was asked, as it gives up an idle connection, answers nobody.
    @Test func a408OfAnIdleConnectionDoesNotAnswerTheNextRequest() throws {
        let late = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        // More than a receive buffer, so that what is behind the end is read apart from it.
        let filler = "HTTP/1.1 200 OK\r\ncontent-length: \(16_384 - 42)\r\n\r\n"
        let padded = filler + String(repeating: "y", count: 16_384 - filler.utf8.count)
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript([
            [.readRequest, .delay(ms: 300), .send(padded + late)],
            [.readRequest, .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .again],
        ]))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, clusters: [Served.cluster([upstream.port], more: "circuit_breakers: {thresholds: [{max_connections: 1}]}")])
        }
        let sockets = try (0..<2).map { _ in try Sockets.connect(port: served.listener) }
        for socket in sockets {
            _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: socket)
            sleep(ms: 50)
        }
        #expect(Sockets.ready(sockets[1], for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
        guard case .bytes(let bytes) = Sockets.receive(sockets[1]) else {
            Issue.record("no answer")
            return
        }
        #expect(String(wire: bytes).hasPrefix("HTTP/1.1 200"), "\(String(wire: bytes))")
    }
}

extension String {
    /// How many times `text` occurs.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = wire
        while let at = rest.index(of: text.wire) {
            count += 1
            rest = Array(rest[(at + text.wire.count)...])
        }
        return count
    }
}
