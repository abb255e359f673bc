import TestSupport

extension Groups {
    /// `stream_flush_timeout`, `flush_timeout`: clients of HTTP/2 that leave the rest of an answer. `include_is_timeout_retry_header`.
    static let lateClients = Group(
        name: "lateClients",
        listeners: [
            late("idle", "stream_idle_timeout: 0.4s"), late("flush", "stream_idle_timeout: 5s\nstream_flush_timeout: 0.4s"),
            late("idle_first", "stream_idle_timeout: 0.4s\nstream_flush_timeout: 5s"), late("never", "stream_idle_timeout: 0.4s\nstream_flush_timeout: 0s"),
            .init(name: "tries", virtualHosts: tried("include_is_timeout_retry_header: true")),
            .init(name: "untold", virtualHosts: tried("")),
            .init(name: "counted", virtualHosts: tried("include_is_timeout_retry_header: true\n  include_request_attempt_count: true")),
        ],
        clusters: [Group.up],
        cases: flushes + tries)

    private static func late(_ name: String, _ manager: String) -> Group.Listener {
        .init(
            name: name, manager: "codec_type: HTTP2\n" + manager, virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes:
                  - {match: {prefix: /route}, route: {cluster: up, flush_timeout: 0.4s}}
                  - {match: {prefix: /both}, route: {cluster: up, idle_timeout: 5s, flush_timeout: 0.4s}}
                  - {match: {prefix: /off}, route: {cluster: up, flush_timeout: 0s}}
                  - {match: {prefix: /idle}, route: {cluster: up, idle_timeout: 0.4s}}
                  - {match: {prefix: /}, route: {cluster: up}}
                """)
    }

    private static let flushes: [Case] = [
        ("idle", ["/", "/route", "/both", "/idle"]), ("flush", ["/", "/route", "/both", "/idle"]), ("idle_first", ["/route", "/both"]),
        ("never", ["/route", "/both"]),
    ].flatMap { (listener: String, paths: [String]) in
        paths.map { path in
            Case(
                "lateClients.\(listener)_\(path == "/" ? "plain" : String(path.dropFirst()))",
                frames: [
                    .send([H2Frame(.settings, [0, 4] + H2Frame.word(5)), .head(1, H2Frame.request("GET", path))]), .awaitWord("DATA1"),
                    .awaitEndWithin(1, ms: 1_500),
                ], on: listener
            ).upstream(.always(reply("200 OK", body: "more than five"))).with {
                // One that is left is told of when the client goes.
                $0.ignoring = [.log]
            }
        }
    }

    private static func tried(_ host: String) -> String {
        """
        - name: all
          domains: ["*"]
          \(host)
          routes:
          - {match: {prefix: /idle}, route: {cluster: up, timeout: 3s, retry_policy: {retry_on: 5xx, num_retries: 2, per_try_idle_timeout: 0.4s, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /hedged}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: 5xx, num_retries: 2, per_try_timeout: 0.4s, retry_back_off: {base_interval: 0.001s}}, hedge_policy: {hedge_on_per_try_timeout: true}}}
          - {match: {prefix: /}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: "5xx,reset", num_retries: 2, per_try_timeout: 0.4s, retry_back_off: {base_interval: 0.001s}}}}
        """
    }

    private static let silent: [UpstreamStep] = [.readRequest, .delay(ms: 1_000)]
    private static let bad: [UpstreamStep] = [.readRequest, .answer(reply("503 No")), .again]
    private static let good: [UpstreamStep] = [.readRequest, .answer(reply("200 OK"))]

    private static let tries: [Case] = ["tries", "untold", "counted"].flatMap { listener in
        func tried(_ name: String, _ path: String = "/", _ more: String = "", _ scripts: [UpstreamStep]...) -> Case {
            Case("lateClients.\(listener)_\(name)", request("GET " + path, more), on: listener).upstream(UpstreamScript(scripts)).with { $0.resetIsClose = true }
        }
        return [
            tried("first", "/", "", good), tried("late_then_good", "/", "", silent, good), tried("late_twice", "/", "", silent, silent, good),
            tried("bad_twice", "/", "", bad), tried("closed_then_good", "/", "", [.readRequest, .close], good),
            tried("told", "/", "x-envoy-is-timeout-retry: x\r\n", silent, good),
            tried("hedged", "/hedged", "", silent, good),
            tried("late_then_bad", "/", "", silent, [.readRequest, .answer(reply("503 No")), .close], good),
        ]
    }
}
