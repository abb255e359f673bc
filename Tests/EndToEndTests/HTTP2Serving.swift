import TestSupport
import Testing

/// A proxy, Martlet or Envoy, with one listener that answers `/direct` by itself, and an upstream of HTTP/1 behind `/`.
final class HTTP2Serving {
    let process: ChildProcess
    let listener = Ports.free()
    let admin: Admin
    let upstream: ScriptedUpstream
    let directory = TemporaryDirectory()

    enum Proxy { case martlet, envoy }

    struct NotReady: Error {}

    init(
        _ proxy: Proxy = .martlet, options: String = "", http2: String = "", cluster: String = "",
        script: UpstreamScript = .always(Fixtures.greeting), routes: String = "", upstreamPort: UInt16? = nil,
        runtime: String = ""
    ) throws {
        upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        admin = Admin(port: Ports.free())
        let yaml = """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            \(runtime.isEmpty ? "" : "layered_runtime: {layers: [{name: s, static_layer: \(runtime)}]}")
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      http2_protocol_options: {\(http2)}
                      access_log:
                      - name: envoy.access_loggers.file
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                          path: \(directory.path)/log
                          log_format: {text_format_source: {inline_string: "%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_PROTOCOL%\\n"}}
            \(options.textLines.map { "          " + $0 }.joined(separator: "\n"))
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
            \(routes.textLines.map { "              " + $0 }.joined(separator: "\n"))
                          - match: {prefix: /direct}
                            direct_response: {status: 200, body: {inline_string: "hello\\n"}}
                          - match: {prefix: /}
                            route: {cluster: c}
              clusters:
              - name: c
                connect_timeout: 10s
            \(cluster.textLines.map { "    " + $0 }.joined(separator: "\n"))
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstreamPort ?? upstream.port)}}}}]}]}
            """
        let file = directory.write(yaml, to: "bootstrap.yaml")
        switch proxy {
        case .martlet:
            process = try Binary.martlet().start(["-c", file, "--concurrency", "1", "--file-flush-interval-msec", "20"])
        case .envoy:
            let binary = try ProxyBinary.envoy().get()
            process = try ChildProcess(
                binary,
                ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error", "--file-flush-interval-msec", "20"])
        }
        guard process.becomesReady(admin: admin.port, upToMs: 30_000) else {
            Issue.record("the proxy is not ready: \(process.output)")
            throw NotReady()
        }
    }

    deinit {
        process.kill()
        upstream.stop()
    }

    /// Towards an upstream of HTTP/2.
    static let http2Cluster = """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {allow_connect: true}}
        """

    var log: [String] { (Files.text(directory.path + "/log") ?? "").textLines }

    func stat(_ name: String, becomes wanted: Int) -> Int? { admin.stat(name, becomes: wanted) }
}
