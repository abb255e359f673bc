import TestSupport
import Testing

/// Several filter chains on one address, chosen by what the client's hello says.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct FilterChainMatchTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("one", names: "DNS:one.test")
        try certificates.issue("two", names: "DNS:*.two.test")
    }

    private func chain(_ match: String, _ body: String, pair: String? = nil) -> String {
        let socket = pair.map {
            ", transport_socket: {name: tls, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {tls_certificates: [{certificate_chain: {filename: \(certificates.chain($0))}, private_key: {filename: \(certificates.key($0))}}]}}}"
        }
        return """
            {filter_chain_match: {\(match)}, filters: [{name: envoy.filters.network.http_connection_manager, typed_config: {
              "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
              stat_prefix: h, route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: "/"},
              direct_response: {status: 200, body: {inline_string: \(body)}}, response_headers_to_add: [{header: {key: sni, value: "%REQUESTED_SERVER_NAME%"}}]}]}]},
              http_filters: [{name: envoy.filters.http.router}]}}]\(socket ?? "")}
            """
    }

    private func serve(_ chains: [String], more: String = "", clusters: [String] = []) throws -> Served {
        try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: l
                \(more)
                filter_chains:
            \(chains.map { "    - " + $0.replacing(text: "\n", by: "\n      ") }.joined(separator: "\n"))
            \(clusters.isEmpty ? "" : "  clusters:\n" + clusters.joined(separator: "\n"))
            """
        }
    }

    private func ask(_ served: Served, _ name: String) throws -> String {
        try Shell.run(
            "curl -sS -i -m 5 -k --resolve \(name):\(served.listener):127.0.0.1 https://\(name):\(served.listener)/ 2>&1").output
    }

    @Test func theServersNameChooses() throws {
        let served = try serve(
            [
                chain("server_names: [one.test]", "one", pair: "one"), chain("server_names: [\"*.two.test\"]", "two", pair: "two"),
                chain("transport_protocol: raw_buffer", "plain"),
            ], more: "listener_filters: [{name: envoy.filters.listener.tls_inspector}]")
        let one = try ask(served, "one.test")
        #expect(one.hasSuffix("one") && one.contains("sni: one.test"))
        #expect(try ask(served, "a.b.two.test").hasSuffix("two"))
        #expect(try ask(served, "three.test").hasPrefix("curl"))
        #expect(try served.get().status == 200)
        for (name, count) in [
            ("listener.l.no_filter_chain_match", 1), ("tls_inspector.tls_found", 3), ("tls_inspector.sni_found", 3),
            ("tls_inspector.tls_not_found", 1), ("listener.l.downstream_pre_cx_active", 0), ("listener.l.ssl.handshake", 2),
            ("listener.l.downstream_cx_active", 0),
        ] { #expect(served.stat(name, becomes: count) == count, "\(name)") }
    }

    /// The hello goes to the upstream as it came.
    @Test func anotherServersTLSGoesThrough() throws {
        let server = try TLSServed(certificates, pair: "two")
        let pass =
            "{filter_chain_match: {server_names: [a.two.test]}, filters: [{name: tcp, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]}"
        let served = try serve([pass, chain("", "here", pair: "one")], clusters: [Served.cluster([server.port])])
        #expect(try ask(served, "a.two.test").hasSuffix("hello"))
        #expect(try ask(served, "other.test").hasSuffix("here"))
        #expect(server.stat("handshake", becomes: 1) == 1)
    }

    @Test func whoSaysNothingIsNotWaitedFor() throws {
        let silent = "exec 3<>/dev/tcp/127.0.0.1/PORT; timeout 3 cat <&3; echo end"
        let served = try serve(
            [chain("server_names: [one.test]", "one", pair: "one")], more: "listener_filters_timeout: 0.2s")
        _ = try Shell.run("bash -c '\(silent.replacing(text: "PORT", by: "\(served.listener)"))'")
        #expect(served.stat("listener.l.downstream_pre_cx_timeout", becomes: 1) == 1)
        #expect(served.stat("listener.l.downstream_cx_active", becomes: 0) == 0)
        // Or served with what is known.
        let patient = try serve(
            [chain("server_names: [one.test]", "one", pair: "one"), chain("transport_protocol: raw_buffer", "plain")],
            more: "listener_filters_timeout: 0.2s\n    continue_on_listener_filters_timeout: true")
        let late = try Shell.run(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/\(patient.listener); sleep 0.5; printf \"GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n\" >&3; timeout 3 cat <&3; echo \" $?\"'"
        ).output
        #expect(late.hasSuffix("plain 0\n"), "answered, and closed: \(late)")
    }

    /// A hello that comes byte by byte, and one that never ends.
    @Test func aSlowHelloAndALargeOne() throws {
        let served = try serve([chain("server_names: [one.test]", "one", pair: "one")])
        let large = "\u{16}\u{3}\u{1}\u{40}\u{0}\u{1}\u{0}\u{3f}"
        _ = try RawClient(steps: [.send(large), .send(String(repeating: "a", count: 30_000))], methods: []).run(port: served.listener)
        #expect(served.stat("tls_inspector.client_hello_too_large", becomes: 0) != nil)
        #expect(try ask(served, "one.test").hasSuffix("one"))
        #expect(served.stat("listener.l.downstream_cx_active", becomes: 0) == 0)
    }

    @Test func chainsForTheSameConnectionsAreRefused() throws {
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 1}}
                filter_chains:
                - \(chain("server_names: [a.test, b.test]", "one", pair: "one").replacing(text: "\n", by: "\n      "))
                - \(chain("server_names: [c.test, a.test]", "two", pair: "two").replacing(text: "\n", by: "\n      "))
                - \(chain("server_names: [\"w*.test\"]", "two", pair: "two").replacing(text: "\n", by: "\n      "))
            """, to: "chains.yaml")
        let finished = try Binary.martlet().validate(file)
        #expect(finished.status == 1)
        #expect(finished.output.contains("has the same matching rules defined as"))
        #expect(finished.output.contains("partial wildcards are not supported in \"server_names\""))
    }
}
