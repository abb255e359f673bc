import TestSupport
import Testing

/// The cases of gRPC's interoperability tests (and some more), with PyPI's grpcio on both sides and Martlet in between.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: GRPCServers.isInstalled, "grpcio and protobuf are missing: pip install grpcio protobuf"))
struct GRPCInteropTests {
    /// What every case that has no fault of its own prints.
    private func check(_ lines: [String], _ process: ChildProcess) {
        let failed = lines.filter { !$0.hasPrefix("ok ") && !$0.hasPrefix("note: ") && $0 != "done" }
        #expect(failed.isEmpty, "\(failed.joined(separator: "\n"))\n\(process.output)")
        #expect(lines.last == "done")
        #expect(lines.filter { $0.hasPrefix("ok ") }.count == 26)
    }

    private static func yaml(_ port: UInt16, _ servers: GRPCServers, _ certificates: Certificates?, _ log: String) -> String {
        let endpoints = servers.ports.map {
            "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}}"
        }
        let downstream = certificates.map {
            """
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context:
                        alpn_protocols: [h2]
                        tls_certificates: [{certificate_chain: {filename: \($0.chain("server"))}, private_key: {filename: \($0.key("server"))}}]
            """
        }
        let upstream = certificates.map {
            """
                transport_socket:
                  name: envoy.transport_sockets.tls
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                    sni: localhost
                    common_tls_context:
                      alpn_protocols: [h2]
                      validation_context: {trusted_ca: {filename: \($0.authority)}}
            """
        }
        return """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log:
                      - name: envoy.access_loggers.file
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                          path: \(log)
                          log_format: {text_format_source: {inline_string: "%REQ(:PATH)% %REQ(GRPC-ENCODING)% %RESP(GRPC-ENCODING)% %BYTES_RECEIVED% %BYTES_SENT% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %UPSTREAM_HOST%\\n"}}
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {match: {prefix: "/", grpc: {}}, route: {cluster: c, timeout: 0s}}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            \(downstream ?? "")
              clusters:
              - name: c
                connect_timeout: 10s
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [\(endpoints.joined(separator: ", "))]}]}
            \(upstream ?? "")
            """
    }

    @Test(arguments: [false, true]) func everyCaseHolds(isTLS: Bool) throws {
        let certificates = isTLS ? try Certificates() : nil
        try certificates?.issue("server", names: "DNS:localhost")
        let servers = try GRPCServers(3, certificates: certificates)
        let directory = TemporaryDirectory()
        let log = directory.path + "/log"
        let served = try Served(try Binary.martlet()) { GRPCInteropTests.yaml($0, servers, certificates, log) }
        check(try GRPCServers.runCases(served.listener, servers: 3, authority: certificates?.authority), served.process)
        // One connection of the client, one per server.
        #expect(served.stat("http.h.downstream_cx_total", becomes: 1) == 1)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 3) == 3)
        for name in [
            "http.h.downstream_rq_active", "cluster.c.upstream_rq_active", "cluster.c.http2.streams_active",
            "http.h.downstream_cx_protocol_error", "cluster.c.upstream_cx_protocol_error", "cluster.c.http2.rx_messaging_error",
        ] { #expect(served.stat(name, becomes: 0) == 0, "\(name)") }
        if isTLS { #expect(served.stat("cluster.c.ssl.handshake", becomes: 3) == 3) }
        checkLog(log)
    }

    /// Compressed messages stayed compressed, and statuses were read off trailers.
    private func checkLog(_ path: String) {
        var lines: [String] = []
        _ = wait(upToMs: 12_000) {
            lines = (Files.text(path) ?? "").textLines
            return lines.count >= 550
        }
        let unary = lines.filter { $0.hasPrefix("/martlet.test.TestService/UnaryCall ") }
        #expect(unary.contains { $0.contains(" gzip ") && Int($0.split(separator: " ")[3]) ?? .max < 5_000 })
        #expect(unary.contains { $0.contains(" - gzip ") && Int($0.split(separator: " ")[4]) ?? .max < 5_000 })
        #expect(unary.contains { $0.contains(" - 271") })
        for status in ["OK 0", "UNKNOWN 2", "UNIMPLEMENTED 12", "DATA_LOSS 15", "OUT_OF_RANGE 11"] {
            #expect(lines.contains { $0.contains(" \(status) ") }, "\(status)")
        }
    }
}
