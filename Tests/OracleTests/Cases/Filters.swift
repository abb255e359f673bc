import TestSupport

extension Groups {
    /// The HTTP filters and their options, alone and per route.
    static let filters = Group(
        name: "filters",
        listeners: mutationListeners + healthListeners + limitListeners,
        clusters: [
            Group.up, .init("empty", []), .init("sick", [.unhealthy, .scripted("a")]),
        ],
        bootstrap: "node: {id: edge, cluster: fleet}",
        cases: queryCases + matchCases + levelCases + healthCases + descriptorCases + limitCases)

    // MARK: header_mutation

    private static func mutation(_ fields: String) -> String {
        """
        - name: envoy.filters.http.header_mutation
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
        \(fields.indented(4))
        """
    }

    private static func perRoute(_ header: String) -> String {
        """
        typed_per_filter_config:
          envoy.filters.http.header_mutation:
            "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute
            mutations: {request_mutations: [{append: {header: {key: x-level, value: \(header)}}}, {append: {header: {key: x-last, value: \(header)}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]}
        """
    }

    private static let levels = """
        - name: all
          domains: ["*"]
        \(perRoute("host").indented(2))
          routes:
          - match: {prefix: /off}
            route: {cluster: up}
            typed_per_filter_config:
              envoy.filters.http.header_mutation: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}
          - match: {prefix: /wrapped}
            route: {cluster: up}
            typed_per_filter_config:
              envoy.filters.http.header_mutation:
                "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig
                config:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute
                  mutations: {request_mutations: [{append: {header: {key: x-level, value: wrapped}}}]}
          - match: {prefix: /host}
            route: {cluster: up}
          - match: {prefix: /}
            route: {cluster: up}
        \(perRoute("route").indented(4))
        """

    private static let mutationListeners: [Group.Listener] = [
        .init(name: "query", filters: mutation("""
            mutations:
              query_parameter_mutations:
              - append: {record: {key: app, value: "%REQ(x-in)%"}, action: APPEND_IF_EXISTS_OR_ADD}
              - append: {record: {key: absent, value: new}, action: ADD_IF_ABSENT}
              - append: {record: {key: over, value: new}, action: OVERWRITE_IF_EXISTS}
              - append: {record: {key: set, value: new}, action: OVERWRITE_IF_EXISTS_OR_ADD}
              - remove: gone
            """)),
        .init(name: "match", filters: mutation("""
            mutations:
              request_mutations:
              - remove_on_match: {key_matcher: {prefix: x-a-}}
              - remove_on_match: {key_matcher: {suffix: -B, ignore_case: true}}
              - append: {header: {key: x-a-kept, value: added}}
              - remove_on_match: {key_matcher: {contains: middle}}
              - remove_on_match: {key_matcher: {safe_regex: {regex: "x-r[0-9]+"}}}
              - remove_on_match: {key_matcher: {exact: x-exact}}
              response_mutations:
              - remove_on_match: {key_matcher: {prefix: x-}}
            """)),
        .init(name: "no_path", filters: mutation("mutations: {request_mutations: [{remove: \":path\"}]}")),
        .init(name: "no_method", filters: mutation("mutations: {request_mutations: [{remove: \":method\"}]}")),
        .init(name: "no_path_matched", filters: mutation("mutations: {request_mutations: [{remove_on_match: {key_matcher: {exact: \":path\"}}}]}")),
        .init(name: "no_method_matched", filters: mutation("mutations: {request_mutations: [{remove_on_match: {key_matcher: {suffix: method}}}]}")),
        .init(name: "levels", routeTable: perRoute("table"), virtualHosts: levels, filters: mutation("mutations: {}")),
        .init(
            name: "levels_specific", routeTable: perRoute("table"), virtualHosts: levels,
            filters: mutation("most_specific_header_mutations_wins: true\nmutations: {request_mutations: [{append: {header: {key: x-level, value: filter}}}]}")),
    ]

    private static func get(_ name: String, _ path: String, _ more: String = "", on listener: String) -> Case {
        Case("filters." + name, request("GET " + path, more), on: listener)
    }

