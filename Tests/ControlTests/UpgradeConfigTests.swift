import Testing

/// `upgrade_configs` of a route: what ends a CONNECT, and what is refused by name.
@Suite struct UpgradeConfigTests {
    private func lines(_ upgrade: String) -> [String] {
        validationLines(
            """
            static_resources:
              listeners:
              - name: web
                address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: web
                      proxy_status_config: {set_recommended_response_code: true, literal_proxy_name: edge}
                      stream_error_on_invalid_http_message: true
                      route_config:
                        virtual_hosts:
                        - name: all
                          domains: ["*"]
                          routes:
                          - match: {connect_matcher: {}}
                            route: {cluster: up, upgrade_configs: [\(upgrade)]}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              clusters:
              - name: up
            """)
    }

    @Test func connectConfigIsServed() {
        #expect(lines("{upgrade_type: CONNECT, connect_config: {}}").isEmpty)
        #expect(lines("{upgrade_type: connect, enabled: false, connect_config: {}}").isEmpty)
    }

    @Test func connectConfigIsForConnectAlone() {
        let found = lines("{upgrade_type: websocket, connect_config: {}}")
        #expect(found.count == 1)
        #expect(found.first?.contains("Non-CONNECT upgrade type websocket has ConnectConfig") == true, "\(found)")
    }

    @Test func whatConnectConfigSaysIsServed() {
        #expect(lines("{upgrade_type: CONNECT, connect_config: {allow_post: true, proxy_protocol_config: {version: V2}}}").isEmpty)
    }
}
