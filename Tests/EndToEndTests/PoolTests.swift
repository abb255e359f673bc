import TestSupport
import Testing

/// Connections to hosts: kept, given up, refused.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PoolTests {
    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    private func serve(_ script: UpstreamScript, more: String = "", route: String = "", workers: Int = 1) throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        let served = try Served(try Binary.martlet(), workers: workers) { port in
            Served.http(port, route: route, clusters: [Served.cluster([upstream.port], more: more)])
        }
        return (served, upstream)
    }

    @Test func aConnectionIsUsedAgain() throws {
        let (served, upstream) = try serve(.always(PoolTests.ok))
        defer { upstream.stop() }
        for _ in 0..<5 { #expect(try served.get().status == 200) }
        let stats = served.admin.stats(matching: "cluster.c.upstream_(cx|rq)_total")
        #expect(stats["cluster.c.upstream_cx_total"] == 1)
        #expect(stats["cluster.c.upstream_rq_total"] == 5)
    }

    /// An upstream that closes what is idle: the next request takes a new connection, and none fails.
    @Test func aClosedIdleConnectionIsNotUsed() throws {
        let (served, upstream) = try serve(.steps(.readRequest, .answer(PoolTests.ok), .delay(ms: 50), .close))
        defer { upstream.stop() }
        for i in 1...4 {
            #expect(try served.get().status == 200)
            #expect(served.stat("cluster.c.upstream_cx_destroy_remote", becomes: i) == i)
        }
        #expect(served.admin.stats(matching: "with_active_rq")["cluster.c.upstream_cx_destroy_with_active_rq"] == 0)
    }

    @Test func maxRequestsPerConnection() throws {
        let (served, upstream) = try serve(.always(PoolTests.ok), more: "max_requests_per_connection: 2")
        defer { upstream.stop() }
        for _ in 0..<6 { #expect(try served.get().status == 200) }
        let stats = served.admin.stats(matching: "cluster.c.upstream_cx")
        #expect(stats["cluster.c.upstream_cx_total"] == 3)
        #expect(stats["cluster.c.upstream_cx_max_requests"] == 3)
    }

    @Test(arguments: [("idle_timeout: 0.2s", "upstream_cx_idle_timeout"), ("max_connection_duration: 0.2s", "upstream_cx_max_duration_reached")])
    func aConnectionThatIsOldOrIdleCloses(option: String, counter: String) throws {
        let (served, upstream) = try serve(.always(PoolTests.ok), more: "common_http_protocol_options: {\(option)}")
        defer { upstream.stop() }
        #expect(try served.get().status == 200)
        #expect(served.stat("cluster.c.\(counter)", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
        #expect(try served.get().status == 200)
    }

    /// `max_connection_pools`: a host has its pool while it has a connection, and the next one may have one then.
    @Test func aPoolEndsWithItsLastConnection() throws {
        let second = try ScriptedUpstream(name: "d")
        second.begin(.always(PoolTests.ok))
        second.start()
        let first = try ScriptedUpstream(name: "c")
        first.begin(.always(PoolTests.ok))
        first.start()
        defer {
            first.stop()
            second.stop()
        }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, clusters: [
                    Served.cluster(
                        [first.port, second.port], more: "circuit_breakers: {thresholds: [{max_connection_pools: 1, track_remaining: true}]}, "
                            + "common_http_protocol_options: {idle_timeout: 0.5s}")
                ])
        }
        let breaker = "cluster.c.circuit_breakers.default."
        for round in 1...3 {
            #expect(try served.get().status == 200)
            #expect(served.stat(breaker + "cx_pool_open", becomes: 1) == 1)
            #expect(served.stat(breaker + "remaining_cx_pools", becomes: 0) == 0)
            let refused = try served.get()
            #expect(refused.status == 503 && String(wire: refused.body) == "no healthy upstream")
            #expect(served.stat("cluster.c.upstream_cx_pool_overflow", becomes: round) == round)
            #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
            #expect(served.stat(breaker + "cx_pool_open", becomes: 0) == 0)
            #expect(served.stat(breaker + "remaining_cx_pools", becomes: 1) == 1)
        }
        #expect(served.admin.stats(matching: "none_healthy")["cluster.c.upstream_cx_none_healthy"] == 0)
    }

    @Test func connectTimeOut() throws {
        // A listener whose accept queue is full never answers a SYN.
        let port = Ports.free()
        let listener = try Sockets.listen(port: port, backlog: 0)
        defer { listener.close() }
        var fillers: [Descriptor] = []
        for _ in 0..<3 { if let socket = try? Sockets.connect(port: port, within: 100) { fillers.append(socket) } }
        let served = try Served(try Binary.martlet()) { listener in
            Served.http(listener, clusters: [Served.cluster([port], connectTimeout: "0.2s")])
        }
        let response = try served.get()
        #expect(response.status == 503)
        #expect(String(wire: response.body) == "upstream connect error or disconnect/reset before headers. reset reason: connection timeout")
        #expect(served.stat("cluster.c.upstream_cx_connect_timeout", becomes: 1) == 1)
    }

    /// Requests under way on both workers count against one limit; the gauges say that it is reached. A request counts
    /// from the moment in which a connection carries it, so more connections than requests were made.
    @Test func maxRequestsHoldsOverWorkers() throws {
        let (served, upstream) = try serve(
            .steps(.readRequest, .delay(ms: 1_500), .answer(PoolTests.ok), .again),
            more: "circuit_breakers: {thresholds: [{max_requests: 4, track_remaining: true}]}", workers: 2)
        defer { upstream.stop() }
        var open: [Descriptor] = []
        for _ in 0..<10 {
            let socket = try Sockets.connect(port: served.listener)
            _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: socket)
            open.append(socket)
        }
        #expect(served.stat("cluster.c.upstream_rq_active_overflow", becomes: 6) == 6)
        var stats = served.admin.stats(matching: "circuit_breakers")
        #expect(stats["cluster.c.circuit_breakers.default.rq_open"] == 1)
        #expect(stats["cluster.c.circuit_breakers.default.remaining_rq"] == 0)
        #expect(stats["cluster.c.circuit_breakers.default.cx_open"] == 0)
        let active = served.admin.stats(matching: "upstream_cx_active")["cluster.c.upstream_cx_active"] ?? 0
        #expect(active > 4)
        #expect(stats["cluster.c.circuit_breakers.default.remaining_cx"] == 1024 - active)
        var statuses: [String: Int] = [:]
        for socket in open {
            guard Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0,
                case .bytes(let bytes) = Sockets.receive(socket)
            else { continue }
            statuses[String(decoding: bytes.prefix(12), as: UTF8.self), default: 0] += 1
        }
        #expect(statuses == ["HTTP/1.1 200": 4, "HTTP/1.1 503": 6])
        for socket in open { socket.close() }
        #expect(served.stat("cluster.c.circuit_breakers.default.remaining_rq", becomes: 4) == 4)
        stats = served.admin.stats(matching: "circuit_breakers")
        #expect(stats["cluster.c.circuit_breakers.default.rq_open"] == 0)
    }

    /// Four clients keep one connection busy all along: it ends with a request all the same.
    @Test func aBusyConnectionEndsByItsAge() throws {
        let (served, upstream) = try serve(
            .always(PoolTests.ok), more: """
                circuit_breakers: {thresholds: [{max_connections: 1}]}, typed_extension_protocol_options: \
                {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, \
                common_http_protocol_options: {max_connection_duration: 0.3s}, explicit_http_config: {http_protocol_options: {}}}}
                """)
        defer { upstream.stop() }
        let port = served.listener
        let requests = String(repeating: "GET / HTTP/1.1\r\nhost: h\r\n\r\n", count: 50)
        let until = Deadline(afterMs: 1_500)
        let clients = (0..<4).map { _ in
            BackgroundThread {
                while !until.passed {
                    _ = try? RawClient(steps: [.send(requests)], methods: [String](repeating: "GET", count: 50)).run(port: port)
                }
            }
        }
        for client in clients { client.join() }
        let stats = served.admin.stats(matching: "upstream_cx")
        #expect(stats["cluster.c.upstream_cx_max_duration_reached"] ?? 0 >= 2, "\(stats)")
        #expect(stats["cluster.c.upstream_cx_total"] ?? 0 >= 3)
    }

    @Test func overflowOfPendingRequests() throws {
        let (served, upstream) = try serve(.always(PoolTests.ok), more: "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}")
        defer { upstream.stop() }
        let response = try served.get()
        #expect(response.status == 503)
        #expect(response.header("x-envoy-overloaded") == "true")
        #expect(String(wire: response.body) == "upstream connect error or disconnect/reset before headers. reset reason: overflow")
        #expect(served.stat("cluster.c.upstream_rq_pending_overflow", becomes: 1) == 1)
    }

    /// With one connection allowed, requests take turns on it.
    @Test func oneConnectionServesAll() throws {
        let (served, upstream) = try serve(.always(PoolTests.ok), more: "circuit_breakers: {thresholds: [{max_connections: 1}]}")
        defer { upstream.stop() }
        let sockets = try (0..<5).map { _ in try Sockets.connect(port: served.listener) }
        for socket in sockets { _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: socket) }
        for socket in sockets {
            #expect(Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
            if case .bytes(let bytes) = Sockets.receive(socket) { #expect(String(decoding: bytes.prefix(12), as: UTF8.self) == "HTTP/1.1 200") }
        }
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// Bytes behind a complete response are nobody's answer, even when a request waits for the connection.
    @Test func excessBytesDoNotAnswerTheNextRequest() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript([
            [.readRequest, .delay(ms: 300), .send(PoolTests.ok + "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")],
            [.readRequest, .answer(PoolTests.ok), .again],
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
        for socket in sockets {
            #expect(Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: patienceMs)) != 0)
            guard case .bytes(let bytes) = Sockets.receive(socket) else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 200") && text.hasSuffix("\r\n\r\nok"), "\(text)")
        }
        #expect(served.stat("cluster.c.upstream_cx_protocol_error", becomes: 1) == 1)
    }
}
