import TestSupport

extension Groups {
    /// What the proxy adds to, takes from and rewrites in heads.
    static let headers = Group(
        name: "headers",
        listeners: [
            .init(name: "main"),
            .init(name: "edge", manager: "use_remote_address: true"),
            .init(name: "edge_hops_1", manager: "use_remote_address: true\nxff_num_trusted_hops: 1"),
            .init(name: "edge_hops_2", manager: "use_remote_address: true\nxff_num_trusted_hops: 2"),
            .init(name: "hops_1", manager: "xff_num_trusted_hops: 1"),
            .init(name: "edge_no_append", manager: "use_remote_address: true\nskip_xff_append: true"),
            .init(name: "edge_external", manager: "use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"),
            .init(name: "internal_loopback", manager: "use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}"),
            .init(name: "port", manager: "append_x_forwarded_port: true\nuse_remote_address: true"),
            .init(name: "named_edge", manager: "server_name: castle\nvia: v-test\nadd_user_agent: true\nuse_remote_address: true\nappend_x_forwarded_port: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"),
            .init(name: "named", manager: "server_name: castle\nvia: v-test\nadd_user_agent: true"),
            .init(name: "server_append", manager: "server_header_transformation: APPEND_IF_ABSENT"),
            .init(name: "server_pass", manager: "server_header_transformation: PASS_THROUGH"),
            .init(name: "no_request_id", manager: "generate_request_id: false"),
            .init(name: "request_id_kept", manager: "use_remote_address: true\npreserve_external_request_id: true\ninternal_address_config: {cidr_ranges: []}"),
            .init(name: "request_id_shown", manager: "always_set_request_id_in_response: true"),
            .init(name: "scheme", manager: "scheme_header_transformation: {scheme_to_overwrite: https}"),
            .init(name: "proxy_status", manager: "proxy_status_config: {}"),
            .init(name: "normalize", manager: "normalize_path: true"),
            .init(name: "merge", manager: "merge_slashes: true"),
            .init(name: "both", manager: "normalize_path: true\nmerge_slashes: true"),
            .init(name: "escaped_reject", manager: "path_with_escaped_slashes_action: REJECT_REQUEST"),
            .init(name: "escaped_unescape", manager: "normalize_path: true\npath_with_escaped_slashes_action: UNESCAPE_AND_FORWARD"),
            .init(name: "escaped_redirect", manager: "normalize_path: true\npath_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT"),
            .init(name: "suppressed", router: "suppress_envoy_headers: true"),
            .init(name: "strict", router: "strict_check_headers: [x-envoy-upstream-rq-timeout-ms, x-envoy-max-retries]"),
            .init(
                name: "strict_inside", manager: "use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}",
                router: "strict_check_headers: [x-envoy-upstream-rq-timeout-ms, x-envoy-upstream-rq-per-try-timeout-ms, x-envoy-max-retries, x-envoy-retry-on, x-envoy-retry-grpc-on]"),
            .init(name: "routes", routeTable: mutationTable, virtualHosts: mutationHosts),
            .init(name: "routes_specific_wins", routeTable: "most_specific_header_mutations_wins: true\n" + mutationTable, virtualHosts: mutationHosts),
            .init(name: "internal_only", routeTable: "internal_only_headers: [x-internal]"),
            .init(name: "internal_only_edge", manager: "use_remote_address: true\ninternal_address_config: {cidr_ranges: []}", routeTable: "internal_only_headers: [x-internal]"),
            .init(name: "filter", filters: """
                - name: envoy.filters.http.header_mutation
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
                    mutations:
                      request_mutations:
                      - append: {header: {key: x-flt, value: "%REQ(x-in)%"}, append_action: APPEND_IF_EXISTS_OR_ADD}
                      - remove: x-gone
                      response_mutations:
                      - append: {header: {key: x-flt-r, value: "%RESPONSE_CODE%"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
                      - remove: x-upstream
                """),
            .init(name: "told", manager: "use_remote_address: false", virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes:
                  - match: {prefix: /, headers: [{name: ":scheme", string_match: {exact: https}}]}
                    route: {cluster: up}
                    request_headers_to_add: [{header: {key: x-scheme, value: "matched %REQ(:SCHEME)%"}}]
                  - match: {prefix: /}
                    route: {cluster: up}
                    request_headers_to_add: [{header: {key: x-scheme, value: "%REQ(:SCHEME)%"}}]
                """),
            .init(name: "weighted_host", virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes: [{match: {prefix: /}, route: {append_x_forwarded_host: true, weighted_clusters: {clusters: [{name: up, weight: 1, host_rewrite_literal: other.test}]}}}]
                """),
            .init(name: "attempts", virtualHosts: """
                - name: all
                  domains: ["*"]
                  include_request_attempt_count: true
                  include_attempt_count_in_response: true
                  routes: [{match: {prefix: /}, route: {cluster: up}}]
                """),
        ],
        clusters: [Group.up],
        cases: forwardedCases + envoyHeaderCases + identityCases + pathCases + mutationCases)

