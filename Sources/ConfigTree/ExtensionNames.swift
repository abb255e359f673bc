/// The names by which a configuration calls an extension. With a `typed_config` its `@type` decides and the name is free;
/// without one the name is all there is, and old configurations still use the names of Envoy's v1 and v2 APIs.
package enum ExtensionNames {
    private static let legacy: [String: String] = [
        "envoy.router": "envoy.filters.http.router",
        "envoy.buffer": "envoy.filters.http.buffer",
        "envoy.health_check": "envoy.filters.http.health_check",
        "envoy.cors": "envoy.filters.http.cors",
        "envoy.csrf": "envoy.filters.http.csrf",
        "envoy.fault": "envoy.filters.http.fault",
        "envoy.gzip": "envoy.filters.http.gzip",
        "envoy.lua": "envoy.filters.http.lua",
        "envoy.rate_limit": "envoy.filters.http.ratelimit",
        "envoy.ext_authz": "envoy.filters.http.ext_authz",
        "envoy.grpc_web": "envoy.filters.http.grpc_web",
        "envoy.grpc_http1_bridge": "envoy.filters.http.grpc_http1_bridge",
        "envoy.grpc_json_transcoder": "envoy.filters.http.grpc_json_transcoder",
        "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
        "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
        "envoy.echo": "envoy.filters.network.echo",
        "envoy.client_ssl_auth": "envoy.filters.network.client_ssl_auth",
        "envoy.mongo_proxy": "envoy.filters.network.mongo_proxy",
        "envoy.ratelimit": "envoy.filters.network.ratelimit",
        "envoy.redis_proxy": "envoy.filters.network.redis_proxy",
        "envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
        "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
        "envoy.listener.original_src": "envoy.filters.listener.original_src",
        "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
        "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
        "envoy.file_access_log": "envoy.access_loggers.file",
        "envoy.http_grpc_access_log": "envoy.access_loggers.http_grpc",
        "envoy.tcp_grpc_access_log": "envoy.access_loggers.tcp_grpc",
        "raw_buffer": "envoy.transport_sockets.raw_buffer",
        "tls": "envoy.transport_sockets.tls",
        "envoy.statsd": "envoy.stat_sinks.statsd",
        "envoy.dog_statsd": "envoy.stat_sinks.dog_statsd",
        "envoy.metrics_service": "envoy.stat_sinks.metrics_service",
    ]

    /// Whether Envoy has an extension with this message, whether Martlet serves it or not.
    package static func isEnvoys(type: String) -> Bool { EnvoyTypes.names.contains(type) }

    /// Today's name of an extension: the argument itself unless it is one of the old names.
    package static func canonical(_ name: String) -> String { legacy[name] ?? name }
}
