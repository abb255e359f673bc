/// Configurations that tests fill in.
enum SmallConfiguration {
    /// One HTTP listener on one or more addresses (in flow style); each route is a prefix and its upstream's port.
    static func http(admin: UInt16, listeners: [String], routes: [(prefix: String, port: UInt16)]) -> String {
        let additional = listeners.dropFirst().map { "{address: \($0)}" }.joined(separator: ", ")
        return """
            admin:
              address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}
            static_resources:
              listeners:
              - name: main
                address: \(listeners[0])
                additional_addresses: [\(additional)]
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: main
                      route_config:
                        virtual_hosts:
                        - name: everything
                          domains: ["*"]
                          routes:
            \(routes.enumerated().map { i, route in "              - {match: {prefix: \"\(route.prefix)\"}, route: {cluster: c\(i), timeout: 0s}}" }.joined(separator: "\n"))
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              clusters:
            \(routes.enumerated().map { i, route in
                """
                  - name: c\(i)
                    connect_timeout: 5s
                    circuit_breakers: {thresholds: [{max_connections: 10000, max_requests: 10000, max_pending_requests: 10000}]}
                    load_assignment:
                      cluster_name: c\(i)
                      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(route.port)}}}}]}]
                """
            }.joined(separator: "\n"))

            """
    }

    /// A listener that answers everything with one word.
    static func says(_ word: String, admin: UInt16, listener: UInt16) -> String {
        """
        admin:
          address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}
        static_resources:
          listeners:
          - name: main
            address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: main
                  route_config:
                    virtual_hosts:
                    - name: everything
                      domains: ["*"]
                      routes: [{match: {prefix: "/"}, direct_response: {status: 200, body: {inline_string: "\(word)"}}}]
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}

        """
    }
}