    private static let mutationTable = """
        request_headers_to_add: [{header: {key: x-order, value: table}}]
        response_headers_to_add: [{header: {key: x-order, value: table}}]
        request_headers_to_remove: [x-drop-table]
        response_headers_to_remove: [x-drop-table]
        """

    private static let mutationHosts = """
        - name: all
          domains: ["*"]
          request_headers_to_add: [{header: {key: x-order, value: host}}]
          response_headers_to_add: [{header: {key: x-order, value: host}}]
          request_headers_to_remove: [x-drop-host]
          routes:
          - name: actions
            match: {path: /actions}
            route: {cluster: up}
            request_headers_to_add:
            - {header: {key: x-append, value: new}, append_action: APPEND_IF_EXISTS_OR_ADD}
            - {header: {key: x-absent, value: new}, append_action: ADD_IF_ABSENT}
            - {header: {key: x-over, value: new}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
            - {header: {key: x-only, value: new}, append_action: OVERWRITE_IF_EXISTS}
            - {header: {key: x-old-style, value: new}, append: false}
            response_headers_to_add:
            - {header: {key: x-append, value: new}, append_action: APPEND_IF_EXISTS_OR_ADD}
            - {header: {key: x-absent, value: new}, append_action: ADD_IF_ABSENT}
            - {header: {key: x-over, value: new}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
            - {header: {key: x-only, value: new}, append_action: OVERWRITE_IF_EXISTS}
          - name: operators
            match: {prefix: /operators}
            route: {cluster: up, prefix_rewrite: /rewritten}
            request_headers_to_add:
            - {header: {key: x-method-path, value: "%REQ(:METHOD)% %REQ(:PATH)%"}}
            - {header: {key: x-original, value: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"}}
            - {header: {key: x-protocol, value: "%PROTOCOL%"}}
            - {header: {key: x-remote, value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}
            - {header: {key: x-local, value: "%DOWNSTREAM_LOCAL_ADDRESS%"}}
            - {header: {key: x-missing, value: "[%REQ(x-none)%]"}}
            - {header: {key: x-missing-alone, value: "%REQ(x-none)%"}}
            - {header: {key: x-short, value: "%REQ(x-long):4%"}}
            - {header: {key: x-percent, value: "100%%"}}
            - {header: {key: x-route, value: "%ROUTE_NAME%"}}
            - {header: {key: x-query, value: "%QUERY_PARAM(a)%"}}
            - {header: {key: x-empty, value: ""}, keep_empty_value: true}
            - {header: {key: x-empty-dropped, value: ""}}
            response_headers_to_add:
            - {header: {key: x-code, value: "%RESPONSE_CODE% %RESPONSE_FLAGS%"}}
            - {header: {key: x-upstream-host, value: "%UPSTREAM_HOST%"}}
            - {header: {key: x-cluster, value: "%UPSTREAM_CLUSTER%"}}
            - {header: {key: x-resp, value: "%RESP(content-type)%"}}
          - name: removals
            match: {path: /removals}
            route: {cluster: up}
            request_headers_to_remove: [x-drop-route, user-agent]
            response_headers_to_remove: [x-drop-route, content-type]
          - name: protected
            match: {path: /server}
            route: {cluster: up}
            response_headers_to_add: [{header: {key: server, value: mine}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
          - name: direct
            match: {path: /direct}
            direct_response: {status: 200, body: {inline_string: "hi"}}
            response_headers_to_add: [{header: {key: x-direct, value: "%RESPONSE_CODE%"}}]
          - {name: plain, match: {prefix: /}, route: {cluster: up}}
        """

