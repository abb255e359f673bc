import TestSupport
import Testing

/// Whether an upgrade may pass is decided before any filter sees the request, and what a request's trace counts as when it has got
/// its answer. Answers and counts are what Envoy 1.40 gave for the same bytes.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct UpgradeDecisionTests {
    private let admin = Admin(port: Ports.free())
    private let listener = Ports.free()

    private func start(upstream: UInt16) throws -> ChildProcess {
        let types = "type.googleapis.com/envoy.extensions.filters"
        let file = TemporaryDirectory()
        let path = file.write(
            """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": \(types).network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: never, enabled: false}]
                      tracing: {provider: {name: t, typed_config: {"@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, service_name: s, grpc_service: {envoy_grpc: {cluster_name: dead}}}}}
                      http_filters:
                      - {name: c, typed_config: {"@type": \(types).http.health_check.v3.HealthCheck, pass_through_mode: false, headers: [{name: ":path", string_match: {exact: /hc}}]}}
                      - {name: b, typed_config: {"@type": \(types).http.buffer.v3.Buffer, max_request_bytes: 100}}
                      - {name: r, typed_config: {"@type": \(types).http.router.v3.Router}}
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: [h]
                          routes:
                          - {match: {prefix: /direct}, direct_response: {status: 200, body: {inline_string: hi}}}
                          - {match: {prefix: /elsewhere}, redirect: {path_redirect: /x}}
                          - {match: {prefix: /own}, route: {cluster: up, upgrade_configs: [{upgrade_type: own}]}}
                          - {match: {prefix: /told}, route: {cluster: up}, decorator: {operation: op}}
                          - {match: {prefix: /again}, route: {cluster: up, internal_redirect_policy: {}}}
                          - {match: {prefix: /up}, route: {cluster: up}}
              clusters:
              - {name: up, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream)}}}}]}]}}
              - {name: dead, load_assignment: {cluster_name: dead, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}
            """, to: "upgrades.yaml")
        let process = try ChildProcess(Binary.martlet().binary, ["-c", path, "--concurrency", "1"])
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        return process
    }

    private func ask(_ path: String, _ fields: [String] = [], host: String = "h") throws -> String {
        let head = (["GET \(path) HTTP/1.1", "host: \(host)"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
        return String(wire: try RawClient(steps: [.send(head)], methods: ["GET"]).run(port: listener).received)
    }

    private func upgrade(_ path: String, _ type: String, host: String = "h") throws -> String {
        try ask(path, ["connection: upgrade", "upgrade: \(type)"], host: host)
    }

    private func becomes(_ wanted: [String: Int], _ what: String) {
        var found: [String: Int] = [:]
        let names = wanted.keys.map { "http.h." + $0 }
        #expect(
            wait(upToMs: 10_000) {
                found = admin.stats(matching: "^http.h.").filter { names.contains($0.key) }
                return wanted.allSatisfy { found["http.h." + $0.key] == $0.value }
            }, "\(what): \(found)")
    }

    @Test func upgradesThatMayNotPass() throws {
        let process = try start(upstream: 1)
        defer { process.kill() }
        for (path, type) in [("/up", "other"), ("/direct", "other"), ("/elsewhere", "other"), ("/up", "never")] {
            let answer = try upgrade(path, type)
            #expect(answer.hasPrefix("HTTP/1.1 403 Forbidden\r\n") && answer.contains("connection: close\r\n"), "\(path) \(answer)")
        }
        becomes(["downstream_rq_ws_on_non_ws_route": 4, "downstream_cx_upgrades_total": 0, "tracing.random_sampling": 4], "refused")
        // Without a route it is the route that is missing.
        #expect(try ask("/none", host: "other").hasPrefix("HTTP/1.1 404"))
        becomes(["downstream_rq_ws_on_non_ws_route": 4, "downstream_rq_4xx": 5], "no route")
    }

    @Test func whatIsAllowedCountsWhateverComesOfIt() throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        defer { upstream.stop() }
        let process = try start(upstream: upstream.port)
        defer { process.kill() }
        // They wait in the buffer filter for the rest of a request that never ends, counted from their heads on.
        var sockets = try ["/direct websocket h", "/own own h", "/up websocket h", "/none websocket other"].map { text in
            let words = text.split(separator: " ")
            let socket = try Sockets.connect(port: listener)
            let head = "GET \(words[0]) HTTP/1.1\r\nhost: \(words[2])\r\nconnection: upgrade\r\nupgrade: \(words[1])\r\n\r\n"
            _ = Sockets.send(head.wire, from: 0, on: socket)
            return socket
        }
        becomes(["downstream_cx_upgrades_total": 4, "downstream_cx_upgrades_active": 4, "downstream_rq_ws_on_non_ws_route": 0], "allowed")
        #expect(sockets.count == 4)
        sockets.removeAll()
        becomes(["downstream_cx_upgrades_total": 4, "downstream_cx_upgrades_active": 0, "tracing.random_sampling": 0], "gone without an answer")
    }

    @Test func tracesCountWithTheirAnswers() throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(
            .steps(
                .readRequest, .answer("HTTP/1.1 302 Found\r\nlocation: http://h/up\r\ncontent-length: 0\r\n\r\n"),
                .readRequest, .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .again))
        upstream.start()
        defer { upstream.stop() }
        let process = try start(upstream: upstream.port)
        defer { process.kill() }
        #expect(try ask("/direct").hasSuffix("hi"))
        becomes(["tracing.random_sampling": 1, "tracing.not_traceable": 0], "direct")
        #expect(try ask("/hc").hasPrefix("HTTP/1.1 200"))
        becomes(["tracing.random_sampling": 1, "tracing.not_traceable": 1, "tracing.health_check": 1], "a health check")
        #expect(String(wire: try RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\nfoo\r\n\r\n")], methods: ["GET"]).run(port: listener).received).hasPrefix("HTTP/1.1 400"))
        becomes(["tracing.random_sampling": 1, "tracing.not_traceable": 2], "no request at all")
        // Behind a redirect of ours the trace counts again, as none.
        #expect(try ask("/again").hasSuffix("ok"))
        becomes(["tracing.random_sampling": 2, "tracing.not_traceable": 3], "an internal redirect")
    }

    /// What neighbours tell each other of the operation does not depend on a trace that can be read.
    @Test func operationsBesideATraceThatCannotBeRead() throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        defer { upstream.stop() }
        let process = try start(upstream: upstream.port)
        defer { process.kill() }
        let bad = "traceparent: nonsense"
        #expect(try !ask("/up", [bad, "x-envoy-decorator-operation: asked"]).contains("x-envoy-decorator-operation"))
        #expect(try ask("/told", [bad]).contains("x-envoy-decorator-operation: op\r\n"))
        #expect(try ask("/told", [bad, "x-envoy-decorator-operation: "]).contains("x-envoy-decorator-operation: op\r\n"))
        #expect(try !ask("/told", [bad, "x-envoy-decorator-operation: asked"]).contains("x-envoy-decorator-operation"))
        let heads = upstream.records.map { String(wire: $0.received) }.joined()
        #expect(!heads.contains("x-envoy-decorator-operation"), "\(heads)")
        #expect(heads.contains("traceparent: nonsense\r\n"))
    }
}
