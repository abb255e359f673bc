import TestSupport
import Testing

/// `retry_policy` on the wire: what the upstream sees, what the client gets, what is counted. Each expectation was read
/// off Envoy 1.40 with the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RetryTests {
    private static func answer(_ status: Int, _ headers: String = "", body: String = "abc") -> String {
        "HTTP/1.1 \(status) X\r\ncontent-length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
    }

    /// The upstream's answers, one per connection: a response that is given up ends its connection.
    private static func script(_ answers: [String]) -> UpstreamScript {
        UpstreamScript(answers.map { $0.isEmpty ? [.readRequest, .close] : [.readRequest, .answer($0), .again] })
    }

    private func serve(_ route: String, host: String = "", _ answers: [String], more: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(RetryTests.script(answers))
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, route: route, host: host, clusters: [Served.cluster([upstream.port], more: more)])
        }
        return (served, upstream)
    }

    private static let post = "POST / HTTP/1.1\r\nhost: h.test\r\ncontent-length: 5\r\n\r\nhello"

    /// `per_connection_buffer_limit_bytes: 0`: a body of any length is kept for the next try.
    @Test func withoutABufferLimitBodiesAreKept() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(RetryTests.script([503, 200].map { RetryTests.answer($0) }))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            let address = "  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}"
            return Served.http(
                port, route: "retry_policy: {retry_on: 5xx}",
                clusters: [Served.cluster([upstream.port], more: "per_connection_buffer_limit_bytes: 0")]
            ).replacing(text: address, by: address + "\n    per_connection_buffer_limit_bytes: 0")
        }
        #expect(try served.send(RetryTests.post, method: "POST").status == 200)
        #expect(served.stat("cluster.c.upstream_rq_retry", becomes: 1) == 1)
        #expect(served.admin.stats(matching: "retry_or_shadow_abandoned")["cluster.c.retry_or_shadow_abandoned"] == 0)
    }

    @Test func theThirdTryAnswers() throws {
        let (served, upstream) = try serve(
            "retry_policy: {retry_on: 5xx, num_retries: 2}",
            host: "include_request_attempt_count: true\n              include_attempt_count_in_response: true",
            [503, 502, 200].map { RetryTests.answer($0) })
        defer { upstream.stop() }
        let response = try served.send(RetryTests.post, method: "POST")
        #expect(response.status == 200)
        #expect(response.header("x-envoy-attempt-count") == "3")
        let seen = upstream.records.map { String(decoding: $0.received, as: UTF8.self) }
        #expect(seen.count == 3)
        for (i, text) in seen.enumerated() {
            #expect(text.hasSuffix("\r\n\r\nhello"), "the whole body each time: \(text)")
            #expect(text.contains("x-envoy-attempt-count: \(i + 1)\r\n"))
        }
        #expect(served.stat("cluster.c.upstream_rq_retry_success", becomes: 1) == 1)
        let stats = served.admin.stats(matching: "cluster.c.(retry.)?upstream_rq")
        #expect(stats["cluster.c.upstream_rq_retry"] == 2)
        #expect(stats["cluster.c.upstream_rq_retry_backoff_exponential"] == 2)
        #expect(stats["cluster.c.retry.upstream_rq_503"] == 1)
        #expect(stats["cluster.c.retry.upstream_rq_5xx"] == 2)
        #expect(stats["cluster.c.upstream_rq_total"] == 3)
        #expect(stats["cluster.c.upstream_rq_completed"] == 1)
        #expect(stats["cluster.c.upstream_rq_503"] == nil)
    }

    @Test func theLastAnswerIsPassedOn() throws {
        let (served, upstream) = try serve("retry_policy: {retry_on: gateway-error, num_retries: 1}", [503, 503].map { RetryTests.answer($0) })
        defer { upstream.stop() }
        let response = try served.get()
        #expect(response.status == 503)
        #expect(String(wire: response.body) == "abc")
        #expect(served.stat("cluster.c.upstream_rq_retry_limit_exceeded", becomes: 1) == 1)
        #expect(upstream.records.count == 2)
    }

    /// Bytes of the request were sent: only `reset` and its like retry.
    @Test(arguments: [("reset", 2), ("5xx", 2), ("gateway-error", 2), ("connect-failure", 1), ("reset-before-request", 1), ("retriable-4xx", 1)])
    func anUpstreamThatCloses(condition: String, tries: Int) throws {
        let (served, upstream) = try serve("retry_policy: {retry_on: \(condition)}", ["", ""])
        defer { upstream.stop() }
        let response = try served.get()
        #expect(response.status == 503)
        let text = tries > 1 ? "retried and the latest reset reason: " : "reset reason: "
        #expect(String(wire: response.body) == "upstream connect error or disconnect/reset before headers. \(text)connection termination")
        #expect(upstream.records.count == tries)
    }

    @Test(arguments: [
        ("retriable-4xx", 409, true), ("retriable-4xx", 404, false), ("retriable-status-codes", 418, true),
        ("retriable-status-codes", 419, false), ("gateway-error", 500, false), ("5xx", 500, true), ("reset", 503, false),
    ])
    func statuses(condition: String, status: Int, retries: Bool) throws {
        let (served, upstream) = try serve(
            "retry_policy: {retry_on: \(condition), retriable_status_codes: [418]}", [RetryTests.answer(status), RetryTests.answer(200)])
        defer { upstream.stop() }
        #expect(try served.get().status == (retries ? 200 : status))
    }

    @Test func retriableHeaders() throws {
        let policy = "retry_policy: {retry_on: retriable-headers, retriable_headers: [{name: X-Again, string_match: {prefix: ye}}]}"
        let (served, upstream) = try serve(policy, [RetryTests.answer(200, "x-again: yes\r\n"), RetryTests.answer(201, "x-again: no\r\n")])
        defer { upstream.stop() }
        #expect(try served.get().status == 201)
    }

    @Test func onlyCertainRequests() throws {
        let policy = "retry_policy: {retry_on: 5xx, retriable_request_headers: [{name: x-may, string_match: {exact: '1'}}]}"
        let (served, upstream) = try serve(policy, [RetryTests.answer(503), RetryTests.answer(200)])
        defer { upstream.stop() }
        // The connection is kept, and answers the next request, too.
        #expect(try served.get().status == 503)
        #expect(try served.get("/", headers: ["x-may: 1"]).status == 200)
    }

    /// A trailers-only answer of gRPC. It is complete, so its connection carries the next try.
    @Test func gRPC() throws {
        let (served, upstream) = try serve("retry_policy: {retry_on: unavailable}", [])
        upstream.begin(.steps(
            .readRequest, .answer(RetryTests.answer(200, "grpc-status: 14\r\n", body: "")),
            .readRequest, .answer(RetryTests.answer(200, "grpc-status: 0\r\n", body: ""))))
        defer { upstream.stop() }
        #expect(try served.get("/", headers: ["content-type: application/grpc"]).header("grpc-status") == "0")
    }

    @Test func aRateLimitedAnswerNeedsItsOwnCondition() throws {
        let limited = RetryTests.answer(503, "x-envoy-ratelimited: true\r\n")
        let (served, upstream) = try serve("retry_policy: {retry_on: 5xx}", [limited])
        defer { upstream.stop() }
        #expect(try served.get().status == 503)
        #expect(upstream.records.count == 1)
    }

    /// Headers of a trusted caller, which are taken out of the request.
    @Test func headersAskForRetries() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(RetryTests.script([409, 418, 200].map { RetryTests.answer($0) }))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])]).replacing(
                text: "stat_prefix: h",
                by: "stat_prefix: h\n          use_remote_address: true\n          internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}")
        }
        let response = try served.get(
            "/", headers: [
                "x-envoy-retry-on: retriable-4xx,retriable-status-codes", "x-envoy-max-retries: 2",
                "x-envoy-retriable-status-codes: 417, 418",
            ])
        #expect(response.status == 200)
        let first = String(decoding: upstream.records[0].received, as: UTF8.self)
        #expect(!first.contains("x-envoy-retry") && !first.contains("x-envoy-max") && !first.contains("x-envoy-retriable"))
    }

    /// Nobody else's headers count; they are taken out all the same.
    @Test func strangersAskInVain() throws {
        let (served, upstream) = try serve("timeout: 5s", [503, 200].map { RetryTests.answer($0) })
        defer { upstream.stop() }
        let response = try served.get("/", headers: ["x-envoy-retry-on: 5xx", "x-envoy-upstream-rq-timeout-ms: 77"])
        #expect(response.status == 503)
        let seen = String(decoding: upstream.records[0].received, as: UTF8.self)
        #expect(!seen.contains("x-envoy-retry-on"))
        #expect(seen.contains("x-envoy-expected-rq-timeout-ms: 5000\r\n"))
    }

    @Test func aTryThatTakesTooLong() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript([[.readRequest, .delay(ms: 3_000)], [.readRequest, .answer(RetryTests.answer(200)), .again]]))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "retry_policy: {retry_on: 5xx, per_try_timeout: 0.2s}", clusters: [Served.cluster([upstream.port])])
        }
        let response = try served.get()
        #expect(response.status == 200)
        #expect(served.stat("cluster.c.upstream_rq_per_try_timeout", becomes: 1) == 1)
        #expect(String(decoding: upstream.records[0].received, as: UTF8.self).contains("x-envoy-expected-rq-timeout-ms: 200\r\n"))
    }

    @Test func everyTryTakesTooLong() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readRequest, .delay(ms: 3_000)))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "retry_policy: {retry_on: reset, per_try_idle_timeout: 0.1s}", clusters: [Served.cluster([upstream.port])])
        }
        let response = try served.get()
        #expect(response.status == 504)
        #expect(String(wire: response.body) == "upstream request timeout")
        #expect(served.stat("cluster.c.upstream_rq_per_try_idle_timeout", becomes: 2) == 2)
    }

    /// `rate_limited_retry_back_off`: one second, and at most half of one more.
    @Test func theUpstreamSaysWhen() throws {
        let policy = "retry_policy: {retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: retry-after, format: SECONDS}]}}"
        let (served, upstream) = try serve(policy, [RetryTests.answer(503, "retry-after: 1\r\n"), RetryTests.answer(200)])
        defer { upstream.stop() }
        let begin = Deadline.nowNs()
        #expect(try served.get().status == 200)
        let took = (Deadline.nowNs() - begin) / 1_000_000
        #expect(took >= 1_000 && took < 2_500, "\(took) ms")
        #expect(served.stat("cluster.c.upstream_rq_retry_backoff_ratelimited", becomes: 1) == 1)
    }

    /// More body than the buffer holds: the one try goes on, and there is no other.
    @Test func aBodyThatDoesNotFitIsNotRetried() throws {
        let (served, upstream) = try serve("retry_policy: {retry_on: 5xx}", host: "per_request_buffer_limit_bytes: 1000", [RetryTests.answer(503)])
        defer { upstream.stop() }
        let body = String(repeating: "x", count: 5_000)
        let response = try served.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5000\r\n\r\n\(body)", method: "POST")
        #expect(response.status == 503)
        #expect(upstream.records.count == 1)
        #expect(served.stat("cluster.c.retry_or_shadow_abandoned", becomes: 1) == 1)
    }

    /// A refused connection, on another host of the cluster the next time.
    @Test func anotherHostAnswers() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always(RetryTests.answer(200)))
        upstream.start()
        defer { upstream.stop() }
        let dead = Ports.free()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "retry_policy: {retry_on: connect-failure}", clusters: [Served.cluster([dead, upstream.port])])
        }
        for _ in 0..<6 { #expect(try served.get().status == 200) }
        // Each retry takes the turn of the next request, so nearly every request meets the dead host first.
        let stats = served.admin.stats(matching: "cluster.c.upstream_(rq_retry|cx_connect_fail)$")
        #expect(stats["cluster.c.upstream_rq_retry"] ?? 0 >= 3)
        #expect(stats["cluster.c.upstream_rq_retry"] == stats["cluster.c.upstream_cx_connect_fail"])
    }

    /// The limit of active retries is the cluster's over all workers.
    @Test func aBreakerWithoutRetries() throws {
        let (served, upstream) = try serve(
            "retry_policy: {retry_on: 5xx}", [RetryTests.answer(503)],
            more: "circuit_breakers: {thresholds: [{max_retries: 0}]}")
        defer { upstream.stop() }
        #expect(try served.get().status == 503)
        #expect(served.stat("cluster.c.upstream_rq_retry_overflow", becomes: 1) == 1)
        #expect(upstream.records.count == 1)
    }

    @Test func theBudgetsFloorAllowsARetry() throws {
        let (served, upstream) = try serve(
            "retry_policy: {retry_on: 5xx}", [RetryTests.answer(503), RetryTests.answer(200)],
            more: "circuit_breakers: {thresholds: [{max_retries: 0, retry_budget: {budget_percent: {value: 0}, min_retry_concurrency: 1}}]}")
        defer { upstream.stop() }
        #expect(try served.get().status == 200)
    }

    /// A client that leaves while its request waits for the next try.
    @Test func theClientLeavesInThePause() throws {
        let policy = "retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 2s}}"
        let (served, upstream) = try serve(policy, [RetryTests.answer(503), RetryTests.answer(200)])
        defer { upstream.stop() }
        let client = RawClient(
            steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .pause(ms: 60), .close], methods: ["GET"])
        _ = try client.run(port: served.listener)
        #expect(served.stat("http.h.downstream_rq_active", becomes: 0) == 0)
        #expect(try served.get().status == 200)
    }

    /// `previous_hosts`: of two dead hosts and a living one, three tries find it whatever the balancer draws.
    @Test func hostsThatWereTriedAreAvoided() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always(RetryTests.answer(200)))
        upstream.start()
        defer { upstream.stop() }
        let predicate = """
            [{name: envoy.retry_host_predicates.previous_hosts, typed_config: \
            {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]
            """
        let dead = [Ports.free(), Ports.free()]
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port,
                route: "retry_policy: {retry_on: connect-failure, num_retries: 2, host_selection_retry_max_attempts: 50, retry_host_predicate: \(predicate)}",
                clusters: [Served.cluster(dead + [upstream.port], more: "lb_policy: RANDOM")])
        }
        for _ in 0..<20 { #expect(try served.get().status == 200) }
    }
}