    private static let queryCases: [Case] = [
        get("query_none", "/p", "x-in: v\r\n", on: "query"),
        get("query_all_there", "/p?app=1&absent=1&over=1&set=1&gone=1&other=1", "x-in: v\r\n", on: "query"),
        get("query_sorted", "/p?z=1&b=2&a=3&b=1", "x-in: v\r\n", on: "query"),
        get("query_repeated", "/p?over=1&over=2&set=1&set=2&gone=1&gone=2", "x-in: v\r\n", on: "query"),
        get("query_added_is_encoded", "/p", "x-in: a b&c=d%*~-._\r\n", on: "query"),
        get("query_without_value", "/p?flag&over&x=", "x-in: v\r\n", on: "query"),
        get("query_missing_operand", "/p?x=1", on: "query"),
        get("query_encoded_key", "/p?%67one=1&x=1", "x-in: v\r\n", on: "query"),
    ]

    private static let matchCases: [Case] = [
        get("match_removes", "/p", "x-a-1: 1\r\nX-A-2: 2\r\nx-one-b: 1\r\nx-two-B: 1\r\nin-middle-of: 1\r\nx-r12: 1\r\nx-r: stays\r\nx-exact: 1\r\nx-exactly: stays\r\n", on: "match"),
        get("match_response", "/p", on: "match").replying(reply("200 OK", "x-one: 1\r\ny-two: 2\r\nX-Three: 3\r\n")),
        get("path_removed", "/p", on: "no_path"), get("method_removed", "/p", on: "no_method"),
        get("path_removed_by_match", "/p", on: "no_path_matched"), get("method_removed_by_match", "/p", on: "no_method_matched"),
    ]

    private static let levelCases: [Case] = [
        get("levels_general_wins", "/r", on: "levels"), get("levels_specific_wins", "/r", on: "levels_specific"),
        get("levels_without_route", "/host", on: "levels"), get("levels_without_route_specific_wins", "/host", on: "levels_specific"),
        get("levels_disabled", "/off", on: "levels"), get("levels_wrapped", "/wrapped", on: "levels"),
    ]

    // MARK: health_check

    private static func health(_ fields: String) -> String {
        """
        - name: envoy.filters.http.health_check
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
            headers: [{name: ":path", string_match: {exact: /healthz}}]
        \(fields.indented(4))
        """
    }

    private static func minimum(_ clusters: String) -> String {
        health("pass_through_mode: false\ncluster_min_healthy_percentages: {\(clusters)}")
    }

    private static let healthListeners: [Group.Listener] = [
        .init(name: "health", filters: health("pass_through_mode: false")),
        .init(name: "health_up", filters: minimum("up: {value: 100}")),
        .init(name: "health_empty", filters: minimum("empty: {value: 1}")),
        .init(name: "health_empty_is_fine", filters: minimum("empty: {value: 0}, up: {value: 50}")),
        .init(name: "health_unknown", filters: minimum("nowhere: {value: 1}")),
        .init(name: "health_half", filters: minimum("sick: {value: 50}")),
        .init(name: "health_most", filters: minimum("sick: {value: 51}")),
        .init(name: "health_passes", filters: health("pass_through_mode: true")),
        .init(name: "health_passes_minimum", filters: health("pass_through_mode: true\ncluster_min_healthy_percentages: {empty: {value: 1}, nowhere: {value: 1}}")),
        .init(name: "health_cached_good", filters: health("pass_through_mode: true\ncache_time: 3600s")),
        .init(name: "health_cached_bad", filters: health("pass_through_mode: true\ncache_time: 3600s")),
        .init(name: "health_cached_body", filters: health("pass_through_mode: true\ncache_time: 3600s")),
    ]

    private static func check(_ name: String, on listener: String) -> Case {
        get("health_" + name, "/healthz", on: listener)
    }

    private static func twice(_ name: String, _ first: String, _ second: String, on listener: String) -> Case {
        Case(
            "filters." + name, steps: [.send(first), .awaitResponse, .send(second)], on: listener,
            methods: [first, second].map { String($0.prefix { $0 != " " }) })
    }

