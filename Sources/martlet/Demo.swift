// What is served without `-c`: a listener, a cluster of two endpoints, and the two endpoints themselves, so that the
// whole path downstream → upstream runs with no network.

enum Demo {
    static let bootstrap = """
        admin:
          address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
        static_resources:
          listeners:
          - name: demo
            address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: demo
                  route_config:
                    name: demo
                    virtual_hosts:
                    - name: everything
                      domains: ["*"]
                      routes:
                      - match: {prefix: "/"}
                        route: {cluster: demo}
                  http_filters:
                  - name: envoy.filters.http.router
        \(endpoint(1))
        \(endpoint(2))
          clusters:
          - name: demo
            connect_timeout: 1s
            load_assignment:
              cluster_name: demo
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {pipe: {path: "@martlet-demo-1"}}}
                - endpoint: {address: {pipe: {path: "@martlet-demo-2"}}}
        """

    private static func endpoint(_ number: Int) -> String {
        """
          - name: demo-endpoint-\(number)
            address: {pipe: {path: "@martlet-demo-\(number)"}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: demo_endpoint_\(number)
                  route_config:
                    name: demo-endpoint-\(number)
                    virtual_hosts:
                    - name: everything
                      domains: ["*"]
                      routes:
                      - match: {prefix: "/"}
                        direct_response: {status: 200, body: {inline_string: "hello from endpoint \(number)\\n"}}
                  http_filters:
                  - name: envoy.filters.http.router
        """
    }

    static let announcement = """
        martlet serves a demonstration
          listener  127.0.0.1:10000  -> two endpoints in turn
          admin     127.0.0.1:9901
          try       curl localhost:10000/

        """
}
