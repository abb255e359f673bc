import TestSupport

extension Groups {
    /// Redirects that the proxy follows by itself.
    static let internalRedirects = Group(
        name: "internal_redirects",
        listeners: [
            .init(name: "main", virtualHosts: redirectingHosts, filters: """
                - name: mutate
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
                    mutations:
                      request_mutations: [{append: {header: {key: x-passes, value: "%REQ(:PATH)%"}}}]
                      response_mutations: [{append: {header: {key: x-back, value: "1"}}}]
                """)
        ],
        clusters: [Group.up, .init("b", [.scripted("b")])],
        cases: redirectingCases)

    private static func predicate(_ name: String, _ type: String, _ more: String = "") -> String {
        "{name: envoy.internal_redirect_predicates.\(name), typed_config: {\"@type\": type.googleapis.com/envoy.extensions.internal_redirect.\(name).v3.\(type)\(more)}}"
    }

    private static func policy(_ name: String, _ policy: String, _ more: String = "") -> String {
        "  - {name: \(name), match: {prefix: /\(name)}, route: {cluster: up, internal_redirect_policy: {\(policy)}\(more)}}\n"
    }

    private static let redirectingHosts = """
        - name: here
          domains: [h.test, "h.test:81"]
          routes:

        """ + policy("plain", "") + policy("codes", "redirect_response_codes: [301, 303, 307, 200]")
        + policy("cross", "allow_cross_scheme_redirect: true")
        + policy("safe", "allow_cross_scheme_redirect: true, predicates: [\(predicate("safe_cross_scheme", "SafeCrossSchemeConfig"))]")
        + policy("twice", "max_internal_redirects: 2") + policy("never", "max_internal_redirects: 0")
        + policy("copy", "response_headers_to_copy: [x-copy, x-gone]")
        + policy("listed", "predicates: [\(predicate("allow_listed_routes", "AllowListedRoutesConfig", ", allowed_route_names: [target, direct]"))]")
        + policy("previous", "max_internal_redirects: 5, predicates: [\(predicate("previous_routes", "PreviousRoutesConfig"))]")
        + policy("rewritten", "", ", prefix_rewrite: /new, host_rewrite_literal: inside.test")
        + policy("small", "redirect_response_codes: [307]", "}, per_request_buffer_limit_bytes: 4, decorator: {operation: o")
        + policy("retried", "", ", retry_policy: {retry_on: 5xx}") + """
          - {name: target, match: {prefix: /target}, route: {cluster: b}}
          - {name: direct, match: {prefix: /direct}, direct_response: {status: 203, body: {inline_string: here}}}
          - {name: away, match: {prefix: /away}, redirect: {host_redirect: away.test}}
        - name: there
          domains: [there.test]
          routes: [{name: there, match: {prefix: /}, route: {cluster: b}}]
        """

    private static func moved(_ location: String?, _ status: String = "302 Found", _ more: String = "", body: String = "") -> String {
        reply(status, (location.map { "location: \($0)\r\n" } ?? "") + more, body: body)
    }

    /// What `a` answers, in order, whichever connection asks.
    private static func case_(
        _ name: String, _ path: String, _ answers: [String], line: String? = nil, more: String = "", body: String = ""
    ) -> Case {
        let request = request(line ?? "GET \(path)", more) + body
        let steps = answers.flatMap { [UpstreamStep.readRequest, .answer($0)] }
        return Case("internal_redirects." + name, request).upstream(UpstreamScript([steps]))
    }

    /// As before, each answer on a connection of its own.
    private static func apart(
        _ name: String, _ path: String, _ answers: [String], line: String? = nil, more: String = "", body: String = ""
    ) -> Case {
        let request = request(line ?? "GET \(path)", more) + body
        return Case("internal_redirects." + name, request)
            .upstream(UpstreamScript(answers.map { [.readRequest, .answer($0), .again] }))
    }

    /// Each answer ends its connection, so that no proxy can choose which one the next hop takes.
    private static func closing(_ name: String, _ path: String, _ answers: [String]) -> Case {
        let request = request("GET \(path)")
        return Case("internal_redirects." + name, request)
            .upstream(UpstreamScript(answers.map { [.readRequest, .answer($0), .close] }))
    }

    private static func last(_ location: String) -> String { moved(location, "302 Found", "connection: close\r\n") }

