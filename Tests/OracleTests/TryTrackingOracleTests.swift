import TestSupport
import Testing

/// `track_cluster_stats`: the same requests through Envoy 1.40 and through Martlet, and what their histograms have of them. Sizes
/// are the same to the byte; of shares of time it is how many there are, and which of them are below ten percent.
@Suite(.serialized)
struct TryTrackingOracleTests {
    private static let quick = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

    private struct Question {
        let name: String
        var request: String
        var script: UpstreamScript = .always(quick)
    }

    private static let questions: [Question] = [
        Question(name: "plain", request: request("GET /")),
        Question(name: "off", request: request("GET /off")),
        Question(name: "body", request: request("POST /", "content-length: 100\r\n") + many("a", 100)),
        Question(name: "no body", request: request("POST /", "content-length: 0\r\n")),
        Question(name: "chunks", request: request("POST /", "transfer-encoding: chunked\r\n") + "3\r\nabc\r\n0\r\nx-t: v\r\n\r\n"),
        Question(name: "half of the time", request: request("GET /"), script: .steps(.readRequest, .delay(ms: 500), .answer(quick))),
        Question(name: "too late", request: request("GET /short"), script: .steps(.readRequest, .delay(ms: 900), .answer(quick))),
        Question(
            name: "in two parts", request: request("GET /"),
            script: .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab"), .delay(ms: 200), .send("cd"), .again)),
        Question(
            name: "cut", request: request("GET /"),
            script: .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab"), .delay(ms: 100), .close)),
        Question(name: "closed", request: request("GET /"), script: .steps(.readRequest, .close)),
        Question(name: "try in time", request: request("GET /tries"), script: .steps(.readRequest, .delay(ms: 100), .answer(quick))),
        Question(name: "tries too late", request: request("GET /tries"), script: .steps(.readRequest, .delay(ms: 900), .answer(quick))),
        Question(
            name: "second try", request: request("POST /tries", "content-length: 3\r\n") + "abc",
            script: UpstreamScript([[.readRequest, .delay(ms: 60), .answer(reply("503 No", body: "failed")), .readRequest, .answer(quick)]])),
        Question(
            name: "closed twice", request: request("GET /tries"), script: .steps(.readRequest, .close)),
        Question(name: "silent for too long", request: request("GET /silent"), script: .steps(.readRequest, .delay(ms: 900), .answer(quick))),
        Question(name: "hedged, too late", request: request("GET /hedged"), script: .steps(.readRequest, .delay(ms: 2_500))),
        Question(name: "no host", request: request("GET /empty")),
        Question(name: "mirrored", request: request("POST /mirrored", "content-length: 3\r\n") + "abc"),
        Question(name: "without content", request: request("GET /"), script: .always("HTTP/1.1 304 Not Modified\r\netag: a\r\n\r\n")),
        Question(name: "head", request: request("HEAD /")),
        Question(name: "hints", request: request("GET /"), script: .steps(.readRequest, .send("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), .answer(quick), .again)),
        Question(
            name: "trailers", request: request("GET /"),
            script: .always("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n3\r\nabc\r\n0\r\nx-t: v\r\n\r\n")),
        Question(name: "many fields", request: request("GET /", many("x-f: v\r\n", 20)), script: .always(reply("200 OK", many("set-cookie: a=b\r\n", 9)))),
        Question(name: "added", request: request("GET /added")),
        Question(name: "redirected", request: request("GET /redirected"), script: .steps(.readRequest, .answer("HTTP/1.1 302 Found\r\nlocation: http://h.test/\r\ncontent-length: 0\r\n\r\n"), .readRequest, .answer(quick), .again)),
        Question(name: "old option", request: request("GET /old")),
        Question(name: "sizes alone", request: request("GET /sizes")),
    ]

    private func yaml(_ front: UInt16, _ admin: UInt16, _ up: UInt16, _ refused: UInt16) -> String {
        func cluster(_ name: String, _ port: UInt16?, _ options: String) -> String {
            let host = port.map { "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}}" } ?? ""
            return "  - {name: \(name), \(options), load_assignment: {cluster_name: \(name), endpoints: [{lb_endpoints: [\(host)]}]}}\n"
        }
        let both = "track_cluster_stats: {timeout_budgets: true, request_response_sizes: true}"
        let pause = "retry_back_off: {base_interval: 0.001s}"
        return """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            stats_flush_on_admin: true
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(front)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {match: {prefix: /off}, route: {cluster: up, timeout: 0s}}
                          - {match: {prefix: /short}, route: {cluster: up, timeout: 0.3s}}
                          - {match: {prefix: /tries}, route: {cluster: up, timeout: 5s, retry_policy: {retry_on: "5xx,reset", per_try_timeout: 0.4s, num_retries: 1, \(pause)}}}
                          - {match: {prefix: /silent}, route: {cluster: up, timeout: 5s, retry_policy: {retry_on: gateway-error, per_try_idle_timeout: 0.3s, num_retries: 0}}}
                          - {match: {prefix: /hedged}, route: {cluster: up, timeout: 2s, retry_policy: {retry_on: 5xx, per_try_timeout: 0.3s, num_retries: 1, \(pause)}, hedge_policy: {hedge_on_per_try_timeout: true}}}
                          - {match: {prefix: /refused}, route: {cluster: refused, timeout: 5s}}
                          - {match: {prefix: /empty}, route: {cluster: empty, timeout: 5s}}
                          - {match: {prefix: /mirrored}, route: {cluster: old, timeout: 5s, request_mirror_policies: [{cluster: sizes}]}}
                          - {match: {prefix: /added}, route: {cluster: up, timeout: 5s}, request_headers_to_add: [{header: {key: x-added, value: "0123456789"}}], response_headers_to_add: [{header: {key: x-more, value: "0123456789"}}]}
                          - {match: {prefix: /redirected}, route: {cluster: up, timeout: 5s, internal_redirect_policy: {}}}
                          - {match: {prefix: /old}, route: {cluster: old, timeout: 5s}}
                          - {match: {prefix: /sizes}, route: {cluster: sizes, timeout: 5s}}
                          - {match: {prefix: /}, route: {cluster: up, timeout: 1s}}
              clusters:

            """ + cluster("up", up, both) + cluster("refused", refused, both) + cluster("empty", nil, both)
            + cluster("old", up, "track_timeout_budgets: true") + cluster("sizes", up, "track_cluster_stats: {request_response_sizes: true}")
    }

    /// `cluster.<name>.<histogram>` → the lower bounds of bins and how many samples each has, of shares only whether they are below ten percent.
    private func samples(_ admin: UInt16) -> [String: [String: Int]] {
        let filter = Admin.escaped("upstream_r[qs]_(headers|body|timeout_budget)")
        guard let body = Admin(port: admin).request("GET", "/stats?format=json&histogram_buckets=detailed&filter=" + filter)?.body,
            let json = try? JSON(parsing: String(decoding: body, as: UTF8.self))
        else { return [:] }
        var found: [String: [String: Int]] = [:]
        for entry in json["stats"]?.array ?? [] {
            for histogram in entry["histograms"]?["details"]?.array ?? [] {
                let name = histogram["name"]?.string ?? ""
                var bins: [String: Int] = [:]
                for bin in histogram["totals"]?.array ?? [] {
                    let bound = bin["lower_bound"]?.text() ?? ""
                    let isLittle = Double(bound).map { $0 < 10 } ?? false
                    bins[name.contains("budget") ? isLittle ? "little" : "some" : bound, default: 0] += Int(bin["count"]?.text() ?? "") ?? 0
                }
                found[name] = bins
            }
        }
        return found
    }

    /// What each question has added. `expected`: waited for, as Envoy merges histograms after it has answered.
    private func outcome(_ binary: String, _ options: [String], expected: [[String]] = []) throws -> [[String]] {
        let (front, admin, refused) = (Ports.free(), Ports.free(), Ports.free())
        let held = try Sockets.reserve(port: refused)
        defer { held.close() }
        let upstream = try ScriptedUpstream(name: "a")
        upstream.start()
        defer { upstream.stop() }
        let directory = TemporaryDirectory()
        let file = directory.write(yaml(front, admin, upstream.port, refused), to: "tracking.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin, upToMs: 20_000), "\(process.output)")
        var before = samples(admin)
        var lines = [before.map { "\($0.key) is there" }.sorted()]
        for question in TryTrackingOracleTests.questions {
            upstream.begin(question.script)
            var client = RawClient(steps: [.send(question.request)], methods: [String(question.request.prefix { $0 != " " })])
            client.closeLimitMs = 0
            client.announcedCloseLimitMs = 0
            _ = try client.run(port: front)
            // The request's tries are over, and its mirror's.
            _ = wait(upToMs: 10_000, everyMs: 20) {
                Admin(port: admin).stats(matching: "cluster.*upstream_rq_active").values.allSatisfy { $0 == 0 }
            }
            var seen = samples(admin)
            var added: [String] { gained(since: before, in: seen, by: question.name) }
            _ = wait(upToMs: 5_000, everyMs: 100) {
                let last = seen
                seen = samples(admin)
                return expected.isEmpty ? seen == last : added == expected[lines.count]
            }
            lines.append(added)
            before = seen
        }
        return lines
    }

    private func gained(since before: [String: [String: Int]], in seen: [String: [String: Int]], by name: String) -> [String] {
        seen.flatMap { histogram, bins in
            bins.compactMap { bound, count in
                let more = count - (before[histogram]?[bound] ?? 0)
                return more == 0 ? nil : "\(name): \(histogram) \(bound) +\(more)"
            }
        }.sorted()
    }

    @Test func triesAreMeasuredAlike() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let found = try outcome(martlet, [])
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "error"], expected: found)
        #expect(expected.flatMap { $0 }.count > 100, "Envoy has measured")
        #expect(expected.count == found.count)
        for (theirs, ours) in zip(expected, found) { #expect(theirs == ours) }
    }
}
