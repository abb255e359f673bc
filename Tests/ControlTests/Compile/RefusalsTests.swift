import TestSupport
import Testing

/// Fields that are refused, each with the line that says so and where; and what stands beside them and is taken.
@Suite struct RefusalsTests {
    /// A bootstrap with one manager, one route and two clusters.
    private func lines(
        manager: String = "", route: String = "{match: {prefix: /}, route: {cluster: up}}", cluster: String = "", listener: String = "",
        filters: String = "", chain: String = ""
    ) -> [String] {
        validationLines(
            """
            static_resources:
              listeners:
              - name: web
                address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                \(listener)
                filter_chains:
                - \(chain.isEmpty ? "name: c" : chain)
                  filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: web
                      \(manager)
                      route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [\(route)]}]}
                      http_filters: [\(filters)\(filters.isEmpty ? "" : ", "){name: envoy.filters.http.router}]
              clusters:
              - name: up
                \(cluster)
              - name: other
            """)
    }

    /// One error, with this text.
    private func refused(_ found: [String], _ text: String) {
        #expect(found.count == 1, "\(text): \(found)")
        #expect(found.first?.contains(text) == true, "\(text): \(found)")
    }

    // MARK: HTTP/2

    private func http2(_ options: String) -> [String] { lines(manager: "http2_protocol_options: {\(options)}") }

