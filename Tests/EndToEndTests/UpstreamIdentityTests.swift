import TestSupport
import Testing

/// Connections to upstreams that are not anybody's: those that begin with a PROXY header, and those whose server name is the
/// request's. A Martlet in front of another that says what it has heard.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl")))
struct UpstreamIdentityTests {
    private let certificates: Certificates
    private static let types = "type.googleapis.com/envoy.extensions."

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test,DNS:*.wild.test,IP:127.0.0.7")
    }

    private var tls: String {
        "{name: tls, typed_config: {\"@type\": \(UpstreamIdentityTests.types)transport_sockets.tls.v3.UpstreamTlsContext, sni: server.test, common_tls_context: {validation_context: {trusted_ca: {filename: \(certificates.authority)}}}}}"
    }

    /// Says the client's address, its values and the name that was asked for.
    private func back(proxy: Bool, tls: Bool) throws -> Served {
        let filters = [
            proxy ? "{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter), tlv_location: FILTER_STATE, rules: [{tlv_type: 2, on_tlv_present: {key: auth}}]}}" : "",
            tls ? "{name: envoy.filters.listener.tls_inspector}" : "",
        ].filter { !$0.isEmpty }
        let socket =
            tls ? "transport_socket: {name: t, typed_config: {\"@type\": \(UpstreamIdentityTests.types)transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}]}}}" : ""
        return try Served(Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: back
                listener_filters: [\(filters.joined(separator: ", "))]
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": \(UpstreamIdentityTests.types)filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          response_headers_to_add:
                          - header: {key: heard, value: "%DOWNSTREAM_REMOTE_ADDRESS% %FILTER_STATE(envoy.network.proxy_protocol.tlv:FIELD:auth)% %REQUESTED_SERVER_NAME% %PROTOCOL%"}
                          routes: [{match: {prefix: /}, direct_response: {status: 200}}]
                      http_filters: [{name: envoy.filters.http.router}]
                  \(socket)
            """
        }
    }

    /// `proxy`: what is put around the transport socket; nil: nothing. `more` continues the cluster.
    private func front(_ port: UInt16, proxy: String?, tls: Bool, http2: Bool, more: String = "", route: String = "") throws -> Served {
        let inner = tls ? self.tls : "{name: r, typed_config: {\"@type\": \(UpstreamIdentityTests.types)transport_sockets.raw_buffer.v3.RawBuffer}}"
        let socket = proxy.map {
            "{name: p, typed_config: {\"@type\": \(UpstreamIdentityTests.types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {\($0)}, transport_socket: \(inner)}}"
        } ?? inner
        let protocols = http2 ? "http2_protocol_options: {}, " : ""
        return try Served(Binary.martlet()) { own in
            Served.http(own, route: route, clusters: [Served.cluster([port], more: protocols + "transport_socket: \(socket)" + (more.isEmpty ? "" : ", " + more))])
                .replacing(
                    text: "    filter_chains:",
                    by: "    listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true, pass_through_tlvs: {match_type: INCLUDE_ALL}}}]\n    filter_chains:")
        }
    }

    /// Requests on one connection, each answered before the next; what the other end has heard.
    private func ask(_ served: Served, _ header: String, _ heads: [String]) throws -> [String] {
        var steps: [RawClient.Step] = header.isEmpty ? [] : [.send(header)]
        for head in heads { steps += [.send("GET / HTTP/1.1\r\n\(head)\r\n\r\n"), .awaitResponse] }
        let outcome = try RawClient(steps: steps, methods: heads.map { _ in "GET" }).run(port: served.listener)
        return outcome.responses.map { $0.status == 200 ? $0.header("heard") ?? "" : "\($0.status ?? 0)" }
    }

    @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
    func theClientsAddressGoesAhead(tls: Bool, http2: Bool) throws {
        let back = try back(proxy: true, tls: tls)
        let name = tls ? "server.test " : " "
        let speaks = http2 ? "HTTP/2" : "HTTP/1.1"
        for (proxy, value) in [("version: V1", ""), ("version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [2]}, added_tlvs: [{type: 9, value: eA==}]", "mine")] {
            let served = try front(back.listener, proxy: proxy, tls: tls, http2: http2)
            let first = ProxyProtocolTests.header([(2, "mine"), (4, "other")])
            let second = "PROXY TCP6 2001:db8::9 2001:db8::8 7 8\r\n"
            let mine = "1.2.3.4:1111 \(value) \(name)\(speaks)"
            let theirs = "[2001:db8::9]:7  \(name)\(speaks)"
            #expect(try ask(served, first, ["host: a", "host: b"]) == [mine, mine])
            #expect(try ask(served, second, ["host: a"]) == [theirs])
            // The connection that speaks of this client is used again.
            #expect(try ask(served, first, ["host: c"]) == [mine])
            #expect(try ask(served, second, ["host: a"]) == [theirs])
            #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
            #expect(served.stat("cluster.c.upstream_rq_200", becomes: 5) == 5)
        }
    }

    /// A mirrored request is nobody's: its connection says `LOCAL`, and is not the client's.
    @Test(arguments: [false, true])
    func ourOwnConnectionsAreApart(http2: Bool) throws {
        let back = try back(proxy: true, tls: false)
        let served = try front(
            back.listener, proxy: "version: V2", tls: false, http2: http2, route: "request_mirror_policies: [{cluster: c}]")
        for _ in 0..<3 {
            let heard = try ask(served, ProxyProtocolTests.header(), ["host: a", "host: b", "host: c"])
            #expect(heard.count == 3 && heard.allSatisfy { $0.hasPrefix("1.2.3.4:1111 ") }, "\(heard)")
        }
        #expect(served.stat("cluster.c.upstream_rq_200", becomes: 18) == 18)
        #expect(back.admin.stat("proxy_proto.versions.v2.found", reaches: 2))
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
    }

    /// An idle connection of somebody else's gives its place.
    @Test(arguments: [false, true])
    func placesAreFewerThanClients(http2: Bool) throws {
        let back = try back(proxy: true, tls: false)
        let served = try front(
            back.listener, proxy: "version: V1", tls: false, http2: http2,
            more: "circuit_breakers: {thresholds: [{max_connections: 2}]}")
        for i in 1...6 {
            #expect(try ask(served, "PROXY TCP4 1.1.1.\(i) 2.2.2.2 \(i) 2\r\n", ["host: a"])[0].hasPrefix("1.1.1.\(i):\(i) "))
        }
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 6) == 6)
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 2) == 2)
        #expect(served.stat("cluster.c.upstream_rq_pending_active", becomes: 0) == 0)
    }

    @Test(arguments: [false, true])
    func eachRequestHasItsServerName(http2: Bool) throws {
        let back = try back(proxy: false, tls: true)
        let served = try front(
            back.listener, proxy: nil, tls: true, http2: http2,
            more: "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true, override_auto_sni_header: x-name}")
        let heads = [
            "host: server.test:81", "host: a.wild.test", "host: Server.TEST", "host: a.b.wild.test", "host: other.test\r\nx-name: b.wild.test",
            "host: 127.0.0.7", "host: 127.0.0.8",
        ]
        let heard = try ask(served, "", heads).map { $0.split(separator: " ").last == "\(http2 ? "HTTP/2" : "HTTP/1.1")" ? String($0.split(separator: " ", omittingEmptySubsequences: false)[2]) : $0 }
        #expect(heard == ["server.test", "a.wild.test", "server.test", "503", "b.wild.test", "server.test", "503"])
        #expect(served.stat("cluster.c.ssl.fail_verify_san", becomes: 2) == 2)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 6) == 6)
    }
}