    private static func head(_ name: String, _ more: String, on listener: String = "main", path: String = "/a") -> Case {
        Case("headers." + name, request("GET " + path, more), on: listener)
    }

    private static let uuid = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"

    private static let forwardedCases: [Case] = [
        head("forwarded_for_untouched", "x-forwarded-for: 1.2.3.4\r\n"),
        head("forwarded_proto_kept", "x-forwarded-proto: https\r\n"),
        head("forwarded_proto_invalid", "x-forwarded-proto: gopher\r\n"),
        head("forwarded_for_empty_at_edge", "x-forwarded-for:\r\n", on: "edge"),
        head("forwarded_for_internal", "x-forwarded-for: 10.0.0.1\r\n"),
        head("forwarded_for_list", "x-forwarded-for: 1.2.3.4, 5.6.7.8\r\n"),
        head("edge", "", on: "edge"),
        head("edge_forwarded_for", "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\n", on: "edge"),
        head("edge_external_address", "x-envoy-external-address: 9.9.9.9\r\nx-envoy-internal: true\r\n", on: "edge"),
        head("edge_two_lines", "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 5.6.7.8\r\n", on: "edge"),
        head("edge_hops_1", "x-forwarded-for: 1.2.3.4, 5.6.7.8\r\n", on: "edge_hops_1"),
        head("edge_hops_1_none", "", on: "edge_hops_1"),
        head("edge_hops_2", "x-forwarded-for: 1.2.3.4, 5.6.7.8, 9.8.7.6\r\nx-forwarded-proto: https\r\n", on: "edge_hops_2"),
        head("edge_hops_2_too_few", "x-forwarded-for: 1.2.3.4\r\n", on: "edge_hops_2"),
        head("edge_hops_1_garbage", "x-forwarded-for: nonsense\r\n", on: "edge_hops_1"),
        head("hops_1", "x-forwarded-for: 1.2.3.4, 5.6.7.8\r\n", on: "hops_1"),
        head("hops_1_none", "", on: "hops_1"),
        head("no_append", "x-forwarded-for: 1.2.3.4\r\n", on: "edge_no_append"),
        head("external_client", "x-envoy-retry-on: 5xx\r\nx-forwarded-host: f.test\r\n", on: "edge_external"),
        head("internal_client", "x-envoy-upstream-rq-timeout-ms: 5000\r\n", on: "internal_loopback"),
        head("forwarded_port", "", on: "port"),
        head("forwarded_port_present", "x-forwarded-port: 99\r\n", on: "port"),
        head("forwarded_header_untouched", "forwarded: for=1.2.3.4\r\n", on: "edge"),
    ]

    private static let allEnvoyHeaders = """
        x-envoy-max-retries: 2\r
        x-envoy-retry-on: 5xx\r
        x-envoy-retry-grpc-on: cancelled\r
        x-envoy-retriable-header-names: x\r
        x-envoy-retriable-status-codes: 409\r
        x-envoy-upstream-alt-stat-name: alt\r
        x-envoy-upstream-rq-timeout-alt-response: 1\r
        x-envoy-upstream-rq-timeout-ms: 7000\r
        x-envoy-upstream-rq-per-try-timeout-ms: 3000\r
        x-envoy-upstream-stream-duration-ms: 8000\r
        x-envoy-hedge-on-per-try-timeout: false\r
        x-envoy-decorator-operation: op\r
        x-envoy-force-trace: true\r
        x-client-trace-id: t\r
        x-envoy-original-dst-host: 127.0.0.1:1\r
        x-envoy-ip-tags: t\r
        x-envoy-original-url: u\r
        x-envoy-original-path: /p\r
        x-envoy-original-host: o.test\r
        x-envoy-downstream-service-cluster: c\r
        x-envoy-downstream-service-node: n\r
        x-envoy-expected-rq-timeout-ms: 1\r
        x-envoy-attempt-count: 9\r
        x-envoy-is-timeout-retry: true\r
        x-envoy-unknown: kept\r

        """

