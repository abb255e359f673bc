import TestSupport

extension Groups {
    /// The same host for the same key: hash policies, RING_HASH and MAGLEV. Hosts are placed by keys of their own, so that
    /// the choice does not depend on the ports of a run.
    static let hashing = Group(
        name: "hashing",
        listeners: [.init(name: "main", virtualHosts: hashingHosts)],
        clusters: hashingClusters, cases: hashingCases)

    private static let names = ["a", "b", "c", "d", "e"]

    /// Five hosts `key-a` to `key-e`; `b` has three times the weight of the others.
    private static func cluster(_ name: String, _ fields: String, byName: Bool = false) -> Group.Cluster {
        let hosts = names.map { host in
            let weight = host == "b" ? ", load_balancing_weight: 3" : ""
            let key = byName ? "" : ", metadata: {filter_metadata: {envoy.lb: {hash_key: key-\(host)}}}"
            return "{endpoint: {hostname: host-\(host).test, address: {socket_address: {address: 127.0.0.1, port_value: {{up.\(host)}}}}}\(weight)\(key)}"
        }
        var cluster = Group.Cluster(name, names.map { .scripted($0) }, fields)
        cluster.endpointsYAML = "[\(hosts.joined(separator: ", "))]"
        return cluster
    }

    private static func typed(_ name: String, _ type: String, _ fields: String) -> String {
        """
        load_balancing_policy:
          policies:
          - typed_extension_config:
              name: envoy.load_balancing_policies.\(name)
              typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.\(name).v3.\(type)\(fields)}
        """
    }

    private static let hashingClusters = [
        Group.up, cluster("ring", "lb_policy: RING_HASH"),
        cluster("ring_small", "lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 7, maximum_ring_size: 11}"),
        cluster("murmur", "lb_policy: RING_HASH\nring_hash_lb_config: {hash_function: MURMUR_HASH_2}"),
        cluster("maglev", "lb_policy: MAGLEV"), cluster("maglev_small", "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 17}"),
        cluster("by_name", "type: STRICT_DNS\ndns_refresh_rate: 3600s\nlb_policy: RING_HASH\ncommon_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}", byName: true),
        cluster("typed_ring", typed("ring_hash", "RingHash", ", minimum_ring_size: 20, hash_function: MURMUR_HASH_2")),
        cluster("typed_maglev", "type: STRICT_DNS\ndns_refresh_rate: 3600s\n" + typed("maglev", "Maglev", ", table_size: 101, consistent_hashing_lb_config: {use_hostname_for_hashing: true}"), byName: true),
    ]

    private static func route(_ name: String, _ cluster: String, _ policies: String) -> String {
        "  - {name: \(name), match: {prefix: /\(name)/}, route: {cluster: \(cluster), hash_policy: [\(policies)]}}\n"
    }

    private static let byHeader = "{header: {header_name: x-key}}"

    private static let hashingHosts = """
        - name: all
          domains: ["*"]
          routes:

        """ + ["ring", "ring_small", "murmur", "maglev", "maglev_small", "by_name", "typed_ring", "typed_maglev"].map { route($0, $0, byHeader) }.joined()
        + route("rewrite", "ring", "{header: {header_name: x-key, regex_rewrite: {pattern: {regex: \"^(.).*\"}, substitution: \"\\\\\\\\1\"}}}")
        + route("authority", "ring", "{header: {header_name: \":authority\"}}") + route("path", "ring", "{header: {header_name: \":path\"}}")
        + route("cookie", "ring", "{cookie: {name: c}}")
        + route("query", "ring", "{query_parameter: {name: q}}") + route("ip", "maglev", "{connection_properties: {source_ip: true}}")
        + route("two", "ring", "\(byHeader), {query_parameter: {name: q}}")
        + route("terminal", "ring", "{header: {header_name: x-key}, terminal: true}, {query_parameter: {name: q}}")
        + route("twice", "ring", "\(byHeader), \(byHeader)") + """
          - name: weights
            match: {prefix: /weights/}
            route:
              hash_policy: [\(byHeader)]
              weighted_clusters: {use_hash_policy: true, clusters: [{name: up, weight: 50}, {name: maglev, weight: 50}]}
        """

    private static func keyed(_ name: String, _ path: String, _ more: String = "") -> Case {
        Case("hashing." + name, request("GET " + path, more))
    }

    /// Some keys for one policy: any wrong table would miss some of them.
    private static func keys(_ cluster: String, _ count: Int) -> [Case] {
        (0..<count).map { keyed("\(cluster)_\($0)", "/\(cluster)/", "x-key: key\($0 * 7919)\r\n") }
    }

    private static let hashingCases: [Case] = keys("ring", 12) + keys("ring_small", 8) + keys("murmur", 10) + keys("maglev", 12)
        + keys("maglev_small", 8) + keys("by_name", 8) + keys("typed_ring", 8) + keys("typed_maglev", 8) + keys("weights", 6)
        + [
            keyed("long_key", "/ring/", "x-key: \(many("0123456789", 12))\r\n"), keyed("empty_key", "/ring/", "x-key:\r\n"),
            keyed("two_fields", "/ring/", "x-key: b\r\nx-key: a\r\n"), keyed("two_fields_otherwise", "/ring/", "x-key: a\r\nx-key: b\r\n"),
            keyed("rewrite", "/rewrite/", "x-key: abc\r\n"), keyed("rewrite_same", "/rewrite/", "x-key: axyz\r\n"), keyed("rewrite_other", "/rewrite/", "x-key: q\r\n"),
            keyed("rewrite_two_fields", "/rewrite/", "x-key: zebra\r\nx-key: ant\r\n"),
            keyed("authority", "/authority/"), keyed("path", "/path/x?y"), keyed("cookie", "/cookie/", "cookie: c=one\r\n"),
            keyed("cookie_other", "/cookie/", "cookie: x=y; c=\"two\"\r\n"),
            keyed("query", "/query/?q=1"), keyed("query_second", "/query/?p=2&q=77"), keyed("query_empty", "/query/?q="),
            keyed("ip", "/ip/"), keyed("two", "/two/?q=5", "x-key: k\r\n"), keyed("two_first_missing", "/two/?q=5"),
            keyed("two_second_missing", "/two/", "x-key: k\r\n"), keyed("terminal", "/terminal/?q=5", "x-key: k\r\n"),
            keyed("terminal_missing", "/terminal/?q=5"), keyed("twice", "/twice/", "x-key: k\r\n"),
        ]
}
