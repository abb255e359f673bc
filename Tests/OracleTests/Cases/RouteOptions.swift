import TestSupport

extension Groups {
    /// What routes ask beside path and headers, and what their levels say: cookies, runtime keys, weighted clusters'
    /// filter configurations.
    static let routeOptions = Group(
        name: "route_options",
        listeners: [
            .init(name: "main", virtualHosts: routeOptionHosts, filters: """
                - name: mutate
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
                    mutations: {request_mutations: [{append: {header: {key: x-level, value: filter}}}]}
                """)
        ],
        clusters: [Group.up, .init("b", [.scripted("b")])],
        bootstrap: """
            layered_runtime:
              layers:
              - name: base
                static_layer:
                  fraction: {never: 0, always: 100, of_ten_thousand: {numerator: 10000, denominator: TEN_THOUSAND}, text: "100", word: often, beyond: 5000, half: 0.5}
                  weights: {up: 0}
              - name: top
                static_layer: {fraction.text: "0"}
            """,
        cases: routeOptionCases)

    private static func mutation(_ value: String) -> String {
        """
        {"@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute, mutations: {request_mutations: [{append: {header: {key: x-level, value: \(value)}}}]}}
        """
    }

    private static let wrapper = "\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig"

    private static func fraction(_ name: String, _ key: String, standard: Int = 0) -> String {
        "  - {name: \(name), match: {path: /fraction/\(name), runtime_fraction: {default_value: {numerator: \(standard)}, runtime_key: \(key)}}, route: {cluster: b}}\n"
    }

    private static let routeOptionHosts = """
        - name: all
          domains: ["*"]
          typed_per_filter_config: {mutate: \(mutation("host"))}
          routes:
          - {name: cookie_exact, match: {prefix: /cookie, cookies: [{name: c, string_match: {exact: one}}]}, route: {cluster: up}}
          - {name: cookie_regex, match: {prefix: /cookie, cookies: [{name: c, string_match: {safe_regex: {regex: "[0-9]+"}}}]}, route: {cluster: up}}
          - {name: cookie_prefix, match: {prefix: /cookie, cookies: [{name: c, string_match: {prefix: Pre, ignore_case: true}}]}, route: {cluster: up}}
          - {name: cookie_two, match: {prefix: /cookie, cookies: [{name: a, string_match: {exact: "1"}}, {name: b, string_match: {exact: "2"}}]}, route: {cluster: up}}
          - {name: cookie_not, match: {prefix: /cookie/not, cookies: [{name: d, string_match: {exact: x}, invert_match: true}]}, route: {cluster: up}}
          - {name: metadata, match: {prefix: /metadata, dynamic_metadata: [{filter: f, path: [{key: k}], value: {string_match: {exact: v}}}]}, route: {cluster: b}}
          - {name: metadata_not, match: {prefix: /metadata, dynamic_metadata: [{filter: f, path: [{key: k}], value: {string_match: {exact: v}}, invert: true}]}, route: {cluster: up}}
          - {name: state, match: {prefix: /state, filter_state: [{key: k, string_match: {exact: v}}]}, route: {cluster: b}}

        """ + fraction("never", "fraction.never", standard: 100) + fraction("always", "fraction.always")
        + fraction("of_ten_thousand", "fraction.of_ten_thousand") + fraction("later_layer", "fraction.text", standard: 100)
        + fraction("word", "fraction.word", standard: 100) + fraction("beyond", "fraction.beyond")
        + fraction("half", "fraction.half", standard: 100) + fraction("unknown", "fraction.unknown", standard: 100) + """
          - {name: weights, match: {prefix: /weights}, route: {weighted_clusters: {runtime_key_prefix: weights, header_name: x-random, clusters: [{name: up, weight: 100}, {name: b, weight: 1}]}}}
          - name: levels
            match: {prefix: /levels}
            typed_per_filter_config: {mutate: \(mutation("route"))}
            route:
              weighted_clusters:
                header_name: x-random
                clusters:
                - {name: up, weight: 1, typed_per_filter_config: {mutate: \(mutation("entry"))}}
                - {name: b, weight: 1}
                - {name: b, weight: 1, typed_per_filter_config: {mutate: {\(wrapper), disabled: true}}}
                - {name: b, weight: 1, typed_per_filter_config: {mutate: {\(wrapper), is_optional: true, config: \(mutation("wrapped"))}}}
                - {name: b, weight: 1, typed_per_filter_config: {mutate: {\(wrapper), config: {}}}}
          - name: disabled
            match: {prefix: /disabled}
            typed_per_filter_config: {mutate: {\(wrapper), disabled: true}}
            route:
              weighted_clusters:
                header_name: x-random
                clusters:
                - {name: up, weight: 1}
                - {name: b, weight: 1, typed_per_filter_config: {mutate: {\(wrapper), config: {}}}}
                - {name: b, weight: 1, typed_per_filter_config: {mutate: \(mutation("entry"))}}
          - {name: rest, match: {prefix: /}, route: {cluster: up}}
        """

    private static func option(_ name: String, _ path: String, _ more: String = "") -> Case {
        Case("route_options." + name, request("GET " + path, more))
    }

    private static let routeOptionCases: [Case] = [
        option("cookie_exact", "/cookie", "cookie: c=one\r\n"), option("cookie_exact_second", "/cookie", "cookie: x=y; c=one\r\n"),
        option("cookie_second_field", "/cookie", "cookie: x=y\r\ncookie: c=one\r\n"),
        option("cookie_first_counts", "/cookie", "cookie: c=two; c=one\r\n"), option("cookie_quoted", "/cookie", "cookie: c=\"one\"\r\n"),
        option("cookie_regex", "/cookie", "cookie: c=123\r\n"), option("cookie_regex_whole", "/cookie", "cookie: c=123x\r\n"),
        option("cookie_prefix_any_case", "/cookie", "cookie: c=pREfix\r\n"), option("cookie_name_has_case", "/cookie", "cookie: C=one\r\n"),
        option("cookie_two", "/cookie", "cookie: b=2; a=1\r\n"), option("cookie_one_of_two", "/cookie", "cookie: a=1\r\n"),
        option("cookie_none", "/cookie"), option("cookie_not_missing", "/cookie/not"),
        option("cookie_not_other", "/cookie/not", "cookie: d=y\r\n"), option("cookie_not_same", "/cookie/not", "cookie: d=x\r\n"),
        option("metadata", "/metadata"), option("filter_state", "/state"),
        option("fraction_never", "/fraction/never"), option("fraction_always", "/fraction/always"),
        option("fraction_of_ten_thousand", "/fraction/of_ten_thousand"), option("fraction_later_layer", "/fraction/later_layer"),
        option("fraction_word", "/fraction/word"), option("fraction_beyond", "/fraction/beyond"), option("fraction_half", "/fraction/half"),
        option("fraction_unknown", "/fraction/unknown"),
        option("weight_zero", "/weights", "x-random: 0\r\n"), option("weight_all", "/weights", "x-random: 50\r\n"),
        option("level_entry", "/levels", "x-random: 0\r\n"), option("level_route", "/levels", "x-random: 1\r\n"),
        option("level_entry_disabled", "/levels", "x-random: 2\r\n"), option("level_wrapped", "/levels", "x-random: 3\r\n"),
        option("level_empty_wrapper", "/levels", "x-random: 4\r\n"), option("level_host", "/"),
        option("disabled_by_route", "/disabled", "x-random: 0\r\n"), option("disabled_enabled_by_entry", "/disabled", "x-random: 1\r\n"),
        option("disabled_configured_by_entry", "/disabled", "x-random: 2\r\n"),
    ]
}
