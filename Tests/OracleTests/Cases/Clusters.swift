import TestSupport

extension Groups {
    /// How a cluster and one of its connections are chosen, bound and given up, and what the request is told of it.
    static let clusters = Group(
        name: "clusters",
        listeners: [
            .init(name: "main"),
            logged("bound", "bound"), logged("unbound", "unbound"), logged("refused", "refused"),
            .init(name: "tcp_bound", networkFilter: tcp("bound")), .init(name: "tcp_unbound", networkFilter: tcp("unbound")),
            .init(name: "tcp_pending", networkFilter: tcp("no_pending")), .init(name: "tcp_connections", networkFilter: tcp("no_connections")),
            .init(name: "weighted", virtualHosts: route("weighted_clusters: {clusters: [{cluster_header: x-to, weight: 1}]}")),
            .init(name: "weighted_by", virtualHosts: route("weighted_clusters: {header_name: x-ticket, clusters: [{name: up, weight: 1}, {name: refused, weight: 1}]}")),
            .init(name: "retries", virtualHosts: route("""
                cluster: up, retry_policy: {retry_on: retriable-headers, num_retries: 1, retriable_headers: [{name: x-again, present_match: true}, {name: ":status", string_match: {exact: "207"}}],
                  rate_limited_retry_back_off: {reset_headers: [{name: x-seconds, format: SECONDS}, {name: x-at, format: UNIX_TIMESTAMP}], max_interval: 2s}}
                """), router: "suppress_envoy_headers: true"),
            .init(name: "per_try", virtualHosts: route("cluster: up, timeout: 0.4s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.1s}")),
            .init(name: "budget", virtualHosts: route("cluster: budget, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.01s}}"), router: "suppress_envoy_headers: true"),
            .init(name: "budget_interval", virtualHosts: route("cluster: budget_interval, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.01s}}"), router: "suppress_envoy_headers: true"),
            .init(name: "status", manager: "proxy_status_config: {literal_proxy_name: edge}\nproxy_100_continue: false"),
            .init(name: "agent", manager: "use_remote_address: true\nadd_user_agent: true"),
            .init(name: "inside", manager: "internal_address_config: {cidr_ranges: [{address_prefix: \"2001:db8::\", prefix_len: 32}, {address_prefix: \"fd00::1:0:0:0\", prefix_len: 80}, {address_prefix: 10.0.0.0, prefix_len: 8}]}", router: "suppress_envoy_headers: true"),
            .init(
                name: "status_retries", manager: "proxy_status_config: {literal_proxy_name: edge}",
                virtualHosts: route("cluster: up, retry_policy: {retry_on: 5xx, num_retries: 1}"), router: "suppress_envoy_headers: true"),
            .init(name: "adds", routeTable: """
                request_headers_to_add:
                - {header: {key: user-agent, value: added}}
                - {header: {key: te, value: trailers}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
                response_headers_to_add:
                - {header: {key: vary, value: added}}
                - {header: {key: x-two, value: mine}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
                """),
            .init(name: "mapped", manager: """
                local_reply_config:
                  mappers:
                  - filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 503, runtime_key: k}}}}
                    headers_to_add: [{header: {key: content-type, value: text/own}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}, {header: {key: x-mapped, value: "%RESPONSE_CODE%"}}]
                    status_code: 512
                """, virtualHosts: route("cluster: none")),
        ],
        clusters: [
            Group.up, .init("refused", [.refused]), .init("none", []),
            .init("bound", [.scripted("a")], "upstream_bind_config: {source_address: {address: 127.0.0.2, port_value: 0}}"),
            .init("unbound", [.scripted("a")], "upstream_bind_config: {source_address: {address: 203.0.113.1, port_value: 0}}"),
            .init("no_pending", [.scripted("a")], "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}"),
            .init("budget", [.scripted("a")], "circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 50}, min_retry_concurrency: 0}}]}"),
            .init(
                "budget_interval", [.scripted("a")],
                "circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 50}, min_retry_concurrency: 0, budget_interval: 100s}}]}"),
            .init("no_connections", [.scripted("a")], "circuit_breakers: {thresholds: [{max_connections: 0}]}"),
        ],
        bootstrap: "node: {id: edge-1, cluster: fleet}",
        cases: connectionCases + choiceCases + retryCases + toldCases)

    private static func route(_ action: String) -> String {
        "- {name: all, domains: [\"*\"], routes: [{match: {prefix: /}, route: {\(action)}}]}"
    }

    private static let ends = "%RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_REQUEST_ATTEMPT_COUNT%"

    private static func logged(_ name: String, _ cluster: String) -> Group.Listener {
        .init(name: name, virtualHosts: route("cluster: \(cluster)"), logFormat: "{text_format_source: {inline_string: \"%RESPONSE_CODE% \(ends)\\n\"}}")
    }

    private static func tcp(_ cluster: String) -> String {
        """
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: tcp
            cluster: \(cluster)
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: {text_format_source: {inline_string: "\(ends)\\n"}}
        """
    }

    private static func get(_ name: String, _ more: String = "", on listener: String) -> Case {
        Case("clusters." + name, request("GET /a", more), on: listener)
    }