    private static let healthCases: [Case] = [
        check("answered", on: "health"), get("health_other_path", "/other", on: "health"),
        Case("filters.health_post", request("POST /healthz", "content-length: 3\r\n") + "abc", on: "health"),
        Case("filters.health_post_pieces", steps: [.send(request("POST /healthz", "content-length: 3\r\n") + "a"), .pause(ms: 30), .send("bc")], on: "health"),
        Case("filters.health_chunked", request("POST /healthz", "transfer-encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n", on: "health"),
        check("of_cluster", on: "health_up"), check("of_empty_cluster", on: "health_empty"),
        check("of_empty_cluster_that_may_be", on: "health_empty_is_fine"), check("of_unknown_cluster", on: "health_unknown"),
        check("half_is_enough", on: "health_half"), check("half_is_not_enough", on: "health_most"),
        check("passes_through", on: "health_passes"),
        check("passes_through_failure", on: "health_passes").replying(reply("500 Bad")),
        check("passes_through_minimum", on: "health_passes_minimum"),
        twice("health_cached", request("GET /healthz"), request("GET /healthz"), on: "health_cached_good")
            .replying(reply("200 OK", "x-envoy-degraded: \r\n")),
        twice("health_cached_failure", request("GET /healthz"), request("GET /healthz"), on: "health_cached_bad").replying(reply("503 Unavailable")),
        twice("health_cached_body", request("GET /healthz"), request("POST /healthz", "content-length: 3\r\n") + "abc", on: "health_cached_body"),
    ]

    // MARK: local_ratelimit

    /// Buckets that do not fill while the cases run.
    private static func bucket(_ tokens: Int) -> String { "{max_tokens: \(tokens), tokens_per_fill: 1, fill_interval: 3600s}" }

    private static func limit(_ fields: String) -> String {
        """
        - name: envoy.filters.http.local_ratelimit
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
            stat_prefix: limits
            filter_enabled: {default_value: {numerator: 100}}
        \(fields.indented(4))
        """
    }

    private static let enforced = "filter_enforced: {default_value: {numerator: 1000000, denominator: MILLION}}\n"

    /// One descriptor with one token, made by one action; the default bucket is full.
    private static func descriptor(_ name: String, _ action: String, _ entries: String, more: String = "") -> Group.Listener {
        .init(name: "by_" + name, filters: limit("""
            \(enforced)token_bucket: \(bucket(100))
            descriptors: [{entries: [\(entries)], token_bucket: \(bucket(1))}]
            rate_limits: [{actions: [\(action)]}]
            \(more)
            """))
    }

    private static let limitRoutes = """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /own}
            route: {cluster: up}
            typed_per_filter_config:
              envoy.filters.http.local_ratelimit:
                "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                stat_prefix: own
                token_bucket: \(bucket(1))
                filter_enabled: {default_value: {numerator: 100}}
                filter_enforced: {default_value: {numerator: 10000, denominator: TEN_THOUSAND}}
                status: {code: ServiceUnavailable}
                response_headers_to_add: [{header: {key: x-limited, value: "%REQ(:PATH)%"}}]
          - match: {prefix: /}
            route: {cluster: up}
        """

    private static let limitListeners: [Group.Listener] = [
        .init(name: "limit", virtualHosts: limitRoutes, filters: limit("\(enforced)token_bucket: \(bucket(2))\nenable_x_ratelimit_headers: DRAFT_VERSION_03")),
        .init(name: "limit_shadow", filters: limit("""
            token_bucket: \(bucket(1))
            request_headers_to_add_when_not_enforced: [{header: {key: x-over, value: "yes"}}]
            """)),
        .init(name: "limit_connection", filters: limit("\(enforced)token_bucket: \(bucket(1))\nlocal_rate_limit_per_downstream_connection: true")),
        .init(name: "limit_grpc", filters: limit("\(enforced)token_bucket: \(bucket(1))\nrate_limited_as_resource_exhausted: true")),
        .init(name: "limit_grpc_unavailable", filters: limit("\(enforced)token_bucket: \(bucket(1))")),
        descriptor("generic", "{generic_key: {descriptor_value: a}}", "{key: generic_key, value: a}"),
        descriptor("generic_key", "{generic_key: {descriptor_key: k, descriptor_value: a}}", "{key: k, value: a}"),
        descriptor("source", "{source_cluster: {}}", "{key: source_cluster, value: fleet}"),
        descriptor("destination", "{destination_cluster: {}}", "{key: destination_cluster, value: up}"),
        descriptor("header", "{request_headers: {header_name: x-user, descriptor_key: user}}", "{key: user, value: eve}"),
        descriptor("path", "{request_headers: {header_name: \":path\", descriptor_key: path}}", "{key: path, value: /p}"),
        descriptor("method", "{request_headers: {header_name: \":method\", descriptor_key: m}}", "{key: m, value: GET}"),
        descriptor("authority", "{request_headers: {header_name: \":authority\", descriptor_key: host}}", "{key: host, value: h.test}"),
        descriptor("query", "{query_parameters: {query_parameter_name: q, descriptor_key: query}}", "{key: query, value: a b}"),
        descriptor("remote", "{remote_address: {}}", "{key: remote_address, value: 127.0.0.1}"),
        descriptor("masked", "{masked_remote_address: {v4_prefix_mask_len: 8, v6_prefix_mask_len: 64}}", "{key: masked_remote_address, value: 127.0.0.0/8}"),
        descriptor("match", "{header_value_match: {descriptor_value: a, headers: [{name: x-user, present_match: true}]}}", "{key: header_match, value: a}"),
        descriptor("match_not", "{header_value_match: {descriptor_key: not, descriptor_value: a, expect_match: false, headers: [{name: x-user, present_match: true}]}}", "{key: not, value: a}"),
        descriptor("query_match", "{query_parameter_value_match: {descriptor_value: a, query_parameters: [{name: q, string_match: {prefix: v}}]}}", "{key: query_match, value: a}"),
        descriptor("query_present", "{query_parameter_value_match: {descriptor_key: k, descriptor_value: a, expect_match: true, query_parameters: [{name: q, present_match: true}]}}", "{key: k, value: a}"),
        descriptor(
            "two", "{request_headers: {header_name: x-user, descriptor_key: user, skip_if_absent: true}}, {generic_key: {descriptor_value: a}}",
            "{key: user, value: eve}, {key: generic_key, value: a}", more: "enable_x_ratelimit_headers: DRAFT_VERSION_03"),
        .init(name: "by_none_default", filters: limit("""
            \(enforced)token_bucket: \(bucket(1))
            always_consume_default_token_bucket: false
            descriptors: [{entries: [{key: generic_key, value: a}], token_bucket: \(bucket(3))}]
            rate_limits: [{actions: [{generic_key: {descriptor_value: a}}]}]
            """)),
    ]

    /// The same request three times on one connection, and what differs of it in between.
    private static func thrice(_ name: String, _ requests: [String], on listener: String) -> Case {
        Case("filters." + name, steps: requests.flatMap { [.send($0), .awaitResponse] }, on: listener, methods: requests.map { String($0.prefix { $0 != " " }) })
    }

    private static func limited(_ name: String, counted: String, other: String) -> Case {
        thrice("limit_by_" + name, [other, counted, counted, other], on: "by_" + name)
    }

    private static let eve = request("GET /p", "x-user: eve\r\n")
    private static let plain = request("GET /p")

    private static let descriptorCases: [Case] = [
        thrice("limit_by_generic", [plain, plain], on: "by_generic"), thrice("limit_by_generic_key", [plain, plain], on: "by_generic_key"),
        thrice("limit_by_source", [plain, plain], on: "by_source"), thrice("limit_by_destination", [plain, plain], on: "by_destination"),
        limited("header", counted: eve, other: plain), limited("path", counted: plain, other: request("GET /q")),
        limited("method", counted: plain, other: request("DELETE /p")), thrice("limit_by_authority", [plain, plain], on: "by_authority"),
        thrice("limit_by_query", [plain, request("GET /p?q=a"), request("GET /p?q=a%20b"), request("GET /p?q=a%20b"), request("GET /p?q=a%20bc")], on: "by_query"),
        limited("remote", counted: plain, other: request("GET /p", "x-forwarded-for: 1.2.3.4\r\n")),
        limited("masked", counted: plain, other: request("GET /p", "x-forwarded-for: 10.2.3.4\r\n")),
        limited("match", counted: eve, other: plain), limited("match_not", counted: plain, other: eve),
        limited("query_match", counted: request("GET /p?q=v1"), other: request("GET /p?q=w")),
        limited("query_present", counted: request("GET /p?q"), other: request("GET /p?r=1")),
        limited("two", counted: eve, other: plain), thrice("limit_by_none_default", [plain, plain, plain, plain], on: "by_none_default"),
    ]

    private static let limitCases: [Case] = [
        thrice("limit_default", [plain, plain, plain, request("GET /own"), request("GET /own")], on: "limit").with { $0.ignoring = [] },
        thrice("limit_not_enforced", [plain, plain], on: "limit_shadow"),
        thrice("limit_per_connection", [plain, plain], on: "limit_connection"),
        thrice("limit_per_connection_again", [plain, plain], on: "limit_connection"),
        thrice("limit_grpc", [plain, request("POST /s/m", "content-type: application/grpc\r\ncontent-length: 0\r\n")], on: "limit_grpc"),
        thrice("limit_grpc_unavailable", [plain, request("POST /s/m", "content-type: application/grpc\r\ncontent-length: 0\r\n")], on: "limit_grpc_unavailable"),
    ]
}
