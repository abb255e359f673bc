import TestSupport

extension Groups {
    /// What is rarely asked, and told in logs and heads.
    static let corners = Group(
        name: "corners",
        listeners: [
            .init(name: "main", routeTable: "validate_clusters: false", virtualHosts: cornerHosts),
            .init(name: "quiet", routeTable: "validate_clusters: false", virtualHosts: cornerHosts, router: "suppress_envoy_headers: true"),
            .init(name: "edge", manager: "use_remote_address: true"),
        ],
        clusters: [
            Group.up,
            pipe("missing", "/nowhere/martlet.sock"),
            .init("by_name_static", [.scripted("a")], "cluster_type: {name: envoy.cluster.static}"),
            .init("by_name_strict", [.scripted("a")], "cluster_type: {name: envoy.cluster.strict_dns}"),
            .init("by_name_logical", [.scripted("a")], "cluster_type: {name: envoy.cluster.logical_dns}"),
        ],
        cases: cornerCases.map { test in test.with { $0.ignoringCounters += countersOfDNS } })

    private static func pipe(_ name: String, _ path: String) -> Group.Cluster {
        var cluster = Group.Cluster(name, [])
        cluster.endpointsYAML = "[{endpoint: {address: {pipe: {path: \(path)}}}}]"
        return cluster
    }

    private static func rewrites(_ name: String, _ pattern: String, _ substitution: String) -> String {
        "  - {name: \(name), match: {path: /regex/\(name)}, route: {cluster: up, regex_rewrite: {pattern: {regex: \"\(pattern)\"}, substitution: \"\(substitution)\"}}}\n"
    }

    private static let cornerHosts = """
        - name: all
          domains: ["*"]
          routes:

        """ + rewrites("to_empty", ".*", "") + rewrites("no_match", "/other", "/b") + rewrites("same", "/regex", "/regex") + rewrites("bad_escape", "^/(.*)", "\\\\x")
        + """
          - {match: {path: /attempts}, route: {cluster: up, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.001s}}}, request_headers_to_add: [{header: {key: x-attempts, value: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}}]}
          - {match: {path: /no_cluster}, route: {cluster: nowhere}}
          - {match: {path: /no_cluster_of_weights}, route: {weighted_clusters: {clusters: [{name: nowhere, weight: 1}]}}}
          - {match: {path: /missing}, route: {cluster: missing}}
          - {match: {path: /by_name/static}, route: {cluster: by_name_static, auto_host_rewrite: true}}
          - {match: {path: /by_name/strict}, route: {cluster: by_name_strict, auto_host_rewrite: true}}
          - {match: {path: /by_name/logical}, route: {cluster: by_name_logical, auto_host_rewrite: true}}
          - {match: {path: /short}, route: {cluster: up, timeout: 0.0005s}}
          - {match: {path: /kept}, route: {cluster: up, retry_policy: {retry_on: 5xx}}, request_body_buffer_limit: 10}
        """

    private static func corner(_ name: String, _ path: String, _ more: String = "", on listener: String = "main") -> Case {
        Case("corners." + name, request("GET " + path, more), on: listener)
    }

    private static let cornerCases: [Case] = [
        corner("regex_to_empty", "/regex/to_empty?q"), corner("regex_no_match", "/regex/no_match"), corner("regex_same", "/regex/same"),
        corner("regex_bad_escape", "/regex/bad_escape"),
        corner("attempts", "/attempts"),
        corner("attempts_of_a_retry", "/attempts", on: "quiet").upstream(.steps(.readRequest, .answer(reply("503 No")), .readRequest, .answer(reply("200 OK")))),
        corner("no_cluster", "/no_cluster"), corner("no_cluster_of_weights", "/no_cluster_of_weights"), corner("missing_pipe", "/missing"),
        corner("by_name_static", "/by_name/static"), corner("by_name_strict", "/by_name/strict"), corner("by_name_logical", "/by_name/logical"),
        corner("timeout_below_a_millisecond", "/short").upstream(.steps(.readRequest, .delay(ms: 60), .answer(reply("200 OK")))),
        corner("proto_at_the_edge", "/a", "x-forwarded-proto: https\r\nx-last: 1\r\nx-forwarded-proto: http\r\n", on: "edge"),
        Case("corners.body_over_its_limit", request("POST /kept", "content-length: 3000\r\n") + many("x", 3_000)),
    ]
}
