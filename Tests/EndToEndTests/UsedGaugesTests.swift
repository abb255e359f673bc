import TestSupport
import Testing

/// `usedonly`: gauges that Envoy 1.40 has written, 0 or not, are there; what was asked of Envoy stands below.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct UsedGaugesTests {
    private let admin = Admin(port: Ports.free())
    private let listener = Ports.free()
    private let bytes = Ports.free()

    private func start(up: UInt16) throws -> ChildProcess {
        func endpoints(_ hosts: [(String, Int)]) -> String {
            hosts.map { "{priority: \($0.1), lb_endpoints: [{metadata: {filter_metadata: {envoy.lb: {place: p\($0.1)}}}, endpoint: {address: {socket_address: {address: \($0.0), port_value: \(up)}}}}]}" }
                .joined(separator: ", ")
        }
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            enable_worker_cpu_affinity: true
            stats_server_version_override: 7
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port), protocol: UDP}}}
            static_resources:
              listeners:
              - name: l
                stat_prefix: l
                address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: hcm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config:
                        virtual_hosts:
                        - {name: v, domains: ["*"], routes: [{match: {path: /none}, route: {cluster: none}}, {match: {path: /high}, route: {cluster: high, priority: HIGH}}, {match: {path: /full}, route: {cluster: full}}, {match: {prefix: /}, route: {cluster: up, retry_policy: {retry_on: 5xx, num_retries: 1}}}]}
                      http_filters:
                      - {name: c, is_optional: true, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap}}
                      - {name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
              - address: {socket_address: {address: 127.0.0.1, port_value: \(bytes)}}
                filter_chains:
                - filters:
                  - {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: bytes}}
              clusters:
              - {name: none, circuit_breakers: {thresholds: [{max_requests: 0}]}, load_assignment: {cluster_name: none, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
              - {name: high, load_assignment: {cluster_name: high, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
              - {name: full, circuit_breakers: {thresholds: [{max_connections: 0, max_retries: 0}]}, load_assignment: {cluster_name: full, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
              - {name: bytes, load_assignment: {cluster_name: bytes, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
              - {name: up, load_assignment: {cluster_name: up, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
              - {name: idle, load_assignment: {cluster_name: idle, endpoints: [\(endpoints([("127.0.0.1", 0), ("127.0.0.2", 2)]))]}}
              - {name: names, type: STRICT_DNS, load_assignment: {cluster_name: names, endpoints: [\(endpoints([("127.0.0.1", 0)]))]}}
            """, to: "gauges.yaml")
        let process = try ChildProcess(Binary.martlet().binary, ["-c", file, "--concurrency", "1"])
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        return process
    }

    private func used(_ filter: String) -> [String] {
        let text = admin.request("GET", "/stats?usedonly&type=Gauges&filter=\(filter)").map { String(wire: $0.body) } ?? ""
        return text.textLines.filter { !$0.isEmpty }
    }

    @Test func gaugesOfWhatIsUsedAreThereAtZero() throws {
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        let process = try start(up: upstream.port)
        defer { process.kill() }
        #expect(used("circuit_breakers") == [])
        #expect(used("^listener\\.l\\.downstream_pre") == [])
        #expect(used("warming_state").count == 7)
        #expect(used("^cluster.*max_host_weight") == ["cluster.names.max_host_weight: 1"])
        #expect(used("^server.version$") == ["server.version: 7"])
        // Every priority's change counts.
        #expect(admin.stats(matching: "membership_change$")["cluster.idle.membership_change"] == 2)
        #expect(admin.stats(matching: "membership_change$")["cluster.up.membership_change"] == 1)
        var client = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        client.announcedCloseLimitMs = 0
        _ = try client.run(port: listener)
        let open = ["cx_open", "cx_pool_open", "rq_open", "rq_pending_open"].map { "cluster.up.circuit_breakers.default.\($0): 0" }
        #expect(wait(upToMs: 10_000) { used("circuit_breakers") == open }, "\(used("circuit_breakers"))")
        #expect(used("^listener\\.l\\.downstream_pre") == ["listener.l.downstream_pre_cx_active: 0"])
        #expect(used("^listener\\.admin\\.downstream_pre") == ["listener.admin.downstream_pre_cx_active: 0"])
        let dump = admin.request("GET", "/config_dump?resource=static_endpoint_configs&include_eds").map { String(wire: $0.body) } ?? ""
        #expect(dump.contains("\"place\": \"p0\"") && dump.contains("\"place\": \"p2\""), "\(dump)")
        #expect(used("^cluster.*accepted_per") == [])
        let histograms = admin.request("GET", "/stats?filter=accepted_per_socket_event").map { String(wire: $0.body) } ?? ""
        #expect(histograms.contains("listener.l.connections_accepted_per_socket_event: ") && histograms.contains("listener.admin.connections_accepted_per_socket_event: "))
        // Of HTTP/2 since the first frame, of bodies since the first.
        #expect(used("^http2\\.") == [])
        #expect(try Shell.run("curl -s --http2-prior-knowledge -o /dev/null -w '%{http_code} %{size_download}' http://127.0.0.1:\(listener)/").output.hasPrefix("200 ") == true)
        let gauges = ["outbound_control_frames_active", "outbound_frames_active", "pending_send_bytes", "streams_active"].map { "http2.\($0): 0" }
        #expect(wait(upToMs: 10_000) { used("^http2\\.") == gauges }, "\(used("^http2\\."))")
        // No line was written to a file.
        #expect(used("^filesystem") == [])
        // Requests that may never begin never reach their limit; there are no pools of bytes; of pools that went both priorities are told.
        #expect(try Shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:\(listener)/none").output == "503")
        #expect(try Shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:\(bytes)/").output == "200")
        let ofBytes = ["cx_open", "rq_open", "rq_pending_open"].map { "cluster.bytes.circuit_breakers.default.\($0): 0" }
        #expect(wait(upToMs: 10_000) { used("bytes.circuit_breakers") == ofBytes }, "\(used("bytes.circuit_breakers"))")
        let ofNone = ["cx_open", "cx_pool_open", "rq_pending_open"].map { "cluster.none.circuit_breakers.default.\($0): 0" }
        #expect(used("none.circuit_breakers") == ofNone, "\(used("none.circuit_breakers"))")
        // Of the priority that was asked for, and no other.
        #expect(try Shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:\(listener)/high").output == "200")
        let ofHigh = ["cx_open", "cx_pool_open", "rq_open", "rq_pending_open"].map { "cluster.high.circuit_breakers.high.\($0): 0" }
        #expect(wait(upToMs: 10_000) { used("high.circuit_breakers") == ofHigh }, "\(used("high.circuit_breakers"))")
        // What is full from the start says so once somebody has asked for it.
        #expect(try Shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:\(listener)/full").output == "200")
        let ofFull = ["cx_open: 1", "cx_pool_open: 0", "rq_open: 0", "rq_pending_open: 0"].map { "cluster.full.circuit_breakers.default.\($0)" }
        #expect(wait(upToMs: 10_000) { used("full.circuit_breakers") == ofFull }, "\(used("full.circuit_breakers"))")
        #expect(used("up.circuit_breakers") == open)
        upstream.stop()
        let afterwards = open + ["cluster.up.circuit_breakers.high.cx_pool_open: 0"]
        #expect(wait(upToMs: 10_000) { used("up.circuit_breakers") == afterwards }, "\(used("up.circuit_breakers"))")
        let info = admin.request("GET", "/server_info").map { String(wire: $0.body) } ?? ""
        #expect(info.contains("/RELEASE/OpenSSL") && info.contains("\"ssl.version\": \"OpenSSL\""), "\(info)")
    }
}