    @Test func everyHTTP2OptionIsTaken() {
        #expect(
            http2(
                "hpack_table_size: 4096, max_concurrent_streams: 100, initial_stream_window_size: 65536, initial_connection_window_size: 65536, allow_connect: true, max_outbound_frames: 10, max_outbound_control_frames: 10, max_consecutive_inbound_frames_with_empty_payload: 3, max_inbound_priority_frames_per_stream: 3, max_inbound_window_update_frames_per_data_frame_sent: 4, override_stream_error_on_invalid_http_message: true, connection_keepalive: {interval: 1s, timeout: 2s, interval_jitter: {value: 5}, connection_idle_interval: 3s}, custom_settings_parameters: [{identifier: 16, value: 1}, {identifier: 16, value: 1}, {identifier: 5, value: 20000}, {identifier: 3, value: 7}]".replacing(
                    text: "max_concurrent_streams: 100, ", by: "")
            ).isEmpty)
    }

    @Test(arguments: [
        ("hpack_table_size: 4096", 1, "the \\{hpack_table_size\\} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"),
        ("max_concurrent_streams: 5", 3, "the \\{max_concurrent_streams\\} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"),
        ("initial_stream_window_size: 65536", 4, "the \\{initial_stream_window_size\\} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"),
        ("allow_connect: true", 8, "the \\{allow_connect\\} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"),
        ("allow_connect: false", 2, "server push is not supported by Envoy and can not be enabled via a SETTINGS parameter."),
    ]) func aSettingIsSaidOnce(named: String, identifier: Int, text: String) {
        refused(http2("\(named), custom_settings_parameters: [{identifier: \(identifier), value: 1}]"), text)
    }

    @Test func customSettingsAgree() {
        refused(
            http2("custom_settings_parameters: [{identifier: 16, value: 1}, {identifier: 16, value: 2}]"),
            "inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x10}")
        #expect(http2("custom_settings_parameters: [{identifier: 2, value: 0}]").isEmpty)
    }

    // MARK: Connection manager and listener

    @Test func theLogsOptionsAreSaidOnce() {
        refused(
            lines(manager: "flush_access_log_on_new_request: true\n          access_log_options: {}"),
            "Only one of flush_access_log_on_new_request or access_log_options can be specified.")
        refused(
            lines(manager: "access_log_flush_interval: 1s\n          access_log_options: {}"),
            "Only one of access_log_flush_interval or access_log_options can be specified.")
    }

    @Test func statefulCaseIsNotKept() {
        let formatter = "header_key_format: {stateful_formatter: {name: p, typed_config: {\"@type\": type.googleapis.com/google.protobuf.Struct, value: {}}}}"
        let found = lines(manager: "http_protocol_options: {\(formatter)}")
        #expect(found.contains { $0.contains("stateful_formatter") }, "\(found)")
    }

    @Test func accessLogsAreKnownAndHaveAPlace() {
        let unknown = lines(manager: "access_log: [{name: envoy.access_loggers.nothing}]")
        refused(unknown, "Didn't find a registered implementation for 'envoy.access_loggers.nothing' with type URL: ''")
        let file = { (fields: String) in
            lines(manager: "access_log: [{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\(fields)}}]")
        }
        let nowhere = file("")
        #expect(nowhere.contains { $0.contains("path") }, "\(nowhere)")
        #expect(file(", path: /dev/null, log_format: {json_format: {a: 1.5, b: true, c: null, d: [1, x]}}").isEmpty)
        let none = file(", path: /dev/null, log_format: {}")
        #expect(none.count == 1 && none[0].contains("format"), "\(none)")
        var deep = "1"
        for _ in 0..<85 { deep = "{a: \(deep)}" }
        let nested = file(", path: /dev/null, log_format: {json_format: \(deep)}")
        #expect(nested.count == 1 && nested[0].contains("FileAccessLog is nested too deep"), "\(nested)")
    }

    @Test func accessLogFiltersAreKnown() {
        let filter = { (filter: String) in
            lines(manager: "access_log: [{name: envoy.access_loggers.stdout, filter: \(filter)}]")
        }
        let flag = filter("{response_flag_filter: {flags: [UH, NONE_SUCH]}}")
        #expect(flag.count == 1 && flag[0].contains("NONE_SUCH"), "\(flag)")
        #expect(filter("{response_flag_filter: {flags: [UH, NR]}}").isEmpty)
        let empty = filter("{}")
        #expect(empty.count == 1 && empty[0].contains("filter"), "\(empty)")
    }

    @Test func aFilterChainMatchesWhatItCan() {
        let unimplemented = lines(chain: "filter_chain_match: {address_suffix: a}")
        refused(unimplemented, "error adding listener '127.0.0.1:10000': filter chain match contains unimplemented fields")
        #expect(
            lines(
                chain:
                    "filter_chain_match: {prefix_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}], source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}], direct_source_prefix_ranges: [{address_prefix: \"::1\", prefix_len: 128}], source_ports: [1], source_type: EXTERNAL}"
            ).isEmpty)
        let range = lines(chain: "filter_chain_match: {prefix_ranges: [{address_prefix: nowhere, prefix_len: 8}]}")
        #expect(range.count == 1 && range[0].contains("nowhere"), "\(range)")
    }

    @Test func aListenerIsWhole() {
        refused(
            lines(listener: "listener_filters: [{name: envoy.filters.listener.nothing}]"),
            "Didn't find a registered implementation for 'envoy.filters.listener.nothing' with type URL: ''")
        let nowhere = validationLines("static_resources: {listeners: [{name: l, filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]}]}")
        refused(nowhere, "error adding listener named 'l': address is necessary")
        refused(
            validationLines(
                "static_resources: {listeners: [{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: envoy.filters.network.nothing}]}]}]}"),
            "Didn't find a registered implementation for 'envoy.filters.network.nothing'")
    }

    // MARK: Routes

    private func route(_ action: String) -> [String] { lines(route: "{match: {prefix: /}, route: {cluster: up, \(action)}}") }

    @Test(arguments: [
        ("request_mirror_policies: [{}]", "Exactly one of cluster or cluster_header in request mirror policy must be specified"),
        ("request_mirror_policies: [{cluster: up, cluster_header: x}]", "Only one of cluster 'up' or cluster_header 'x' in request mirror policy can be specified"),
        ("request_mirror_policies: [{cluster: upp}]", "route: unknown shadow cluster 'upp'"),
        ("request_mirror_policies: [{cluster: up, request_headers_mutations: [{remove_on_match: {key_matcher: {exact: a}}}]}]", "'remove_on_match'"),
        ("hash_policy: [{filter_state: {key: k}}]", "'filter_state' is not supported by Martlet yet: no filter sets 'k'"),
        ("internal_redirect_policy: {predicates: [{name: p, typed_config: {\"@type\": type.googleapis.com/google.protobuf.Struct, value: {}}}]}", "Didn't find a registered implementation for 'p'"),
        ("retry_policy: {retry_on: 5xx, retry_host_predicate: [{name: envoy.retry_host_predicates.omit_canary_hosts}]}", "retry host predicate 'envoy.retry_host_predicates.omit_canary_hosts' is not supported by Martlet yet"),
    ]) func aRouteActionIsRefused(action: String, text: String) {
        let found = route(action)
        #expect(found.count == 1 && found[0].contains(text), "\(text): \(found)")
    }

    @Test func hashPoliciesAreBounded() {
        let rule = "{header: {header_name: a}}"
        refused(
            route("hash_policy: [\(Array(repeating: rule, count: 65).joined(separator: ", "))]"), "a route has more than 64 hash policies")
        #expect(route("hash_policy: [\(Array(repeating: rule, count: 64).joined(separator: ", "))]").isEmpty)
    }

    @Test func aRoutesFilterConfigIsOfItsFilter() {
        let limit = "{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: r}}"
        let per = { (config: String) in
            self.lines(route: "{match: {prefix: /}, route: {cluster: up}, typed_per_filter_config: {l: \(config)}}", filters: limit)
        }
        let other = per("{\"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, disabled: true}")
        #expect(other.count == 1 && other[0].contains("the filter 'l' is not a"), "\(other)")
        let unfit = per("{\"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: r}")
        #expect(unfit.count == 1 && unfit[0].contains("token bucket must be set"), "\(unfit)")
        #expect(per("{\"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: r, token_bucket: {max_tokens: 1, fill_interval: 1s}}").isEmpty)
    }

    // MARK: Clusters

    @Test(arguments: [
        ("lb_policy: RING_HASH\n    ring_hash_lb_config: {minimum_ring_size: 9, maximum_ring_size: 4}", "ring hash: minimum_ring_size (9) > maximum_ring_size (4)"),
        ("lb_policy: MAGLEV\n    maglev_lb_config: {table_size: 10}", "The table size of maglev must be prime number"),
        ("circuit_breakers: {per_host_thresholds: [{max_requests: 1}]}", "Unsupported field in per_host_thresholds"),
        ("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET}]}", "fallback_keys_subset cannot be empty"),
        ("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b]}]}", "fallback_keys_subset must be a subset of selector keys"),
        ("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}]}", "fallback_keys_subset cannot be equal to keys"),
        ("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: ANY_ENDPOINT, fallback_keys_subset: [a]}]}", "fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy"),
        ("lb_subset_config: {locality_weight_aware: true, subset_selectors: [{keys: [a]}]}", "Locality weight aware subset LB requires that a locality_weighted_lb_config be set"),
        ("lb_policy: CLUSTER_PROVIDED\n    lb_subset_config: {subset_selectors: [{keys: [a]}]}", "cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config"),
        ("lb_policy: CLUSTER_PROVIDED", "lb_policy CLUSTER_PROVIDED is not supported by Martlet yet"),
        ("lb_policy: LOAD_BALANCING_POLICY_CONFIG", "cluster: field load_balancing_policy need to be set"),
        ("type: ORIGINAL_DST\n    lb_policy: ROUND_ROBIN", "LB policy ROUND_ROBIN is not valid for Cluster type ORIGINAL_DST"),
        ("type: STATIC\n    lb_policy: RING_HASH\n    common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}", "Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'"),
    ]) func aClusterIsRefused(fields: String, text: String) {
        let found = lines(cluster: fields)
        #expect(found.contains { $0.contains(text) }, "\(text): \(found)")
    }

    @Test func aRingsOptionsOfThePolicyAreTaken() {
        let policy = "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash, consistent_hashing_lb_config: {hash_balance_factor: 120}}}}]}"
        #expect(lines(cluster: policy).isEmpty)
        refused(
            lines(cluster: policy.replacing(text: "consistent_hashing_lb_config: {hash_balance_factor: 120}", by: "minimum_ring_size: 5, maximum_ring_size: 2")),
            "ring hash: minimum_ring_size (5) > maximum_ring_size (2)")
    }

    @Test func theOldWaysToSayHTTP2AreTaken() {
        #expect(lines(cluster: "http2_protocol_options: {max_concurrent_streams: 3}").isEmpty)
        #expect(lines(cluster: "http2_protocol_options: {}\n    protocol_selection: USE_DOWNSTREAM_PROTOCOL").isEmpty)
        #expect(lines(cluster: "protocol_selection: USE_DOWNSTREAM_PROTOCOL").isEmpty)
    }

    /// The handshake says which protocol is spoken: there has to be one.
    @Test func anAutomaticProtocolNeedsTLS() {
        let types = "type.googleapis.com/envoy.extensions."
        let auto = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": \(types)upstreams.http.v3.HttpProtocolOptions, auto_config: {http_protocol_options: {enable_trailers: true}, http2_protocol_options: {max_concurrent_streams: 5}}}}"
        let tls = "{name: t, typed_config: {\"@type\": \(types)transport_sockets.tls.v3.UpstreamTlsContext}}"
        let raw = "{name: r, typed_config: {\"@type\": \(types)transport_sockets.raw_buffer.v3.RawBuffer}}"
        func proxy(_ inner: String) -> String {
            "{name: p, typed_config: {\"@type\": \(types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, transport_socket: \(inner)}}"
        }
        for socket in [tls, proxy(tls)] { #expect(lines(cluster: auto + "\n    transport_socket: " + socket).isEmpty) }
        refused(lines(cluster: auto), "which has a non-ALPN transport socket;")
        for socket in [raw, proxy(raw)] {
            refused(lines(cluster: auto + "\n    transport_socket: " + socket), "which has a non-ALPN transport socket;")
        }
        refused(
            lines(cluster: auto + "\n    transport_socket: \(tls)\n    transport_socket_matches: [{name: a, transport_socket: \(tls)}, {name: b, transport_socket: \(raw)}]"),
            "transport_socket_matches[1].transport_socket: ALPN configured for cluster")
    }

    // MARK: Transport sockets

    private func chainSocket(_ socket: String) -> [String] {
        validationLines(
            "static_resources: {listeners: [{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: envoy.filters.network.echo}], transport_socket: \(socket)}]}]}")
    }

    @Test func transportSocketsAreKnown() {
        #expect(chainSocket("{name: envoy.transport_sockets.raw_buffer}").isEmpty)
        #expect(chainSocket("{name: r, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}").isEmpty)
        refused(chainSocket("{name: envoy.transport_sockets.nothing}"), "Didn't find a registered implementation for 'envoy.transport_sockets.nothing' with type URL: ''")
        // TLS has settings, or Envoy does not know it: a name alone would verify nobody.
        let nameAlone = "Didn't find a registered implementation for 'envoy.transport_sockets.tls' with type URL: ''"
        refused(chainSocket("{name: envoy.transport_sockets.tls}"), nameAlone)
        refused(lines(cluster: "transport_socket: {name: envoy.transport_sockets.tls}"), nameAlone)
        refused(lines(cluster: "transport_socket_matches: [{name: a, transport_socket: {name: envoy.transport_sockets.tls}}]"), nameAlone)
        // Of the other side.
        let other = chainSocket("{name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}")
        refused(other, "Didn't find a registered implementation for 't'")
    }

    // MARK: TCP proxy

    @Test func aTCPProxyHashesAddressesOnly() {
        let found = validationLines(
            "static_resources: {listeners: [{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: envoy.filters.network.tcp_proxy, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c, hash_policy: [{filter_state: {key: k}}]}}]}]}], clusters: [{name: c}]}")
        refused(found, "'filter_state' is not supported by Martlet yet: no filter sets 'k'")
    }

    // MARK: DNS

    @Test func resolversAreOfTheClusterOrTheBootstrap() {
        let resolver = "typed_dns_resolver_config: {name: c, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, resolvers: [{socket_address: {address: 127.0.0.1, port_value: 53}}]}}"
        let cluster = "{name: d, type: STRICT_DNS, dns_failure_refresh_rate: {base_interval: 2s, max_interval: 5s}, load_assignment: {cluster_name: d, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: a.test, port_value: 1}}}}]}]}}"
        #expect(validationLines("static_resources: {clusters: [\(cluster)]}\n\(resolver)").isEmpty)
        #expect(validationLines("static_resources: {clusters: [\(cluster.replacing(text: "type: STRICT_DNS", by: "type: STRICT_DNS, " + resolver))]}").isEmpty)
        for old in ["dns_resolvers: [{socket_address: {address: 127.0.0.1, port_value: 53}}]", "dns_resolution_config: {resolvers: [{socket_address: {address: 127.0.0.1, port_value: 53}}]}"] {
            #expect(validationLines("static_resources: {clusters: [\(cluster.replacing(text: "type: STRICT_DNS", by: "type: STRICT_DNS, " + old))]}").isEmpty)
        }
        let named = cluster.replacing(text: "type: STRICT_DNS", by: "type: STRICT_DNS, dns_resolvers: [{socket_address: {address: b.test, port_value: 53}}]")
        let unfit = validationLines("static_resources: {clusters: [\(named)]}")
        #expect(unfit.contains { $0.contains("dns_resolvers[0]") && $0.contains("malformed IP address: b.test") }, "\(unfit)")
        let short = validationLines("static_resources: {clusters: [\(cluster.replacing(text: "max_interval: 5s", by: "max_interval: 1s"))]}")
        #expect(short.count == 1 && short[0].contains("dns_failure_refresh_rate"), "\(short)")
    }
}
