import Stats

extension DefaultTags {
    /// Which default tags are in use: all, or those that `stats_tags` names without saying how to find them.
    package enum Choice: Equatable, Sendable {
        case all
        /// Names without their `envoy.`.
        case allBut(Set<String>)
        case only(Set<String>)

        var isSelection: Bool { if case .only = self { true } else { false } }

        func contains(_ tag: StaticString) -> Bool {
            switch self {
            case .all: true
            case .allBut(let names): !names.contains("\(tag)")
            case .only(let names): names.contains("\(tag)")
            }
        }
    }

    /// All that Envoy 1.40 has, without their `envoy.`; those of features that Martlet lacks find nothing.
    package static let names: Set<String> = [
        "cipher_suite", "clientssl_prefix", "cluster_name", "connection_limit_prefix", "dns_filter_prefix", "dynamo_operation",
        "dynamo_partition_id", "dynamo_table", "ext_authz_prefix", "fault_downstream_cluster",
        "google_grpc_client_prefix", "grpc_bridge_method", "grpc_bridge_service", "health_check_name", "http_conn_manager_prefix",
        "http_user_agent", "listener_address", "local_http_ratelimit_prefix", "local_listener_ratelimit_prefix",
        "local_network_ratelimit_prefix", "mongo_callsite", "mongo_cmd", "mongo_collection", "mongo_prefix",
        "proxy_protocol_prefix", "proxy_protocol_version", "ratelimit_prefix", "rbac_http_prefix", "rbac_policy_name",
        "rbac_prefix", "rds_route_config", "redis_prefix", "response_code", "response_code_class", "route",
        "scoped_rds_config", "ssl_cipher", "ssl_curve", "ssl_sigalg", "ssl_version", "tcp_prefix", "thrift_prefix",
        "tls_certificate", "udp_prefix", "virtual_cluster", "virtual_host", "worker_id", "xds_resource_name",
    ]
}
