import Glibc
import TestSupport
import Testing

/// HTTP/2 on either side: ordinary clients, bridges between the protocols, windows, ends.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HTTP2Tests {
    private func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = try ChildProcess("/usr/bin/env", [program] + arguments)
        #expect(process.waitForExit(upToMs: 20_000) == 0, "\(program): \(process.output)")
        return process.output
    }

    private static func isInstalled(_ program: String) -> Bool { Files.isExecutable("/usr/bin/" + program) }

    private static let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

    // MARK: Clients

    @Test(.enabled(if: HTTP2Tests.isInstalled("curl"))) func curlIsServed() throws {
        let serving = try HTTP2Serving(script: .always(HTTP2Tests.answer))
        let url = "http://127.0.0.1:\(serving.listener)"
        let direct = try run("curl", ["-s", "-i", "--http2-prior-knowledge", url + "/direct"])
        #expect(direct.hasPrefix("HTTP/2 200"))
        #expect(direct.hasSuffix("hello\n"))
        #expect(try run("curl", ["-s", "--http2-prior-knowledge", url + "/up"]) == "hello")
        // The same listener goes on with HTTP/1 (codec_type AUTO).
        #expect(try run("curl", ["-s", "--http1.1", url + "/up"]) == "hello")
        #expect(serving.stat("http.h.downstream_cx_http2_total", becomes: 2) == 2)
        #expect(serving.stat("http.h.downstream_rq_http2_total", becomes: 2) == 2)
        #expect(serving.stat("http.h.downstream_rq_http1_total", becomes: 1) == 1)
        #expect(wait(upToMs: 2_000) { serving.log.count == 3 })
        #expect(serving.log.first == "GET HTTP/2 200 - direct_response -")
        #expect(serving.log.last == "GET HTTP/1.1 200 - via_upstream HTTP/1.1")
    }

    @Test(.enabled(if: HTTP2Tests.isInstalled("h2load"))) func manyStreamsOfManyConnectionsAreServed() throws {
        let serving = try HTTP2Serving()
        let output = try run("h2load", ["-n", "4000", "-c", "8", "-m", "32", "http://127.0.0.1:\(serving.listener)/direct"])
        #expect(output.contains("4000 succeeded, 0 failed"), "\(output)")
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
    }

    @Test func codecTypeDecides() throws {
        let http1 = try HTTP2Serving(options: "codec_type: HTTP1")
        let client = try RawH2Client(port: http1.listener)
        client.read(forMs: 1_500)
        #expect(client.frames.isEmpty)
        let http2 = try HTTP2Serving(options: "codec_type: HTTP2")
        let other = try RawH2Client(port: http2.listener)
        other.send([.head(1, H2Frame.request("GET", "/direct"))])
        #expect(other.read(forMs: 2_000) { $0.hasEnded(1) })
    }

    // MARK: Heads

    /// RFC 9113 §8.2.3, §8.3: what an upstream of HTTP/1 gets of a head.
    @Test func aHeadBecomesOneOfHTTP1() throws {
        let serving = try HTTP2Serving(script: .always(HTTP2Tests.answer))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("POST", "/p?q", [("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2"), ("te", "trailers")]), flags: 4)])
        client.send([H2Frame(.data, stream: 1, "ab".wire), H2Frame(.data, flags: 1, stream: 1, "c".wire)])
        #expect(client.read(forMs: 2_000) { $0.hasEnded(1) })
        #expect(client.words == ["HEAD1(200)", "DATA1+(5)"])
        let received = String(wire: serving.upstream.records.first?.received ?? [])
        #expect(received.hasPrefix("POST /p?q HTTP/1.1\r\nhost: a\r\n"))
        // Crumbs are one field behind the others, as Envoy has it.
        #expect(received.contains("\r\nx-a: b\r\n") && received.contains("\r\ncookie: a=1; c=2\r\n"))
        #expect(received.contains("\r\ntransfer-encoding: chunked\r\n"))
        #expect(client.field("server") == "envoy")
        #expect(client.field("content-length") == "5")
        #expect(client.field("connection") == nil)
        #expect(client.field("transfer-encoding") == nil)
    }

    @Test func expectContinueIsAnswered() throws {
        let serving = try HTTP2Serving(script: .always(HTTP2Tests.answer))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("POST", "/", [("expect", "100-continue")]), flags: 4)])
        #expect(client.read(forMs: 2_000) { !$0.heads.isEmpty })
        client.send([H2Frame(.data, flags: 1, stream: 1, "x".wire)])
        #expect(client.read(forMs: 2_000) { $0.hasEnded(1) })
        #expect(client.words == ["HEAD1(100)", "HEAD1(200)", "DATA1+(5)"])
    }

    // MARK: Bridges

    /// HTTP/2 towards the hosts, spoken by another Martlet: heads, bodies and trailers in both directions, from clients of
    /// both protocols.
    @Test(arguments: [true, false]) func anUpstreamOfHTTP2IsSpokenTo(clientIsHTTP2: Bool) throws {
        let inner = try HTTP2Serving(options: "codec_type: HTTP2", script: .always(HTTP2Tests.answer))
        let outer = try HTTP2Serving(cluster: HTTP2Serving.http2Cluster, upstreamPort: inner.listener)
        let body = String(repeating: "0123456789abcdef", count: 20_000)
        if clientIsHTTP2 {
            let client = try RawH2Client(port: outer.listener)
            // The window is what SETTINGS say once they are acknowledged.
            client.read(forMs: 2_000) { !$0.frames.isEmpty }
            client.send([.head(1, H2Frame.request("POST", "/up"), flags: 4)])
            for start in stride(from: 0, to: body.count, by: 16_000) {
                client.send([H2Frame(.data, stream: 1, Array(body.utf8.dropFirst(start).prefix(16_000)))])
            }
            client.send([H2Frame(.data, flags: 1, stream: 1)])
            #expect(client.read(forMs: 5_000) { $0.hasEnded(1) })
            #expect(client.words == ["HEAD1(200)", "DATA1+(5)"])
        } else {
            var client = RawClient(
                steps: [.send("POST /up HTTP/1.1\r\nhost: h\r\ncontent-length: \(body.count)\r\n\r\n" + body)], methods: ["POST"])
            client.closeLimitMs = 0
            let outcome = try client.run(port: outer.listener)
            #expect(outcome.responses.last?.status == 200)
            #expect(outcome.responses.last.map { String(wire: $0.body) } == "hello")
        }
        #expect(outer.stat("cluster.c.upstream_cx_http2_total", becomes: 1) == 1)
        #expect(outer.stat("cluster.c.upstream_cx_http1_total", becomes: 0) == 0)
        #expect(outer.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(outer.stat("cluster.c.http2.streams_active", becomes: 0) == 0)
        let received = String(wire: inner.upstream.records.first?.received ?? [])
        #expect(received.hasSuffix(clientIsHTTP2 ? "0\r\n\r\n" : "89abcdef"))
        #expect(wait(upToMs: 2_000) { outer.log.first == "POST \(clientIsHTTP2 ? "HTTP/2" : "HTTP/1.1") 200 - via_upstream HTTP/2" })
    }

    @Test func manyRequestsShareOneConnection() throws {
        let inner = try HTTP2Serving(options: "codec_type: HTTP2")
        let outer = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster, routes: "- match: {prefix: /d}\n  route: {cluster: c}", upstreamPort: inner.listener)
        let client = try RawH2Client(port: outer.listener)
        let streams = (0..<100).map { UInt32(1 + 2 * $0) }
        client.send(streams.map { .head($0, H2Frame.request("GET", "/direct")) })
        #expect(client.read(forMs: 5_000) { client in streams.allSatisfy { client.hasEnded($0) } })
        #expect(client.heads.count == 100)
        #expect(outer.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        #expect(outer.stat("cluster.c.upstream_rq_total", becomes: 100) == 100)
    }

    @Test func theClientsProtocolIsFollowed() throws {
        let inner = try HTTP2Serving()
        let cluster = HTTP2Serving.http2Cluster.replacing(
            text: "explicit_http_config: {http2_protocol_options: {allow_connect: true}}",
            by: "use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}")
        let outer = try HTTP2Serving(
            cluster: cluster, routes: "- match: {prefix: /d}\n  route: {cluster: c}", upstreamPort: inner.listener)
        let client = try RawH2Client(port: outer.listener)
        client.send([.head(1, H2Frame.request("GET", "/direct"))])
        #expect(client.read(forMs: 2_000) { $0.hasEnded(1) })
        var plain = RawClient(steps: [.send("GET /direct HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
        plain.closeLimitMs = 0
        #expect(try plain.run(port: outer.listener).responses.last?.status == 200)
        #expect(outer.stat("cluster.c.upstream_cx_http2_total", becomes: 1) == 1)
        #expect(outer.stat("cluster.c.upstream_cx_http1_total", becomes: 1) == 1)
    }

    /// RFC 9113 §6.5.2: no more than 100 streams before the server has said what it allows; the others wait for that.
    @Test func aServerThatHasNotSpokenGetsAHundredStreams() throws {
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster,
            script: .steps(.readText("SM\r\n\r\n"), .delay(ms: 600), .send(String(wire: H2Frame(.settings).bytes)), .delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        client.send((0..<250).map { .head(UInt32(1 + 2 * $0), H2Frame.request("GET", "/up")) })
        let streams = {
            serving.upstream.records.map { record in
                H2Frame.parse(Array(record.received.dropFirst(H2Frame.preface.count))).frames.count { $0.type == 1 }
            }
        }
        client.read(forMs: 350)
        #expect(streams() == [100])
        #expect(wait(upToMs: 3_000) { streams() == [250] }, "\(streams())")
    }

    // MARK: An upstream that ends

    /// Frames of a server, as text for a script.
    private static func text(_ frames: [H2Frame]) -> String { String(wire: frames.flatMap(\.bytes)) }
    private static func ok(_ stream: UInt32, _ body: String) -> [H2Frame] {
        [.head(stream, [(":status", "200")], flags: 4), H2Frame(.data, flags: 1, stream: stream, body.wire)]
    }

    @Test func aRefusedStreamIsTriedAgain() throws {
        let retry = "- match: {prefix: /r}\n  route: {cluster: c, retry_policy: {retry_on: refused-stream}}"
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster,
            script: .steps(
                .readText("SM\r\n\r\n"), .delay(ms: 100),
                .send(HTTP2Tests.text([H2Frame(.settings), H2Frame(.reset, stream: 1, H2Frame.word(7))])), .delay(ms: 300),
                .send(HTTP2Tests.text(HTTP2Tests.ok(3, "again"))), .delay(ms: 500)),
            routes: retry)
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/r"))])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(1) })
        #expect(client.words == ["HEAD1(200)", "DATA1+(5)"])
        #expect(serving.stat("cluster.c.upstream_rq_retry_success", becomes: 1) == 1)
    }

    /// RFC 9113 §6.8: streams beyond the last one that GOAWAY names were not seen; what it names is still answered.
    @Test func goawayOfAnUpstreamLosesNothing() throws {
        let goaway = H2Frame(.goaway, H2Frame.word(1) + H2Frame.word(0))
        let first: [UpstreamStep] = [
            .readText("SM\r\n\r\n"), .delay(ms: 200), .send(HTTP2Tests.text([H2Frame(.settings), goaway])), .delay(ms: 200),
            .send(HTTP2Tests.text(HTTP2Tests.ok(1, "first"))), .delay(ms: 2_000),
        ]
        let second: [UpstreamStep] = [
            .readText("SM\r\n\r\n"), .delay(ms: 100), .send(HTTP2Tests.text([H2Frame(.settings)] + HTTP2Tests.ok(1, "other"))), .delay(ms: 2_000),
        ]
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster, script: UpstreamScript([first, second]),
            routes: "- match: {prefix: /r}\n  route: {cluster: c, retry_policy: {retry_on: refused-stream}}")
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/r"))])
        client.read(forMs: 50)
        client.send([.head(3, H2Frame.request("GET", "/r"))])
        #expect(client.read(forMs: 4_000) { $0.hasEnded(1) && $0.hasEnded(3) })
        #expect(client.body[1].map { String(wire: $0) } == "first")
        #expect(client.body[3].map { String(wire: $0) } == "other")
        #expect(serving.stat("cluster.c.upstream_cx_close_notify", becomes: 1) == 1)
        #expect(serving.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
    }

    @Test(arguments: [("the upstream resets", UInt32(2), "503 UR upstream_reset_before_response_started{remote_reset}"), ("it refuses", 7, "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}")])
    func aResetOfTheUpstreamIsAnswered(what: (String, UInt32, String)) throws {
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster,
            script: .steps(
                .readText("SM\r\n\r\n"), .delay(ms: 50),
                .send(HTTP2Tests.text([H2Frame(.settings), H2Frame(.reset, stream: 1, H2Frame.word(what.1))])), .delay(ms: 500)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/r"))])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(1) })
        #expect(client.words.first == "HEAD1(503)")
        #expect(wait(upToMs: 2_000) { serving.log.first == "GET HTTP/2 \(what.2) HTTP/2" }, "\(serving.log)")
    }

    /// An upstream that is none: its bytes are an error of the protocol, and its requests are told.
    @Test func anUpstreamThatSpeaksHTTP1IsAProtocolError() throws {
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster, script: .steps(.readText("SM\r\n\r\n"), .send(HTTP2Tests.answer), .delay(ms: 500)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/r"))])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(1) })
        #expect(client.words.first == "HEAD1(502)")
        #expect(serving.stat("cluster.c.upstream_cx_protocol_error", becomes: 1) == 1)
        #expect(serving.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
    }

    // MARK: The client ends

    @Test func aRequestThatIsTakenBackIsCancelledUpstream() throws {
        let serving = try HTTP2Serving(script: .steps(.readHead, .delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/slow"))])
        #expect(serving.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
        client.send([H2Frame(.reset, stream: 1, H2Frame.word(8)), .head(3, H2Frame.request("GET", "/direct"))])
        #expect(client.read(forMs: 2_000) { $0.hasEnded(3) })
        #expect(serving.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(serving.stat("http2.rx_reset", becomes: 1) == 1)
        #expect(wait(upToMs: 2_000) { serving.log.first == "GET HTTP/2 0 DR http2.remote_reset HTTP/1.1" }, "\(serving.log)")
    }

    @Test func moreStreamsThanAllowedAreRefused() throws {
        let serving = try HTTP2Serving(http2: "max_concurrent_streams: 2", script: .steps(.delay(ms: 60_000)))
        let client = try RawH2Client(port: serving.listener)
        client.acknowledges = false
        client.send([1, 3, 5].map { .head($0, H2Frame.request("GET", "/slow")) })
        #expect(client.read(forMs: 2_000) { $0.hasEnded(5) })
        #expect(client.words == ["RST5(7)"])
        #expect(serving.stat("http2.stream_refused_errors", becomes: 1) == 1)
        // One that has acknowledged the limit breaks the protocol (RFC 9113 §5.1.2), as Envoy sees it.
        let other = try RawH2Client(port: serving.listener)
        other.read(forMs: 2_000) { !$0.frames.isEmpty }
        other.send([1, 3, 5].map { .head($0, H2Frame.request("GET", "/slow")) })
        #expect(other.read(forMs: 2_000) { !$0.words.isEmpty })
        #expect(other.words == ["GOAWAY(3,1)"])
    }

    // MARK: Ends of ours

    @Test func aDrainSendsTwoGoaways() throws {
        let serving = try HTTP2Serving(
            options: "drain_timeout: 0.3s\ncommon_http_protocol_options: {max_requests_per_connection: 2}\ndelayed_close_timeout: 0.2s")
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/direct"))])
        client.read(forMs: 2_000) { $0.hasEnded(1) }
        client.send([.head(3, H2Frame.request("GET", "/direct"))])
        client.read(forMs: 2_000) { $0.hasEnded(3) }
        #expect(client.words.contains("GOAWAY(2147483647,0)"))
        // What was on its way is still served.
        client.send([.head(5, H2Frame.request("GET", "/direct"))])
        client.read(forMs: 2_000)
        #expect(client.hasEnded(5))
        #expect(client.words.last == "GOAWAY(5,0)")
        #expect(client.end == "closed")
        #expect(serving.stat("http2.goaway_sent", becomes: 1) == 1)
        #expect(serving.stat("http.h.downstream_cx_max_requests_reached", becomes: 2) == 2)
    }

    @Test func anIdleConnectionIsDrained() throws {
        let serving = try HTTP2Serving(
            options: "drain_timeout: 0.2s\ncommon_http_protocol_options: {idle_timeout: 0.3s}\ndelayed_close_timeout: 0.1s")
        let client = try RawH2Client(port: serving.listener)
        client.read(forMs: 3_000)
        #expect(client.words == ["GOAWAY(2147483647,0)", "GOAWAY(0,0)"])
        #expect(client.end == "closed")
        #expect(serving.stat("http.h.downstream_cx_idle_timeout", becomes: 1) == 1)
    }

    /// PINGs that are answered do not keep a connection that nobody uses.
    @Test func keepAliveIsNoActivity() throws {
        let serving = try HTTP2Serving(
            options: "drain_timeout: 0.2s\ncommon_http_protocol_options: {idle_timeout: 0.5s}\ndelayed_close_timeout: 0.1s",
            http2: "connection_keepalive: {interval: 0.1s, timeout: 1s, interval_jitter: {value: 0}}")
        let client = try RawH2Client(port: serving.listener)
        let deadline = Deadline(afterMs: 4_000)
        var answered = 0
        while client.end == "open", !deadline.passed {
            client.read(forMs: 20)
            let pings = client.frames.filter { $0.type == 6 && $0.flags & H2Frame.acknowledged == 0 }
            for ping in pings.dropFirst(answered) { client.send([H2Frame(.ping, flags: H2Frame.acknowledged, ping.payload)]) }
            answered = pings.count
        }
        #expect(answered > 1)
        #expect(client.end == "closed")
        #expect(serving.stat("http.h.downstream_cx_idle_timeout", becomes: 1) == 1)
    }

    @Test func aClientThatDoesNotAnswerPingsIsGivenUp() throws {
        let serving = try HTTP2Serving(
            http2: "connection_keepalive: {interval: 0.2s, timeout: 0.2s, interval_jitter: {value: 0}}")
        let client = try RawH2Client(port: serving.listener)
        client.read(forMs: 3_000)
        #expect(client.words.contains("PING"))
        #expect(client.end != "open")
        #expect(serving.stat("http2.keepalive_timeout", becomes: 1) == 1)
    }

    // MARK: Windows

    /// A client that opens its window late: the upstream is paused meanwhile, and everything comes in the end.
    @Test func aSlowReaderPausesTheUpstream() throws {
        let size = 6 << 20
        let serving = try HTTP2Serving(
            script: .steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n" + String(repeating: "x", count: size)), .delay(ms: 3_000)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/big")), .head(3, H2Frame.request("GET", "/direct"))])
        // RFC 9113 §6.9: no more than the window, and the connection's is what both share.
        client.read(forMs: 700)
        #expect(client.body[1]?.count ?? 0 <= 65_535)
        #expect(serving.stat("cluster.c.upstream_flow_control_paused_reading_total", becomes: 1) == 1)
        client.send([H2Frame(.windowUpdate, H2Frame.word(0x7000_0000)), H2Frame(.windowUpdate, stream: 1, H2Frame.word(0x7000_0000))])
        #expect(client.read(forMs: 10_000) { $0.hasEnded(1) && $0.hasEnded(3) })
        #expect(client.body[1]?.count == size)
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
    }

    /// An upstream that does not read: the client's window is not opened beyond what the buffers take.
    @Test func anUpstreamThatDoesNotReadClosesTheWindow() throws {
        // The kernel accepts for it, and nobody reads.
        let port = Ports.free()
        let silent = try Sockets.listen(port: port)
        defer { silent.close() }
        let serving = try HTTP2Serving(
            http2: "initial_stream_window_size: 65535, initial_connection_window_size: 65535",
            cluster: "per_connection_buffer_limit_bytes: 32768", upstreamPort: port)
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("POST", "/up"), flags: 4)])
        var sent = 0
        var opened = 65_535
        let piece = [UInt8](repeating: 0x78, count: 16_000)
        let deadline = Deadline(afterMs: 8_000)
        // Sends as much as the windows allow, until they stay shut.
        while !deadline.passed {
            let known = client.frames.count
            if opened - sent < piece.count {
                client.read(forMs: 600) { $0.frames.count > known }
                let stream = client.frames.filter { $0.type == 8 && $0.stream == 1 }
                opened = 65_535 + stream.reduce(0) { $0 + Int($1.payload.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) }
                if opened - sent < piece.count, client.frames.count == known { break }
                continue
            }
            client.send([H2Frame(.data, stream: 1, piece)])
            sent += piece.count
        }
        #expect(!deadline.passed)
        #expect(serving.admin.stat("http.h.downstream_flow_control_paused_reading_total", reaches: 1))
        // Kernel buffers on the way to the upstream, and what Martlet may hold.
        #expect(sent < 16 << 20)
        client.close()
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
    }

    /// What a stream that was paused and taken back had used of the connection's window comes back.
    @Test func theConnectionsWindowSurvivesPausedStreams() throws {
        let port = Ports.free()
        let silent = try Sockets.listen(port: port)
        defer { silent.close() }
        let serving = try HTTP2Serving(
            http2: "initial_stream_window_size: 65535, initial_connection_window_size: 65535",
            cluster: "per_connection_buffer_limit_bytes: 16384", upstreamPort: port)
        let client = try RawH2Client(port: serving.listener)
        client.read(forMs: 2_000) { !$0.frames.isEmpty }
        let piece = [UInt8](repeating: 0x78, count: 16_000)
        var sent = 0
        func window() -> Int {
            let updates = client.frames.filter { $0.type == 8 && $0.stream == 0 }
            return 65_535 - sent + updates.reduce(0) { $0 + Int($1.payload.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) }
        }
        // More than one stream's share each time; the upstream's sockets take some megabytes first.
        for i in 0..<200 {
            let stream = UInt32(1 + 2 * i)
            client.send([.head(stream, H2Frame.request("POST", "/up"), flags: 4)])
            for _ in 0..<3 {
                client.read(forMs: 1_000) { _ in window() >= piece.count }
                guard window() >= piece.count else { break }
                client.send([H2Frame(.data, stream: stream, piece)])
                sent += piece.count
            }
            client.read(forMs: 2)
            client.send([H2Frame(.reset, stream: stream, H2Frame.word(8))])
            let isOpen = client.read(forMs: 2_000) { _ in window() >= piece.count }
            #expect(isOpen, "after \(i) streams")
            if !isOpen { break }
        }
    }

    // MARK: Tunnels

    /// RFC 8441: a WebSocket over HTTP/2, to an upstream of HTTP/1.
    @Test func extendedConnectBecomesAnUpgrade() throws {
        let serving = try HTTP2Serving(
            options: "upgrade_configs: [{upgrade_type: websocket}]", http2: "allow_connect: true",
            script: .steps(
                .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
                .readText("ping"), .send("pong"), .close))
        let client = try RawH2Client(port: serving.listener)
        client.send([
            .head(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/w"), (":authority", "a")], flags: 4)
        ])
        #expect(client.read(forMs: 2_000) { !$0.heads.isEmpty })
        #expect(client.field("upgrade") == nil)
        client.send([H2Frame(.data, stream: 1, "ping".wire)])
        #expect(client.read(forMs: 2_000) { $0.hasEnded(1) })
        #expect(client.words.prefix(2) == ["HEAD1(200)", "DATA1+(4)"])
        let received = String(wire: serving.upstream.records.first?.received ?? [])
        #expect(received.hasPrefix("GET /w HTTP/1.1\r\n"))
        #expect(received.contains("upgrade: websocket\r\n"))
        #expect(serving.stat("http.h.downstream_cx_upgrades_active", becomes: 0) == 0)
    }

    /// And an upgrade of HTTP/1 to an upstream of HTTP/2.
    @Test func anUpgradeBecomesExtendedConnect() throws {
        let upgrades = "upgrade_configs: [{upgrade_type: websocket}]"
        let inner = try HTTP2Serving(
            options: upgrades, http2: "allow_connect: true",
            script: .steps(
                .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
                .readText("ping"), .send("pong"), .delay(ms: 2_000)))
        let outer = try HTTP2Serving(options: upgrades, cluster: HTTP2Serving.http2Cluster, upstreamPort: inner.listener)
        let client = RawClient(
            steps: [
                .send("GET /w HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .awaitText("\r\n\r\n"),
                .send("ping"), .awaitText("pong"),
            ], methods: ["GET"])
        let received = String(wire: try client.run(port: outer.listener).received)
        #expect(received.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        #expect(received.contains("upgrade: websocket\r\n"))
        #expect(received.hasSuffix("pong"))
        #expect(inner.stat("http.h.downstream_rq_http2_total", becomes: 1) == 1)
    }

    // MARK: Trailers

    @Test func trailersPassBothWays() throws {
        let trailers = "http_protocol_options: {enable_trailers: true}"
        let cluster = HTTP2Serving.http2Cluster.replacing(
            text: "http2_protocol_options: {allow_connect: true}", by: "http_protocol_options: {enable_trailers: true}")
        let plain = try HTTP2Serving(
            options: trailers, cluster: cluster,
            script: .steps(
                .readText("x-t: 1\r\n\r\n"),
                .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-end: 1\r\n\r\n"), .delay(ms: 300)))
        let client = try RawH2Client(port: plain.listener)
        client.send([
            .head(1, H2Frame.request("POST", "/up"), flags: 4), H2Frame(.data, stream: 1, "xx".wire), .head(1, [("x-t", "1")]),
        ])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(1) })
        #expect(client.words == ["HEAD1(200)", "DATA1(2)", "HEAD1+(trailers)"])
        #expect(client.heads.last?.fields.first?.name == "x-end")
        #expect(plain.stat("http2.trailers", becomes: 1) == 1)
    }
}
