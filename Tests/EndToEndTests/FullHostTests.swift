import Glibc
import TestSupport
import Testing

/// A host that has as many connections as it may have: who waits is served when one of them ends, whoever ends it.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct FullHostTests {
    enum End: CaseIterable { case upstream, client }
    enum Way: CaseIterable { case connect, connectHTTP2, plain }

    private static let oneConnection = "circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}"
    private static let head = H2Frame.head(1, [(":status", "200")], flags: 4)

    private func script(_ way: Way) -> UpstreamScript {
        switch way {
        case .connect: .steps(.readText("\r\n\r\n"), .send("HTTP/1.1 200 OK\r\n\r\n"), .readText("end"), .close)
        case .connectHTTP2: .steps(.http2([.awaitHead(1), .send([FullHostTests.head]), .awaitWord("DATA1"), .close]))
        case .plain: .steps(.readText("end"), .close)
        }
    }

    private func serve(_ way: Way, to upstream: ScriptedUpstream, more: String = "") throws -> Served {
        let http2 = TCPTunnelTests.http2(way == .connectHTTP2, options: "max_concurrent_streams: 1")
        let cluster = Served.cluster([upstream.port], more: FullHostTests.oneConnection + (http2.isEmpty ? "" : ", " + http2))
        return try Served(try Binary.martlet()) { port in
            let yaml = TCPTunnelTests.tunnel(port, .connect, to: cluster, more: more)
            return way == .plain ? yaml.replacing(text: "tunneling_config: {hostname: \"inner.test:443\"}", by: "") : yaml
        }
    }

    /// Two clients: one has the connection, the other one waits for it.
    private func two(_ way: Way, _ served: Served) throws -> (Descriptor, Descriptor) {
        let first = try Sockets.connect(port: served.listener)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
        let second = try Sockets.connect(port: served.listener)
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 1) == 1)
        return (first, second)
    }

    /// The upstream closes; without a tunnel that is one half, and the client's is the other.
    private func finish(_ way: Way, _ client: Descriptor) {
        #expect(Sockets.send("end".wire, from: 0, on: client) == 3)
        if way == .plain { client.shutDown(Int(SHUT_WR)) }
    }

    @Test(arguments: Way.allCases, End.allCases)
    func theNextOneIsServed(way: Way, end: End) throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script(way))
        upstream.start()
        defer { upstream.stop() }
        let served = try serve(way, to: upstream)
        let (first, second) = try two(way, served)
        switch end {
        case .upstream: finish(way, first)
        // Without a tunnel an end is half of one.
        case .client: if way == .plain { first.reset() } else { first.close() }
        }
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
        finish(way, second)
        #expect(served.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_total", becomes: 2) == 2)
        second.close()
        first.close()
        #expect(served.stat("listener.127.0.0.1_\(served.listener).downstream_cx_active", becomes: 0) == 0)
    }

    /// Who leaves while it waits leaves no trace in the gauges.
    @Test(arguments: Way.allCases)
    func oneWhoLeavesTheLine(way: Way) throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script(way))
        upstream.start()
        defer { upstream.stop() }
        // Who may not send yet is not read from, and is not seen to leave.
        let served = try serve(way, to: upstream, more: "max_early_data_bytes: 1024")
        let (first, second) = try two(way, served)
        second.reset()
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
        #expect(served.stat("cluster.c.upstream_rq_cancelled", becomes: 1) == 1)
        first.reset()
        for name in ["cluster.c.upstream_rq_active", "cluster.c.upstream_rq_pending_active", "listener.127.0.0.1_\(served.listener).downstream_cx_active"] {
            #expect(served.stat(name, becomes: 0) == 0, "\(name)")
        }
    }

    /// An idle connection that is one client's stands in nobody's way, and whoever gets its place gets it once.
    @Test func anIdleConnectionOfSomebodyElsesGives() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript([
            [.readText("\r\n\r\n"), .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), .readText("never")],
            [.readText("ping"), .send("pong"), .readText("never")],
        ]))
        upstream.start()
        defer { upstream.stop() }
        let types = "type.googleapis.com/envoy.extensions."
        let socket = "transport_socket: {name: p, typed_config: {\"@type\": \(types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
            + "config: {version: V1}, transport_socket: {name: r, typed_config: {\"@type\": \(types)transport_sockets.raw_buffer.v3.RawBuffer}}}}"
        let http = Ports.free()
        let served = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - {name: envoy.filters.network.tcp_proxy, typed_config: {"@type": \(types)filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}
              - address: {socket_address: {address: 127.0.0.1, port_value: \(http)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": \(types)filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: c}}]}]}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": \(types)filters.http.router.v3.Router}
              clusters:
            \(Served.cluster([upstream.port], more: FullHostTests.oneConnection + ", " + socket))
            """
        }
        let answer = try RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitText("\r\n\r\n"), .close], methods: []).run(port: http)
        #expect(String(wire: answer.received).hasPrefix("HTTP/1.1 200"))
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 1) == 1)
        let outcome = try RawClient(steps: [.send("ping"), .awaitText("pong"), .close], methods: []).run(port: served.listener)
        #expect(String(wire: outcome.received) == "pong")
        for (name, value) in [("cluster.c.upstream_cx_total", 2), ("cluster.c.upstream_rq_pending_active", 0), ("cluster.c.upstream_cx_active", 0)] {
            #expect(served.stat(name, becomes: value) == value, "\(name)")
        }
    }
}
