// What a configuration may name of this build, as `/server_info` and the node list it.

import Pipeline

package struct BuiltInExtension {
    package let name: String
    package let category: String
    /// Full names of its messages.
    package let types: [String]
}

package enum BuiltInExtensions {
    package static func all(_ configurator: Configurator) -> [BuiltInExtension] {
        fixed + others
            + configurator.filterRegistrations.map {
                BuiltInExtension(name: $0.name, category: "envoy.filters.http", types: [$0.message])
            }
    }

    private static let fixed: [BuiltInExtension] = [
        extended("envoy.watchdog.abort_action", "envoy.guarddog_actions", "envoy.watchdog.v3.AbortActionConfig"),
        extended(
            "envoy.watchdog.backtrace_action", "envoy.guarddog_actions",
            "envoy.extensions.watchdog.backtrace_action.v3.BacktraceActionConfig"),
        extended(
            "envoy.watchdog.profile_action", "envoy.guarddog_actions",
            "envoy.extensions.watchdog.profile_action.v3.ProfileActionConfig"),
        extended("envoy.cluster.logical_dns", "envoy.clusters"),
        extended("envoy.cluster.static", "envoy.clusters"),
        extended("envoy.cluster.strict_dns", "envoy.clusters"),
        extended("envoy.filters.http.router", "envoy.filters.http", "envoy.extensions.filters.http.router.v3.Router"),
        extended(
            "envoy.filters.network.direct_response", "envoy.filters.network",
            "envoy.extensions.filters.network.direct_response.v3.Config"),
        extended(
            "envoy.filters.network.echo", "envoy.filters.network", "envoy.extensions.filters.network.echo.v3.Echo"),
        extended(
            "envoy.filters.network.http_connection_manager", "envoy.filters.network",
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        extended(
            "envoy.filters.network.tcp_proxy", "envoy.filters.network",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
        extended(
            "envoy.load_balancing_policies.least_request", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest"),
        extended(
            "envoy.load_balancing_policies.random", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.random.v3.Random"),
        extended(
            "envoy.load_balancing_policies.round_robin", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin"),
        extended(
            "envoy.filters.listener.tls_inspector", "envoy.filters.listener",
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"),
        extended(
            "envoy.filters.listener.http_inspector", "envoy.filters.listener",
            "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"),
        extended(
            "envoy.filters.listener.original_dst", "envoy.filters.listener",
            "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"),
        extended(
            "envoy.filters.listener.proxy_protocol", "envoy.filters.listener",
            "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"),
        extended(
            "envoy.transport_sockets.tls", "envoy.transport_sockets.downstream",
            "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
        extended(
            "envoy.transport_sockets.tls", "envoy.transport_sockets.upstream",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
        extended(
            "envoy.transport_sockets.upstream_proxy_protocol", "envoy.transport_sockets.upstream",
            "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"),
        extended(
            "envoy.transport_sockets.raw_buffer", "envoy.transport_sockets.downstream",
            "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
    ]

    static func extended(_ name: String, _ category: String, _ type: String = "") -> BuiltInExtension {
        BuiltInExtension(name: name, category: category, types: type.isEmpty ? [] : [type])
    }
}
