import TestSupport

extension Groups {
    /// Rewrites of path and host that are formats of the request, and hosts' names.
    static let rewrites = Group(
        name: "rewrites",
        listeners: [.init(name: "main", virtualHosts: rewriteHosts, logFormat: "{text_format_source: {inline_string: \"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% host=%UPSTREAM_HOST_NAME%\\n\"}}")],
        clusters: [
            Group.up, .init("strict", [.scripted("a")], "type: STRICT_DNS"), .init("logical", [.scripted("a")], "type: LOGICAL_DNS"),
        ],
        cases: (rewriteFormats + hostNames).map { test in test.with { $0.ignoringCounters += countersOfDNS } })

    /// A name is looked up anew while the cases run.
    static let countersOfDNS = ["total_match_count", "update_attempt", "update_success", "update_no_rebuild"]

    private static let rewriteHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {name: format, match: {prefix: /format}, route: {cluster: up, path_rewrite: "/n/%REQ(x-part)%%PATH(NQ)%", host_rewrite: "%REQ(x-part)%.test", append_x_forwarded_host: true}, request_headers_to_add: [{header: {key: x-part, value: added}, append_action: ADD_IF_ABSENT}]}
          - {name: lacks, match: {prefix: /lacks}, route: {cluster: up, path_rewrite: "%REQ(x-part)%", host_rewrite: "%REQ(x-part)%"}}
          - {name: order, match: {prefix: /order}, route: {cluster: up, path_rewrite: "/n/%REQ(:AUTHORITY)%", host_rewrite: "h%REQ(:PATH)%"}}
          - {name: query, match: {prefix: /query}, route: {cluster: up, path_rewrite: "/n?y=2"}}
          - {name: relative, match: {prefix: /relative}, route: {cluster: up, path_rewrite: "n"}}
          - {name: lines, match: {prefix: /lines}, route: {cluster: up, path_rewrite: "/n\\nx"}}
          - {name: host_lines, match: {prefix: /host_lines}, route: {cluster: up, host_rewrite: "a\\nx"}}
          - {name: entry, match: {path: /entry}, route: {host_rewrite_literal: route.test, weighted_clusters: {clusters: [{name: up, weight: 1, host_rewrite_literal: entry.test}]}}}
          - {name: entry_header, match: {path: /entry_header}, route: {host_rewrite_header: x-new, weighted_clusters: {clusters: [{name: up, weight: 1, host_rewrite_literal: entry.test}]}}}
          - {name: strict, match: {path: /strict}, route: {cluster: strict, auto_host_rewrite: true}}
          - {name: logical, match: {path: /logical}, route: {cluster: logical, auto_host_rewrite: true}}
          - {name: static, match: {path: /static}, route: {cluster: up, auto_host_rewrite: true}}
          - {name: r_format, match: {prefix: /r/format}, redirect: {path_rewrite: "/n/%REQ(x-part)%%PATH(NQ)%"}}
          - {name: r_query, match: {prefix: /r/with_query}, redirect: {path_rewrite: "/n?z=%REQ(x-part)%"}}
          - {name: r_strip, match: {prefix: /r/without_query}, redirect: {path_rewrite: "/n%PATH(NQ)%", strip_query: true}}
          - {name: blank, match: {prefix: /blank}, route: {cluster: up, path_rewrite: "/n%REQ(x-part)%"}}
          - {name: r_lines, match: {prefix: /r/lines}, redirect: {path_rewrite: "/n\\nx"}}
          - {name: r_lacks, match: {prefix: /r/lacks}, redirect: {path_rewrite: "%REQ(x-part)%"}}
        """

    private static func rewrite(_ name: String, _ path: String, _ more: String = "") -> Case {
        Case("rewrites." + name, request("GET " + path, more))
    }

    private static let rewriteFormats: [Case] = [
        rewrite("format", "/format/x?q=1", "x-part: p\r\n"), rewrite("format_added", "/format?"), rewrite("format_lacks", "/lacks?q"),
        rewrite("format_order", "/order?q"), rewrite("format_query", "/query?x=1"), rewrite("format_relative", "/relative?q"),
        rewrite("format_lines", "/lines"), rewrite("format_host_lines", "/host_lines"), rewrite("format_blank", "/blank", "x-part: a b\r\n"), rewrite("redirect_lines", "/r/lines"),
        rewrite("entry", "/entry"), rewrite("entry_and_header", "/entry_header", "x-new: new.test\r\n"), rewrite("entry_without_header", "/entry_header"),
        rewrite("redirect_format", "/r/format/x?q=1", "x-part: p\r\n"), rewrite("redirect_query", "/r/with_query?q=1", "x-part: p\r\n"),
        rewrite("redirect_strip", "/r/without_query/x?q=1"), rewrite("redirect_lacks", "/r/lacks?q=1"),
    ]

    /// Of endpoints that are addresses.
    private static let hostNames: [Case] = [rewrite("auto_strict", "/strict"), rewrite("auto_logical", "/logical"), rewrite("auto_static", "/static")]
}