    private static func bytes(_ name: String, on listener: String) -> Case {
        Case("clusters." + name, steps: [.send("x"), .awaitText("y")], on: listener, methods: [])
            .upstream(UpstreamScript([[.readText("x"), .send("y"), .close]])).with { $0.resetIsClose = true }
    }

    private static let connectionCases: [Case] = [
        get("bound", on: "bound"), get("unbound", on: "unbound"), get("refused", on: "refused"),
        bytes("tcp_bound", on: "tcp_bound"), bytes("tcp_unbound", on: "tcp_unbound"), bytes("tcp_no_pending", on: "tcp_pending"),
        bytes("tcp_no_connections", on: "tcp_connections"),
    ]

    private static let choiceCases: [Case] = [
        get("weighted_header", "x-to: up\r\n", on: "weighted"), get("weighted_header_missing", on: "weighted"),
        get("weighted_header_unknown", "x-to: nowhere\r\n", on: "weighted"),
        get("weighted_by_header_first", "x-ticket: 4\r\n", on: "weighted_by"), get("weighted_by_header_second", "x-ticket: 5\r\n", on: "weighted_by"),
    ]

    private static func again(_ name: String, _ first: String, on listener: String, request more: String = "") -> Case {
        get(name, more, on: listener).upstream(.steps(.readRequest, .answer(reply("200 OK", first)), .readRequest, .answer(reply("200 OK", "x-second: 1\r\n"))))
    }

    /// One request that is active has half a retry; of the three that have begun there is one.
    private static func budgeted(_ name: String, on listener: String) -> Case {
        let one = request("GET /a")
        return Case("clusters." + name, steps: [.send(one), .awaitResponse, .send(one), .awaitResponse, .send(one), .awaitResponse], on: listener, methods: ["GET", "GET", "GET"])
            .upstream(UpstreamScript([
                [.readRequest, .answer(reply("200 OK")), .readRequest, .answer(reply("200 OK")), .readRequest, .answer(reply("503 No", body: "")), .readRequest, .answer(reply("200 OK", "x-again: 1\r\n"))],
            ]))
    }

    private static let retryCases: [Case] = [
        get("retry_by_status_matcher", on: "retries").upstream(.steps(.readRequest, .answer(reply("207 Multi")), .readRequest, .answer(reply("200 OK", "x-second: 1\r\n")))),
        again("retry_by_policy_header", "x-again: 1\r\n", on: "retries"), again("retry_without_header", "x-other: 1\r\n", on: "retries"),
        again("retry_by_named_header", "X-Mine: 1\r\n", on: "inside", request: "x-forwarded-for: 10.1.2.3\r\nx-envoy-retry-on: retriable-headers\r\nx-envoy-retriable-header-names: x-none, x-mine\r\n"),
        again("retry_by_named_header_missing", "x-other: 1\r\n", on: "inside", request: "x-forwarded-for: 10.1.2.3\r\nx-envoy-retry-on: retriable-headers\r\nx-envoy-retriable-header-names: x-none, x-mine\r\n"),
        again("retry_after_past_moment", "x-again: 1\r\nx-at: 1000000000\r\n", on: "retries"),
        again("retry_after_far_moment", "x-again: 1\r\nx-at: 9999999999\r\n", on: "retries"),
        again("retry_after_seconds", "x-again: 1\r\nx-seconds: 1\r\n", on: "retries"),
        again("retry_after_too_many_seconds", "x-again: 1\r\nx-seconds: 20\r\n", on: "retries"),
        budgeted("retry_budget", on: "budget"), budgeted("retry_budget_of_an_interval", on: "budget_interval"),
        get("per_try_timeouts", on: "per_try").upstream(.steps(.readRequest, .delay(ms: 3000))),
    ]

    private static let toldCases: [Case] = [
        get("proxy_status_of_failure", on: "status").upstream(.steps(.readRequest, .close)),
        get("proxy_status_kept", on: "status").replying(reply("200 OK", "proxy-status: origin; received-status=200\r\n")),
        get("proxy_status_joined", on: "status_retries").replying(reply("503 No", "proxy-status: origin\r\n")),
        get("agent_with_node", on: "agent"), get("agent_given", "user-agent: mine\r\n", on: "agent"),
        get("internal_v6", "x-forwarded-for: 2001:db8:1::5\r\n", on: "inside"), get("external_v6", "x-forwarded-for: 2001:db9::5\r\n", on: "inside"),
        get("internal_v6_long_prefix", "x-forwarded-for: fd00::1:2:3:4\r\n", on: "inside"), get("external_v6_long_prefix", "x-forwarded-for: fd00::2:2:3:4\r\n", on: "inside"),
        get("internal_v4", "x-forwarded-for: 10.200.0.1\r\n", on: "inside"),
        get("adds_to_single_headers", "user-agent: mine\r\naccept: a\r\nte: deflate\r\n", on: "adds")
            .replying(reply("200 OK", "vary: a\r\netag: theirs\r\nx-two: 1\r\nx-one: 1\r\nx-two: 2\r\n")),
        get("adds_where_nothing_is", on: "adds"), get("mapped_content_type", on: "mapped"),
    ]
}
