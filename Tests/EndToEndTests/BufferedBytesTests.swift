import TestSupport
import Testing

/// `…_cx_rx_bytes_buffered`, `…_cx_tx_bytes_buffered`, `upstream_flow_control_…`: what Envoy 1.40 shows for the same bytes.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct BufferedBytesTests {
    /// The size of the last read stays until the next one, or the connection's end.
    @Test func theLastReadIsShown() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port])]) }
        let client = try Sockets.connect(port: served.listener)
        #expect(Exchange.get("/", on: client, keepsOpen: true).status == 200)
        let request = served.admin.stats(matching: "downstream_cx_rx_bytes_total")["http.h.downstream_cx_rx_bytes_total"] ?? 0
        #expect(request > 0)
        #expect(served.stat("http.h.downstream_cx_rx_bytes_buffered", becomes: request) == request)
        #expect(served.stat("cluster.c.upstream_cx_rx_bytes_buffered", becomes: 40) == 40)
        client.close()
        #expect(served.stat("http.h.downstream_cx_rx_bytes_buffered", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_cx_rx_bytes_buffered", becomes: 40) == 40, "that connection is open still")
        #expect(served.stat("cluster.c.upstream_cx_tx_bytes_buffered", becomes: 0) == 0)
    }

    /// An upstream that does not read: its connection backs up, the client is not read, and both end with the upload.
    @Test func anUploadBacksUp() throws {
        let port = Ports.free()
        let listening = try Sockets.listen(port: port)
        let served = try Served(try Binary.martlet()) {
            Served.http($0, route: "timeout: 0s", clusters: [Served.cluster([port], more: "per_connection_buffer_limit_bytes: 65536")])
        }
        let bytes = 24 << 20
        let answer = Locked<Exchange?>(nil)
        let client = try Sockets.connect(port: served.listener)
        let uploading = BackgroundThread {
            let got = Exchange.post("/", [UInt8](repeating: 120, count: bytes), on: client, limitMs: 30_000)
            answer.withLock { $0 = got }
        }
        #expect(Sockets.ready(listening, for: Sockets.readable, until: Deadline(afterMs: 10_000)) != 0)
        let upstream = try #require(Sockets.accept(listening))
        let name = "cluster.c.upstream_flow_control_backed_up_total"
        #expect(wait(upToMs: 10_000) { served.admin.stats(matching: name)[name] ?? 0 > 0 })
        var buffered = 0
        _ = wait(upToMs: 10_000) {
            buffered = served.admin.stats(matching: "upstream_cx_tx_bytes_buffered")["cluster.c.upstream_cx_tx_bytes_buffered"] ?? 0
            return buffered > 65_536
        }
        #expect(buffered > 65_536, "what waits for the upstream")
        let deadline = Deadline(afterMs: 30_000)
        var received = 0
        while received < bytes, Sockets.ready(upstream, for: Sockets.readable, until: deadline) != 0 {
            guard case .bytes(let part) = Sockets.receive(upstream) else { break }
            received += part.count
        }
        _ = Sockets.send(Array("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".utf8), from: 0, on: upstream)
        uploading.join()
        #expect(answer.withLock { $0?.status } == 200, "\(String(describing: answer.withLock { $0 }))")
        let stats = served.admin.stats(matching: "cluster.c.upstream_flow_control")
        let backedUp = stats[name] ?? 0
        #expect(backedUp > 0)
        #expect(stats["cluster.c.upstream_flow_control_drained_total"] == backedUp)
        #expect(served.stat("cluster.c.upstream_cx_tx_bytes_buffered", becomes: 0) == 0)
    }

    /// A client that does not read its response.
    @Test func aResponseWaitsForItsClient() throws {
        let body = String(repeating: "y", count: 24 << 20)
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n" + body))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port])]) }
        let client = try Sockets.connect(port: served.listener)
        let request = Array("GET / HTTP/1.1\r\nhost: h\r\n\r\n".utf8)
        #expect(Sockets.send(request, from: 0, on: client) == request.count)
        var buffered = 0
        _ = wait(upToMs: 10_000) {
            buffered = served.admin.stats(matching: "downstream_cx_tx_bytes_buffered")["http.h.downstream_cx_tx_bytes_buffered"] ?? 0
            return buffered > 65_536
        }
        #expect(buffered > 65_536)
        client.close()
        #expect(served.stat("http.h.downstream_cx_tx_bytes_buffered", becomes: 0) == 0)
        // What was paused for it is so no more.
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        let stats = served.admin.stats(matching: "cluster.c.upstream_flow_control")
        #expect(stats["cluster.c.upstream_flow_control_paused_reading_total"] ?? 0 > 0)
        #expect(stats["cluster.c.upstream_flow_control_resumed_reading_total"] == stats["cluster.c.upstream_flow_control_paused_reading_total"])
    }
}
