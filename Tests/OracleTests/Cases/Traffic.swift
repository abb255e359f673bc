import TestSupport

extension Groups {
    /// Which hosts of a cluster a route may use (`metadata_match`, `lb_subset_config`), and what counts requests by themselves
    /// (`virtual_clusters`) or limits them (`rate_limits`). Every subset that is asked for here has one host: which of several is anybody's guess.
    static let traffic = Group(
        name: "traffic",
        listeners: [.init(name: "main", virtualHosts: subsetHosts), .init(name: "virtual", virtualHosts: virtualHosts)] + limitListeners,
        clusters: [Group.up] + subsetClusters.map { cluster($0.name, $0.fields) },
        cases: subsetCases + virtualCases + limitCases)

    private static func cluster(_ name: String, _ fields: String) -> Group.Cluster {
        let hosts = [
            ("a", "v: 1, env: prod"), ("b", "v: 2, env: prod"), ("c", "v: [3, 4], env: dev, solo: x"), ("d", "solo: x, deep: {k: [1, true, null, s]}"),
        ].map { host, metadata in
            "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{up.\(host)}}}}}, metadata: {filter_metadata: {envoy.lb: {\(metadata)}}}}"
        }
        var cluster = Group.Cluster(name, ["a", "b", "c", "d"].map { .scripted($0) }, fields)
        cluster.endpointsYAML = "[\(hosts.joined(separator: ", "))]"
        return cluster
    }

    private static let subsetClusters: [(name: String, fields: String)] = [
        ("none", "lb_subset_config: {subset_selectors: [{keys: [v]}, {keys: [v, env]}, {keys: [deep]}, {keys: [solo], single_host_per_subset: true}]}"),
        ("default", "lb_subset_config: {fallback_policy: DEFAULT_SUBSET, default_subset: {env: dev}, subset_selectors: [{keys: [v]}]}"),
        ("selectors", """
            lb_subset_config:
              fallback_policy: DEFAULT_SUBSET
              default_subset: {v: 1}
              subset_selectors:
              - {keys: [env]}
              - {keys: [env, v], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [env]}
              - {keys: [v], fallback_policy: NO_FALLBACK}
              - {keys: [solo], single_host_per_subset: true, fallback_policy: DEFAULT_SUBSET}
            """),
        ("order", """
            lb_subset_config:
              subset_selectors:
              - {keys: [env, v], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [env]}
              - {keys: [env], fallback_policy: DEFAULT_SUBSET}
            """),
        ("lists", "lb_subset_config: {list_as_any: true, subset_selectors: [{keys: [v]}]}"),
        ("fallbacks", "lb_subset_config: {metadata_fallback_policy: FALLBACK_LIST, subset_selectors: [{keys: [v]}]}"),
        ("redundant", """
            load_balancing_policy:
              policies:
              - typed_extension_config:
                  name: envoy.load_balancing_policies.subset
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset
                    allow_redundant_keys: true
                    subset_selectors: [{keys: [v, env]}, {keys: [v]}]
                    subset_lb_policy: {policies: [{typed_extension_config: {name: envoy.load_balancing_policies.random, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]}
            """),
    ]

    /// What is asked, by the end of the path.
    private static let asked: [(name: String, metadata: String)] = [
        ("one", "{v: 1}"), ("two", "{v: 2}"), ("text", "{v: \"1\"}"), ("three", "{v: 3}"), ("list", "{v: [3, 4]}"), ("nine", "{v: 9}"),
        ("both", "{v: 2, env: prod}"), ("bothdev", "{v: 9, env: dev}"), ("bothnowhere", "{v: 9, env: nowhere}"),
        ("solo", "{solo: x}"), ("nosolo", "{solo: y}"), ("deep", "{deep: {k: [1, true, null, s]}}"), ("deeper", "{deep: {k: [1, true, null, t]}}"),
        ("more", "{v: 2, other: 1}"), ("unknown", "{other: 1}"), ("nothing", "{}"),
        ("fallback", "{fallback_list: [{v: 9}, {v: 2}]}"), ("fallbackempty", "{fallback_list: [], v: 1}"),
        ("fallbackover", "{fallback_list: [{v: 2}], v: 1}"),
    ]

    private static let subsetHosts: String = {
        var text = "- name: all\n  domains: [\"*\"]\n  routes:\n"
        for cluster in subsetClusters.map(\.name) {
            for (name, metadata) in asked {
                text += "  - {match: {path: /\(cluster)/\(name)}, route: {cluster: \(cluster), metadata_match: {filter_metadata: {envoy.lb: \(metadata)}}}}\n"
            }
            text += "  - {match: {path: /\(cluster)/weighted}, route: {metadata_match: {filter_metadata: {envoy.lb: {v: 1}}}, weighted_clusters: {clusters: [{name: \(cluster), weight: 1, metadata_match: {filter_metadata: {envoy.lb: {v: 2, env: prod}}}}]}}}\n"
            text += "  - {match: {path: /\(cluster)/none}, route: {cluster: \(cluster)}}\n"
            text += "  - {match: {path: /\(cluster)/otherfilter}, route: {cluster: \(cluster), metadata_match: {filter_metadata: {other: {v: 1}}}}}\n"
        }
        return text
    }()

    private static let subsetCases: [Case] = subsetClusters.map(\.name).flatMap { cluster in
        (asked.map(\.name) + ["weighted", "none", "otherfilter"]).map { name in
            Case("traffic.subset_\(cluster)_\(name)", "GET /\(cluster)/\(name) HTTP/1.1\r\nhost: h.test\r\n\r\n")
        }
    }

