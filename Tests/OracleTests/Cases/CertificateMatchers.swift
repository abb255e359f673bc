import TestSupport

extension Groups {
    /// `forward_client_cert_matcher`, without certificates: the field passes where the matcher holds, and nowhere else.
    static let certificateMatchers = Group(
        name: "certificateMatchers",
        listeners: [
            matching("internal_client", field("x-envoy-internal", "exact: \"true\""), atEdge("127.0.0.0")),
            matching("internal_told", field("x-envoy-internal", "exact: \"true\""), atEdge("10.0.0.0")),
            matching("internal_inside", field("x-envoy-internal", "exact: \"true\""), "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"),
            matching("address", field("x-envoy-external-address", "exact: 7.7.7.7"), atEdge("10.0.0.0")),
            matching("own_address", field("x-envoy-external-address", "exact: 127.0.0.1"), atEdge("10.0.0.0")),
            matching("retry_on", field("x-envoy-retry-on", "exact: 5xx"), atEdge("10.0.0.0")),
            matching("request_id", field("x-request-id", anything)), matching("via", field("via", "contains: own"), "via: own"),
            matching("service", field("x-envoy-downstream-service-cluster", anything), "add_user_agent: true\nuse_remote_address: true"),
            matching("port", field("x-forwarded-port", anything), "append_x_forwarded_port: true"),
            matching("scheme", field(":scheme", "exact: https"), "scheme_header_transformation: {scheme_to_overwrite: https}"),
            matching("plain_scheme", field(":scheme", "exact: http")),
            matching("host", field("Host", "exact: h.test")), matching("authority", field(":authority", "exact: h.test")),
            matching("path", field(":path", anything)), matching("unknown", field(":unknown", anything)),
            matching("parameter", holds(parameter, "exact: a b")), matching("empty_parameter", holds(parameter, any("[^x]*"))),
            matching("peer", holds(network("DirectSourceIPInput"), "exact: 127.0.0.1"), fields: proxied),
            matching("told_peer", holds(network("SourceIPInput"), "exact: 1.2.3.4"), fields: proxied),
            listener("addresses", tree(network("SourceIPInput"), "prefix", [
                ("127.0.0.", nested(tree(network("SourcePortInput"), "exact", [("1", passes)]))), ("127.", passes),
            ])),
            listener("long_fields", tree(headerInput("x-b"), "prefix", [
                ("bbb", nested(tree(headerInput("x-c"), "exact", [("no", passes)]))), ("bb", passes), ("c", "{action: \(action("SANITIZE"))}"),
            ])),
            listener("exact_then_nothing", tree(headerInput("x-b"), "exact", [
                ("b", nested(tree(headerInput("x-c"), "exact", [("c", passes)]))),
            ]) + ", on_no_match: \(passes)"),
        ],
        clusters: [Group.up],
        cases: [
            ask("internal_client"), ask("internal_told"), ask("internal_told", "told", "x-envoy-internal: true\r\n"),
            ask("internal_inside"), ask("internal_inside", "told", "x-envoy-internal: true\r\n"),
            ask("internal_inside", "inside", "x-forwarded-for: 10.0.0.1\r\n"), ask("internal_inside", "outside", "x-forwarded-for: 1.2.3.4\r\nx-envoy-internal: true\r\n"),
            ask("address"), ask("address", "told", "x-envoy-external-address: 7.7.7.7\r\n"), ask("own_address"),
            ask("retry_on"), ask("retry_on", "told", "x-envoy-retry-on: 5xx\r\n"), ask("request_id"), ask("via"), ask("service"),
            ask("service", "told", "x-envoy-downstream-service-cluster: me\r\n"), ask("port"), ask("scheme"), ask("plain_scheme"),
            ask("host"), ask("authority"), ask("path"), ask("unknown"),
            ask("peer", before: "PROXY TCP4 1.2.3.4 5.6.7.8 80 90\r\n"), ask("told_peer", before: "PROXY TCP4 1.2.3.4 5.6.7.8 80 90\r\n"),
            ask("addresses"), ask("exact_then_nothing"), ask("exact_then_nothing", "outer", "x-b: b\r\n"), ask("exact_then_nothing", "both", "x-b: b\r\nx-c: c\r\n"),
            ask("long_fields"), ask("long_fields", "once", "x-b: \(many("b", 3_000))\r\nx-c: \(many("c", 3_000))\r\n"),
            ask("long_fields", "twice", many("x-b: \(many("b", 3_000))\r\n", 2) + many("x-c: \(many("c", 3_000))\r\n", 2)),
        ] + queries.enumerated().flatMap { i, query in
            ["parameter", "empty_parameter"].map { ask($0, "\(i)", path: "/" + query) }
        })

    private static let queries = ["?k=a%20b", "?%6b=a%20b", "?k=a+b", "?k=a%2", "?k=a%2xb", "?k=x&k=a%20b", "?k=a%20b&k=x", "?k", "?%6b", "?k=", "?=k", "?", "?a&&k=a%20b", "?k=%61%20%62", "?k=a%20b#f", "?K=a%20b"]

    private static func atEdge(_ inside: String) -> String {
        "use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: \(inside), prefix_len: 8}]}"
    }

    private static let proxied = """
        listener_filters:
        - name: p
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
        """
    private static let anything = any(".+")
    private static func any(_ regex: String) -> String { "safe_regex: {google_re2: {}, regex: \"\(regex)\"}" }

    private static func action(_ mode: String) -> String {
        "{name: a, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig, forward_client_cert_details: \(mode)}}"
    }
    private static let passes = "{action: \(action("ALWAYS_FORWARD_ONLY"))}"
    private static func nested(_ matcher: String) -> String { "{matcher: {\(matcher)}}" }

    private static func input(_ name: String, _ fields: String = "") -> String { "{name: i, typed_config: {\"@type\": type.googleapis.com/\(name)\(fields)}}" }
    private static func headerInput(_ name: String) -> String { input("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", ", header_name: \"\(name)\"") }
    private static func network(_ name: String) -> String { input("envoy.extensions.matching.common_inputs.network.v3." + name) }
    private static let parameter = input("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", ", query_param: k")

    private static func holds(_ input: String, _ value: String) -> String { "{single_predicate: {input: \(input), value_match: {\(value)}}}" }
    private static func field(_ name: String, _ value: String) -> String { holds(headerInput(name), value) }

    private static func tree(_ input: String, _ kind: String, _ map: [(key: String, outcome: String)]) -> String {
        "matcher_tree: {input: \(input), \(kind)_match_map: {map: {\(map.map { "\"\($0.key)\": \($0.outcome)" }.joined(separator: ", "))}}}"
    }

    private static func listener(_ name: String, _ matcher: String, _ manager: String = "", fields: String = "") -> Group.Listener {
        .init(name: name, fields: fields, manager: "forward_client_cert_matcher: {\(matcher)}" + (manager.isEmpty ? "" : "\n" + manager))
    }

    private static func matching(_ name: String, _ predicate: String, _ manager: String = "", fields: String = "") -> Group.Listener {
        listener(name, "matcher_list: {matchers: [{predicate: \(predicate), on_match: \(passes)}]}", manager, fields: fields)
    }

    private static func ask(_ listener: String, _ name: String = "", _ more: String = "", path: String = "/", before: String = "") -> Case {
        Case(
            "certificateMatchers.\(listener)\(name.isEmpty ? "" : "_" + name)", before + request("GET " + path, "x-forwarded-client-cert: By=old\r\n" + more),
            on: listener)
    }
}
