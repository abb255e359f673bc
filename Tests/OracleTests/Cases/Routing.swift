import TestSupport

extension Groups {
    /// Which route is taken, and what it does to the request.
    static let routing = Group(
        name: "routing",
        listeners: [
            .init(name: "main", virtualHosts: routingHosts),
            .init(name: "ports", manager: "strip_matching_host_port: true", virtualHosts: hostsByName),
            .init(name: "any_port", manager: "strip_any_host_port: true", virtualHosts: hostsByName),
            .init(name: "dots", manager: "strip_trailing_host_dot: true", virtualHosts: hostsByName),
            .init(name: "hosts", virtualHosts: hostsByName),
            .init(name: "ignore_port", routeTable: "ignore_port_in_host_matching: true", virtualHosts: hostsByName),
            .init(name: "ignore_parameters", routeTable: "ignore_path_parameters_in_path_matching: true", virtualHosts: routingHosts),
            .init(name: "tls_required", virtualHosts: """
                - name: all
                  domains: ["*"]
                  require_tls: ALL
                  routes: [{match: {prefix: /}, route: {cluster: up}}]
                """),
        ],
        clusters: [
            Group.up, .init("b", [.scripted("b")]), .init("c", [.scripted("c")]), .init("none", []),
            .init("refused", [.refused]),
        ],
        cases: routingMatches + routingHostCases + routingRedirects + routingRewrites + routingTargets)

    private static let hostsByName = """
        - {name: exact, domains: [a.test], routes: [{name: exact, match: {prefix: /}, route: {cluster: up}}]}
        - {name: exact_port, domains: ["a.test:81"], routes: [{name: exact_port, match: {prefix: /}, route: {cluster: up}}]}
        - {name: suffix, domains: ["*.a.test"], routes: [{name: suffix, match: {prefix: /}, route: {cluster: up}}]}
        - {name: longer_suffix, domains: ["*.b.a.test"], routes: [{name: longer_suffix, match: {prefix: /}, route: {cluster: up}}]}
        - {name: dash_suffix, domains: ["*-x.test"], routes: [{name: dash_suffix, match: {prefix: /}, route: {cluster: up}}]}
        - {name: prefix, domains: ["p.*"], routes: [{name: prefix, match: {prefix: /}, route: {cluster: up}}]}
        - {name: longer_prefix, domains: ["p.q.*"], routes: [{name: longer_prefix, match: {prefix: /}, route: {cluster: up}}]}
        - {name: several, domains: [m1.test, m2.test], routes: [{name: several, match: {prefix: /only}, route: {cluster: up}}]}
        """