    private static let redirectingCases: [Case] = [
        case_("followed", "/plain/x?q=1", [moved("http://h.test/target/y?z=2")]),
        case_("to_another_host", "/plain", [moved("http://there.test/p")]),
        closing("to_itself", "/plain", [last("http://h.test/plain/again"), reply("200 OK", "connection: close\r\n")]),
        apart("with_a_body", "/plain", [moved("http://h.test/target", body: "go there")]),
        case_("with_a_port", "/plain", [moved("http://h.test:81/target")]),
        case_("without_a_path", "/plain", [moved("http://there.test")]),
        case_("with_a_query_only", "/plain", [moved("http://there.test?a=b")]),
        case_("with_a_fragment", "/plain", [moved("http://h.test/target#part")]),
        case_("relative", "/plain", [moved("/target")]), case_("without_location", "/plain", [moved(nil)]),
        case_("empty_location", "/plain", [moved("")]), case_("other_scheme", "/plain", [moved("ftp://h.test/target")]),
        case_("upper_case_scheme", "/plain", [moved("HTTP://h.test/target")]),
        case_("no_host", "/plain", [moved("http:///target")]), case_("no_such_host", "/plain", [moved("http://nowhere.test/")]),
        case_("no_such_route", "/plain", [moved("http://h.test/none")]),
        case_("cross_scheme", "/plain", [moved("https://h.test/target")]),
        case_("cross_scheme_allowed", "/cross", [moved("https://h.test/target")]),
        case_("cross_scheme_unsafe", "/safe", [moved("https://h.test/target")]),
        case_("cross_scheme_safe", "/safe", [moved("http://h.test/target")], more: "x-forwarded-proto: https\r\n"),
        case_("status_301_is_not_listed", "/plain", [moved("http://h.test/target", "301 Moved")]),
        case_("status_301", "/codes", [moved("http://h.test/target", "301 Moved")]),
        case_("status_302_is_not_listed", "/codes", [moved("http://h.test/target")]),
        case_("status_200_never", "/codes", [moved("http://h.test/target", "200 OK")]),
        case_("status_303_post", "/codes", [moved("http://h.test/target", "303 See Other")], line: "POST /codes", more: "content-length: 5\r\n", body: "hello"),
        case_("status_303_head", "/codes", [moved("http://h.test/target", "303 See Other")], line: "HEAD /codes"),
        case_("status_307_post", "/codes", [moved("http://h.test/target", "307 X")], line: "POST /codes", more: "content-length: 5\r\n", body: "hello"),
        case_("status_307_chunked", "/codes", [moved("http://h.test/target", "307 X")], line: "POST /codes", more: "transfer-encoding: chunked\r\n", body: "5\r\nhello\r\n0\r\n\r\n"),
        case_("status_307_no_body", "/codes", [moved("http://h.test/target", "307 X")], line: "POST /codes", more: "content-length: 0\r\n"),
        closing("one_is_the_most", "/plain", [last("http://h.test/plain/2"), last("http://h.test/target")]),
        closing("two", "/twice", [last("http://h.test/twice/2"), last("http://h.test/target")]),
        closing("two_are_the_most", "/twice", [last("http://h.test/twice/2"), last("http://h.test/twice/3"), last("http://h.test/target")]),
        case_("none_allowed", "/never", [moved("http://h.test/target")]),
        case_("copies_headers", "/copy", [moved("http://h.test/target", "302 Found", "x-copy: one\r\nx-copy: two\r\n")], more: "x-copy: mine\r\nx-gone: 1\r\n"),
        case_("listed", "/listed", [moved("http://h.test/target")]), case_("not_listed", "/listed", [moved("http://h.test/plain")]),
        case_("to_a_direct_response", "/listed", [moved("http://h.test/direct")]),
        case_("to_a_redirect", "/plain", [moved("http://h.test/away/x")]),
        closing("previous", "/previous", [last("http://h.test/previous/2"), last("http://h.test/previous/3"), last("http://h.test/target")]),
        case_("rewritten", "/rewritten/x", [moved("http://h.test/target")]),
        apart("too_large_to_keep", "/small", [moved("http://h.test/target", "307 X")], line: "POST /small", more: "content-length: 10\r\n", body: "0123456789"),
        case_("small_enough_to_keep", "/small", [moved("http://h.test/target", "307 X")], line: "POST /small", more: "content-length: 4\r\n", body: "0123"),
        case_("behind_a_retry", "/retried", [reply("503 X", body: ""), moved("http://h.test/target")], line: "POST /retried", more: "content-length: 5\r\n", body: "hello")
            // What is left of the timeout depends on the pause before the second try.
            .with { $0.ignoring = [.upstream] },
        Case("internal_redirects.post_in_parts", steps: [.send(request("POST /codes", "content-length: 5\r\n") + "he"), .pause(ms: 60), .send("llo")])
            .upstream(.steps(.readRequest, .answer(moved("http://h.test/target", "307 X")))),
        Case("internal_redirects.answered_early", steps: [.send(request("POST /codes", "content-length: 5\r\n") + "he"), .pause(ms: 80), .send("llo")])
            .upstream(.steps(.readHead, .answer(moved("http://h.test/target", "307 X")))).with { $0.resetIsClose = true },
    ]
}