    private static let envoyHeaderCases: [Case] = [
        head("envoy_headers_inside", allEnvoyHeaders),
        head("envoy_headers_at_edge", allEnvoyHeaders, on: "edge_external"),
        head("envoy_headers_internal_client", allEnvoyHeaders, on: "internal_loopback"),
        head("envoy_headers_suppressed", "x-envoy-upstream-rq-timeout-ms: 5000\r\n", on: "suppressed"),
        head("envoy_headers_strict_bad", "x-envoy-upstream-rq-timeout-ms: soon\r\n", on: "strict"),
        head("envoy_headers_strict_good", "x-envoy-upstream-rq-timeout-ms: 5000\r\n", on: "strict"),
        head("envoy_headers_strict_inside_bad", "x-envoy-upstream-rq-timeout-ms: soon\r\n", on: "strict_inside"),
        head("envoy_headers_strict_inside_negative", "x-envoy-max-retries: -1\r\n", on: "strict_inside"),
        head("envoy_headers_strict_inside_good", "x-envoy-upstream-rq-timeout-ms: 5000\r\nx-envoy-retry-on: 5xx, reset\r\nx-envoy-retry-grpc-on: cancelled\r\n", on: "strict_inside"),
        head("envoy_headers_strict_inside_words", "x-envoy-retry-on: 5xx,bogus\r\n", on: "strict_inside"),
        head("envoy_headers_strict_inside_grpc_words", "x-envoy-retry-grpc-on: 5xx\r\n", on: "strict_inside"),
        head("envoy_timeout_bad", "x-envoy-upstream-rq-timeout-ms: soon\r\n"),
        head("envoy_timeout_zero", "x-envoy-upstream-rq-timeout-ms: 0\r\n"),
        head("from_upstream", "").replying(reply("200 OK", "x-envoy-upstream-canary: true\r\nx-envoy-ratelimited: 1\r\nx-envoy-degraded: 1\r\nx-envoy-upstream-healthchecked-cluster: c\r\nx-envoy-decorator-operation: o\r\nx-envoy-overloaded: 1\r\nx-envoy-upstream-service-time: 99\r\nx-envoy-other: kept\r\n")),
        head("from_upstream_suppressed", "", on: "suppressed").replying(reply("200 OK", "x-envoy-upstream-canary: true\r\nx-envoy-ratelimited: 1\r\nx-envoy-other: kept\r\n")),
        head("attempt_count", "", on: "attempts"),
        head("internal_only", "x-internal: 1\r\n", on: "internal_only"),
        head("internal_only_edge", "x-internal: 1\r\nx-forwarded-for: 1.2.3.4\r\n", on: "internal_only_edge"),
        head("cookies_two_lines", "cookie: a=1\r\ncookie: b=2\r\n"),
        head("response_set_cookie_twice", "").replying(reply("200 OK", "set-cookie: a=1\r\nset-cookie: b=2\r\n")),
        head("response_repeated", "").replying(reply("200 OK", "x-r: 1\r\nx-s: 2\r\nx-r: 3\r\n")),
        head("repeated_known_headers", "accept: a\r\nuser-agent: u\r\naccept: b\r\nuser-agent: v\r\nx-forwarded-for: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n"),
        head("response_repeated_known", "").replying(reply("200 OK", "content-type: a/b\r\nserver: x\r\nserver: y\r\ndate: d1\r\ndate: d2\r\nvia: p\r\nvia: q\r\n")),
    ]

