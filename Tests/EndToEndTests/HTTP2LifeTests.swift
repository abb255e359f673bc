import Glibc
import TestSupport
import Testing

/// HTTP/2 connections that outlive a configuration, a listener, a host, or the wish to go on serving.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HTTP2LifeTests {
    private static let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    private static func chain(_ prefix: String, _ body: String, _ more: String = "") -> String {
        """
        filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": \(manager)
                  stat_prefix: \(prefix)
                  access_log: [{name: envoy.access_loggers.stdout, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: "line %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n"}}}}]
                  \(more)
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /direct}, direct_response: {status: 200, body: {inline_string: "\(body)"}}}, {match: {prefix: /}, route: {cluster: c, timeout: 0s}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
        """
    }

    private static func listener(_ port: UInt16, _ chains: String, name: String = "l") -> String {
        """
          - name: \(name)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            \(chains)
        """
    }

    private static func yaml(_ listeners: [String], cluster: String) -> String {
        "static_resources:\n  listeners:\n" + listeners.joined(separator: "\n") + "\n  clusters:\n" + cluster
    }

    private func change(_ served: Served, _ change: (String) -> String) throws {
        let before = served.stat("martlet.plan.reloads_applied", becomes: 0) ?? 0
        let text = try #require(Files.text(served.file))
        Files.write(Array(change(text).utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 5_000) { (served.admin.stats(matching: "^martlet.plan.reloads_applied$")["martlet.plan.reloads_applied"] ?? 0) > before })
    }

    private func ask(_ client: RawH2Client, _ stream: UInt32, _ path: String = "/direct") -> String {
        client.send([.head(stream, H2Frame.request("GET", path))])
        client.read(forMs: 3_000) { $0.hasEnded(stream) }
        return String(wire: client.body[stream] ?? [])
    }

    // MARK: Changes of the configuration

    /// A connection goes on with the new configuration of its filter chain at its next request, counters and all.
    @Test func aRequestFollowsTheNewestConfiguration() throws {
        // Two chains: which one a connection has is known by what the chain is.
        let served = try Served(try Binary.martlet()) { port in
            let chains = "filter_chains:\n    - filter_chain_match: {source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n      name: far\n      \(HTTP2LifeTests.chain("far", "far"))\n    default_filter_chain:\n      name: near\n      \(HTTP2LifeTests.chain("near", "one"))"
            return HTTP2LifeTests.yaml([HTTP2LifeTests.listener(port, chains)], cluster: Served.cluster([1]))
        }
        let client = try RawH2Client(port: served.listener)
        #expect(ask(client, 1) == "one")
        try change(served) { $0.replacing(text: "inline_string: \"one\"", by: "inline_string: \"two\"").replacing(text: "stat_prefix: near", by: "stat_prefix: nearer") }
        #expect(wait(upToMs: 3_000) {
            let stream = UInt32(client.heads.count * 2 + 1)
            return ask(client, stream) == "two"
        })
        #expect(served.stat("http.nearer.downstream_cx_http2_active", becomes: 1) == 1)
        // At 0 its scope goes, since nothing names it any more.
        #expect(served.stat("http.near.downstream_cx_http2_active", becomes: 0) ?? 0 == 0)
        client.close()
        #expect(served.stat("http.nearer.downstream_cx_http2_active", becomes: 0) == 0)
        #expect(served.stat("http.nearer.downstream_cx_active", becomes: 0) == 0)
        #expect(served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
    }

    /// A request that began under one configuration is mirrored while its connection follows the next one: what the mirror is
    /// configured by stays as long as the mirror.
    @Test func aMirrorKeepsTheConfigurationOfItsRequest() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        let mirror = try ScriptedUpstream(name: "m")
        mirror.begin(.steps(.readRequest, .delay(ms: 2_500), .answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")))
        for host in [upstream, mirror] { host.start() }
        defer { for host in [upstream, mirror] { host.stop() } }
        let log = "{name: envoy.access_loggers.stdout, filter: {header_filter: {header: {name: x-envoy-internal}}}, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: \"mirror of %UPSTREAM_CLUSTER% %RESPONSE_CODE%\\n\"}}}}"
        let filters = "http_filters: [{name: envoy.filters.http.buffer, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 1000}}, {name: envoy.filters.http.router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, upstream_log: [\(log)]}}]"
        let served = try Served(try Binary.martlet()) { port in
            let chain = HTTP2LifeTests.chain("one", "one").replacing(text: "http_filters: [{name: envoy.filters.http.router}]", by: filters)
                .replacing(text: "{cluster: c, timeout: 0s}", by: "{cluster: c, timeout: 0s, request_mirror_policies: [{cluster: m}]}")
            return HTTP2LifeTests.yaml([HTTP2LifeTests.listener(port, "filter_chains:\n    - \(chain)")], cluster: Served.cluster([upstream.port]) + "\n" + Served.cluster([mirror.port], name: "m"))
        }
        let client = try RawH2Client(port: served.listener)
        client.send([.head(1, H2Frame.request("POST", "/up"), flags: H2Frame.endHeaders)])
        #expect(served.stat("http.one.downstream_rq_active", becomes: 1) == 1)
        try change(served) { $0.replacing(text: "stat_prefix: one", by: "stat_prefix: two") }
        #expect(ask(client, 3) == "one")
        #expect(served.stat("http.two.downstream_rq_total", becomes: 1) == 1)
        client.send([H2Frame(.data, flags: H2Frame.endStream, stream: 1, Array("x".utf8))])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(1) }, "\(client.words) \(served.process.output)")
        // The request is over, and its connection gone: the mirror alone is left.
        client.close()
        #expect(served.stat("http.two.downstream_cx_active", becomes: 0) == 0)
        for _ in 0..<10 {
            #expect(served.stat("cluster.m.upstream_rq_active", becomes: 1) == 1)
            #expect(served.admin.stat("martlet.plan.parts_retiring", reaches: 1))
            sleep(ms: 60)
        }
        #expect(served.stat("cluster.m.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
        #expect(wait(upToMs: 3_000) { served.process.output.contains("mirror of m 200") }, "\(served.process.output)")
    }

    /// A host that leaves takes its idle connections with it; a busy one stays for its request.
    @Test(arguments: [false, true]) func aHostThatLeavesIsLeft(isBusy: Bool) throws {
        let other = Ports.free()
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.http2([.awaitEnd(1), .pause(ms: isBusy ? 1_500 : 0), .answer(1), .pause(ms: 5_000)])))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            HTTP2LifeTests.yaml(
                [HTTP2LifeTests.listener(port, "filter_chains:\n    - \(HTTP2LifeTests.chain("h", "x"))")],
                cluster: Served.cluster([upstream.port], more: "http2_protocol_options: {}"))
        }
        let client = try RawH2Client(port: served.listener)
        client.send([.head(1, H2Frame.request("GET", "/up"))])
        if !isBusy { #expect(client.read(forMs: 15_000) { $0.hasEnded(1) }) }
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 1) == 1)
        try change(served) { $0.replacing(text: "port_value: \(upstream.port)}", by: "port_value: \(other)}") }
        if isBusy { #expect(client.read(forMs: 15_000) { $0.hasEnded(1) }) }
        #expect(String(wire: client.body[1] ?? []) == "ok")
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
        #expect(upstream.records.first.map { $0.end != .open } ?? false || wait(upToMs: 2_000) { upstream.records.first?.end == .closed })
    }

    // MARK: Ends

    @Test func sigtermSaysGoawayAndWaitsForWhatIsUnderWay() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readHead, .delay(ms: 900), .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .delay(ms: 200)))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            HTTP2LifeTests.yaml(
                [HTTP2LifeTests.listener(port, "filter_chains:\n    - \(HTTP2LifeTests.chain("h", "x"))")], cluster: Served.cluster([upstream.port]))
        }
        let idle = try RawH2Client(port: served.listener)
        #expect(ask(idle, 1) == "x")
        let busy = try RawH2Client(port: served.listener)
        busy.send([.head(1, H2Frame.request("GET", "/up"))])
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
        served.process.signal(SIGTERM)
        idle.read(forMs: 3_000)
        #expect(idle.words.last == "GOAWAY(1,0)" && idle.end != "open", "\(idle.words)")
        #expect(busy.read(forMs: 5_000) { $0.hasEnded(1) })
        #expect(String(wire: busy.body[1] ?? []) == "ok")
        busy.read(forMs: 3_000)
        #expect(busy.words.contains("GOAWAY(1,0)"))
        #expect(served.process.waitForExit(upToMs: 5_000) == 0)
    }

    /// What is left of a removed listener ends with the drain time.
    @Test func aRemovedListenersConnectionEndsWithTheDrainTime() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readHead, .delay(ms: 20_000)))
        upstream.start()
        defer { upstream.stop() }
        let gone = Ports.free()
        let directory = TemporaryDirectory()
        let admin = Admin(port: Ports.free())
        let stays = HTTP2LifeTests.listener(Ports.free(), "filter_chains:\n    - \(HTTP2LifeTests.chain("s", "x"))", name: "stays")
        let goes = HTTP2LifeTests.listener(gone, "filter_chains:\n    - \(HTTP2LifeTests.chain("g", "x"))", name: "goes")
        func bootstrap(_ listeners: [String]) -> String {
            HTTP2LifeTests.yaml(listeners, cluster: Served.cluster([upstream.port]))
                + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\n"
        }
        let file = directory.write(bootstrap([stays, goes]), to: "martlet.yaml")
        let process = try Binary.martlet().start(["-c", file, "--concurrency", "1", "--drain-time-s", "1", "--file-flush-interval-msec", "20"])
        try #require(process.becomesReady(admin: admin.port))
        let busy = try RawH2Client(port: gone)
        busy.send([.head(1, H2Frame.request("GET", "/up"))])
        let idle = try RawH2Client(port: gone)
        #expect(ask(idle, 1) == "x")
        func stat(_ name: String) -> Int? { admin.stats(matching: "^\(name)$")[name] }
        #expect(wait(upToMs: 3_000) { stat("cluster.c.upstream_rq_active") == 1 })
        directory.write(bootstrap([stays]), to: "martlet.yaml")
        process.signal(SIGHUP)
        busy.read(forMs: 6_000)
        #expect(busy.end != "open")
        idle.read(forMs: 6_000)
        #expect(idle.end != "open")
        #expect(wait(upToMs: 3_000) { process.output.contains("line 0 DC downstream_local_disconnect(purging_socket_that_have_not_progressed_to_connections)") }, "\(process.output)")
        #expect(wait(upToMs: 3_000) { stat("cluster.c.upstream_rq_active") == 0 })
        #expect(wait(upToMs: 3_000) { stat("martlet.plan.parts_retiring") == 0 })
    }

    /// As `connection: close` over HTTP/1: who is told that the server is unwell goes elsewhere.
    @Test func anUnwellServerSendsItsClientsAway() throws {
        let serving = try HTTP2Serving(options: "drain_timeout: 0.2s\ndelayed_close_timeout: 0.1s")
        let client = try RawH2Client(port: serving.listener)
        #expect(ask(client, 1) == "hello\n")
        #expect(serving.admin.request("POST", "/healthcheck/fail")?.status == 200)
        #expect(ask(client, 3) == "hello\n")
        client.read(forMs: 3_000)
        #expect(client.words.filter { $0.hasPrefix("GOAWAY") } == ["GOAWAY(2147483647,0)", "GOAWAY(3,0)"], "\(client.words)")
        #expect(client.end == "closed")
        #expect(serving.stat("http.h.downstream_cx_drain_close", becomes: 1) == 1)
    }

    // MARK: Windows on both sides

    /// A client that does not take its answer pauses the stream of an upstream of HTTP/2, and no other.
    @Test func aSlowReaderPausesItsStreamOfTheUpstream() throws {
        let size = 4 << 20
        let inner = try HTTP2Serving(
            script: .steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n" + String(repeating: "x", count: size)), .delay(ms: 3_000)))
        let outer = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster + "\nper_connection_buffer_limit_bytes: 65536", routes: "- match: {prefix: /d}\n  route: {cluster: c}",
            upstreamPort: inner.listener)
        let client = try RawH2Client(port: outer.listener)
        client.send([.head(1, H2Frame.request("GET", "/big"))])
        client.read(forMs: 500)
        #expect(client.body[1]?.count ?? 0 <= 65_535)
        client.send([H2Frame(.windowUpdate, H2Frame.word(1 << 20)), .head(3, H2Frame.request("GET", "/direct"))])
        #expect(client.read(forMs: 3_000) { $0.hasEnded(3) })
        #expect(outer.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        #expect(outer.admin.stat("cluster.c.upstream_flow_control_paused_reading_total", reaches: 1))
        client.send([H2Frame(.windowUpdate, H2Frame.word(0x6000_0000)), H2Frame(.windowUpdate, stream: 1, H2Frame.word(0x6000_0000))])
        #expect(client.read(forMs: 10_000) { $0.hasEnded(1) })
        #expect(client.body[1]?.count == size)
    }

    /// An upstream of HTTP/2 whose window is shut holds up the client's body; then all of it comes.
    @Test(arguments: [true, false]) func anUpstreamWhoseWindowIsShutHoldsUpItsClient(clientIsHTTP2: Bool) throws {
        let size = 300_000
        let serving = try HTTP2Serving(
            cluster: HTTP2Serving.http2Cluster + "\nper_connection_buffer_limit_bytes: 32768",
            script: .steps(
                .http2([
                    .awaitHead(1), .pause(ms: 500),
                    .send([H2Frame(.windowUpdate, H2Frame.word(1 << 24)), H2Frame(.windowUpdate, stream: 1, H2Frame.word(1 << 24))]),
                    .awaitEnd(1), .answer(1), .pause(ms: 500),
                ])))
        let body = [UInt8](repeating: 0x78, count: size)
        if clientIsHTTP2 {
            let client = try RawH2Client(port: serving.listener)
            client.read(forMs: 2_000) { !$0.frames.isEmpty }
            client.send([.head(1, H2Frame.request("POST", "/up"), flags: 4)])
            client.read(forMs: 150)
            for start in stride(from: 0, to: size, by: 15_000) {
                client.send([H2Frame(.data, flags: start + 15_000 >= size ? 1 : 0, stream: 1, Array(body[start..<min(size, start + 15_000)]))])
            }
            #expect(client.read(forMs: 5_000) { $0.hasEnded(1) })
            #expect(String(wire: client.body[1] ?? []) == "ok")
        } else {
            var client = RawClient(
                steps: [.send("POST /up HTTP/1.1\r\nhost: h\r\ncontent-length: \(size)\r\n\r\n"), .pause(ms: 150), .send(String(wire: body))],
                methods: ["POST"])
            client.closeLimitMs = 0
            #expect(try client.run(port: serving.listener).responses.last?.status == 200)
        }
        #expect(serving.upstream.records.first?.frames?.contains("DATA1+(\(size))") == true, "\(serving.upstream.records.first?.frames ?? [])")
        #expect(serving.admin.stat("http.h.downstream_flow_control_paused_reading_total", reaches: 1), "\(serving.admin.stats(matching: "flow"))")
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
    }

    /// The rest of an answer that nobody takes is given up with `stream_idle_timeout`.
    @Test func anAnswerThatNobodyTakesIsGivenUp() throws {
        let serving = try HTTP2Serving(
            options: "stream_idle_timeout: 0.4s",
            script: .steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + String(repeating: "x", count: 100_000)), .delay(ms: 2_000)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/up"))])
        #expect(client.read(forMs: 4_000) { $0.hasEnded(1) })
        #expect(client.words == ["HEAD1(200)", "DATA1(65535)", "RST1(2)"], "\(client.words)")
        #expect(serving.stat("http2.tx_flush_timeout", becomes: 1) == 1)
        #expect(serving.stat("http2.streams_active", becomes: 0) == 0)
    }

    /// A client that takes nothing from its socket: no reset and no GOAWAY can be framed any more. It goes as one of Envoy's
    /// does: flush, idle, drain, and then `delayed_close_timeout`.
    @Test(arguments: [HTTP2Serving.Proxy.martlet, .envoy]) func aClientThatTakesNothingIsGivenUp(proxy: HTTP2Serving.Proxy) throws {
        if proxy == .envoy, (try? ProxyBinary.envoy().get()) == nil { return }
        let size = 12 << 20
        let serving = try HTTP2Serving(
            proxy,
            options: """
                stream_idle_timeout: 0.4s
                drain_timeout: 0.2s
                delayed_close_timeout: 0.4s
                common_http_protocol_options: {idle_timeout: 0.5s}
                """,
            script: .steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n" + String(repeating: "x", count: size)), .delay(ms: 20_000)))
        let socket = try Sockets.connect(port: serving.listener)
        defer { socket.close() }
        Sockets.receiveBuffer(4096, of: socket)
        let windows = [H2Frame(.settings, [0, 4] + H2Frame.word(1 << 30)), H2Frame(.windowUpdate, H2Frame.word(1 << 30))]
        let bytes = H2Frame.preface + (windows + [.head(1, H2Frame.request("GET", "/up"))]).flatMap(\.bytes)
        #expect(Sockets.send(bytes, from: 0, on: socket) == bytes.count)
        #expect(serving.stat("http.h.downstream_cx_total", becomes: 1) == 1)
        #expect(serving.stat("http.h.downstream_cx_active", becomes: 0) == 0)
        for name in ["http.h.downstream_cx_idle_timeout", "http.h.downstream_cx_delayed_close_timeout", "http.h.downstream_cx_destroy_local"] {
            #expect(serving.stat(name, becomes: 1) == 1, "\(name)")
        }
        #expect(serving.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(serving.stat("http2.streams_active", becomes: 0) == 0)
    }

    /// A request that breaks in the turn that brought it is never sent: nothing of it is owed to the host, whose connection
    /// other clients' requests are on.
    @Test func requestsTakenBackAtOnceCostTheConnectionNothing() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.http2([.awaitEnd(1), .pause(ms: 1_500), .answer(1), .pause(ms: 15_000)])))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            HTTP2LifeTests.yaml(
                [HTTP2LifeTests.listener(port, "filter_chains:\n    - \(HTTP2LifeTests.chain("h", "x"))")],
                cluster: Served.cluster([upstream.port], more: "http2_protocol_options: {max_outbound_control_frames: 5}"))
        }
        let client = try RawH2Client(port: served.listener)
        client.send([.head(1, H2Frame.request("GET", "/up"))])
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
        for _ in 0..<7 {
            let answer = try served.send("POST /up HTTP/1.1\r\nhost: h.test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", method: "POST")
            #expect(answer.status == 400)
        }
        #expect(served.stat("cluster.c.upstream_rq_tx_reset", becomes: 7) == 7)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        #expect(served.stat("cluster.c.http2.outbound_control_frames_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.http2.outbound_control_flood", becomes: 0) == 0)
        #expect(client.read(forMs: 10_000) { $0.hasEnded(1) })
        #expect(String(wire: client.body[1] ?? []) == "ok", "\(client.words)")
    }

    // MARK: What waits, and what is measured

    /// Bodies that a client's window keeps back are in the gauge until they leave, or their stream does.
    @Test func whatWaitsIsShown() throws {
        let serving = try HTTP2Serving(
            script: .steps(.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + String(repeating: "x", count: 100_000)), .delay(ms: 20_000)))
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/up"))])
        #expect(client.read(forMs: 10_000) { ($0.body[1]?.count ?? 0) == 65_535 })
        #expect(serving.stat("http2.pending_send_bytes", becomes: 34_465) == 34_465)
        client.send([H2Frame(.windowUpdate, stream: 1, H2Frame.word(1000)), H2Frame(.windowUpdate, H2Frame.word(1000))])
        #expect(serving.stat("http2.pending_send_bytes", becomes: 33_465) == 33_465)
        client.send([H2Frame(.reset, stream: 1, H2Frame.word(8))])
        #expect(serving.stat("http2.pending_send_bytes", becomes: 0) == 0)
        #expect(serving.stat("http2.outbound_frames_active", becomes: 0) == 0)
        #expect(serving.stat("http2.outbound_control_frames_active", becomes: 0) == 0)
    }

    /// Frames that do not fit behind 256 KiB of others are in the gauge.
    @Test func framesThatWaitAreShown() throws {
        let value = String(repeating: "x", count: 16_000)
        let serving = try HTTP2Serving(
            routes: """
                - match: {prefix: /heavy}
                  direct_response: {status: 200}
                  response_headers_to_add: [{header: {key: a, value: \(value)}}, {header: {key: b, value: \(value)}}]
                """)
        let client = try RawH2Client(port: serving.listener)
        client.send(stride(from: UInt32(1), to: 1801, by: 2).map { H2Frame.head($0, H2Frame.request("GET", "/heavy")) })
        #expect(
            wait(upToMs: 10_000, everyMs: 20) {
                (serving.admin.stats(matching: "^http2.outbound_frames_active$")["http2.outbound_frames_active"] ?? 0) > 0
            })
        client.abort()
        #expect(serving.stat("http2.outbound_frames_active", becomes: 0) == 0)
        #expect(serving.stat("http2.outbound_control_frames_active", becomes: 0) == 0)
    }

    /// The runtime's `http2_record_histograms` and `http2_max_cookies_size_in_kb`, both changed while the connection lives.
    @Test func headsAreMeasured() throws {
        let serving = try HTTP2Serving(
            runtime: "{envoy.reloadable_features.http2_record_histograms: true, envoy.reloadable_features.http2_max_cookies_size_in_kb: 1}")
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/direct", [("cookie", "a=1"), ("cookie", "b=2")]))])
        #expect(client.read(forMs: 10_000) { $0.hasEnded(1) })
        let crumb = String(repeating: "c", count: 600)
        client.send([.head(3, H2Frame.request("GET", "/direct", [("cookie", crumb), ("cookie", crumb)]))])
        #expect(client.read(forMs: 10_000) { $0.hasEnded(3) })
        #expect(client.words.last == "RST3(2)", "\(client.words)")
        #expect(serving.stat("http2.cookies_total_bytes_too_large", becomes: 1) == 1)
        #expect(wait(upToMs: 15_000, everyMs: 100) { serving.log.last?.contains("http2.cookies_total_bytes_too_large") == true }, "\(serving.log)")
        for name in ["header_count", "header_list_size", "cookie_count", "cookie_size"] {
            let line = wait(upToMs: 15_000, everyMs: 100) {
                serving.admin.request("GET", "/stats?filter=http2.\(name)").map { String(wire: $0.body).contains("P0(") } ?? false
            }
            #expect(line, "\(name)")
        }
    }

    /// `stream_reset_burst`: more at once end the connection.
    @Test func resetsHaveALimit() throws {
        let serving = try HTTP2Serving(http2: "stream_reset_burst: 5, stream_reset_rate: 1", script: .steps(.readHead, .delay(ms: 20_000)))
        let client = try RawH2Client(port: serving.listener)
        var frames: [H2Frame] = []
        for stream in stride(from: UInt32(1), to: 24, by: 2) {
            frames += [.head(stream, H2Frame.request("GET", "/up")), H2Frame(.reset, stream: stream, H2Frame.word(8))]
        }
        client.send(frames)
        #expect(client.read(forMs: 10_000) { $0.end != "open" })
        #expect(client.words.contains { $0.hasPrefix("GOAWAY(") && $0.hasSuffix(",2)") }, "\(client.words)")
        #expect(serving.stat("http.h.downstream_cx_protocol_error", becomes: 1) == 1)
    }

    // MARK: Which protocol it is

    /// A request whose first bytes could be the preface's is one of HTTP/1, however they are cut.
    @Test func aMethodThatBeginsAsThePrefaceIsHTTP1() throws {
        let serving = try HTTP2Serving()
        for cut in 1...6 {
            let text = "PRI * FTP/1.1\r\nhost: h\r\n\r\n"
            let request = cut <= 2 ? "PROPFIND /direct HTTP/1.1\r\nhost: h\r\n\r\n" : text
            var client = RawClient(
                steps: [.send(String(request.prefix(cut))), .pause(ms: 60), .send(String(request.dropFirst(cut)))], methods: ["PROPFIND"])
            client.closeLimitMs = 0
            let answer = try client.run(port: serving.listener).responses.last
            #expect(answer?.status == (cut <= 2 ? 200 : 400), "cut at \(cut)")
        }
        #expect(serving.stat("http.h.downstream_cx_http1_total", becomes: 6) == 6)
        #expect(serving.stat("http.h.downstream_cx_http2_total", becomes: 0) == 0)
    }

    // MARK: Upstreams that cannot be had

    @Test func anAddressThatCannotBeBoundIsAFailedConnection() throws {
        let serving = try HTTP2Serving(cluster: HTTP2Serving.http2Cluster + "\nupstream_bind_config: {source_address: {address: 192.0.2.1, port_value: 0}}")
        let client = try RawH2Client(port: serving.listener)
        client.send([.head(1, H2Frame.request("GET", "/up"))])
        #expect(client.read(forMs: 4_000) { $0.hasEnded(1) })
        #expect(client.words.first == "HEAD1(503)")
        #expect(serving.stat("cluster.c.bind_errors", becomes: 1) == 1)
        #expect(serving.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
    }
}
