import TestSupport

extension Groups {
    /// Deprecated fields that configurations still carry.
    static let oldFields = Group(
        name: "old_fields",
        listeners: [
            .init(
                name: "main",
                virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - {match: {prefix: /once}, route: {cluster: up, internal_redirect_action: HANDLE_INTERNAL_REDIRECT}}
                      - {match: {prefix: /twice}, route: {cluster: up, internal_redirect_action: HANDLE_INTERNAL_REDIRECT, max_internal_redirects: 2}}
                      - {match: {prefix: /pass}, route: {cluster: up, internal_redirect_action: PASS_THROUGH_INTERNAL_REDIRECT, max_internal_redirects: 2}}
                      - {match: {prefix: /policy}, route: {cluster: up, internal_redirect_policy: {max_internal_redirects: 0}, internal_redirect_action: HANDLE_INTERNAL_REDIRECT}}
                    """)
        ],
        clusters: [Group.up],
        cases: [
            redirected("once", ["/once", nil]), redirected("once_too_often", ["/once", "/once"]), redirected("twice", ["/twice", "/twice", nil]),
            redirected("passed_on", ["/pass"], from: "/pass"), redirected("policy_goes_before", ["/policy"]),
        ])

    /// What `a` answers in order: a redirect to a path, or (nil) 200.
    private static func redirected(_ name: String, _ answers: [String?], from path: String? = nil) -> Case {
        // A connection each: whether the next request goes on the same one is a matter of turns.
        let connections = answers.map { to -> [UpstreamStep] in
            let answer = to.map { "HTTP/1.1 302 Found\r\nlocation: http://h.test\($0)/next\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" }
            return [.readRequest, .answer(answer ?? "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"), .close]
        }
        let start = path ?? answers.first.flatMap { $0 } ?? "/"
        return Case("old_fields." + name, "GET \(start) HTTP/1.1\r\nhost: h.test\r\n\r\n").upstream(UpstreamScript(connections))
    }
}
