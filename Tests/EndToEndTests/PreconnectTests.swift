import Glibc
import TestSupport
import Testing

/// `preconnect_policy`: how many connections there are after a few requests, one after the other, as with Envoy 1.40.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PreconnectTests {
    private func connections(
        _ policy: String, hosts: Int, requests: Int, limits: String = "",
        script: UpstreamScript = .always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    ) throws -> Served {
        let upstreams = try (0..<hosts).map { i in
            let upstream = try ScriptedUpstream(name: "u\(i)")
            upstream.begin(script)
            upstream.start()
            return upstream
        }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster(upstreams.map(\.port), more: "preconnect_policy: {\(policy)}\(limits)")])
        }
        for _ in 0..<requests { #expect(try served.get().status == 200) }
        stopping.withLock { $0 += upstreams }
        return served
    }

    private let stopping = Locked<[ScriptedUpstream]>([])

    private func finish() { stopping.withLock { for upstream in $0 { upstream.stop() } } }

    @Test func perUpstream() throws {
        defer { finish() }
        let served = try connections("per_upstream_preconnect_ratio: 2", hosts: 1, requests: 3)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2, "one that serves, and one ahead")
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 2) == 2)
    }

    @Test func atMostThreeAtATime() throws {
        defer { finish() }
        let served = try connections("per_upstream_preconnect_ratio: 3", hosts: 1, requests: 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 3) == 3)
    }

    @Test func predicted() throws {
        defer { finish() }
        let served = try connections("predictive_preconnect_ratio: 3", hosts: 4, requests: 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 4) == 4, "the chosen host, and the next three in turn")
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 1) == 1)
    }

    /// The hosts that were looked at are the ones that come next, each once.
    @Test func whatWasPredictedComes() throws {
        defer { finish() }
        let served = try connections("predictive_preconnect_ratio: 3", hosts: 4, requests: 8)
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 8) == 8)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 4) == 4, "in turn over four connections")
    }

    /// Over HTTP/2 room is what counts: the numbers are Envoy 1.40's.
    @Test(arguments: [
        ("per_upstream_preconnect_ratio: 3", "", 1, 1), ("per_upstream_preconnect_ratio: 1.5", "max_concurrent_streams: 1", 1, 2),
        ("per_upstream_preconnect_ratio: 3", "max_concurrent_streams: 1", 1, 3), ("per_upstream_preconnect_ratio: 3", "max_concurrent_streams: 2", 1, 2),
        ("predictive_preconnect_ratio: 3", "", 4, 2), ("predictive_preconnect_ratio: 3", "max_concurrent_streams: 1", 4, 4),
        ("predictive_preconnect_ratio: 3", "max_concurrent_streams: 2", 4, 3),
    ])
    func overHTTP2(policy: String, options: String, hosts: Int, total: Int) throws {
        defer { finish() }
        let http2 = ", typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {\(options)}}}}"
        let script: [H2Step] = [.awaitEnd(1), .answer(1), .awaitEnd(3), .answer(3), .awaitEnd(5), .answer(5)]
        let served = try connections(policy, hosts: hosts, requests: 2, limits: http2, script: UpstreamScript([[.http2(script)]]))
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: total) == total)
        #expect(served.stat("cluster.c.upstream_cx_http2_total", becomes: total) == total)
        #expect(served.admin.stats(matching: "upstream_cx_http1_total")["cluster.c.upstream_cx_http1_total"] ?? 0 == 0)
    }

    /// The limit holds for what is opened ahead.
    @Test func limits() throws {
        defer { finish() }
        let served = try connections(
            "per_upstream_preconnect_ratio: 3", hosts: 1, requests: 2, limits: ", circuit_breakers: {thresholds: [{max_connections: 2}]}")
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        #expect(served.admin.stats(matching: "upstream_cx_overflow")["cluster.c.upstream_cx_overflow"] ?? 0 > 0)
    }

    /// What other clusters have room for, or want, counts too (`predictive_preconnect_ratio`): of `c`'s five hosts the chosen one
    /// and so many more.
    @Test(arguments: [(0, false, 3), (1, false, 4), (2, false, 4), (1, true, 2), (2, true, 1)])
    func otherClustersCount(requests: Int, areAnswered: Bool, total: Int) throws {
        let other = try ScriptedUpstream(name: "other")
        let held = UpstreamStep.delay(ms: 20_000)
        let answer = UpstreamStep.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        other.begin(.steps(.readRequest, areAnswered ? .delay(ms: 300) : held, answer, held))
        other.start()
        let upstreams = try (0..<5).map { i in
            let upstream = try ScriptedUpstream(name: "u\(i)")
            upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
            upstream.start()
            return upstream
        }
        stopping.withLock { $0 += upstreams + [other] }
        defer { finish() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [
                Served.cluster(upstreams.map(\.port), more: "preconnect_policy: {predictive_preconnect_ratio: 2}"),
                Served.cluster([other.port], name: "other"),
            ]).replacing(text: "- match: {prefix: \"/\"}", by: "- {match: {prefix: /other}, route: {cluster: other}}\n              - match: {prefix: \"/\"}")
        }
        let clients = try (0..<requests).map { _ in
            let client = try Sockets.connect(port: served.listener)
            #expect(Sockets.send("GET /other HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: client) > 0)
            return client
        }
        defer { for client in clients { client.close() } }
        #expect(served.stat("cluster.other.upstream_rq_total", becomes: requests) == requests)
        if areAnswered { #expect(served.stat("cluster.other.upstream_rq_active", becomes: 0) == 0) }
        #expect(served.stat("cluster.other.upstream_cx_active", becomes: requests) == requests)
        #expect(try served.get().status == 200)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: total) == total)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
    }

    // MARK: tcp_proxy

    private func tcp(
        _ policy: String, _ upstreams: [ScriptedUpstream], more: String = ""
    ) throws -> Served {
        for upstream in upstreams { upstream.start() }
        stopping.withLock { $0 += upstreams }
        return try Served(try Binary.martlet()) { PreconnectTests.tcp($0, upstreams.map(\.port), "preconnect_policy: {\(policy)}" + more) }
    }

    private static func tcp(_ port: UInt16, _ ports: [UInt16], _ more: String) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}
          clusters:
        \(Served.cluster(ports, more: more))
        """
    }

    private func host(_ steps: UpstreamStep...) throws -> ScriptedUpstream {
        let upstream = try ScriptedUpstream(name: "u")
        upstream.begin(UpstreamScript([steps]))
        return upstream
    }

    private func client(_ served: Served, says: String = "ping", gets: String) throws -> Descriptor {
        let socket = try Sockets.connect(port: served.listener)
        if !says.isEmpty { #expect(Sockets.send(says.wire, from: 0, on: socket) == says.utf8.count) }
        var got: [UInt8] = []
        #expect(wait(upToMs: 10_000) {
            if case .bytes(let bytes) = Sockets.receive(socket) { got += bytes }
            return String(wire: got) == gets
        }, "\(String(wire: got))")
        return socket
    }

    /// Connections there are behind each of so many clients, who all stay: Envoy 1.40's numbers.
    @Test(arguments: [
        ("per_upstream_preconnect_ratio: 1.5", 1, [2, 3, 5, 6, 8]), ("per_upstream_preconnect_ratio: 2", 1, [2, 4, 6, 8]),
        ("per_upstream_preconnect_ratio: 3", 1, [3, 6, 9]), ("predictive_preconnect_ratio: 2", 2, [2, 3, 4, 5, 6]),
    ])
    func ofTCP(policy: String, hosts: Int, totals: [Int]) throws {
        defer { finish() }
        let served = try tcp(policy, try (0..<hosts).map { _ in try host(.readText("ping"), .send("pong")) })
        var clients: [Descriptor] = []
        for (i, total) in totals.enumerated() {
            clients.append(try client(served, gets: "pong"))
            #expect(served.stat("cluster.c.upstream_cx_total", becomes: total) == total)
            #expect(served.stat("cluster.c.upstream_rq_active", becomes: i + 1) == i + 1)
        }
        for client in clients { client.close() }
        let left = (totals.last ?? 0) - totals.count
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: left) == left)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: totals.count) == totals.count)
    }

    /// What a host says before it is asked is for the client that gets its connection.
    @Test func aHostThatSpeaksFirst() throws {
        defer { finish() }
        let served = try tcp("per_upstream_preconnect_ratio: 3", [try host(.send("220 hello\r\n"), .readText("never"))])
        for _ in 0..<5 { try client(served, says: "", gets: "220 hello\r\n").close() }
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 5) == 5)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        let rx = "cluster.c.upstream_cx_rx_bytes_total"
        #expect(served.stat(rx, becomes: 55) == 55)
    }

    @Test func limitsOfTCP() throws {
        defer { finish() }
        let served = try tcp(
            "per_upstream_preconnect_ratio: 3", [try host(.readText("ping"), .send("pong"))],
            more: ", circuit_breakers: {thresholds: [{max_connections: 2}]}")
        let first = try client(served, gets: "pong")
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        #expect(served.admin.stats(matching: "upstream_cx_overflow")["cluster.c.upstream_cx_overflow"] == 1)
        first.close()
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 1) == 1)
    }

    /// Nobody listens: the one that is needed fails, and the one ahead of need; neither is left.
    @Test func aHostThatIsNotThere() throws {
        let served = try Served(try Binary.martlet()) { PreconnectTests.tcp($0, [Ports.free()], "preconnect_policy: {per_upstream_preconnect_ratio: 2}") }
        let outcome = try RawClient(steps: [.send("x"), .awaitText("never")], methods: []).run(port: served.listener)
        #expect(outcome.received.isEmpty)
        #expect(served.stat("cluster.c.upstream_cx_connect_fail", becomes: 2) == 2)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_cx_connect_attempts_exceeded", becomes: 1) == 1)
    }

    /// Those of a host that leaves its cluster close at once; the one that a client has goes on.
    @Test func aHostThatLeaves() throws {
        defer { finish() }
        let old = try host(.readText("ping"), .send("pong"), .readText("more"), .send("last"))
        let new = try host(.readText("ping"), .send("new"))
        let served = try tcp("per_upstream_preconnect_ratio: 2", [old])
        new.start()
        stopping.withLock { $0 += [new] }
        let first = try client(served, gets: "pong")
        #expect(wait(upToMs: 10_000) { old.openConnections == 2 })
        let text = (Files.text(served.file) ?? "").replacing(text: "port_value: \(old.port)", by: "port_value: \(new.port)")
        served.directory.write(text, to: "martlet.yaml")
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { old.openConnections == 1 })
        try client(served, gets: "new").close()
        #expect(Sockets.send("more".wire, from: 0, on: first) == 4)
        var got: [UInt8] = []
        #expect(wait(upToMs: 10_000) {
            if case .bytes(let bytes) = Sockets.receive(first) { got += bytes }
            return String(wire: got) == "last"
        })
        first.close()
        #expect(wait(upToMs: 10_000) { old.openConnections == 0 })
    }

    /// A connection that begins with a PROXY header is one client's: none is opened ahead.
    @Test func notWithPROXYHeaders() throws {
        defer { finish() }
        let types = "type.googleapis.com/envoy.extensions.transport_sockets."
        let socket = ", transport_socket: {name: p, typed_config: {\"@type\": \(types)proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
            + "config: {version: V1}, transport_socket: {name: r, typed_config: {\"@type\": \(types)raw_buffer.v3.RawBuffer}}}}"
        let served = try tcp(
            "per_upstream_preconnect_ratio: 2, predictive_preconnect_ratio: 2", [try host(.readText("ping"), .send("pong"))], more: socket)
        try client(served, gets: "pong").close()
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// A request for the same host needs the place of a connection that nobody has.
    @Test func itGivesWayToARequest() throws {
        defer { finish() }
        let upstream = try host(.readText("p"), .send("pong"))
        upstream.begin(UpstreamScript([
            [.readText("ping"), .send("pong")], [.readText("ping"), .send("pong")],
            [.readRequest, .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")],
        ]))
        let http = Ports.free()
        upstream.start()
        stopping.withLock { $0 += [upstream] }
        let served = try Served(try Binary.martlet()) { port in
            PreconnectTests.tcp(
                port, [upstream.port],
                "preconnect_policy: {per_upstream_preconnect_ratio: 2}, circuit_breakers: {per_host_thresholds: [{max_connections: 2}]}"
            ).replacing(text: "  clusters:", by: """
                  - address: {socket_address: {address: 127.0.0.1, port_value: \(http)}}
                    filter_chains:
                    - filters:
                      - name: h
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                          stat_prefix: h
                          route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: c}}]}]}
                          http_filters: [{name: envoy.filters.http.router}]
                  clusters:
                """)
        }
        let first = try client(served, gets: "pong")
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        #expect(wait(upToMs: 10_000) { upstream.openConnections == 2 })
        let answer = try RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitResponse, .close], methods: ["GET"]).run(port: http)
        #expect(answer.responses.first?.status == 200)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 3) == 3)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 2) == 2)
        first.close()
    }
}
