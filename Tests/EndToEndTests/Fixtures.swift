import TestSupport

/// Configurations of the tests here.
enum Fixtures {
    /// `simple.yaml` as its owner runs it, with other ports: deprecated `access_log_path`, a router without
    /// `typed_config`, STRICT_DNS towards an address.
    static func simple(listener: UInt16, upstream: UInt16, admin: UInt16) -> String {
        """
        static_resources:
          listeners:
            - address:
                # Listener will bind itself to
                socket_address:
                  # port 10000 at IPv4 address 0.0.0.0
                  address: 0.0.0.0
                  port_value: \(listener)
              filter_chains:
                # Describes how the requests should be filtered and routed once they enter the proxy.
                - filters:
                    - name: envoy.filters.network.http_connection_manager
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                        codec_type: auto
                        stat_prefix: ingress_http
                        route_config:
                          name: local_route
                          virtual_hosts:
                            - name: "http-route"
                              domains:
                                - "*"
                              routes:
                                # Match any request that begins with "/greeting" and forward it to greetingservice.
                                - match:
                                    prefix: "/greeting"
                                  route:
                                    cluster: greetingservice
                        http_filters:
                          - name: envoy.filters.http.router
          clusters:
            - name: greetingservice
              connect_timeout: 0.25s
              type: strict_dns
              lb_policy: round_robin
              load_assignment:
                cluster_name: greetingservice
                endpoints:
                  - lb_endpoints:
                      - endpoint:
                          # An endpoint which redirects the requests to 0.0.0.0:8080
                          address:
                            socket_address:
                              address: 0.0.0.0
                              port_value: \(upstream)
        admin:
          # Runs the admin service on port 9901
          access_log_path: "/dev/null"
          address:
            socket_address:
              address: 0.0.0.0
              port_value: \(admin)

        """
    }

    static let greeting = """
        HTTP/1.1 200 OK\r
        content-type: application/json\r
        content-length: 20\r
        \r
        {"greeting":"hello"}
        """
}
