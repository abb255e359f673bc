import TestSupport

extension Groups {
    /// The filter `cors`, with policies of routes, virtual hosts, tables and weighted clusters, and with those of old.
    static let cors = Group(
        name: "cors",
        listeners: [
            .init(name: "routes", virtualHosts: corsHost(""), filters: corsFilter),
            .init(name: "hosts", virtualHosts: corsHost(of: hostPolicy), filters: corsFilter),
            .init(name: "old", virtualHosts: corsHost("cors: {allow_origin_string_match: [{exact: \"http://v\"}], allow_methods: VM, max_age: \"8\"}"), filters: corsFilter),
            .init(name: "tables", routeTable: per(hostPolicy), virtualHosts: corsHost(""), filters: corsFilter),
            .init(name: "without", virtualHosts: corsHost(of: hostPolicy)),
        ],
        clusters: [Group.up, .init("refused", [.refused])],
        cases: own + inherited)

    private static let corsFilter = "- {name: envoy.filters.http.cors, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}"

    private static func per(_ policy: String) -> String {
        "typed_per_filter_config: {envoy.filters.http.cors: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, \(policy)}}"
    }

    private static let hostPolicy =
        "allow_origin_string_match: [{exact: \"http://v\"}], allow_methods: VM, allow_headers: VH, expose_headers: VE, max_age: \"9\", allow_credentials: true"
    private static let origin = "allow_origin_string_match: [{exact: \"http://a\"}]"
    private static let full = origin + ", allow_methods: \"GET,PUT\", allow_headers: x-h, expose_headers: x-e, max_age: \"60\", allow_credentials: true"
    private static let oldPolicy = "cors: {allow_origin_string_match: [{exact: \"http://o\"}], allow_methods: OLD}"

    private static func corsHost(of policy: String) -> String { corsHost(per(policy)) }

    private static func corsHost(_ host: String) -> String {
        func route(_ name: String, _ policy: String, _ action: String = "route: {cluster: up}") -> String {
            "  - {match: {prefix: /\(name)}, \(action)\(policy.isEmpty ? "" : ", " + per(policy))}\n"
        }
        return "- name: all\n  domains: [\"*\"]\n" + (host.isEmpty ? "" : "  \(host)\n") + "  routes:\n"
            + route("full", full) + route("origin", origin) + route("methods", "allow_methods: M") + route("nothing", "allow_private_network_access: false")
            + route("no_credentials", "allow_credentials: false, " + origin)
            + route("off", "filter_enabled: {default_value: {numerator: 0}}, " + full)
            + route("shadow", "filter_enabled: {default_value: {numerator: 0}}, shadow_enabled: {default_value: {numerator: 100}}, " + full)
            + route("private", "allow_private_network_access: true, " + full) + route("strict", "forward_not_matching_preflights: false, " + full)
            + route("matchers", "allow_origin_string_match: [{safe_regex: {regex: \"http://[a-c]\"}}, {prefix: \"http://p\", ignore_case: true}, {suffix: q}, {contains: mid}]")
            + route("everybody", "allow_origin_string_match: [{exact: \"*\"}], allow_credentials: true, expose_headers: x-e")
            + route("everything", "allow_origin_string_match: [{safe_regex: {regex: \"[*]\"}}]")
            + route("any", "allow_origin_string_match: [{safe_regex: {regex: \".*\"}}]")
            + route("direct", full, "direct_response: {status: 200}") + route("redirect", full, "redirect: {path_redirect: /x}")
            + route("refused", full, "route: {cluster: refused}") + route("lost", full, "route: {cluster_header: x-no}")
            + route("added", full, "route: {cluster: up}, response_headers_to_add: [{header: {key: x-added, value: v}}]")
            + "  - {match: {prefix: /entry}, route: {weighted_clusters: {clusters: [{name: up, weight: 1, \(per("allow_methods: ENTRY"))}]}}, \(per(full))}\n"
            + "  - {match: {prefix: /disabled}, route: {cluster: up}, typed_per_filter_config: {envoy.filters.http.cors: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true, config: {}}}}\n"
            + "  - {match: {prefix: /old}, route: {cluster: up, \(oldPolicy)}}\n" + route("", "")
    }

    private static let response = reply("200 OK", "access-control-allow-origin: old\r\nx-b: c\r\n")
    private static let preflight = "origin: http://a\r\naccess-control-request-method: PUT\r\n"

    private static func ask(_ name: String, _ line: String, _ more: String = "", on listener: String = "routes") -> Case {
        Case("cors.\(listener)_\(name)", request(line, more), on: listener).replying(response)
    }