    private static let virtualHosts = """
        - name: all
          domains: ["*"]
          virtual_clusters:
          - {name: get, headers: [{name: ":path", string_match: {prefix: /items}}, {name: ":method", string_match: {exact: GET}}]}
          - {name: one.item, headers: [{name: ":path", string_match: {safe_regex: {regex: "/items/[0-9]+(\\\\?.*)?"}}}]}
          - {name: mobile, headers: [{name: x-client, present_match: true}]}
          routes:
          - {match: {prefix: /direct}, direct_response: {status: 200}}
          - {match: {prefix: /rewritten}, route: {cluster: up, prefix_rewrite: /items}}
          - {match: {prefix: /}, stat_prefix: everything, route: {cluster: up}}
        """

    private static let virtualCases: [Case] = [
        ("get", "GET /items"), ("post_one", "POST /items/7"), ("query", "PUT /items/7?x=1"), ("other", "PUT /items/x"), ("direct", "GET /direct"),
        ("rewritten", "GET /rewritten"),
    ].map { name, line in
        Case("traffic.virtual_\(name)", "\(line) HTTP/1.1\r\nhost: h.test\r\ncontent-length: 0\r\n\r\n", on: "virtual")
    } + [
        Case("traffic.virtual_header", "PUT /x HTTP/1.1\r\nhost: h.test\r\nx-client: m\r\ncontent-length: 0\r\n\r\n", on: "virtual"),
        Case("traffic.virtual_failed", "PUT /items/1 HTTP/1.1\r\nhost: h.test\r\ncontent-length: 0\r\n\r\n", on: "virtual")
            .replying("HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n"),
    ]

    // MARK: rate_limits of routes and virtual hosts

    private static let limitedHosts = """
        - name: all
          domains: ["*"]
          rate_limits: [{actions: [{generic_key: {descriptor_value: host}}]}, {stage: 2, actions: [{generic_key: {descriptor_value: late}}]}]
          routes:
          - {match: {prefix: /own}, route: {cluster: up, rate_limits: [{actions: [{generic_key: {descriptor_value: route}}]}]}}
          - {match: {prefix: /both}, route: {cluster: up, include_vh_rate_limits: true, rate_limits: [{actions: [{generic_key: {descriptor_value: route}}]}]}}
          - {match: {prefix: /staged}, route: {cluster: up, rate_limits: [{stage: 2, actions: [{generic_key: {descriptor_value: route}}]}]}}
          - {match: {prefix: /header}, route: {cluster: up, rate_limits: [{disable_key: some_key, actions: [{request_headers: {header_name: x-user, descriptor_key: user}}]}, {actions: [{destination_cluster: {}}, {remote_address: {}}]}]}}
          - {match: {prefix: /direct}, direct_response: {status: 200}}
          - {match: {prefix: /}, route: {cluster: up}}
        """

    /// Buckets of one token that do not fill while the cases run.
    private static func limit(_ name: String, _ fields: String) -> Group.Listener {
        let bucket = "{max_tokens: 1, tokens_per_fill: 1, fill_interval: 3600s}"
        let entries = [
            "{key: generic_key, value: host}", "{key: generic_key, value: route}", "{key: generic_key, value: late}", "{key: user, value: eve}",
            "{key: destination_cluster, value: up}, {key: remote_address, value: 127.0.0.1}",
        ]
        return .init(name: name, virtualHosts: limitedHosts, filters: """
            - name: envoy.filters.http.local_ratelimit
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                stat_prefix: limits
                filter_enabled: {default_value: {numerator: 100}}
                filter_enforced: {default_value: {numerator: 100}}
                token_bucket: {max_tokens: 100, tokens_per_fill: 1, fill_interval: 3600s}
                descriptors: [\(entries.map { "{entries: [\($0)], token_bucket: \(bucket)}" }.joined(separator: ", "))]
                \(fields)
            """)
    }

    /// A listener for each case: what one has taken another would miss.
    private static let limitSets: [(name: String, fields: String, requests: [String])] = [
        ("own", "", ["/own", "/own", "/x"]), ("host", "", ["/x", "/x", "/own"]), ("both", "", ["/both", "/own", "/x"]),
        ("include", "vh_rate_limits: INCLUDE", ["/own", "/x"]), ("ignore", "vh_rate_limits: IGNORE", ["/x", "/x", "/own", "/own"]),
        ("ignore_both", "vh_rate_limits: IGNORE", ["/both", "/x", "/both"]),
        ("staged", "", ["/staged", "/staged", "/x"]), ("stage", "stage: 2", ["/staged", "/staged", "/x", "/x", "/own", "/own"]),
        ("header", "", ["/header eve", "/header ann", "/header eve", "/header"]), ("direct", "", ["/direct", "/direct"]),
        ("filters_own", "rate_limits: [{actions: [{generic_key: {descriptor_value: late}}]}]", ["/own", "/own", "/x"]),
    ]

    private static let limitListeners = limitSets.map { limit("limit_" + $0.name, $0.fields) }

    private static let limitCases: [Case] = limitSets.map { name, _, requests in
        let sent = requests.map { request in
            let parts = request.split(separator: " ")
            let user = parts.count > 1 ? "x-user: \(parts[1])\r\n" : ""
            return "GET \(parts[0]) HTTP/1.1\r\nhost: h.test\r\n\(user)\r\n"
        }
        return Case(
            "traffic.limit_" + name, steps: sent.flatMap { [.send($0), .awaitResponse] }, on: "limit_" + name,
            methods: sent.map { _ in "GET" })
    }
}
