import TestSupport

extension Groups {
    /// `max_connection_pools`: how many hosts, each for a priority, may have connections.
    static let pools = Group(
        name: "pools",
        listeners: [.init(name: "main", virtualHosts: """
            - name: all
              domains: ["*"]
              routes:
              - {match: {prefix: /high}, route: {cluster: one, priority: HIGH}}
              - {match: {prefix: /none}, route: {cluster: none}}
              - {match: {prefix: /two}, route: {cluster: two}}
              - {match: {prefix: /tried}, route: {cluster: none, retry_policy: {retry_on: "5xx,reset,connect-failure"}}}
              - {match: {prefix: /refused}, route: {cluster: refused, retry_policy: {retry_on: connect-failure, num_retries: 3, retry_back_off: {base_interval: 0.001s}}}}
              - {match: {prefix: /}, route: {cluster: one}}
            """)],
        clusters: [
            .init("one", [.scripted("a"), .scripted("b")], limit(1)), .init("two", [.scripted("a"), .scripted("b")], limit(2)),
            .init("none", [.scripted("a")], limit(0)), .init("refused", [.refused, .scripted("a")], limit(1)),
        ],
        cases: [
            pool("first", request("GET /")), pool("again_elsewhere", request("GET /") + request("GET /") + request("GET /")),
            pool("two", request("GET /two") + request("GET /two") + request("GET /two")), pool("high", request("GET /high")),
            pool("high_beside", request("GET /") + request("GET /high") + request("GET /high")), pool("none", request("GET /none")),
            pool("none_tried", request("GET /tried")), pool("none_post", request("POST /none", "content-length: 2\r\n") + "hi"),
            pool("refused", request("GET /refused")), pool("refused_again", request("GET /refused") + request("GET /refused")),
        ])

    private static func limit(_ pools: Int) -> String { "circuit_breakers: {thresholds: [{max_connection_pools: \(pools), track_remaining: true}]}" }

    private static func pool(_ name: String, _ requests: String) -> Case {
        let lines = requests.split(separator: "\n").filter { $0.contains("HTTP/1.1") }
        return Case("pools." + name, requests, methods: lines.map { String($0.prefix { $0 != " " }) }).with {
            // Which of two hosts begins is a matter of chance.
            $0.ignoring = [.upstream, .log]
        }
    }
}