    private static let own: [Case] = [
        ask("no_origin", "GET /full"), ask("allowed", "GET /full", "origin: http://a\r\n"), ask("not_allowed", "GET /full", "origin: http://b\r\n"),
        ask("empty_origin", "GET /full", "origin: \r\n"), ask("head", "HEAD /full", "origin: http://a\r\n"),
        ask("post", "POST /full", "origin: http://a\r\ncontent-length: 0\r\n"), ask("two_origins", "GET /any", "origin: http://a\r\norigin: http://b\r\n"),
        ask("two_origins_exact", "GET /full", "origin: http://a\r\norigin: http://b\r\n"),
        ask("options", "OPTIONS /full", "origin: http://a\r\n"), ask("preflight", "OPTIONS /full", preflight),
        ask("preflight_not_allowed", "OPTIONS /full", "origin: http://b\r\naccess-control-request-method: PUT\r\n"),
        ask("preflight_without_method", "OPTIONS /full", "origin: http://a\r\naccess-control-request-method: \r\n"),
        ask("preflight_with_body", "OPTIONS /full", preflight + "content-length: 3\r\n"),
        ask("preflight_without_origin", "OPTIONS /full", "access-control-request-method: PUT\r\n"),
        ask("preflight_with_headers", "OPTIONS /full", preflight + "access-control-request-headers: x-q\r\n"),
        ask("preflight_of_origin_alone", "OPTIONS /origin", preflight), ask("origin_alone", "GET /origin", "origin: http://a\r\n"),
        ask("methods_alone", "GET /methods", "origin: http://a\r\n"), ask("preflight_of_methods_alone", "OPTIONS /methods", preflight),
        ask("nothing", "GET /nothing", "origin: http://a\r\n"), ask("preflight_no_credentials", "OPTIONS /no_credentials", preflight),
        ask("no_credentials", "GET /no_credentials", "origin: http://a\r\n"), ask("preflight_off", "OPTIONS /off", preflight), ask("off", "GET /off", "origin: http://a\r\n"),
        ask("preflight_shadow", "OPTIONS /shadow", preflight), ask("shadow", "GET /shadow", "origin: http://a\r\n"), ask("shadow_not_allowed", "GET /shadow", "origin: http://b\r\n"),
        ask("private_not_asked", "OPTIONS /private", preflight), ask("private", "OPTIONS /private", preflight + "access-control-request-private-network: true\r\n"),
        ask("private_other_case", "OPTIONS /private", preflight + "access-control-request-private-network: TRUE\r\n"),
        ask("private_not_allowed", "OPTIONS /full", preflight + "access-control-request-private-network: true\r\n"),
        ask("strict", "OPTIONS /strict", preflight), ask("strict_not_allowed", "OPTIONS /strict", "origin: http://b\r\naccess-control-request-method: PUT\r\n"),
        ask("strict_get", "GET /strict", "origin: http://b\r\n"), ask("strict_options", "OPTIONS /strict", "origin: http://b\r\n"),
        ask("strict_without_origin", "OPTIONS /strict", "access-control-request-method: PUT\r\n"),
        ask("regex", "GET /matchers", "origin: http://c\r\n"), ask("regex_whole", "GET /matchers", "origin: http://cc\r\n"),
        ask("prefix", "GET /matchers", "origin: HTTP://Px\r\n"), ask("suffix", "GET /matchers", "origin: xxq\r\n"), ask("contains", "GET /matchers", "origin: xmidx\r\n"),
        ask("everybody", "GET /everybody", "origin: http://b\r\n"), ask("preflight_everybody", "OPTIONS /everybody", preflight),
        ask("star", "GET /full", "origin: *\r\n"), ask("everything", "GET /everything", "origin: http://b\r\n"),
        ask("answered_twice", "GET /everybody", "origin: http://b\r\n").replying(
            reply("200 OK", "access-control-allow-origin: a\r\nx-b: c\r\naccess-control-expose-headers: a\r\naccess-control-allow-origin: b\r\naccess-control-expose-headers: b\r\naccess-control-allow-credentials: false\r\naccess-control-allow-credentials: no\r\nx-c: d\r\n")),
        ask("direct", "GET /direct", "origin: http://a\r\n"), ask("preflight_direct", "OPTIONS /direct", preflight),
        ask("redirect", "GET /redirect", "origin: http://a\r\n"), ask("preflight_redirect", "OPTIONS /redirect", preflight),
        ask("refused", "GET /refused", "origin: http://a\r\n"), ask("preflight_refused", "OPTIONS /refused", preflight), ask("lost", "GET /lost", "origin: http://a\r\n"),
        ask("added", "GET /added", "origin: http://a\r\n"), ask("preflight_added", "OPTIONS /added", preflight),
        ask("entry", "GET /entry", "origin: http://a\r\n"), ask("preflight_entry", "OPTIONS /entry", preflight), ask("disabled", "OPTIONS /disabled", preflight),
        ask("no_policy", "GET /x", "origin: http://a\r\n"), ask("preflight_no_policy", "OPTIONS /x", preflight),
        ask("preflight_of_grpc", "OPTIONS /full", preflight + "content-type: application/grpc\r\n"),
    ]

    private static let inherited: [Case] = ["routes", "hosts", "old", "tables", "without"].flatMap { listener in
        ["full", "origin", "methods", "nothing", "no_credentials", "off", "entry", "old", "x"].flatMap { path in
            ["http://a", "http://v", "http://o"].map { origin in
                ask("of_\(path)_\(origin.last.map(String.init) ?? "")", "OPTIONS /\(path)", "origin: \(origin)\r\naccess-control-request-method: PUT\r\n", on: listener)
            } + [ask("answer_of_\(path)", "GET /\(path)", "origin: http://v\r\n", on: listener)]
        }
    }
}
