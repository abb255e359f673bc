import TestSupport
import Testing

/// TLS towards upstreams: a plain listener whose clusters point to a TLS listener of another Martlet.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct TLSUpstreamTests {
    private let certificates: Certificates
    private static let type =
        "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test,DNS:*.wild.test")
        try certificates.issue("client", names: "URI:spiffe://acme/client")
    }

    private var trust: String { "validation_context: {trusted_ca: {filename: \(certificates.authority)}}" }

    /// A plain Martlet in front of `port`.
    private func front(_ port: UInt16, _ context: String, connectTimeout: String = "10s", more: String = "", environment: [String: String] = [:]) throws -> Served {
        let socket = "transport_socket: {name: envoy.transport_sockets.tls, typed_config: {\(TLSUpstreamTests.type)\(context.isEmpty ? "" : ", " + context)}}"
        return try Served(try Binary.martlet(), environment: environment) { Served.http($0, clusters: [Served.cluster([port], connectTimeout: connectTimeout, more: socket + (more.isEmpty ? "" : ", " + more))]) }
    }

    @Test func aVerifiedUpstreamAnswers() throws {
        let server = try TLSServed(certificates)
        let served = try front(server.port, "sni: server.test, auto_sni_san_validation: true, common_tls_context: {\(trust)}")
        for _ in 0..<3 { #expect(try served.get().status == 200) }
        #expect(served.stat("cluster.c.ssl.handshake", becomes: 1) == 1)
        // As Envoy: TLS 1.3 towards upstreams only where it is asked for.
        #expect(served.stat("cluster.c.ssl.versions.TLSv1.2", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_rq_200", becomes: 3) == 3)
        #expect(server.stat("handshake", becomes: 1) == 1)
    }

    /// `system_root_certs`: what the system trusts, or the file that OpenSSL is told in its place.
    @Test func theSystemsAuthoritiesAreTrusted() throws {
        let server = try TLSServed(certificates)
        let stranger = try Certificates()
        let context = "sni: server.test, auto_sni_san_validation: true, common_tls_context: {validation_context: {system_root_certs: {}}}"
        for (authority, status) in [(certificates.authority, 200), (stranger.authority, 503)] {
            let served = try front(server.port, context, environment: ["SSL_CERT_FILE": authority, "SSL_CERT_DIR": "/nonexistent"])
            #expect(try served.get().status == status, "\(authority)")
            let refused = status == 200 ? 0 : 1
            #expect(served.stat("cluster.c.ssl.fail_verify_error", becomes: refused) == refused)
        }
    }

    /// More handshakes towards an upstream at once than a turn has room for: those that wait say their hello later.
    @Test func aBurstOfHandshakes() throws {
        let server = try TLSServed(certificates)
        let served = try front(server.port, "sni: server.test, common_tls_context: {\(trust)}")
        for round in 1...2 {
            let sockets = try (0..<100).map { _ in try Sockets.connect(port: served.listener) }
            let request = Array("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".utf8)
            for socket in sockets { #expect(Sockets.send(request, from: 0, on: socket) == request.count) }
            for socket in sockets { #expect(RawText.all(socket, sending: "").hasPrefix("HTTP/1.1 200 OK")) }
            #expect(served.stat("cluster.c.upstream_rq_200", becomes: 100 * round) == 100 * round)
        }
        #expect(served.stat("cluster.c.upstream_cx_connect_fail", becomes: 0) == 0)
    }

    @Test func aWildcardCoversOneLabel() throws {
        let server = try TLSServed(certificates)
        for (name, status) in [("a.wild.test", 200), ("a.b.wild.test", 503), ("elsewhere.test", 503)] {
            let served = try front(server.port, "sni: \(name), auto_sni_san_validation: true, common_tls_context: {\(trust)}")
            #expect(try served.get().status == status, "\(name)")
            #expect(served.stat("cluster.c.ssl.fail_verify_san", becomes: status == 200 ? 0 : 1) == (status == 200 ? 0 : 1))
        }
    }

    /// A host whose certificate is for another name does not get around that with the session of the right one.
    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func aSessionIsForItsNameOnly(version: String) throws {
        let server = try TLSServed(certificates)
        let hosts = ["server.test", "elsewhere.test"].map {
            "{endpoint: {hostname: \($0), address: {socket_address: {address: 127.0.0.1, port_value: \(server.port)}}}}"
        }
        let context = "{\(TLSUpstreamTests.type), auto_host_sni: true, auto_sni_san_validation: true, common_tls_context: {tls_params: {tls_maximum_protocol_version: \(version)}, \(trust)}}"
        let served = try Served(try Binary.martlet()) {
            Served.http($0, clusters: ["  - {name: c, connect_timeout: 10s, max_requests_per_connection: 1, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [\(hosts.joined(separator: ", "))]}]}, transport_socket: {name: tls, typed_config: \(context)}}"])
        }
        let found = try (0..<8).map { _ in try served.get().status }
        #expect(found.filter { $0 == 200 }.count == 4 && found.filter { $0 == 503 }.count == 4, "\(found)")
    }

    /// Towards upstreams the authority that is trusted does not count.
    @Test func anUpstreamsChainHasALength() throws {
        try certificates.issueBelow("between", "deep")
        certificates.directory.write((Files.text(certificates.chain("deep")) ?? "") + (Files.text(certificates.chain("between")) ?? ""), to: "deep.pem")
        let server = try TLSServed(certificates, pair: "deep")
        for (depth, status) in [(0, 503), (1, 200)] {
            let served = try front(
                server.port, "common_tls_context: {validation_context: {trusted_ca: {filename: \(certificates.authority)}, max_verify_depth: \(depth)}}")
            #expect(try served.get().status == status, "\(depth)")
        }
    }

    /// As Envoy, whose library asks for no other signatures: none of Ed25519, and in TLS 1.3 none of P-521.
    @Test func aServersKeyIsOfAKindThatIsAskedFor() throws {
        for (name, key) in [("ed25519", "ed25519"), ("p521", "ec -pkeyopt ec_paramgen_curve:P-521"), ("p384", "ec -pkeyopt ec_paramgen_curve:P-384")] {
            try certificates.issue(name, names: "DNS:server.test", key: key)
            // Not one of ours, which has its own idea of a server's key.
            let port = Ports.free()
            let server = try ChildProcess(
                "/bin/sh", ["-c", "exec openssl s_server -accept 127.0.0.1:\(port) -www -quiet -cert \(certificates.chain(name)) -key \(certificates.key(name))"])
            defer { server.kill() }
            #expect(wait(upToMs: 10_000, everyMs: 20) { (try? Sockets.connect(port: port)) != nil })
            for version in ["TLSv1_2", "TLSv1_3"] {
                let served = try front(
                    port, "common_tls_context: {\(trust), tls_params: {tls_minimum_protocol_version: \(version), tls_maximum_protocol_version: \(version), ecdh_curves: [X25519, P-256, P-384, P-521]}}")
                let isTaken = name == "p384" || name == "p521" && version == "TLSv1_2"
                #expect(try served.get().status == (isTaken ? 200 : 503), "\(name) \(version)")
            }
        }
    }

    @Test func anUntrustedUpstreamIsAFailedConnection() throws {
        let stranger = try Certificates()
        try stranger.issue("server", names: "DNS:server.test")
        let server = try TLSServed(stranger)
        let served = try front(server.port, "common_tls_context: {\(trust)}")
        let answer = try served.get()
        #expect(answer.status == 503)
        #expect(
            String(wire: answer.body)
                == "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure")
        for (name, count) in [
            ("ssl.fail_verify_error", 1), ("ssl.handshake", 0), ("upstream_cx_connect_fail", 1),
            ("upstream_cx_destroy_remote", 1), ("upstream_rq_pending_failure_eject", 1), ("upstream_cx_active", 0),
        ] { #expect(served.stat("cluster.c." + name, becomes: count) == count, "\(name)") }
    }

    /// TLS 1.3: a server says behind the handshake, when the request is on its way, that it wants a certificate.
    @Test func anAlertBehindTheHandshakeIsCountedOnce() throws {
        let server = try TLSServed(certificates, context: trust, more: "require_client_certificate: true")
        let served = try front(server.port, "common_tls_context: {tls_params: {tls_maximum_protocol_version: TLSv1_3}, \(trust)}")
        #expect(try served.get().status == 503)
        for (name, count) in [
            ("ssl.handshake", 1), ("upstream_cx_destroy", 1), ("upstream_cx_destroy_remote", 1), ("upstream_cx_destroy_local", 0),
            ("upstream_cx_destroy_with_active_rq", 1), ("upstream_cx_destroy_remote_with_active_rq", 1), ("upstream_cx_active", 0),
        ] { #expect(served.stat("cluster.c." + name, becomes: count) == count, "\(name)") }
    }

    @Test func anUpstreamWithoutTLSIsAFailedConnection() throws {
        let upstream = try LoadUpstream("plain")
        defer { upstream.stop() }
        let served = try front(upstream.port, "")
        #expect(try served.get().status == 503)
        #expect(served.stat("cluster.c.upstream_cx_connect_fail", becomes: 1) == 1)
    }

    @Test func anUpstreamThatSaysNothingTimesOut() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readHead))
        upstream.start()
        defer { upstream.stop() }
        let served = try front(upstream.port, "", connectTimeout: "1s")
        #expect(try served.get().status == 503)
        #expect(served.stat("cluster.c.upstream_cx_connect_timeout", becomes: 1) == 1)
    }

    /// `transport_socket_matches`: the metadata of an endpoint say how it is reached.
    @Test func eachEndpointHasItsSocket() throws {
        let secure = try TLSServed(certificates)
        let plain = try LoadUpstream("plain")
        defer { plain.stop() }
        func endpoint(_ port: UInt16, _ metadata: String) -> String {
            "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}\(metadata)}"
        }
        let socket = "{name: envoy.transport_sockets.tls, typed_config: {\(TLSUpstreamTests.type), sni: server.test, auto_sni_san_validation: true, common_tls_context: {\(trust)}}}"
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port,
                clusters: [
                    """
                      - name: c
                        connect_timeout: 10s
                        transport_socket_matches:
                        - {name: secure, match: {mode: tls, version: 2}, transport_socket: \(socket)}
                        - {name: unused, match: {mode: other}, transport_socket: {name: raw_buffer}}
                        load_assignment:
                          cluster_name: c
                          endpoints:
                          - metadata: {filter_metadata: {envoy.transport_socket_match: {version: 2}}}
                            lb_endpoints:
                            - \(endpoint(secure.port, ", metadata: {filter_metadata: {envoy.transport_socket_match: {mode: tls}}}"))
                            - \(endpoint(plain.port, ", metadata: {filter_metadata: {envoy.transport_socket_match: {mode: tls, version: 3}}}"))
                    """
                ])
        }
        for _ in 0..<6 { #expect(try served.get().status == 200) }
        #expect(secure.stat("handshake", becomes: 1) == 1)
        for (name, count) in [
            ("ssl.handshake", 1), ("secure.total_match_count", 1), ("unused.total_match_count", 0), ("default.total_match_count", 1),
            ("upstream_cx_total", 2), ("upstream_rq_200", 6),
        ] { #expect(served.stat("cluster.c." + name, becomes: count) == count, "\(name)") }
    }

    /// A PROXY header goes in the clear before the handshake, whichever way the server has to take it apart.
    @Test(arguments: ["V1", "V2"]) func aProxyHeaderGoesBeforeTheHandshake(version: String) throws {
        let filter = "listener_filters: [{name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}]"
        let server = try Served(try Binary.martlet()) { port in
            TLSServed.yaml(certificates, port: port).replacing(text: "stat_prefix: tls", by: "stat_prefix: tls\n    \(filter)")
        }
        let inner = "{name: envoy.transport_sockets.tls, typed_config: {\(TLSUpstreamTests.type), sni: server.test, common_tls_context: {\(trust)}}}"
        let socket = "transport_socket: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: \(version)}, transport_socket: \(inner)}}"
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([server.listener], more: socket)]) }
        for _ in 0..<2 { #expect(try served.get().status == 200) }
        // Once for each worker that was asked.
        let handshakes = "cluster.c.ssl.handshake"
        #expect(wait(upToMs: 10_000, everyMs: 20) { (1...2).contains(served.admin.stats(matching: "^\(handshakes)$")[handshakes] ?? 0) })
        #expect(server.admin.stat("listener.tls.ssl.handshake", reaches: 1))
        #expect(server.stat("listener.tls.ssl.connection_error", becomes: 0) == 0)
    }

    @Test func weShowACertificate() throws {
        let server = try TLSServed(certificates, context: trust, more: "require_client_certificate: true")
        let pair = "tls_certificates: [{certificate_chain: {filename: \(certificates.chain("client"))}, private_key: {filename: \(certificates.key("client"))}}]"
        let with = try front(server.port, "common_tls_context: {\(pair), tls_params: {tls_maximum_protocol_version: TLSv1_3}}")
        #expect(try with.get().status == 200)
        let without = try front(server.port, "")
        #expect(try without.get().status == 503)
        #expect(without.stat("cluster.c.ssl.connection_error", becomes: 1) == 1)
    }

    @Test(arguments: ["TLSv1_2", "TLSv1_3"])
    func aSessionIsUsedAgain(version: String) throws {
        let server = try TLSServed(certificates)
        let served = try front(
            server.port, "max_session_keys: 2, common_tls_context: {tls_params: {tls_maximum_protocol_version: \(version)}}",
            more: "max_requests_per_connection: 1")
        for _ in 0..<4 { #expect(try served.get().status == 200) }
        #expect(served.stat("cluster.c.ssl.handshake", becomes: 4) == 4)
        #expect(served.stat("cluster.c.ssl.session_reused", becomes: 3) == 3)
        // What the server signed with, when the session was made.
        let signatures = served.admin.stats(matching: "^cluster.c.ssl.sigalgs")
        #expect(signatures.values.reduce(0, +) == 4 && signatures.values.contains(4), "\(signatures)")
        let never = try front(server.port, "max_session_keys: 0", more: "max_requests_per_connection: 1")
        for _ in 0..<2 { #expect(try never.get().status == 200) }
        #expect(never.stat("cluster.c.ssl.handshake", becomes: 2) == 2)
        #expect(never.stat("cluster.c.ssl.session_reused", becomes: 0) == 0)
    }

    @Test func tcpGoesThroughOnBothSides() throws {
        let upstream = try LoadUpstream("echo", .echo)
        defer { upstream.stop() }
        let back = try tcp(upstream.port, downstream: true, upstream: false)
        let front = try tcp(back.listener, downstream: false, upstream: true)
        let text = String(repeating: "0123456789abcdef", count: 4_096)
        let client = RawClient(steps: [.send(text + "end"), .awaitText("end")], methods: [])
        let outcome = try client.run(port: front.listener)
        #expect(String(wire: outcome.received) == text + "end")
        #expect(front.stat("tcp.t.downstream_cx_rx_bytes_total", becomes: text.utf8.count + 3) == text.utf8.count + 3)
        #expect(back.stat("tcp.t.downstream_cx_rx_bytes_total", becomes: text.utf8.count + 3) == text.utf8.count + 3)
        #expect(back.stat("listener.tls.ssl.handshake", becomes: 1) == 1)
    }

    private func tcp(_ port: UInt16, downstream: Bool, upstream: Bool) throws -> Served {
        let type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
        let pair = "{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}"
        let context = "transport_socket: {name: tls, typed_config: {\"@type\": \(type)DownstreamTlsContext, common_tls_context: {tls_certificates: [\(pair)]}}}"
        let socket = upstream ? "transport_socket: {name: tls, typed_config: {\"@type\": \(type)UpstreamTlsContext}}" : ""
        return try Served(try Binary.martlet()) { listener in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                stat_prefix: tls
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: t
                      cluster: c
                  \(downstream ? context : "name: plain")
              clusters:
            \(Served.cluster([port], more: socket))
            """
        }
    }
}
