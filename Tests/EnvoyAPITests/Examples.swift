/// The example files, byte for byte.
enum Examples {
    static let simple = #"""
        static_resources:
          listeners:
            - address:
                # Listener will bind itself to
                socket_address:
                  # port 10000 at IPv4 address 0.0.0.0
                  address: 0.0.0.0
                  port_value: 10000
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
                              port_value: 8080
        admin:
          # Runs the admin service on port 9901
          access_log_path: "/dev/null"
          address:
            socket_address:
              address: 0.0.0.0
              port_value: 9901

        """#

    static let asPrinted = #"""
        static_resources:
          listeners:
            - address:
                # Listener will bind itself to
                socket_address:
                  # port 10000 at IPv4 address 0.0.0.0
                  address: 0.0.0.0
                  port_value: 10000
                # Traffic that comes through any other port,
                # Envoy won't have any knowledge for.
              filter_chains:
                # Describes how the requests should be
                # filtered and routed once it enters Envoy.
              - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type":
                        type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      codec_type: auto
                      stat_prefix: ingress_http
                      route_config:
                        name: local_route
                        virtual_hosts:
                          - name: "http-route"
                            domains:
                              - "*"
                            routes:
                              # Telling the chain to route traffic according
                              # to the prefix and the cluster that it matches.
                              - match:
                                  # Try to match any request with "/greeting" request and
                                  # forwards that to greetingservice cluster.
                                  prefix: "/greeting"
                                route:
                                  cluster: greetingservice
                            http_filters:
                              - name: envoy.filters.http.router
                      admin:
                        # Runs the Envoy admin service on port 9901
                        access_log_path: "/dev/null"
                        address:
                          socket_address:
                            address: 0.0.0.0
                            port_value: 9901
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
                          # An endpoint which redirects
                          # the requests to 0.0.0.0:8080
                          address:
                            socket_address:
                              address: 0.0.0.0
                              port_value: 8080

        """#
}
