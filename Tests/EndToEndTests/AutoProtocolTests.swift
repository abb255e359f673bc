import TestSupport
import Testing

/// `auto_config`: the handshake with an upstream says whether it speaks HTTP/2 or HTTP/1. A Martlet in front of another whose
/// TLS listener offers this or that.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl")))
struct AutoProtocolTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test,DNS:*.wild.test")
    }

    /// `offered` continues `common_tls_context`; empty: no ALPN.
    private func back(_ offered: String, _ cluster: LoadUpstream) throws -> TLSServed {
        try TLSServed(
            certificates, context: offered.isEmpty ? "" : "alpn_protocols: [\(offered)]",
            codec: "AUTO", clusters: [Served.cluster([cluster.port])])
    }

    private func front(_ port: UInt16, options: String = "auto_config: {http2_protocol_options: {}}", context: String = "", more: String = "") throws -> Served {
        let types = "type.googleapis.com/envoy.extensions."
        let socket = "transport_socket: {name: t, typed_config: {\"@type\": \(types)transport_sockets.tls.v3.UpstreamTlsContext, sni: server.test, common_tls_context: {validation_context: {trusted_ca: {filename: \(certificates.authority)}}\(context)}}}"
        let protocols = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": \(types)upstreams.http.v3.HttpProtocolOptions, \(options)}}"
        return try Served(try Binary.martlet()) { own in
            Served.http(own, clusters: [Served.cluster([port], more: "\(socket), \(protocols)" + (more.isEmpty ? "" : ", " + more))])
                .replacing(text: "stat_prefix: h\n", by: "stat_prefix: h\n          access_log: [{name: f, typed_config: {\"@type\": \(types)access_loggers.file.v3.FileAccessLog, path: /dev/stdout, log_format: {text_format_source: {inline_string: \"spoken %UPSTREAM_PROTOCOL%\\n\"}}}}]\n")
        }
    }

    /// Requests that have begun and wait for their last byte, so that each occupies its upstream.
    private func begin(_ count: Int, _ served: Served) throws -> [Descriptor] {
        let sockets = try (0..<count).map { _ in try Sockets.connect(port: served.listener) }
        let part = Array("POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 2\r\n\r\na".utf8)
        for socket in sockets { #expect(Sockets.send(part, from: 0, on: socket) == part.count) }
        return sockets
    }

    private func finish(_ sockets: [Descriptor]) {
        // All of them first: nobody knows who has a place among them.
        for socket in sockets { #expect(Sockets.send(Array("b".utf8), from: 0, on: socket) == 1) }
        for socket in sockets { #expect(RawText.all(socket, sending: "").hasPrefix("HTTP/1.1 200 OK")) }
    }

    private func spoken(_ served: Served) -> [Substring] { served.process.output.split(separator: "\n").filter { $0.hasPrefix("spoken") } }

    private func expect(_ served: Served, _ wanted: [(String, Int)], _ place: SourceLocation = #_sourceLocation) {
        for (name, value) in wanted {
            #expect(served.stat("cluster.c." + name, becomes: value) == value, "\(name)", sourceLocation: place)
        }
    }

    @Test func anUpstreamThatHasHTTP2GetsIt() throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back("h2, http/1.1", upstream)
        let served = try front(back.port)
        let waiting = try begin(4, served)
        expect(served, [("upstream_rq_active", 4), ("upstream_cx_active", 1), ("upstream_cx_http2_total", 1), ("upstream_cx_http1_total", 0)])
        finish(waiting)
        expect(served, [("upstream_rq_total", 4), ("upstream_cx_total", 1), ("http2.nghttp2_upstream_connections", 1), ("upstream_rq_pending_active", 0)])
        #expect(wait(upToMs: 10_000) { spoken(served) == Array(repeating: "spoken HTTP/2", count: 4) })
    }

    /// Another choice, none, and a list of the context's own.
    @Test(arguments: [("http/1.1", ""), ("", ""), ("h2", ", alpn_protocols: [http/1.1]"), ("foo", ", alpn_protocols: [foo]")])
    func anyOtherUpstreamGetsHTTP1(offered: String, context: String) throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back(offered, upstream)
        let served = try front(back.port, context: context)
        // One connection asks, and as soon as it has its answer each request gets its own.
        let waiting = try begin(4, served)
        expect(served, [("upstream_rq_active", 4), ("upstream_cx_active", 4), ("upstream_cx_http1_total", 4), ("upstream_cx_http2_total", 0)])
        finish(waiting)
        expect(served, [("upstream_rq_pending_active", 0), ("upstream_rq_200", 4)])
        // Idle ones are used again.
        finish(try begin(4, served))
        expect(served, [("upstream_rq_200", 8), ("upstream_cx_total", 4)])
        #expect(wait(upToMs: 10_000) { spoken(served) == Array(repeating: "spoken HTTP/1.1", count: 8) })
    }

    /// Places that are fewer than requests: whoever waits gets a connection when it is free.
    @Test(arguments: ["http/1.1", "h2"])
    func limitsHold(offered: String) throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back(offered, upstream)
        let isHTTP2 = offered == "h2"
        let served = try front(
            back.port, options: "auto_config: {}, common_http_protocol_options: {max_requests_per_connection: 1}",
            more: "circuit_breakers: {thresholds: [{max_connections: 2}]}")
        let waiting = try begin(4, served)
        expect(served, [("upstream_rq_active", 2), ("upstream_rq_pending_active", 2), ("upstream_cx_active", 2)])
        finish(waiting)
        expect(
            served,
            [
                ("upstream_rq_200", 4), ("upstream_cx_total", 4), ("upstream_cx_max_requests", 4), ("upstream_cx_active", 0),
                (isHTTP2 ? "upstream_cx_http2_total" : "upstream_cx_http1_total", 4), (isHTTP2 ? "upstream_cx_http1_total" : "upstream_cx_http2_total", 0),
            ])
    }

    /// A connection for each server name, whatever it speaks.
    @Test(arguments: ["http/1.1", "h2"])
    func connectionsHaveKeys(offered: String) throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back(offered, upstream)
        let served = try front(back.port, options: "auto_config: {}, upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}")
        for host in ["server.test", "a.wild.test", "server.test", "b.wild.test", "a.wild.test"] {
            let answer = try served.send("GET / HTTP/1.1\r\nhost: \(host)\r\n\r\n")
            #expect(answer.status == 200, "\(host)")
        }
        expect(served, [("upstream_cx_total", 3), ("upstream_rq_200", 5), (offered == "h2" ? "upstream_cx_http2_total" : "upstream_cx_http1_total", 3)])
        // Several with one name at once: one connection of HTTP/2 takes them, of HTTP/1 each gets its own.
        let sockets = try (0..<3).map { _ in try Sockets.connect(port: served.listener) }
        let part = Array("POST / HTTP/1.1\r\nhost: c.wild.test\r\nconnection: close\r\ncontent-length: 2\r\n\r\na".utf8)
        for socket in sockets { #expect(Sockets.send(part, from: 0, on: socket) == part.count) }
        expect(served, [("upstream_rq_active", 3), ("upstream_cx_total", offered == "h2" ? 4 : 6)])
        finish(sockets)
    }

    @Test func aHandshakeThatFailsFailsWhoWaits() throws {
        let upstream = try LoadUpstream("plain")
        defer { upstream.stop() }
        let served = try front(upstream.port)
        #expect(try served.get().status == 503)
        expect(
            served,
            [
                ("upstream_cx_connect_fail", 1), ("upstream_rq_pending_failure_eject", 1), ("upstream_cx_http1_total", 0),
                ("upstream_cx_http2_total", 0), ("upstream_cx_active", 0),
            ])
    }

    /// Connections ahead of requests, where the last handshake said HTTP/1.
    @Test func connectionsAreOpenedAhead() throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back("http/1.1", upstream)
        let served = try front(back.port, more: "preconnect_policy: {per_upstream_preconnect_ratio: 2}")
        #expect(try served.get().status == 200)
        let waiting = try begin(1, served)
        expect(served, [("upstream_rq_active", 1), ("upstream_cx_total", 2), ("upstream_cx_http1_total", 2)])
        finish(waiting)
    }

    @Test func idleConnectionsClose() throws {
        let upstream = try LoadUpstream("u")
        defer { upstream.stop() }
        let back = try back("http/1.1", upstream)
        let served = try front(
            back.port, options: "auto_config: {}, common_http_protocol_options: {idle_timeout: 0.1s}")
        for i in 1...3 {
            #expect(try served.get().status == 200)
            expect(served, [("upstream_cx_idle_timeout", i), ("upstream_cx_active", 0)])
        }
        expect(served, [("upstream_cx_http1_total", 3)])
    }
}
