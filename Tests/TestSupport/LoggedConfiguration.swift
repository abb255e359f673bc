/// A configuration that logs to a `LogReceiver`, for Martlet and for Envoy alike.
package struct LoggedConfiguration {
    package var listener: UInt16
    package var tcp: UInt16
    package var admin: UInt16
    package var upstream: UInt16
    package var receiver: LogReceiver
    /// `access_log` of the connection manager, and of `tcp_proxy`: loggers in braces' notation.
    package var http: [String]
    package var tcpLoggers: [String] = []
    package var router = ""

    package init(
        listener: UInt16, tcp: UInt16 = Ports.free(), admin: UInt16, upstream: UInt16, receiver: LogReceiver, http: [String]
    ) {
        self.listener = listener
        self.tcp = tcp
        self.admin = admin
        self.upstream = upstream
        self.receiver = receiver
        self.http = http
    }

    private static let type = "\"@type\": type.googleapis.com/envoy.extensions.access_loggers."

    /// `kind`: Http or Tcp. `common`, `more`: further fields of `common_config` and beside it.
    package static func grpc(_ kind: String, _ common: String = "", _ more: String = "", cluster: String = "grpc") -> String {
        "{name: l, typed_config: {\(type)grpc.v3.\(kind)GrpcAccessLogConfig, common_config: {log_name: lines, transport_api_version: V3, "
            + "grpc_service: {envoy_grpc: {cluster_name: \(cluster)}, timeout: 3s, initial_metadata: [{key: x-meta, value: told}]}"
            + "\(common.isEmpty ? "" : ", " + common)}\(more.isEmpty ? "" : ", " + more)}}"
    }

    package static func openTelemetry(_ fields: String) -> String {
        "{name: l, typed_config: {\(type)open_telemetry.v3.OpenTelemetryAccessLogConfig, \(fields)}}"
    }

    package static let overHTTP =
        "http_service: {http_uri: {uri: \"http://logs.test:4318/v1/logs\", cluster: http, timeout: 1s}, request_headers_to_add: [{header: {key: x-key, value: k}}]}"
    package static let overGRPC = "grpc_service: {envoy_grpc: {cluster_name: grpc}, timeout: 3s}"

    package static func fluentd(_ record: String, _ more: String = "", cluster: String = "forward") -> String {
        "{name: l, typed_config: {\(type)fluentd.v3.FluentdAccessLogConfig, cluster: \(cluster), tag: tagged, stat_prefix: fl, record: \(record)"
            + "\(more.isEmpty ? "" : ", " + more)}}"
    }

    private static let metadata = "filter_metadata: {com.m: {text: \"a b\", num: 7, list: [1, s]}}"

    private func cluster(_ name: String, _ port: UInt16, _ more: String = "") -> String {
        "- {name: \(name), load_assignment: {cluster_name: \(name), endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}, metadata: {\(LoggedConfiguration.metadata)}}]}]}, metadata: {\(LoggedConfiguration.metadata)}\(more)}"
    }

    package var yaml: String {
        let http2 =
            ", typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"
        return """
            node: {id: n1, cluster: c1, locality: {region: r1, zone: z1}, metadata: {kept: {as: it is}}}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            static_resources:
              listeners:
              - name: http
                address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log: [\(http.joined(separator: ", "))]
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\(router)}
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {match: {prefix: /direct}, name: direct, direct_response: {status: 200, body: {inline_string: hi}}}
                          - {match: {prefix: /dead}, route: {cluster: dead}}
                          - {match: {prefix: /rewritten}, route: {cluster: upstream, prefix_rewrite: /status/200}}
                          - {match: {prefix: /}, name: to upstream, route: {cluster: upstream}, metadata: {filter_metadata: {k: {p: of route}, com.m: {text: r, big: 12345678}}}}
              - name: tcp
                address: {socket_address: {address: 127.0.0.1, port_value: \(tcp)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: t
                      cluster: upstream
                      access_log: [\(tcpLoggers.joined(separator: ", "))]
              clusters:
              \(cluster("upstream", upstream))
              \(cluster("dead", 1))
              \(cluster("dead2", 1, http2))
              - {name: empty}
              \(cluster("http", receiver.http))
              \(cluster("forward", receiver.forward))
              \(cluster("grpc", receiver.grpc, http2))
            """
    }
}
