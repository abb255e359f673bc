import TestSupport

extension Groups {
    /// `local_ratelimit`: what `filters` and `traffic` have not of it. Buckets do not fill while the cases run, and each case has a
    /// listener of its own: what one has taken another would miss.
    static let localRateLimit = Group(
        name: "local_rate_limit",
        listeners: sets.map { listener($0) },
        clusters: [
            .init("up", [.scripted("a")], "metadata: {filter_metadata: {a: {b: of_cluster, seven: 7}}}"),
            .init("three", [.refused, .refused, .refused]),
        ],
        bootstrap: "node: {id: edge, cluster: fleet}\ncluster_manager: {local_cluster_name: three}",
        cases: sets.map { test($0) })

    private struct LimitSet: Sendable {
        let name: String
        var fields = ""
        /// Of the route.
        var limits = ""
        var log = ""
        var route = "cluster: up"
        var requests: [String] = ["eve", "eve", "eve"]
    }

    private static func bucket(_ tokens: Int, _ seconds: Int = 3600) -> String {
        "{max_tokens: \(tokens), tokens_per_fill: 1, fill_interval: \(seconds)s}"
    }

    private static let byUser = "{request_headers: {header_name: x-user, descriptor_key: user}}"

    /// One descriptor of `tokens` tokens, and what the filter's own `rate_limits` make of a request.
    private static func one(
        _ name: String, _ action: String = byUser, _ entries: String = "{key: user, value: eve}", tokens: Int = 1, shadow: Bool = false,
        rule: String = "", more: String = "", requests: [String] = ["eve", "eve", "eve"]
    ) -> LimitSet {
        LimitSet(name: name, fields: """
            descriptors: [{entries: [\(entries)], token_bucket: \(bucket(tokens)), shadow_mode: \(shadow)}]
            rate_limits: [{actions: [\(action)]\(rule)}]
            \(more)
            """, requests: requests)
    }

    /// The same, with `rate_limits` of the route.
    private static func route(_ name: String, _ rule: String, more: String = "", requests: [String] = ["eve", "eve", "eve"]) -> LimitSet {
        LimitSet(
            name: name, fields: "descriptors: [{entries: [{key: user, value: eve}], token_bucket: \(bucket(3))}]\n\(more)",
            limits: "rate_limits: [{actions: [\(byUser)]\(rule)}]", requests: requests)
    }

    private static func ofMetadata(_ source: String, _ path: String, _ more: String = "") -> String {
        "{metadata: {descriptor_key: k, source: \(source), metadata_key: {key: a, path: [\(path)]}\(more)}}"
    }

    /// An entry of an extension's.
    private static func extended(_ type: String, _ fields: String, name: String = "x") -> String {
        "{extension: {name: \(name), typed_config: {\"@type\": type.googleapis.com/\(type)\(fields.isEmpty ? "" : ", " + fields)}}}"
    }
    private static func expression(_ text: String, _ more: String = "") -> String {
        extended("envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", "descriptor_key: k, text: \"\(text)\"\(more)")
    }
    private static func shown(_ name: String, _ text: String, _ value: String) -> LimitSet {
        one("expression_" + name, expression(text), "{key: k, value: \"\(value)\"}", requests: ["eve"])
    }

