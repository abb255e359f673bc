import TestSupport
import Testing

/// `retry_policy` of a `grpc_service` and `grpc_stream_retry_policy`: what is tried again, and how often, as in Envoy.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ServiceRetryTests {
    struct Setting: CustomStringConvertible, Sendable {
        let description: String
        /// Of the service, in braces' notation, and beside it.
        var service = ""
        var beside = ""
        /// A service whose host takes connections and says nothing; else nobody is there.
        var isDeaf = false
        /// Spans, one request each; else lines, one stream.
        var isTraced = false
        /// A counter and what Envoy's comes to.
        let ends: (name: String, value: Int)
    }

    private static let policy = "{retry_on: \"connect-failure,gateway-error\", num_retries: 2, retry_back_off: {base_interval: 0.02s}}"

    static let settings = [
        Setting(description: "stream policy", beside: "grpc_stream_retry_policy: \(policy)", ends: ("upstream_rq_retry_limit_exceeded", 1)),
        Setting(
            description: "its conditions do not matter", beside: "grpc_stream_retry_policy: {num_retries: 1, retry_on: cancelled, retry_back_off: {base_interval: 0.02s}}",
            ends: ("upstream_rq_retry_limit_exceeded", 1)),
        Setting(description: "policy of the service", service: "retry_policy: \(policy)", ends: ("upstream_rq_retry_limit_exceeded", 1)),
        Setting(description: "a policy without conditions", service: "retry_policy: {num_retries: 2}", ends: ("upstream_rq_503", 1)),
        Setting(
            description: "the stream's policy goes first", service: "retry_policy: {num_retries: 4, retry_on: connect-failure}",
            beside: "grpc_stream_retry_policy: {retry_back_off: {base_interval: 0.02s}}", ends: ("upstream_rq_retry_limit_exceeded", 1)),
        Setting(description: "spans that nobody takes", service: "retry_policy: \(policy)", isTraced: true, ends: ("upstream_rq_retry_limit_exceeded", 1)),
        Setting(
            description: "a try takes as long as the longest pause", service: "timeout: 5s, retry_policy: \(policy)", isDeaf: true, isTraced: true,
            ends: ("upstream_rq_retry_limit_exceeded", 1)),
    ]

    private static let counters = [
        "upstream_rq_retry", "upstream_rq_retry_limit_exceeded", "upstream_rq_retry_backoff_exponential", "upstream_rq_per_try_timeout",
        "upstream_cx_connect_fail", "upstream_rq_503", "upstream_rq_504", "upstream_rq_timeout",
    ]

    private func outcome(_ binary: String, _ options: [String], _ setting: Setting) throws -> [String] {
        let deaf = Ports.free()
        let socket = try Sockets.listen(port: deaf, backlog: 64)
        defer { socket.close() }
        let (admin, listener) = (Admin(port: Ports.free()), Ports.free())
        let service = "grpc_service: {envoy_grpc: {cluster_name: c}\(setting.service.isEmpty ? "" : ", " + setting.service)}"
        let lines = "access_log: [{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig, common_config: {log_name: l, transport_api_version: V3, buffer_size_bytes: 0, \(service)\(setting.beside.isEmpty ? "" : ", " + setting.beside)}}}]"
        let spans = "tracing: {random_sampling: {value: 100}, provider: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, service_name: s, \(service)}}}"
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            node: {id: node, cluster: fleet}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            layered_runtime: {layers: [{name: s, static_layer: {tracing.opentelemetry.min_flush_spans: 1}}]}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: hcm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      \(setting.isTraced ? spans : lines)
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
              clusters:
              - name: c
                typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(setting.isDeaf ? deaf : Ports.free())}}}}]}]}
            """, to: "retries.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        var client = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        _ = try client.run(port: listener)
        let came = wait(upToMs: 20_000, everyMs: 50) { admin.stats(matching: "cluster.c.")["cluster.c." + setting.ends.name] == setting.ends.value }
        #expect(came, "\(binary)")
        let found = admin.stats(matching: "cluster.c.")
        return ServiceRetryTests.counters.map { "\($0) \(found["cluster.c." + $0] ?? 0)" }
    }

    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "no Envoy here"), arguments: settings)
    func triedAsEnvoyTries(_ setting: Setting) throws {
        let expected = try outcome(ProxyBinary.envoy().get(), ["--disable-hot-restart", "-l", "error"], setting)
        let found = try outcome(Binary.martlet().binary, [], setting)
        #expect(expected == found)
    }
}
