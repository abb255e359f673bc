import Glibc
import TestSupport
import Testing

/// `tunneling_config` from end to end: through a second proxy that ends the tunnel, and what that leaves behind.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct TCPTunnelTests {
    /// How bytes go from one proxy to the other.
    enum Way: String, CaseIterable { case connect, connectHTTP2, post, postHTTP2 }
    enum Terminator: String, CaseIterable { case martlet, envoy }

    static func http2(_ isHTTP2: Bool, options: String = "", more: String = "") -> String {
        guard isHTTP2 else { return "" }
        return "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
            + "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {\(options)}}\(more)}}"
    }

    static func tunnel(_ port: UInt16, _ way: Way, to cluster: String, fields: String = "", more: String = "") -> String {
        let isPost = way == .post || way == .postHTTP2
        return """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                per_connection_buffer_limit_bytes: 65536
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: t
                      cluster: c
                      tunneling_config: {hostname: "inner.test:443"\(isPost ? ", use_post: true" : "")\(fields)}
                      \(more)
              clusters:
            \(cluster)
            """
    }

    private static func terminator(_ port: UInt16, to upstream: UInt16) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  http2_protocol_options: {allow_connect: true}
                  upgrade_configs: [{upgrade_type: CONNECT}]
                  route_config:
                    virtual_hosts:
                    - name: v
                      domains: ["*"]
                      routes:
                      - match: {connect_matcher: {}}
                        route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                      - match: {prefix: "/"}
                        route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true}}]}
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          clusters:
        \(Served.cluster([upstream]))
        """
    }

    /// The two proxies and the server behind them.
    private final class Chain {
        let upstream: ScriptedUpstream
        let outer: Served
        private let inner: Served?
        private let envoy: ChildProcess?

        /// `server`: takes the place of the script.
        init(
            _ way: Way, _ terminator: Terminator, _ script: UpstreamScript, options: String = "", http2: String = "", more: String = "",
            server: UInt16? = nil
        ) throws {
            upstream = try ScriptedUpstream(name: "c")
            upstream.begin(script)
            upstream.start()
            let port = server ?? upstream.port
            var target: UInt16
            switch terminator {
            case .martlet:
                let served = try Served(try Binary.martlet()) { TCPTunnelTests.terminator($0, to: port) }
                (inner, envoy, target) = (served, nil, served.listener)
            case .envoy:
                target = Ports.free()
                let admin = Admin(port: Ports.free())
                let directory = TemporaryDirectory()
                let file = directory.write(
                    TCPTunnelTests.terminator(target, to: port)
                        + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\n", to: "envoy.yaml")
                let process = try ChildProcess(
                    try ProxyBinary.envoy().get(), ["-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "error"])
                try #require(process.becomesReady(admin: admin.port), "Envoy is ready; it printed:\n\(process.output)")
                (inner, envoy) = (nil, process)
            }
            let isHTTP2 = way == .connectHTTP2 || way == .postHTTP2
            let cluster = Served.cluster([target], more: TCPTunnelTests.http2(isHTTP2, options: http2, more: options))
            outer = try Served(try Binary.martlet()) { TCPTunnelTests.tunnel($0, way, to: cluster, more: more) }
        }

        deinit {
            envoy?.kill()
            upstream.stop()
        }
    }

    @Test(arguments: Way.allCases, Terminator.allCases)
    func bytesGoBothWays(way: Way, terminator: Terminator) throws {
        if terminator == .envoy, case .failure = ProxyBinary.envoy() { return }
        let chain = try Chain(way, terminator, .steps(.readText("ping"), .send("pong"), .readText("more"), .send("last")))
        let client = RawClient(
            steps: [.send("ping"), .awaitText("pong"), .send("more"), .awaitText("last"), .close], methods: [])
        #expect(String(wire: try client.run(port: chain.outer.listener).received) == "ponglast")
        #expect(wait(upToMs: 10_000) { chain.upstream.records.first.map { $0.end != .open } ?? false })
        #expect(chain.upstream.records.first?.received == "pingmore".wire)
        for (name, value) in [
            ("tcp.t.downstream_cx_rx_bytes_total", 8), ("tcp.t.downstream_cx_tx_bytes_total", 8), ("cluster.c.upstream_rq_total", 1),
            ("cluster.c.upstream_rq_active", 0), ("cluster.c.upstream_rq_pending_active", 0),
        ] { #expect(chain.outer.stat(name, becomes: value) == value, "\(name)") }
    }

    /// More than all buffers hold, each way at a time, and the ends behind it.
    @Test(arguments: Way.allCases)
    func muchGoesThrough(way: Way) throws {
        let much = String(repeating: "0123456789abcdef", count: 1 << 16)
        let chain = try Chain(way, .martlet, .steps(.readText("end of it"), .delay(ms: 1), .send(much + "all")))
        var client = RawClient(steps: [.send(much + "end of it"), .awaitText("all"), .close], methods: [])
        client.answerLimitMs = 60_000
        let received = try client.run(port: chain.outer.listener).received
        #expect(received.count == much.utf8.count + 3)
        #expect(Array(received.suffix(3)) == "all".wire)
        #expect(wait(upToMs: 10_000) { chain.upstream.records.first.map { $0.end != .open } ?? false })
        #expect(chain.upstream.records.first?.received.count == much.utf8.count + 9)
        #expect(chain.outer.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }

    /// Over HTTP/2 tunnels share a connection, and each end is passed on by itself. `auto_sni` is for requests with a name of
    /// their own: it keeps no tunnels apart.
    @Test(arguments: [false, true])
    func tunnelsShareAConnection(namesServers: Bool) throws {
        let chain = try Chain(
            .connectHTTP2, .martlet, .steps(.readText("ping"), .send("pong"), .readText("more"), .send("late"), .shutdownWrite),
            options: namesServers ? ", upstream_http_protocol_options: {auto_sni: true}" : "")
        let port = chain.outer.listener
        let clients = (0..<4).map { _ in
            BackgroundThread {
                let client = RawClient(
                    steps: [.send("ping"), .awaitText("pong"), .send("more"), .shutdownWrite, .awaitText("late")], methods: [])
                let outcome = try? client.run(port: port)
                #expect(outcome.map { String(wire: $0.received) } == "ponglate")
            }
        }
        for client in clients { client.join() }
        #expect(chain.outer.stat("cluster.c.upstream_rq_total", becomes: 4) == 4)
        #expect(chain.outer.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(chain.outer.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// The lines in between tell of the bytes that have gone so far.
    @Test(arguments: [Way.connect, .post])
    func periodicLinesCountTheBytes(way: Way) throws {
        let directory = TemporaryDirectory()
        let log = "access_log: [{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, "
            + "log_format: {text_format_source: {inline_string: \"%ACCESS_LOG_TYPE% got=%UPSTREAM_WIRE_BYTES_RECEIVED%\\n\"}}}}]"
        let chain = try Chain(
            way, .martlet, .steps(.readText("ping"), .send("pong"), .readText("never")), more: log + "\n          access_log_options: {access_log_flush_interval: 0.2s, flush_access_log_on_connected: true}")
        let socket = try Sockets.connect(port: chain.outer.listener)
        defer { socket.close() }
        #expect(Sockets.send("ping".wire, from: 0, on: socket) == 4)
        func got(_ kind: String) -> [Int] {
            (Files.text(directory.path + "/log") ?? "").textLines.filter { $0.hasPrefix(kind) }
                .compactMap { Int($0.split(separator: "=").last ?? "") }
        }
        // The answer is known when the tunnel begins; what follows it, later only.
        #expect(wait(upToMs: 20_000) {
            guard let answer = got("TcpUpstreamConnected").first else { return false }
            return got("TcpPeriodic").contains { $0 > answer }
        }, "\(Files.text(directory.path + "/log") ?? "")")
    }

    /// Sends until nothing more is taken for a while, or `most`; how much that was.
    private func fill(_ socket: Descriptor, _ most: Int) -> Int {
        let part = [UInt8](repeating: 0x61, count: 1 << 18)
        var sent = 0
        var quiet = Deadline(afterMs: 1_000)
        while sent < most, !quiet.passed {
            let taken = Sockets.send(part, from: 0, on: socket)
            if taken < 0 { break }
            sent += taken
            if taken > 0 { quiet = Deadline(afterMs: 1_000) } else { sleep(ms: 5) }
        }
        return sent
    }

    /// A client that does not read costs what windows and buffers hold, of whatever the server would send; when it reads, the
    /// rest comes, and when it goes, nothing is left. The kernel's buffers of the three connections are the larger part.
    @Test(arguments: [Way.connect, .connectHTTP2])
    func aClientThatDoesNotReadHoldsTheUpstreamBack(way: Way) throws {
        let much = 256 << 20
        let listener = try Sockets.listen(port: 0)
        defer { listener.close() }
        let chain = try Chain(
            way, .martlet, UpstreamScript([]), http2: "initial_stream_window_size: 65536, initial_connection_window_size: 65536",
            server: Sockets.localPort(of: listener))
        let client = try Sockets.connect(port: chain.outer.listener)
        #expect(Sockets.ready(listener, for: Sockets.readable, until: Deadline(afterMs: 10_000)) != 0)
        let server = try #require(Sockets.accept(listener))
        defer { server.close() }
        let sent = fill(server, much)
        #expect(sent > 65_536 && sent < much / 2, "\(sent)")
        let paused = "cluster.c.upstream_flow_control_paused_reading_total"
        #expect(wait(upToMs: 10_000) { chain.outer.admin.stats(matching: paused)[paused] ?? 0 > 0 })
        var received = 0
        #expect(wait(upToMs: 60_000, everyMs: 1) {
            while case .bytes(let bytes) = Sockets.receive(client) { received += bytes.count }
            return received >= sent
        })
        #expect(received == sent)
        #expect(fill(server, 1 << 20) > 0)
        client.reset()
        #expect(chain.outer.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(chain.outer.stat("listener.127.0.0.1_\(chain.outer.listener).downstream_cx_active", becomes: 0) == 0)
    }

    /// The proxy behind is told of the client in a PROXY header, and a connection of HTTP/2 is one client's then.
    @Test(arguments: [false, true])
    func theHeaderIsTheClients(isHTTP2: Bool) throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readText(isHTTP2 ? "PRI" : "CONNECT inner.test:443 HTTP/1.1\r\n"), .delay(ms: 1)))
        upstream.start()
        defer { upstream.stop() }
        let types = "type.googleapis.com/envoy.extensions.transport_sockets."
        let socket = "transport_socket: {name: p, typed_config: {\"@type\": \(types)proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
            + "config: {version: V1}, transport_socket: {name: r, typed_config: {\"@type\": \(types)raw_buffer.v3.RawBuffer}}}}"
        let options = TCPTunnelTests.http2(isHTTP2)
        let served = try Served(try Binary.martlet()) { port in
            TCPTunnelTests.tunnel(port, .connect, to: Served.cluster([upstream.port], more: socket + (isHTTP2 ? ", " + options : "")))
        }
        let sockets = try (0..<2).map { _ in try Sockets.connect(port: served.listener) }
        defer { for socket in sockets { socket.close() } }
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        let wanted = sockets.map { "PROXY TCP4 127.0.0.1 127.0.0.1 \(Sockets.localPort(of: $0)) \(served.listener)\r\n" + (isHTTP2 ? "PRI" : "CONNECT") }
        #expect(wait(upToMs: 10_000) { wanted.allSatisfy { text in upstream.records.contains { String(wire: $0.received).hasPrefix(text) } } })
    }

    private static let log = "access_log: [{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, "
        + "log_format: {text_format_source: {inline_string: \"ENDED %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\\n\"}}}}]"

    /// Two attempts that come to nothing; what the log says of them.
    private func fails(_ script: UpstreamScript, hostname: String, cluster: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            TCPTunnelTests.tunnel(
                port, .connect, to: Served.cluster([upstream.port], more: cluster),
                more: TCPTunnelTests.log + "\n          max_connect_attempts: 2"
            ).replacing(text: "inner.test:443", by: hostname)
        }
        let outcome = try RawClient(steps: [.send("x"), .awaitText("never")], methods: []).run(port: served.listener)
        #expect(outcome.received.isEmpty)
        #expect(served.stat("cluster.c.upstream_cx_connect_attempts_exceeded", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        return (served, upstream)
    }

    /// What would end the request line, or begin another, is not sent.
    @Test(arguments: ["a b", "%REQUESTED_SERVER_NAME% x"])
    func aNameThatCannotBeAskedIsNotAsked(hostname: String) throws {
        let (served, upstream) = try fails(.steps(.readText("never")), hostname: hostname)
        defer { upstream.stop() }
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 0) == 0)
        served.process.signal(SIGTERM)  // writes what is left of the log
        #expect(wait(upToMs: 10_000) { served.process.output.contains("ENDED UF,URX -") }, "\(served.process.output)")
        #expect(upstream.records.isEmpty)
    }

    @Test func aProxyWithoutTLSIsNoProxy() throws {
        let socket = "transport_socket: {name: tls, typed_config: {\"@type\": "
            + "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}"
        let (served, upstream) = try fails(.steps(.send("this is no TLS\r\n")), hostname: "h:1", cluster: socket)
        defer { upstream.stop() }
        #expect(served.stat("cluster.c.upstream_cx_connect_fail", becomes: 2) == 2)
        served.process.signal(SIGTERM)  // writes what is left of the log
        #expect(wait(upToMs: 10_000) { served.process.output.contains("ENDED UF,URX TLS_error") }, "\(served.process.output)")
    }
}