    private static let routingHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {name: exact, match: {path: /exact}, route: {cluster: up}}
          - {name: exact_nocase, match: {path: /NoCase, case_sensitive: false}, route: {cluster: up}}
          - {name: prefix, match: {prefix: /prefix}, route: {cluster: up}}
          - {name: prefix_nocase, match: {prefix: /PreNoCase, case_sensitive: false}, route: {cluster: up}}
          - {name: separated, match: {path_separated_prefix: /sep}, route: {cluster: up}}
          - {name: regex, match: {safe_regex: {regex: "/re/[0-9]+"}}, route: {cluster: up}}
          - {name: first, match: {prefix: /order/x}, route: {cluster: up}}
          - {name: second, match: {prefix: /order}, route: {cluster: up}}
          - {name: third_shadowed, match: {prefix: /order/y}, route: {cluster: up}}
          - {name: h_exact, match: {prefix: /h, headers: [{name: x-m, string_match: {exact: one}}]}, route: {cluster: up}}
          - {name: h_prefix, match: {prefix: /h, headers: [{name: x-m, string_match: {prefix: pre}}]}, route: {cluster: up}}
          - {name: h_suffix, match: {prefix: /h, headers: [{name: x-m, string_match: {suffix: suf}}]}, route: {cluster: up}}
          - {name: h_contains, match: {prefix: /h, headers: [{name: x-m, string_match: {contains: mid}}]}, route: {cluster: up}}
          - {name: h_nocase, match: {prefix: /h, headers: [{name: x-m, string_match: {exact: CASE, ignore_case: true}}]}, route: {cluster: up}}
          - {name: h_regex, match: {prefix: /h, headers: [{name: x-m, string_match: {safe_regex: {regex: "[a-z][0-9]"}}}]}, route: {cluster: up}}
          - {name: h_range, match: {prefix: /h, headers: [{name: x-n, range_match: {start: -5, end: 10}}]}, route: {cluster: up}}
          - {name: h_two, match: {prefix: /h, headers: [{name: x-a, present_match: true}, {name: x-b, present_match: true}]}, route: {cluster: up}}
          - {name: h_absent, match: {prefix: /h/absent, headers: [{name: x-a, present_match: true, invert_match: true}]}, route: {cluster: up}}
          - {name: h_not, match: {prefix: /h/not, headers: [{name: x-c, string_match: {exact: one}, invert_match: true}]}, route: {cluster: up}}
          - {name: h_empty, match: {prefix: /h/empty, headers: [{name: x-e, string_match: {exact: ""}, treat_missing_header_as_empty: true}]}, route: {cluster: up}}
          - {name: h_method, match: {prefix: /h, headers: [{name: ":method", string_match: {exact: PUT}}]}, route: {cluster: up}}
          - {name: h_authority, match: {prefix: /h, headers: [{name: ":authority", string_match: {exact: special.test}}]}, route: {cluster: up}}
          - {name: h_bytes, match: {prefix: /h, headers: [{name: x-m, string_match: {safe_regex: {regex: "bytes:.."}}}]}, route: {cluster: up}}
          - {name: h_bytes_not, match: {prefix: /bytes_not, headers: [{name: x-m, string_match: {safe_regex: {regex: "bytes:.."}}, invert_match: true}]}, route: {cluster: up}}
          - {name: h_scheme, match: {prefix: /scheme, headers: [{name: ":scheme", string_match: {exact: http}}]}, route: {cluster: up}}
          - {name: h_scheme_tls, match: {prefix: /scheme, headers: [{name: ":scheme", string_match: {exact: https}}]}, route: {cluster: up}}
          - {name: q_exact, match: {prefix: /q, query_parameters: [{name: k, string_match: {exact: v}}]}, route: {cluster: up}}
          - {name: q_present, match: {prefix: /q, query_parameters: [{name: p, present_match: true}]}, route: {cluster: up}}
          - {name: q_regex, match: {prefix: /q, query_parameters: [{name: r, string_match: {safe_regex: {regex: "[0-9]+"}}}]}, route: {cluster: up}}
          - {name: grpc, match: {prefix: /g, grpc: {}}, route: {cluster: up}}
          - {name: not_grpc, match: {prefix: /g}, route: {cluster: up}}
          - {name: never, match: {prefix: /fraction, runtime_fraction: {default_value: {numerator: 0}}}, route: {cluster: b}}
          - {name: always, match: {prefix: /fraction, runtime_fraction: {default_value: {numerator: 100}}}, route: {cluster: up}}
          - {name: r_https, match: {path: /r/https}, redirect: {https_redirect: true}}
          - {name: r_scheme, match: {path: /r/scheme}, redirect: {scheme_redirect: ftp}}
          - {name: r_host, match: {path: /r/host}, redirect: {host_redirect: new.test}}
          - {name: r_port, match: {path: /r/port}, redirect: {port_redirect: 8443}}
          - {name: r_https_port, match: {path: /r/https_port}, redirect: {https_redirect: true, port_redirect: 8443}}
          - {name: r_path, match: {path: /r/path}, redirect: {path_redirect: /new/path}}
          - {name: r_path_query, match: {path: /r/path_query}, redirect: {path_redirect: "/new?fixed=1"}}
          - {name: r_prefix, match: {prefix: /r/prefix}, redirect: {prefix_rewrite: /moved}}
          - {name: r_regex, match: {prefix: /r/regex}, redirect: {regex_rewrite: {pattern: {regex: "/r/regex/([a-z]+)/(.*)"}, substitution: "/\\\\2/\\\\1"}}}
          - {name: r_302, match: {path: /r/302}, redirect: {host_redirect: new.test, response_code: FOUND}}
          - {name: r_303, match: {path: /r/303}, redirect: {host_redirect: new.test, response_code: SEE_OTHER}}
          - {name: r_307, match: {path: /r/307}, redirect: {host_redirect: new.test, response_code: TEMPORARY_REDIRECT}}
          - {name: r_308, match: {path: /r/308}, redirect: {host_redirect: new.test, response_code: PERMANENT_REDIRECT}}
          - {name: r_strip, match: {path: /r/strip}, redirect: {host_redirect: new.test, strip_query: true}}
          - name: r_headers
            match: {path: /r/headers}
            redirect: {host_redirect: new.test}
            response_headers_to_add: [{header: {key: x-added, value: "%REQ(:PATH)%"}}]
          - {name: d_204, match: {path: /d/204}, direct_response: {status: 204}}
          - {name: d_200, match: {path: /d/200}, direct_response: {status: 200, body: {inline_string: "hello"}}}
          - {name: d_503, match: {path: /d/503}, direct_response: {status: 503, body: {inline_string: "down"}}}
          - {name: d_599, match: {path: /d/599}, direct_response: {status: 599}}
          - name: d_headers
            match: {path: /d/headers}
            direct_response: {status: 200, body: {inline_string: "{}"}}
            response_headers_to_add: [{header: {key: content-type, value: application/json}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
          - name: d_format
            match: {path: /d/format}
            direct_response: {status: 200, body_format: {text_format_source: {inline_string: "%REQ(:PATH)% %PROTOCOL%"}}}
          - {name: w_prefix, match: {prefix: /w/prefix}, route: {cluster: up, prefix_rewrite: /new}}
          - {name: w_prefix_slash, match: {prefix: /w/slash/}, route: {cluster: up, prefix_rewrite: /}}
          - {name: w_exact, match: {path: /w/exact}, route: {cluster: up, prefix_rewrite: /replaced}}
          - {name: w_regex, match: {prefix: /w/regex}, route: {cluster: up, regex_rewrite: {pattern: {regex: "^/w/regex/([^/]+)"}, substitution: "/i/\\\\1"}}}
          - {name: w_separated, match: {path_separated_prefix: /w/sep}, route: {cluster: up, prefix_rewrite: /s}}
          - {name: w_nocase, match: {prefix: /w/NOCASE, case_sensitive: false}, route: {cluster: up, prefix_rewrite: /n}}
          - {name: w_host, match: {path: /w/host}, route: {cluster: up, host_rewrite_literal: other.test}}
          - {name: w_host_append, match: {path: /w/host_append}, route: {cluster: up, host_rewrite_literal: other.test, append_x_forwarded_host: true}}
          - {name: w_host_header, match: {path: /w/host_header}, route: {cluster: up, host_rewrite_header: x-new-host}}
          - {name: w_host_path, match: {prefix: /w/host_path}, route: {cluster: up, host_rewrite_path_regex: {pattern: {regex: "/w/host_path/(.+)"}, substitution: "\\\\1.test"}}}
          - {name: w_timeout_off, match: {path: /w/timeout_off}, route: {cluster: up, timeout: 0s}}
          - {name: w_timeout_3, match: {path: /w/timeout_3}, route: {cluster: up, timeout: 3.5s}}
          - name: weighted
            match: {prefix: /weighted}
            route:
              weighted_clusters:
                header_name: x-random
                clusters:
                - {name: up, weight: 30}
                - name: b
                  weight: 70
                  request_headers_to_add: [{header: {key: x-choice, value: b}}]
                  response_headers_to_add: [{header: {key: x-chosen, value: b}}]
          - name: weighted_zero
            match: {prefix: /zero}
            route: {weighted_clusters: {clusters: [{name: b, weight: 0}, {name: c, weight: 1}]}}
          - {name: by_header, match: {prefix: /by_header}, route: {cluster_header: x-cluster}}
          - {name: by_header_404, match: {prefix: /by_404}, route: {cluster_header: x-cluster, cluster_not_found_response_code: NOT_FOUND}}
          - {name: by_header_500, match: {prefix: /by_500}, route: {cluster_header: x-cluster, cluster_not_found_response_code: INTERNAL_SERVER_ERROR}}
          - {name: to_none, match: {prefix: /none}, route: {cluster: none}}
          - {name: to_refused, match: {prefix: /refused}, route: {cluster: refused}}
          - {name: template, match: {path_match_policy: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/t/{x=*}/end"}}}, route: {cluster: up}}
          - name: template_rewrite
            match: {path_match_policy: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/tr/{x=*}/{y=**}"}}}
            route: {cluster: up, path_rewrite_policy: {name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig, path_template_rewrite: "/n/{y}/z{x}"}}}
          - {name: d_json, match: {path: /d/json}, direct_response: {status: 200, body: {inline_string: "b"}, body_format: {json_format: {body: "%LOCAL_REPLY_BODY%", code: "%RESPONSE_CODE%"}}}}
          - {name: d_html, match: {path: /d/html}, direct_response: {status: 200, body: {inline_string: "b"}, body_format: {content_type: text/html, text_format_source: {inline_string: "<%LOCAL_REPLY_BODY%> %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%"}}}}
          - {name: d_format_empty, match: {path: /d/format_empty}, direct_response: {status: 200, body: {inline_string: "b"}, body_format: {omit_empty_values: true, text_format_source: {inline_string: "%REQ(x-none)%"}}}}
        """

    private static func route(_ name: String, _ path: String, _ more: String = "", on listener: String = "main") -> Case {
        Case("routing." + name, request("GET " + path, more), on: listener)
    }

    private static let routingMatches: [Case] = [
        route("exact", "/exact"), route("exact_with_query", "/exact?q=1"), route("exact_longer", "/exact/"),
        route("exact_other_case", "/EXACT"), route("exact_nocase", "/nOcAsE"), route("exact_nocase_longer", "/nocase/x"),
        route("prefix", "/prefix"), route("prefix_longer", "/prefixed/and/more"), route("prefix_other_case", "/Prefix"),
        route("prefix_nocase", "/PRENOCASE/x"), route("prefix_percent_encoded", "/%70refix"),
        route("separated_itself", "/sep"), route("separated_below", "/sep/x"), route("separated_sibling", "/separate"),
        route("separated_query", "/sep?x"), route("separated_slash", "/sep/"),
        route("regex", "/re/123"), route("regex_query", "/re/123?x=/re/abc"), route("regex_whole_path", "/re/123/more"), route("regex_none", "/re/abc"),
        route("order_first", "/order/x"), route("order_second", "/order/z"), route("order_shadowed", "/order/y"),
        route("header_exact", "/h", "x-m: one\r\n"), route("header_exact_other_case", "/h", "x-m: One\r\n"),
        route("header_name_case", "/h", "X-M: one\r\n"), route("header_prefix", "/h", "x-m: prefer\r\n"),
        route("header_suffix", "/h", "x-m: a suf\r\n"), route("header_contains", "/h", "x-m: amidst\r\n"),
        route("header_nocase", "/h", "x-m: cAsE\r\n"), route("header_regex", "/h", "x-m: b7\r\n"), route("header_regex_whole", "/h", "x-m: b77\r\n"),
        route("header_range_low", "/h", "x-n: -5\r\n"), route("header_range_end", "/h", "x-n: 10\r\n"), route("header_range_text", "/h", "x-n: 1a\r\n"),
        route("header_two", "/h", "x-a: 1\r\nx-b: 2\r\n"), route("header_repeated", "/h", "x-m: o\r\nx-m: ne\r\n"), route("header_repeated_first_matches", "/h", "x-m: one\r\nx-m: two\r\n"),
        route("header_repeated_second_matches", "/h", "x-m: two\r\nx-m: one\r\n"),
        route("header_absent", "/h/absent"), route("header_not_other", "/h/not", "x-c: two\r\n"), route("header_not_missing", "/h/not"),
        route("header_empty_missing", "/h/empty"), Case("routing.header_method", request("PUT /h", "content-length: 0\r\n")),
        Case("routing.header_authority", "GET /h HTTP/1.1\r\nhost: special.test\r\n\r\n"),
        route("query_exact", "/q?k=v"), route("query_exact_second", "/q?x=1&k=v"), route("query_exact_other", "/q?k=w"), route("query_repeated", "/q?k=w&k=v"),
        route("query_present", "/q?p"), route("query_present_empty", "/q?p="), route("query_regex", "/q?r=12"), route("query_regex_none", "/q?r=12a"),
        route("query_encoded", "/q?k=%76"), route("query_after_fragment_like", "/q?a=b?k=v"),
        Case("routing.grpc", request("POST /g", "content-type: application/grpc\r\ncontent-length: 0\r\n")),
        Case("routing.grpc_proto", request("POST /g", "content-type: application/grpc+proto\r\ncontent-length: 0\r\n")),
        Case("routing.grpc_not", request("POST /g", "content-type: application/grpcx\r\ncontent-length: 0\r\n")),
        route("fraction", "/fraction"), route("none", "/nowhere"), route("template", "/t/abc/end"), route("template_none", "/t/a/b/end"),
        route("path_parameters", "/exact;v=1", on: "ignore_parameters"), route("path_parameters_kept", "/exact;v=1"),
        route("path_parameters_inside", "/re;v=1/123", on: "ignore_parameters"),
        route("path_parameters_behind", "/exact;v=1/x", on: "ignore_parameters"),
        route("path_parameters_of_each", "/order;a;b/x;c?q;d/e", on: "ignore_parameters"),
        route("path_parameters_and_separated", "/sep;v/x", on: "ignore_parameters"),
        route("path_parameters_of_nothing", "/;v/exact", on: "ignore_parameters"),
        route("path_parameters_in_a_rewrite", "/w;v/prefix/x", on: "ignore_parameters"),
        route("path_parameters_behind_a_rewrite", "/w/prefix;v/x", on: "ignore_parameters"),
        route("path_parameters_behind_an_exact_rewrite", "/w/exact;v?q", on: "ignore_parameters"),
        route("path_parameters_in_a_regex_rewrite", "/w/regex/abc;v/def", on: "ignore_parameters"),
        route("path_parameters_in_a_redirect", "/r;v/prefix/rest?a;b", on: "ignore_parameters"),
        route("path_parameters_behind_a_redirect", "/r/prefix;v/rest", on: "ignore_parameters"),
        route("header_bytes", "/h", "x-m: bytes:\u{e9}\r\n"), route("header_bytes_not", "/bytes_not", "x-m: bytes:\u{e9}\r\n"),
        route("header_scheme", "/scheme"), route("header_scheme_told", "/scheme", "x-forwarded-proto: https\r\n"),
        Case("routing.header_scheme_absolute", "GET https://h.test/scheme HTTP/1.1\r\nhost: h.test\r\n\r\n"),
    ]

    private static func host(_ name: String, _ host: String, _ path: String = "/x", on listener: String = "hosts") -> Case {
        Case("routing.host_" + name, "GET \(path) HTTP/1.1\r\nhost: \(host)\r\n\r\n", on: listener)
    }

    private static let routingHostCases: [Case] = [
        host("exact", "a.test"), host("upper_case", "A.TEST"), host("suffix", "x.a.test"), host("longer_suffix", "x.b.a.test"),
        host("suffix_deep", "x.y.a.test"), host("suffix_needs_a_character", ".a.test"), host("suffix_dash", "my-x.test"), host("prefix", "p.anything"), host("longer_prefix", "p.q.r"),
        host("none", "unknown.test"), host("several_no_route", "m2.test"), host("several", "m2.test", "/only"),
        host("port", "a.test:80"), host("port_named", "a.test:81"), host("port_suffix", "x.a.test:80"), host("port_ignored", "a.test:1234", on: "ignore_port"),
        host("port_stripped_any", "a.test:1234", on: "any_port"), host("port_not_matching", "a.test:1234", on: "ports"),
        host("dot", "a.test."), host("dot_stripped", "a.test.", on: "dots"), host("dot_stripped_port", "a.test.:1234", on: "dots"),
        Case("routing.tls_required", request("GET /p?q=1"), on: "tls_required"),
        Case("routing.tls_required_post", request("POST /p", "content-length: 0\r\n"), on: "tls_required"),
    ]

    private static let routingRedirects: [Case] = [
        route("redirect_https", "/r/https"), route("redirect_https_query", "/r/https?a=b&c=%20"), route("redirect_scheme", "/r/scheme"),
        Case("routing.redirect_https_drops_80", "GET /r/https HTTP/1.1\r\nhost: h.test:80\r\n\r\n"),
        Case("routing.redirect_https_keeps_81", "GET /r/https HTTP/1.1\r\nhost: h.test:81\r\n\r\n"),
        Case("routing.redirect_host_keeps_port", "GET /r/host HTTP/1.1\r\nhost: h.test:81\r\n\r\n"),
        route("redirect_host", "/r/host"), route("redirect_port", "/r/port"), route("redirect_https_port", "/r/https_port"),
        route("redirect_path", "/r/path"), route("redirect_path_keeps_query", "/r/path?a=b"), route("redirect_path_own_query", "/r/path_query?a=b"),
        route("redirect_prefix", "/r/prefix/rest?a=b"), route("redirect_prefix_exact", "/r/prefix"), route("redirect_regex", "/r/regex/one/two?x=1"),
        route("redirect_302", "/r/302"), route("redirect_303", "/r/303"), route("redirect_307", "/r/307"), route("redirect_308", "/r/308"),
        route("redirect_strip_query", "/r/strip?a=b"), route("redirect_adds_header", "/r/headers"),
        Case("routing.redirect_head", request("HEAD /r/host")),
        Case("routing.redirect_post_with_body", request("POST /r/host", "content-length: 5\r\n") + "hello"),
        route("direct_204", "/d/204"), route("direct_200", "/d/200"), route("direct_503", "/d/503"), route("direct_599", "/d/599"),
        route("direct_content_type", "/d/headers"), route("direct_format", "/d/format"),
        route("direct_format_json", "/d/json"), route("direct_format_content_type", "/d/html"), route("direct_format_empty", "/d/format_empty"),
        Case("routing.direct_head", request("HEAD /d/200")),
        Case("routing.direct_post_with_body", request("POST /d/200", "content-length: 5\r\n") + "hello"),
        Case("routing.direct_post_body_unsent", request("POST /d/200", "content-length: 5\r\n")),
        Case("routing.direct_close", request("GET /d/200", "connection: close\r\n")),
    ]

    private static let routingRewrites: [Case] = [
        route("rewrite_prefix", "/w/prefix/x?q=1"), route("rewrite_prefix_itself", "/w/prefix"), route("rewrite_prefix_glued", "/w/prefixed"),
        route("rewrite_prefix_slash", "/w/slash/x/y"), route("rewrite_exact", "/w/exact?q"), route("rewrite_regex", "/w/regex/abc/def?x=/w/regex/q"),
        route("rewrite_regex_none", "/w/regex"), route("rewrite_separated", "/w/sep/x"), route("rewrite_separated_query", "/w/sep?x=1"),
        route("rewrite_template", "/tr/a/b"), route("rewrite_template_deep", "/tr/a%20/b/c?x=/1"), route("rewrite_template_slash", "/tr/a/b/"),
        route("rewrite_nocase", "/w/NoCase/x"), route("rewrite_host", "/w/host"), route("rewrite_host_append", "/w/host_append"),
        route("rewrite_host_append_existing", "/w/host_append", "x-forwarded-host: before.test\r\n"),
        route("rewrite_host_header", "/w/host_header", "x-new-host: from-header.test\r\n"), route("rewrite_host_header_missing", "/w/host_header"),
        route("rewrite_host_path", "/w/host_path/name"), route("timeout_off", "/w/timeout_off"), route("timeout_other", "/w/timeout_3"),
    ]

    private static let routingTargets: [Case] = [
        route("weighted_first", "/weighted", "x-random: 29\r\n"), route("weighted_second", "/weighted", "x-random: 30\r\n"),
        route("weighted_modulo", "/weighted", "x-random: 129\r\n"), route("weighted_zero", "/zero"),
        route("cluster_header", "/by_header", "x-cluster: b\r\n"), route("cluster_header_missing", "/by_header"),
        route("cluster_header_unknown", "/by_header", "x-cluster: nope\r\n"), route("cluster_header_404", "/by_404", "x-cluster: nope\r\n"),
        route("cluster_header_500", "/by_500", "x-cluster: nope\r\n"), route("cluster_empty", "/none"), route("cluster_refused", "/refused"),
        route("cluster_header_repeated", "/by_header", "x-cluster: b\r\nx-cluster: c\r\n"),
    ]
}
