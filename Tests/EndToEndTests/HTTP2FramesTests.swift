import TestSupport
import Testing

/// Frame by frame, against Martlet and, where it is installed, against the real Envoy.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HTTP2FramesTests {
    private func outcome(_ one: HTTP2FrameCase, _ serving: HTTP2Serving, waitMs: Int) throws -> String {
        let client = try RawH2Client(port: serving.listener, preface: one.begins)
        client.send(one.bytes)
        let wanted = one.martlet.isEmpty ? Int.max : one.martlet.split(separator: " ").count
        // A moment longer than it takes: nothing may follow.
        client.read(forMs: waitMs) { $0.words.count >= wanted }
        client.read(forMs: 40)
        return client.words.joined(separator: " ")
    }

    @Test func everyBreachIsAnsweredAsTheRFCSays() throws {
        // The upstream answers nobody: what waits for it waits.
        let serving = try HTTP2Serving(script: .steps(.delay(ms: 60_000)))
        for one in HTTP2FrameCase.all {
            let seen = try outcome(one, serving, waitMs: 1_500)
            #expect(seen == one.martlet, "\(one.name)")
        }
        // Nobody is left behind.
        for gauge in ["http.h.downstream_cx_active", "http.h.downstream_rq_active", "http2.streams_active"] {
            #expect(serving.stat(gauge, becomes: 0) == 0, "\(gauge)")
        }
        #expect(try outcome(HTTP2FrameCase.all[0], serving, waitMs: 1_500) == HTTP2FrameCase.all[0].martlet)
    }

    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "needs the real Envoy")) func envoySaysWhatTheTableSays() throws {
        let serving = try HTTP2Serving(.envoy, script: .steps(.delay(ms: 60_000)))
        for one in HTTP2FrameCase.all {
            let seen = try outcome(one, serving, waitMs: 250)
            #expect(seen == one.envoy, "\(one.name)")
        }
    }

    /// RFC 9113 §6.9.1: DATA beyond a stream's window, and beyond the connection's. The upstream reads nothing: once the
    /// kernel's buffers are full no window grows any more, and this client does not look at them.
    @Test(arguments: [("initial_stream_window_size: 65535", "RST1(3)"), ("initial_connection_window_size: 65535", "GOAWAY(1,3)")])
    func windowsMayNotBeExceeded(options: String, said: String) throws {
        let serving = try HTTP2Serving(http2: options, script: .steps(.delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        let part = H2Frame(.data, stream: 1, [UInt8](repeating: 0, count: 16_384))
        client.send([.head(1, H2Frame.request("POST", "/slow"), flags: H2Frame.endHeaders)])
        for _ in 0..<40 where client.words.isEmpty { client.send([H2Frame](repeating: part, count: 50)) }
        client.read(forMs: 10_000) { !$0.words.isEmpty }
        #expect(client.words.first == said)
    }

    /// RFC 9113 §5.1.2.
    @Test func moreStreamsThanAllowed() throws {
        let serving = try HTTP2Serving(http2: "max_concurrent_streams: 1", script: .steps(.delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        let two = [H2Frame.head(1, H2Frame.request("GET", "/slow")), .head(3, H2Frame.request("GET", "/direct"))]
        client.read(forMs: 200)
        client.send(two)
        client.read(forMs: 5_000) { !$0.words.isEmpty }
        #expect(client.words == ["GOAWAY(1,1)"])
        // One that has not acknowledged the limit may not have known of it.
        let other = try RawH2Client(port: serving.listener)
        other.acknowledges = false
        other.send(two)
        other.read(forMs: 5_000) { !$0.words.isEmpty }
        #expect(other.words == ["RST3(7)"])
        #expect(serving.stat("http2.stream_refused_errors", becomes: 1) == 1)
    }

    /// CVE-2023-44487: after 250 requests that are taken back at once the connection ends.
    @Test func rapidResetEndsTheConnection() throws {
        let serving = try HTTP2Serving(script: .steps(.delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        for i in 0..<600 {
            let stream = UInt32(1 + 2 * i)
            client.send([.head(stream, H2Frame.request("GET", "/slow")), H2Frame(.reset, stream: stream, H2Frame.word(8))])
        }
        client.read(forMs: 2_000)
        #expect(client.end != "open")
        #expect(serving.stat("http.h.downstream_rq_too_many_premature_resets", becomes: 1) == 1)
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(serving.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }

    /// A client that asks for acknowledgements and takes none: what we owe is bounded. nghttp2 has a bound of its own, 10,000.
    @Test(arguments: ["", "max_outbound_frames: 30000, max_outbound_control_frames: 12000"]) func aFloodOfPingsThatNobodyReadsEndsTheConnection(options: String) throws {
        let serving = try HTTP2Serving(http2: options)
        let socket = try Sockets.connect(port: serving.listener)
        Sockets.receiveBuffer(4096, of: socket)
        let ping = H2Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8]).bytes
        let burst = Array(repeating: ping, count: 2_000).flatMap(\.self)
        var sent = Sockets.send(H2Frame.preface + H2Frame(.settings).bytes, from: 0, on: socket)
        let deadline = Deadline(afterMs: 10_000)
        while sent >= 0, !deadline.passed {
            if Sockets.ready(socket, for: Sockets.writable, until: Deadline(afterMs: 200)) == 0 { continue }
            sent = Sockets.send(burst, from: 0, on: socket)
            if serving.admin.stats(matching: "^http2.outbound_control_flood$")["http2.outbound_control_flood"] == 1 { break }
        }
        #expect(serving.stat("http2.outbound_control_flood", becomes: 1) == 1)
        socket.close()
        #expect(serving.stat("http.h.downstream_cx_active", becomes: 0) == 0)
    }

    /// The same stream of requests, cut at every byte of its first two frames.
    @Test func piecesOfAnySizeAreReadTheSame() throws {
        let serving = try HTTP2Serving()
        let bytes = H2Frame.preface + H2Frame(.settings).bytes + H2Frame.head(1, H2Frame.request("GET", "/direct")).bytes
        for cut in 1..<bytes.count {
            let client = try RawH2Client(port: serving.listener, preface: false)
            // Nothing may come between the pieces.
            client.acknowledges = false
            client.send(Array(bytes.prefix(cut)))
            client.read(forMs: 3)
            client.send(Array(bytes.dropFirst(cut)))
            client.read(forMs: 2_000) { $0.hasEnded(1) }
            #expect(client.words == ["HEAD1(200)", "DATA1+(6)"], "cut at \(cut)")
        }
    }

    /// Cut short anywhere: nothing is left behind.
    @Test func aConnectionThatIsCutShortLeavesNothing() throws {
        let serving = try HTTP2Serving()
        let bytes = H2Frame.preface + H2Frame(.settings).bytes + H2Frame.head(1, H2Frame.request("POST", "/x"), flags: 4).bytes
            + H2Frame(.data, stream: 1, [1, 2, 3]).bytes
        for cut in stride(from: 1, to: bytes.count, by: 3) {
            let client = try RawH2Client(port: serving.listener, preface: false)
            client.send(Array(bytes.prefix(cut)))
            client.close()
        }
        for gauge in ["http.h.downstream_cx_active", "http.h.downstream_rq_active", "cluster.c.upstream_rq_active"] {
            #expect(serving.stat(gauge, becomes: 0) == 0, "\(gauge)")
        }
    }
}