    private static let identityCases: [Case] = [
        head("request_id_given", "x-request-id: \(uuid)\r\n").with { $0.showsUUIDs = true; $0.ignoring = [] },
        head("request_id_given_not_uuid", "x-request-id: mine\r\n"),
        head("request_id_given_at_edge", "x-request-id: mine\r\n", on: "edge_external"),
        head("request_id_kept_at_edge", "x-request-id: mine\r\n", on: "request_id_kept"),
        head("request_id_uuid_kept_at_edge", "x-request-id: \(uuid)\r\n", on: "request_id_kept").with { $0.showsUUIDs = true },
        head("request_id_internal_kept", "x-request-id: mine\r\n", on: "internal_loopback"),
        head("request_id_off", "", on: "no_request_id"),
        head("request_id_off_given", "x-request-id: mine\r\n", on: "no_request_id"),
        head("request_id_in_response", "x-request-id: mine\r\n", on: "request_id_shown"),
        head("request_id_in_response_generated", "", on: "request_id_shown"),
        head("request_id_empty", "x-request-id:\r\n"),
        head("server_name_via_agent", "", on: "named"),
        head("order_of_what_is_added", "x-first: 1\r\n", on: "named_edge"),
        head("order_of_what_is_appended", "via: 1.1 before\r\nx-forwarded-for: 1.2.3.4\r\nx-first: 1\r\nuser-agent: u\r\n", on: "named_edge"),
        head("via_appended", "via: 1.1 before\r\nuser-agent: u\r\n", on: "named").replying(reply("200 OK", "via: 1.0 origin\r\n")),
        head("server_overwritten", "").replying(reply("200 OK", "server: origin\r\nx-after: 1\r\n")),
        head("server_appended_absent", "", on: "server_append"),
        head("server_appended_present", "", on: "server_append").replying(reply("200 OK", "server: origin\r\n")),
        head("server_passed_absent", "", on: "server_pass"),
        head("server_passed_present", "", on: "server_pass").replying(reply("200 OK", "server: origin\r\n")),
        Case("headers.server_local_reply_passed", "nonsense\r\n\r\n", on: "server_pass"),
        head("date_from_upstream", "").replying(reply("200 OK", "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")),
        head("scheme_overwritten", "", on: "scheme"),
        head("scheme_told_none", "", on: "told"), head("scheme_told_https", "x-forwarded-proto: https\r\n", on: "told"),
        head("scheme_told_upper", "x-forwarded-proto: HTTPS\r\n", on: "told"), head("scheme_told_http", "x-forwarded-proto: http\r\n", on: "told"),
        head("scheme_told_other", "x-forwarded-proto: wss\r\n", on: "told"), head("scheme_told_list", "x-forwarded-proto: https, http\r\n", on: "told"),
        head("weighted_host_rewrite", "", on: "weighted_host"),
        head("date_repeated", "").replying(reply("200 OK", "date: d1\r\ndate: d2\r\n")),
        head("proxy_status", "", on: "proxy_status"),
        Case("headers.trace_context_kept", request("GET /a", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n")),
        head("user_agent_kept_order", "b: 2\r\na: 1\r\nc: 3\r\n"),
    ]

    private static func path(_ name: String, _ path: String, on listener: String) -> Case {
        Case("headers.path_" + name, request("GET " + path), on: listener)
    }

    private static let pathCases: [Case] = [
        // What says that it came over TLS did not.
        Case("headers.https_in_plaintext", "GET https://a.test/x HTTP/1.1\r\nhost: b.test\r\n\r\n", on: "edge"),
        Case("headers.https_in_plaintext_upper", "GET HTTPS://a.test/x HTTP/1.1\r\nhost: b.test\r\n\r\n", on: "edge"),
        Case("headers.http_in_plaintext", "GET http://a.test/x HTTP/1.1\r\nhost: b.test\r\n\r\n", on: "edge"),
        Case("headers.https_behind_a_hop", "GET https://a.test/x HTTP/1.1\r\nhost: b.test\r\n\r\n", on: "edge_hops_1"),
        path("dots", "/a/./b/../c", on: "normalize"), path("dots_above_root", "/../../a", on: "normalize"),
        path("dots_encoded", "/a/%2e%2e/b", on: "normalize"), path("dots_encoded_upper", "/a/%2E%2E/b", on: "normalize"),
        path("dots_query_kept", "/a/../b?x=/../y", on: "normalize"), path("dots_at_end", "/a/b/..", on: "normalize"), path("dot_at_end", "/a/b/.", on: "normalize"),
        path("encoded_kept", "/%41%20%2f%5c", on: "normalize"), path("backslash", "/a\\..\\b", on: "normalize"),
        path("bad_percent", "/a%zz", on: "normalize"), path("bad_percent_short", "/a%4", on: "normalize"), path("nul_encoded", "/a%00b", on: "normalize"),
        path("slashes_kept", "//a///b", on: "normalize"), path("slashes", "//a///b//?x=//y", on: "merge"), path("slashes_and_dots", "/a//..//b", on: "both"),
        path("escaped_slash_reject", "/a%2fb", on: "escaped_reject"), path("escaped_backslash_reject", "/a%5Cb", on: "escaped_reject"),
        head("escaped_slash_reject_grpc", "content-type: application/grpc\r\n", on: "escaped_reject", path: "/a%2fb"),
        head("escaped_slash_redirect_grpc", "content-type: application/grpc\r\n", on: "escaped_redirect", path: "/a%2fb"),
        head("escaped_slash_redirect_forwarded_grpc", "content-type: application/grpc\r\nexpect: 100-continue\r\n", on: "escaped_redirect", path: "/a%2fb?c"),
        head("escaped_slash_reject_expect", "expect: 100-continue\r\n", on: "escaped_reject", path: "/a%2fb"),
        path("escaped_slash_in_query", "/a?b=%2f", on: "escaped_reject"), path("escaped_slash_unescape", "/a%2Fb%5cc", on: "escaped_unescape"),
        path("escaped_slash_redirect", "/a%2Fb?x=1", on: "escaped_redirect"), path("escaped_none_redirect", "/a/b", on: "escaped_redirect"),
        path("escaped_dots_unescape", "/a%2f..%2fb", on: "escaped_unescape"), path("upper_percent", "/%7euser", on: "normalize"),
        path("absolute_dots", "http://h.test/a/../b", on: "normalize"),
    ]

    private static let mutationCases: [Case] = [
        head("mutation_order", "", on: "routes"), head("mutation_order_specific_wins", "", on: "routes_specific_wins"),
        head("mutation_actions_existing", "x-append: old\r\nx-absent: old\r\nx-over: old\r\nx-only: old\r\nx-old-style: old\r\n", on: "routes", path: "/actions")
            .replying(reply("200 OK", "x-append: old\r\nx-absent: old\r\nx-over: old\r\nx-only: old\r\n")),
        head("mutation_actions_missing", "", on: "routes", path: "/actions"),
        head("mutation_overwrites_two", "x-over: 1\r\nx-b: 2\r\nx-over: 3\r\n", on: "routes", path: "/actions"),
        head("mutation_operators", "x-long: abcdefgh\r\n", on: "routes", path: "/operators/x?a=1"),
        head("mutation_removals", "x-drop-route: 1\r\nx-drop-host: 1\r\nx-drop-table: 1\r\nx-keep: 1\r\nuser-agent: u\r\n", on: "routes", path: "/removals")
            .replying(reply("200 OK", "x-drop-route: 1\r\nx-drop-table: 1\r\nx-keep: 1\r\ncontent-type: a/b\r\n")),
        head("mutation_removes_repeated", "x-drop-route: 1\r\nx-keep: 1\r\nX-Drop-Route: 2\r\n", on: "routes", path: "/removals"),
        head("mutation_of_server", "", on: "routes", path: "/server"),
        head("mutation_of_direct_response", "", on: "routes", path: "/direct"),
        head("mutation_of_local_reply", "", on: "routes", path: "/a").upstream(.steps(.readRequest, .close)),
        head("mutation_filter", "x-in: v\r\nx-gone: 1\r\n", on: "filter"),
        head("mutation_filter_missing_operand", "", on: "filter"),
        head("mutation_filter_appends", "x-in: v\r\nx-flt: before\r\n", on: "filter"),
        Case("headers.mutation_filter_local_reply", "GET /a HTTP/1.1\r\n\r\n", on: "filter"),
    ]
}
