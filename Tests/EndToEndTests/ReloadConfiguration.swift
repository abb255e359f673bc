import TestSupport

/// The configurations of `ReloadUnderLoadTests`: what always is there, and what comes and goes with the version.
struct ReloadConfiguration {
    var admin: UInt16
    /// HTTP; TCP proxy; the listener that comes and goes.
    var http: UInt16
    var tcp: UInt16
    var extra: UInt16
    /// Upstreams: the main cluster's two endpoints, the second of which comes and goes; TCP echo.
    var first: UInt16
    var second: UInt16
    var echo: UInt16

    /// One change from each version to the next: a listener, a route, a cluster, an endpoint or a limit comes or goes.
    func bootstrap(_ version: Int) -> String {
        func isThere(_ kind: Int) -> Bool { (version + 4 - kind) / 5 % 2 == 1 }
        let hasListener = isThere(0)
        let hasRoute = isThere(1)
        let hasCluster = isThere(2)
        let hasEndpoint = isThere(3)
        let hasLimit = isThere(4)
        return """
            admin:
              address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}
            static_resources:
              listeners:
              - name: http
                address: {socket_address: {address: 127.0.0.1, port_value: \(http)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: http
                      upgrade_configs: [{upgrade_type: websocket}]
                      max_request_headers_kb: \(hasLimit ? 40 : 60)
                      route_config:
                        virtual_hosts:
                        - name: everything
                          domains: ["*"]
                          routes:
                          - match: {path: "/version"}
                            direct_response: {status: 200, body: {inline_string: "v\(version)"}}
            \(hasRoute ? """
                          - match: {path: "/extra"}
                            direct_response: {status: 200, body: {inline_string: "extra"}}
            """ : "")
            \(hasCluster ? """
                          - match: {path: "/other"}
                            route: {cluster: other}
            """ : "")
                          - match: {prefix: "/"}
                            route: {cluster: main, timeout: 30s}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              - name: tcp
                address: {socket_address: {address: 127.0.0.1, port_value: \(tcp)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: tcp
                      cluster: echo
            \(hasListener ? """
              - name: extra
                address: {socket_address: {address: 127.0.0.1, port_value: \(extra)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: extra
                      route_config:
                        virtual_hosts:
                        - name: everything
                          domains: ["*"]
                          routes:
                          - match: {prefix: "/"}
                            route: {cluster: main}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            """ : "")
              clusters:
              - name: main
                connect_timeout: 5s
                circuit_breakers: {thresholds: [{max_connections: \(hasLimit ? 2000 : 1000)}]}
                load_assignment:
                  cluster_name: main
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(first)}}}
            \(hasEndpoint ? """
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(second)}}}
            """ : "")
              - name: echo
                connect_timeout: 5s
                load_assignment:
                  cluster_name: echo
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(echo)}}}
            \(hasCluster ? """
              - name: other
                connect_timeout: 5s
                load_assignment:
                  cluster_name: other
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(second)}}}
            """ : "")

            """
    }
}
