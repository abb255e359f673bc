import Glibc
import TestSupport
import Testing

/// `tcp_proxy`: ends, resets, attempts, times. Expectations were read off Envoy 1.40 with the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct TCPProxyTests {
    private static func yaml(_ port: UInt16, proxy: String = "", clusters: [String], target: String = "cluster: c") -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.tcp_proxy
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                  stat_prefix: t
                  \(target)
                  \(proxy)
          clusters:
        \(clusters.joined(separator: "\n"))
        """
    }

    private func serve(
        _ proxy: String = "", _ script: UpstreamScript, more: String = ""
    ) throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            TCPProxyTests.yaml(port, proxy: proxy, clusters: [Served.cluster([upstream.port], more: more)])
        }
        return (served, upstream)
    }

    private func talk(_ served: Served, _ steps: [RawClient.Step], closeLimitMs: Int = 1_500) throws -> RawClient.Outcome {
        var client = RawClient(steps: steps, methods: [])
        client.closeLimitMs = closeLimitMs
        return try client.run(port: served.listener)
    }

    @Test func bytesGoBothWaysAndEndsAreEnds() throws {
        let (served, upstream) = try serve("", .steps(.readText("hello"), .send("there"), .readText("more"), .send("last"), .close))
        defer { upstream.stop() }
        let outcome = try talk(served, [.send("hello"), .awaitText("there"), .send("more"), .awaitText("last")])
        #expect(String(wire: outcome.received) == "therelast")
        #expect(outcome.end == .closed)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
        let stats = served.admin.stats(matching: "^(tcp.t|cluster.c.upstream)")
        #expect(stats["tcp.t.downstream_cx_total"] == 1)
        #expect(stats["tcp.t.downstream_cx_rx_bytes_total"] == 9)
        #expect(stats["tcp.t.downstream_cx_tx_bytes_total"] == 9)
        #expect(stats["cluster.c.upstream_rq_total"] == 1)
        #expect(stats["cluster.c.upstream_rq_pending_total"] == 1)
    }

    /// The client ends its side first; what the upstream says afterwards still arrives.
    @Test func theClientsEndIsPassedOn() throws {
        let (served, upstream) = try serve("", .steps(.readText("ask"), .delay(ms: 300), .send("answer"), .close))
        defer { upstream.stop() }
        let outcome = try talk(served, [.send("ask"), .shutdownWrite, .awaitText("answer")])
        #expect(String(wire: outcome.received) == "answer")
        #expect(outcome.end == .closed)
        #expect(upstream.records.first?.end != .reset)
    }

    /// The upstream ends its side first; the client may go on sending.
    @Test func theUpstreamsEndIsPassedOn() throws {
        let (served, upstream) = try serve("", .steps(.readText("a"), .shutdownWrite, .readText("bcd")))
        defer { upstream.stop() }
        _ = try talk(served, [.send("a"), .pause(ms: 200), .send("bcd"), .pause(ms: 200), .shutdownWrite], closeLimitMs: 300)
        #expect(wait(upToMs: 1_000) { upstream.records[0].received == "abcd".wire })
    }

    @Test func theUpstreamsResetIsAReset() throws {
        let (served, upstream) = try serve("", .steps(.readText("x"), .reset))
        defer { upstream.stop() }
        #expect(try talk(served, [.send("x")]).end == .reset)
    }

    @Test func theClientsResetIsAReset() throws {
        let (served, upstream) = try serve("", .steps(.readText("x"), .send("y")))
        defer { upstream.stop() }
        _ = try talk(served, [.send("x"), .awaitText("y"), .reset])
        #expect(wait(upToMs: 2_000) { upstream.records.first?.end == .reset })
    }

    @Test func idle() throws {
        let (served, upstream) = try serve("idle_timeout: 0.3s", .steps(.readText("x"), .send("y")))
        defer { upstream.stop() }
        let begin = Deadline.nowNs()
        #expect(try talk(served, [.send("x"), .awaitText("y")]).end == .closed)
        #expect((Deadline.nowNs() - begin) / 1_000_000 >= 290)
        #expect(served.stat("tcp.t.idle_timeout", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
    }

    @Test func noLongerThan() throws {
        let (served, upstream) = try serve("max_downstream_connection_duration: 0.4s", .steps(.readText("x"), .send("y")))
        defer { upstream.stop() }
        let begin = Deadline.nowNs()
        #expect(try talk(served, [.send("x"), .awaitText("y")]).end == .closed)
        let took = (Deadline.nowNs() - begin) / 1_000_000
        #expect(took >= 390 && took < 1_400, "\(took) ms")
        #expect(served.stat("tcp.t.max_downstream_connection_duration", becomes: 1) == 1)
    }

    @Test(arguments: ["max_connect_attempts: 3", "{max_connect_attempts: 3, backoff_options: {base_interval: 0.02s}}"])
    func everyAttemptIsMade(options: String) throws {
        let dead = Ports.free()
        let served = try Served(try Binary.martlet()) { port in
            TCPProxyTests.yaml(
                port,
                proxy: options.hasPrefix("{") ? "max_connect_attempts: 3\n          backoff_options: {base_interval: 0.02s}" : options,
                clusters: [Served.cluster([dead])])
        }
        #expect(try talk(served, [.pause(ms: 10)]).end == .closed)
        #expect(served.stat("cluster.c.upstream_cx_connect_fail", becomes: 3) == 3)
        let stats = served.admin.stats(matching: "^cluster.c.upstream")
        #expect(stats["cluster.c.upstream_cx_connect_attempts_exceeded"] == 1)
        #expect(stats["cluster.c.upstream_rq_pending_failure_eject"] == 3)
        #expect(stats["cluster.c.upstream_rq_pending_active"] == 0)
    }

    /// Another attempt finds the host that lives, and nothing of the first is left.
    @Test func aSecondAttemptConnects() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readText("x"), .send("y")))
        upstream.start()
        defer { upstream.stop() }
        let dead = Ports.free()
        let served = try Served(try Binary.martlet()) { port in
            TCPProxyTests.yaml(port, proxy: "max_connect_attempts: 2", clusters: [Served.cluster([dead, upstream.port])])
        }
        for _ in 0..<3 {
            #expect(String(wire: try talk(served, [.send("x"), .awaitText("y"), .close]).received) == "y")
        }
    }

    @Test func noHost() throws {
        let served = try Served(try Binary.martlet()) { port in TCPProxyTests.yaml(port, clusters: [Served.cluster([])]) }
        #expect(try talk(served, [.pause(ms: 10)]).end == .closed)
        let stats = served.admin.stats(matching: "^cluster.c")
        #expect(stats["cluster.c.upstream_cx_none_healthy"] == 1)
        #expect(stats["cluster.c.lb_healthy_panic"] == 1)
    }

    /// Two workers, a limit of three connections for both.
    @Test func theLimitHoldsOverWorkers() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readText("x"), .send("y")))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            TCPProxyTests.yaml(
                port, clusters: [Served.cluster([upstream.port], more: "circuit_breakers: {thresholds: [{max_connections: 3}]}")])
        }
        var open: [Descriptor] = []
        for _ in 0..<12 { open.append(try Sockets.connect(port: served.listener)) }
        #expect(served.stat("cluster.c.upstream_cx_overflow", becomes: 9) == 9)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 3) == 3)
        for socket in open { socket.close() }
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
        #expect(String(wire: try talk(served, [.send("x"), .awaitText("y"), .close]).received) == "y")
    }

    @Test func weights() throws {
        let first = try ScriptedUpstream(name: "a")
        let second = try ScriptedUpstream(name: "b")
        for (upstream, answer) in [(first, "1"), (second, "2")] {
            upstream.begin(.steps(.readText("x"), .send(answer)))
            upstream.start()
        }
        defer {
            first.stop()
            second.stop()
        }
        let served = try Served(try Binary.martlet()) { port in
            TCPProxyTests.yaml(
                port, clusters: [Served.cluster([first.port], name: "a"), Served.cluster([second.port], name: "b")],
                target: "weighted_clusters: {clusters: [{name: a, weight: 1}, {name: b, weight: 9}]}")
        }
        for _ in 0..<60 { _ = try talk(served, [.send("x"), .pause(ms: 10), .close], closeLimitMs: 0) }
        let stats = served.admin.stats(matching: "upstream_cx_total")
        let (a, b) = (stats["cluster.a.upstream_cx_total"] ?? 0, stats["cluster.b.upstream_cx_total"] ?? 0)
        #expect(a + b == 60)
        #expect(b > 40 && a > 0, "\(a) and \(b)")
    }

    /// `ON_DOWNSTREAM_DATA`: nothing is connected before the first byte, and no byte is lost.
    @Test func theUpstreamIsConnectedWhenDataComes() throws {
        let (served, upstream) = try serve(
            "upstream_connect_mode: ON_DOWNSTREAM_DATA\n          max_early_data_bytes: 4", .steps(.readText("0123456789"), .send("y")))
        defer { upstream.stop() }
        let socket = try Sockets.connect(port: served.listener)
        sleep(ms: 200)
        #expect(served.admin.stats(matching: "cx_total")["cluster.c.upstream_cx_total"] == 0)
        socket.close()
        #expect(String(wire: try talk(served, [.send("0123456789"), .awaitText("y"), .close]).received) == "y")
        #expect(served.stat("tcp.t.early_data_received_count_total", becomes: 2) == 2, "an end counts, too")
    }

    /// A reader that does not read: what waits is bounded, and it all arrives in the end.
    @Test func aSlowReaderStopsTheSender() throws {
        // More than the kernel's buffers on both sides and ours may hold.
        let text = String(repeating: "abcdefgh", count: 1 << 21)
        let (served, upstream) = try serve("", .steps(.readText("go"), .send(text), .close))
        defer { upstream.stop() }
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send("go".wire, from: 0, on: socket)
        #expect(served.admin.stat("cluster.c.upstream_flow_control_paused_reading_total", reaches: 1))
        var received = 0
        let deadline = Deadline(afterMs: patienceMs)
        while received < text.utf8.count, Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 {
            guard case .bytes(let part) = Sockets.receive(socket) else { break }
            received += part.count
        }
        #expect(received == text.utf8.count)
    }

    /// One line per connection, when it has ended, with the flag of how.
    @Test(arguments: [
        ("plain", "", "- UP 1 5 2 -"), ("dead", "max_connect_attempts: 2", "UF,URX UP 2 0 0 delayed_connect_error:_Connection_refused"),
        ("empty", "", "UH - 0 0 0 -"), ("reset", "", "UR UP 1 5 0 -"), ("long", "max_downstream_connection_duration: 0.2s", "DT UP 1 0 0 -"),
        ("full", "", "UO - 0 0 0 -"),
    ])
    func theLogSaysHowItEnded(what: String, options: String, line: String) throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(what == "reset" ? .steps(.readText("hello"), .reset) : .steps(.readText("hello"), .send("ok"), .close))
        upstream.start()
        defer { upstream.stop() }
        let port = what == "dead" ? Ports.free() : upstream.port
        let directory = TemporaryDirectory()
        let log = directory.path + "/tcp.log"
        let format = "%RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_TRANSPORT_FAILURE_REASON%\\n"
        let accessLog = """
            access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "\(log)", log_format: {text_format_source: {inline_string: "\(format)"}}}}]
            """
        let served = try Served(try Binary.martlet()) { listener in
            TCPProxyTests.yaml(
                listener, proxy: accessLog + (options.isEmpty ? "" : "\n          " + options),
                clusters: [
                    Served.cluster(
                        what == "empty" ? [] : [port],
                        more: what == "full" ? "circuit_breakers: {thresholds: [{max_connections: 0}]}" : "")
                ])
        }
        _ = try talk(served, what == "plain" || what == "reset" ? [.send("hello"), .pause(ms: 50), .shutdownWrite] : [.pause(ms: 300)])
        var text = ""
        #expect(wait(upToMs: 12_000, everyMs: 50) {
            text = String(decoding: Files.read(log) ?? [], as: UTF8.self)
            return text.contains("\n")
        })
        #expect(text == line.replacing(text: "UP", by: "127.0.0.1:\(port)") + "\n")
    }
}