    /// What expressions and inputs of matchers make entries of.
    private static let extensions: [LimitSet] = [
        one("expression", expression("request.headers['x-user']"), "{key: k, value: eve}", requests: ["eve", "ann", "eve"]),
        one("expression_any", expression("request.headers['x-user']"), "{key: k}", requests: ["eve", "ann", "eve"]),
        one("expression_error", expression("request.nope") + ", " + byUser, requests: ["eve"]),
        one("expression_error_skipped", expression("request.nope", ", skip_if_error: true") + ", " + byUser),
        one("expression_error_alone", expression("request.nope", ", skip_if_error: true"), "{key: k}", requests: ["eve"]),
        one(
            "expression_parsed",
            extended("envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", "descriptor_key: k, parsed: {select_expr: {operand: {ident_expr: {name: request}}, field: method}}"),
            "{key: k, value: GET}", requests: ["eve"]),
        shown("int", "-1", "-1"), shown("uint", "2u", "2"), shown("double", "1.5", "1.5"), shown("bool", "1 == 1", "true"), shown("null", "null", "NULL"),
        shown("bytes", "b'abc'", "abc"), shown("list", "[1]", "CelList value"), shown("map", "{'a': 1}", "CelMap value"), shown("type", "int", "CelType value"),
        shown("duration", "duration('90s')", "1m30s"), shown("timestamp", "timestamp(0)", "1970-01-01T00:00:00+00:00"), shown("empty", "''", ""),
        shown("route", "xds.route_metadata.filter_metadata.a.b", "of_route"), shown("cluster", "xds.cluster_name", "up"),
        shown("cluster_metadata", "xds.cluster_metadata.filter_metadata.a.b", "of_cluster"), shown("host", "xds.virtual_host_name", "all"),
        shown("node", "xds.node.id", "edge"), shown("no_code", "response.code", ""), shown("no_upstream", "upstream.address", ""),
        LimitSet(
            name: "expression_of_route", fields: "descriptors: [{entries: [{key: k, value: eve}], token_bucket: \(bucket(1))}]",
            limits: "rate_limits: [{actions: [\(expression("request.headers['x-user']"))]}]", requests: ["eve", "ann", "eve"]),
        LimitSet(
            name: "refused_logs_cluster", fields: "stage: 0\ntoken_bucket: \(bucket(1))", log: "%RESPONSE_CODE% %UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% %CLUSTER_METADATA(a:b)% %CEL(xds.cluster_metadata.filter_metadata.a.b)%",
            requests: ["eve", "eve"]),
        LimitSet(
            name: "refused_logs_cluster_of_header", fields: "stage: 0\ntoken_bucket: \(bucket(1))", log: "%RESPONSE_CODE% %UPSTREAM_CLUSTER% %CLUSTER_METADATA(a:b)% %CEL(xds.cluster_name)%",
            route: "cluster_header: x-user", requests: ["up", "up"]),
        one("input", extended("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name: X-User", name: "user"), requests: ["eve", "ann", "eve"]),
        one("input_missing", extended("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name: x-none") + ", " + byUser, requests: ["eve"]),
        one("input_empty", extended("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name: x-hits") + ", " + byUser, requests: ["eve "]),
        one("input_address", extended("envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", "", name: "ip"), "{key: ip, value: 127.0.0.1}", requests: ["eve"]),
        one("input_attributes", extended("xds.type.matcher.v3.HttpAttributesCelMatchInput", "") + ", " + byUser, requests: ["eve"]),
    ]

    private static let sets: [LimitSet] = extensions + [
        one("any_value", byUser, "{key: user}", more: "max_dynamic_descriptors: 2", requests: ["a", "a", "b", "a", "c", "a", "b", "a"]),
        one(
            "any_value_of_two", "{generic_key: {descriptor_value: x}}, \(byUser)", "{key: generic_key, value: x}, {key: user}",
            requests: ["a", "a", "b", "b"]),
        one("any_address", "{remote_address: {}}, {destination_cluster: {}}", "{key: remote_address}, {key: destination_cluster}"),
        one("any_value_per_connection", byUser, "{key: user}", more: "local_rate_limit_per_downstream_connection: true", requests: ["a", "a", "b"]),
        LimitSet(name: "value_before_any", fields: """
            descriptors: [{entries: [{key: user}], token_bucket: \(bucket(1))}, {entries: [{key: user, value: eve}], token_bucket: \(bucket(2))}]
            rate_limits: [{actions: [\(byUser)]}]
            """, requests: ["eve", "eve", "eve", "ann", "ann"]),
        one("shadow", shadow: true),
        LimitSet(name: "shadow_and_default", fields: """
            descriptors: [{entries: [{key: user, value: eve}], token_bucket: \(bucket(1)), shadow_mode: true}]
            rate_limits: [{actions: [\(byUser)]}]
            token_bucket: \(bucket(2))
            """),
        LimitSet(name: "shadow_and_other", fields: """
            descriptors:
            - {entries: [{key: user, value: eve}], shadow_mode: true, token_bucket: \(bucket(1, 36000))}
            - {entries: [{key: other, value: eve}], token_bucket: \(bucket(2))}
            rate_limits: [{actions: [\(byUser)]}, {actions: [{request_headers: {header_name: x-user, descriptor_key: other}}]}]
            """),
        one("retry_after", more: "enable_retry_after_header: true\nresponse_headers_to_add: [{header: {key: x-over, value: \"yes\"}}]"),
        one("retry_after_at_once", tokens: 3, rule: ", hits_addend: {number: 2}", more: "enable_retry_after_header: true"),
        LimitSet(name: "never", fields: "token_bucket: {max_tokens: 0, fill_interval: 1s}\nenable_retry_after_header: true"),
        one("never_by_descriptor", tokens: 0, more: "enable_retry_after_header: true"),
        one("hits", tokens: 5, rule: ", hits_addend: {number: 2}"),
        one("hits_none", rule: ", hits_addend: {number: 0}"),
        one(
            "hits_by_format", tokens: 9, rule: ", hits_addend: {format: \"%REQ(x-hits)%\"}",
            requests: ["eve 2", "eve 2.9", "eve -1", "eve abc", "eve ", "eve 1e9", "eve 1e10", "eve 3", "eve 1", "eve 1", "eve 1"]),
        one("hits_given_back", tokens: 2, rule: ", hits_addend: {number: 1, is_negative_hits: true}"),
        LimitSet(name: "twice", fields: """
            descriptors: [{entries: [{key: user, value: eve}], token_bucket: \(bucket(4))}]
            rate_limits: [{actions: [\(byUser)]}, {actions: [\(byUser)]}]
            """),
        one("when_done", rule: ", apply_on_stream_done: true"),
        one("headers_off", tokens: 3, rule: ", x_ratelimit_option: \"OFF\""),
        LimitSet(name: "headers_on", fields: """
            descriptors: [{entries: [{key: user, value: eve}], token_bucket: \(bucket(2))}]
            rate_limits: [{actions: [\(byUser)], x_ratelimit_option: DRAFT_VERSION_03}]
            enable_x_ratelimit_headers: "OFF"
            """, requests: ["eve", "ann", "eve", "eve"]),
        one("of_network", "{remote_address_match: {descriptor_value: x, address_matcher: {ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}}}", "{key: remote_address_match, value: x}"),
        one("of_other_network", "{remote_address_match: {descriptor_key: k, descriptor_value: x, default_value: d, address_matcher: {ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}, {address_prefix: \"::\", prefix_len: 0}]}}}", "{key: k}"),
        one("of_no_network", "{remote_address_match: {descriptor_key: k, descriptor_value: x, address_matcher: {invert_match: true, ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}}", "{key: k, value: x}"),
        one("by_route", ofMetadata("ROUTE_ENTRY", "{key: b}"), "{key: k, value: of_route}"),
        one("by_route_deep", ofMetadata("ROUTE_ENTRY", "{key: c}, {key: d}"), "{key: k, value: deep}"),
        one("by_route_number", ofMetadata("ROUTE_ENTRY", "{key: half}", ", default_value: none"), "{key: k}"),
        one("by_cluster", ofMetadata("CLUSTER_ENTRY", "{key: b}"), "{key: k, value: of_cluster}"),
        one("by_cluster_number", ofMetadata("CLUSTER_ENTRY", "{key: seven}"), "{key: k}"),
        one("by_locality", ofMetadata("CLUSTER_LOCALITY_ENTRY", "{key: b}", ", default_value: none"), "{key: k, value: none}"),
        one("by_request", ofMetadata("DYNAMIC", "{key: b}", ", default_value: none"), "{key: k, value: none}"),
        one("by_request_skipped", ofMetadata("DYNAMIC", "{key: b}", ", skip_if_absent: true") + ", " + byUser),
        one("by_request_not_skipped", ofMetadata("DYNAMIC", "{key: b}") + ", " + byUser),
        one("default_value_unused", "{generic_key: {descriptor_value: x, default_value: d}}", "{key: generic_key, value: x}"),
        one("scheme", "{request_headers: {header_name: \":scheme\", descriptor_key: user}}", "{key: user, value: http}"),
        one("shared_by_three", tokens: 7, more: "local_cluster_rate_limit: {}"),
        route("route_disabled", ", disable_key: x"), route("route_when_done", ", apply_on_stream_done: true"),
        route("route_hits", ", hits_addend: {number: 2}"),
        route("route_limit", ", limit: {rate_limit: {requests_per_unit: 1, unit: SECOND}}"),
        route("route_headers", ", x_ratelimit_option: \"OFF\""),
    ]

