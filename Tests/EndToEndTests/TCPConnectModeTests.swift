import Glibc
import TestSupport
import Testing

/// `upstream_connect_mode: ON_DOWNSTREAM_TLS_HANDSHAKE`, asked of Envoy 1.40 in the same way; and a tunnel between two TLS
/// connections.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl")))
struct TCPConnectModeTests {
    enum Proxy: CaseIterable { case martlet, envoy }

    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test")
    }

    private static let types = "type.googleapis.com/envoy.extensions."

    /// The server name is known to formats by it, as in Envoy.
    private let inspector = "listener_filters: [{name: envoy.filters.listener.tls_inspector, typed_config: {\"@type\": "
        + "\(TCPConnectModeTests.types)filters.listener.tls_inspector.v3.TlsInspector}}]"

    private var downstreamTLS: String {
        let pair = "{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}"
        return "transport_socket: {name: tls, typed_config: {\"@type\": \(TCPConnectModeTests.types)transport_sockets.tls.v3.DownstreamTlsContext, "
            + "common_tls_context: {alpn_protocols: [h2], tls_certificates: [\(pair)]}}}"
    }

    private func yaml(_ port: UInt16, isTLS: Bool, fields: String, to upstream: UInt16, cluster: String = "", listener: String = "") -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            stat_prefix: front
            \(listener)
            filter_chains:
            - filters:
              - name: envoy.filters.network.tcp_proxy
                typed_config:
                  "@type": \(TCPConnectModeTests.types)filters.network.tcp_proxy.v3.TcpProxy
                  stat_prefix: t
                  cluster: c
                  \(fields)
              \(isTLS ? downstreamTLS : "name: plain")
          clusters:
        \(Served.cluster([upstream], more: cluster))
        """
    }

    private static let mode = "upstream_connect_mode: ON_DOWNSTREAM_TLS_HANDSHAKE\n          max_early_data_bytes: 1024"

    /// A proxy with this mode in front of an echo, and its port.
    private final class Running {
        let port = Ports.free()
        let admin = Admin(port: Ports.free())
        private let directory = TemporaryDirectory()
        private let process: ChildProcess
        private let upstream: LoadUpstream

        init(_ proxy: Proxy, _ yaml: (UInt16, UInt16) -> String) throws {
            upstream = try LoadUpstream("echo", .echo)
            let file = directory.write(
                yaml(port, upstream.port) + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\n",
                to: "proxy.yaml")
            process = proxy == .martlet
                ? try Binary.martlet().start(["-c", file, "--concurrency", "1"])
                : try ChildProcess(try ProxyBinary.envoy().get(), ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            try #require(process.becomesReady(admin: admin.port, upToMs: 30_000), "ready; it printed:\n\(process.output)")
        }

        deinit {
            process.kill()
            upstream.stop()
        }

        func stat(_ name: String, becomes wanted: Int) -> Int? { admin.stat(name, becomes: wanted) }
    }

    private func start(_ proxy: Proxy, isTLS: Bool) throws -> Running? {
        if proxy == .envoy, case .failure = ProxyBinary.envoy() { return nil }
        return try Running(proxy) { yaml($0, isTLS: isTLS, fields: TCPConnectModeTests.mode, to: $1) }
    }

    /// What `s_client` gets back for `text`; it stays until that is there.
    private func echoed(_ text: String, _ port: UInt16) throws -> String {
        let out = certificates.directory.path + "/echoed.\(port)"
        return try Shell.run(
            "(printf '\(text)\\n'; i=0; while [ $i -lt 200 ] && ! grep -qs '\(text)' \(out); do sleep 0.05; i=$((i+1)); done) "
                + "| timeout 14 openssl s_client -connect 127.0.0.1:\(port) -servername server.test "
                + "-CAfile \(certificates.authority) -quiet -no_ign_eof > \(out) 2>/dev/null; cat \(out)").output
    }

    /// A client that only connects causes no connection; one whose handshake is complete does.
    @Test(arguments: Proxy.allCases)
    func nothingIsConnectedBeforeTheHandshake(proxy: Proxy) throws {
        guard let running = try start(proxy, isTLS: true) else { return }
        let silent = try Sockets.connect(port: running.port)
        #expect(running.stat("tcp.t.downstream_cx_total", becomes: 1) == 1)
        #expect(running.stat("cluster.c.upstream_cx_total", becomes: 0) == 0)
        #expect(try echoed("hello", running.port).contains("hello"))
        #expect(running.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        #expect(running.stat("tcp.t.downstream_cx_rx_bytes_total", becomes: 6) == 6)
        // Half of a hello, then the end: there never was an upstream.
        _ = Sockets.send([22, 3, 1, 0, 200, 1], from: 0, on: silent)
        silent.close()
        #expect(running.stat("listener.front.downstream_cx_active", becomes: 0) == 0)
        #expect(running.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// Without TLS there is no handshake to wait for.
    @Test(arguments: Proxy.allCases)
    func aPlainClientIsConnectedAtOnce(proxy: Proxy) throws {
        guard let running = try start(proxy, isTLS: false) else { return }
        let silent = try Sockets.connect(port: running.port)
        #expect(running.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
        silent.close()
        #expect(running.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
    }

    /// The client's TLS ends here, a tunnel inside TLS of our own goes on; its name is the client's own.
    @Test(arguments: [false, true])
    func aTunnelBetweenTwoTLSConnections(isPost: Bool) throws {
        let upstream = try LoadUpstream("echo", .echo)
        defer { upstream.stop() }
        let inner = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": \(TCPConnectModeTests.types)filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      http2_protocol_options: {allow_connect: true}
                      upgrade_configs: [{upgrade_type: CONNECT}]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["server.test", "server.test:443"]
                          routes:
                          - match: {connect_matcher: {}}
                            route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                          - match: {prefix: /, headers: [{name: ":scheme", string_match: {exact: https}}]}
                            route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true}}]}
                      http_filters:
                      - name: envoy.filters.http.router
                  \(downstreamTLS)
              clusters:
            \(Served.cluster([upstream.port]))
            """
        }
        let options = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
            + "\(TCPConnectModeTests.types)upstreams.http.v3.HttpProtocolOptions, auto_config: {}}}"
        let socket = "transport_socket: {name: tls, typed_config: {\"@type\": \(TCPConnectModeTests.types)transport_sockets.tls.v3.UpstreamTlsContext}}"
        let log = "access_log: [{name: l, typed_config: {\"@type\": \(TCPConnectModeTests.types)access_loggers.stream.v3.StdoutAccessLog, "
            + "log_format: {text_format_source: {inline_string: \"TLS %UPSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_VERSION%\\n\"}}}}]"
        let outer = try Served(try Binary.martlet()) { port in
            yaml(port, isTLS: true, fields: TCPConnectModeTests.mode + "\n          \(log)\n          tunneling_config: {hostname: \"%REQUESTED_SERVER_NAME%\"\(isPost ? ", use_post: true" : "")}",
                 to: inner.listener, cluster: options + ", " + socket, listener: inspector)
        }
        #expect(try echoed("hello", outer.listener).contains("hello"))
        #expect(outer.stat("cluster.c.upstream_rq_total", becomes: 1) == 1)
        #expect(outer.stat("cluster.c.upstream_rq_active", becomes: 0) == 0)
        #expect(outer.stat("cluster.c.upstream_cx_http2_total", becomes: 1) == 1)
        outer.process.signal(SIGTERM)  // writes what is left of the log
        #expect(wait(upToMs: 10_000) { outer.process.output.contains("TLS TLSv1.2 TLSv1.3") }, "\(outer.process.output)")
    }
}