    private static let plainLog = Group.Listener(name: "").logFormat

    private static func listener(_ set: LimitSet) -> Group.Listener {
        let standard = set.fields.contains("token_bucket: {max_tokens: 0, fill") || set.fields.contains("\ntoken_bucket") ? "" : "token_bucket: \(bucket(100))"
        let headers = set.fields.contains("enable_x_ratelimit_headers") ? "" : "enable_x_ratelimit_headers: DRAFT_VERSION_03"
        return .init(
            name: set.name,
            virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes:
                  - match: {prefix: /}
                    metadata: {filter_metadata: {a: {b: of_route, c: {d: deep}, half: 1.5}}}
                    route: {\(set.route), \(set.limits)}
                """,
            filters: """
                - name: envoy.filters.http.local_ratelimit
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                    stat_prefix: \(set.name)
                    filter_enabled: {default_value: {numerator: 100}}
                    filter_enforced: {default_value: {numerator: 100}}
                    \(standard)
                    \(headers)
                \(set.fields.indented(4))
                """,
            logFormat: set.log.isEmpty ? plainLog : "{text_format_source: {inline_string: \"\(set.log)\\n\"}}")
    }

    /// The same connection for all requests of a case: `x-user` and `x-hits`.
    private static func test(_ set: LimitSet) -> Case {
        let sent = set.requests.map { request in
            let parts = request.split(separator: " ", omittingEmptySubsequences: false)
            return "GET / HTTP/1.1\r\nhost: h.test\r\nx-user: \(parts[0])\r\n" + (parts.count > 1 ? "x-hits: \(parts[1])\r\n" : "") + "\r\n"
        }
        return Case(
            "local_rate_limit." + set.name, steps: sent.flatMap { [.send($0), .awaitResponse] }, on: set.name, methods: sent.map { _ in "GET" }
        ).with { $0.ignoring = [] }
    }
}
