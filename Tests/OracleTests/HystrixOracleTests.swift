import TestSupport
import Testing

/// `/hystrix_event_stream`: the same requests through Envoy 1.40 and through Martlet, and what each then says of its clusters.
@Suite(.serialized, .enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
struct HystrixOracleTests {
    private struct Outcome: Equatable {
        var head: [String]
        /// By cluster: members of both events, but the moment and the latencies.
        var events: [String: Set<String>]
        var quantiles: [String]
        var without: Int
    }

    @Test func theDashboardIsToldTheSame() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "off"])
        let found = try outcome(martlet, [])
        #expect(expected.head == found.head)
        #expect(expected.quantiles == found.quantiles && !found.quantiles.isEmpty)
        #expect(expected.without == found.without)
        #expect(expected.events.keys.sorted() == found.events.keys.sorted())
        for (name, members) in expected.events {
            #expect(members.subtracting(found.events[name] ?? []) == [], "only Envoy's, \(name)")
            #expect((found.events[name] ?? []).subtracting(members) == [], "only Martlet's, \(name)")
        }
    }

    private func yaml(_ listener: UInt16, _ admin: UInt16, _ upstream: UInt16, sink: Bool) -> String {
        """
        stats_flush_interval: 0.3s
        stats_sinks: [\(sink ? "{name: h, typed_config: {\"@type\": type.googleapis.com/envoy.config.metrics.v3.HystrixSink, num_buckets: 1000}}" : "")]
        admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [
                    {match: {prefix: /slow}, route: {cluster: up, timeout: 0.2s}},
                    {match: {prefix: /dead}, route: {cluster: dead}},
                    {match: {prefix: /full}, route: {cluster: full}},
                    {match: {prefix: /}, route: {cluster: up, retry_policy: {retry_on: 5xx}}}]}]}
          clusters:
          - {name: up, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [\(endpoint(upstream))]}]}}
          - {name: dead, alt_stat_name: other, circuit_breakers: {thresholds: [{max_pending_requests: 5, max_requests: 7}]}, load_assignment: {cluster_name: dead, endpoints: [{lb_endpoints: [\(endpoint(1)), \(endpoint(2))]}]}}
          - {name: full, circuit_breakers: {thresholds: [{max_pending_requests: 0}]}, load_assignment: {cluster_name: full, endpoints: [{lb_endpoints: [\(endpoint(1))]}]}}
        """
    }

    private func endpoint(_ port: UInt16) -> String {
        "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}"
    }

    private func outcome(_ binary: String, _ options: [String]) throws -> Outcome {
        let upstream = try TraceCollector()
        let directory = TemporaryDirectory()
        let (listener, admin) = (Ports.free(), Ports.free())
        let file = directory.write(yaml(listener, admin, upstream.upstream, sink: true), to: "config.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin), "\(process.output)")
        // The first flush is what there was before: nothing yet.
        let stream = try ChildProcess("/usr/bin/env", ["curl", "-s", "-N", "-i", "http://127.0.0.1:\(admin)/hystrix_event_stream"])
        defer { stream.kill() }
        #expect(wait(upToMs: 10_000, everyMs: 20) { stream.output.contains("\n:\n") || stream.output.contains("\r\n:") }, "\(stream.output)")
        for path in ["/status/200", "/status/200", "/status/404", "/status/503", "/slow/600", "/dead", "/full"] {
            var client = RawClient(steps: [.send("GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
            client.closeLimitMs = 0
            _ = try client.run(port: listener)
        }
        var last: [String: Set<String>] = [:]
        var quantiles: [String] = []
        #expect(wait(upToMs: 10_000, everyMs: 50) {
            last = events(plain(stream.output))
            // Of the interval in which the requests came; Envoy tells it a flush later.
            quantiles = plain(stream.output).textLines.compactMap { latencies($0) }.first { !$0.isEmpty } ?? []
            return !quantiles.isEmpty && ["up": 6, "dead": 1, "full": 2].allSatisfy { last[$0]?.contains("requestCount: \($1)") == true }
        }, "\(last)")
        let lines = plain(stream.output).textLines
        let head = lines.prefix { !$0.isEmpty }.map { $0.lowercased() }.filter {
            !$0.hasPrefix("date") && !$0.hasPrefix("server") && !$0.hasPrefix("transfer-encoding")
        }
        process.kill()
        let bare = directory.write(yaml(Ports.free(), admin, upstream.upstream, sink: false), to: "bare.yaml")
        let other = try ChildProcess(binary, ["-c", bare, "--concurrency", "1"] + options)
        defer { other.kill() }
        try #require(other.becomesReady(admin: admin), "\(other.output)")
        return Outcome(
            head: head.sorted(), events: last, quantiles: quantiles,
            without: try Shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:\(admin)/hystrix_event_stream").output == "404" ? 404 : 0)
    }

    /// A line's end is one character.
    private func plain(_ output: String) -> String { output.replacing(text: "\r\n", by: "\n") }

    /// The newest of each cluster.
    private func events(_ output: String) -> [String: Set<String>] {
        var found: [String: Set<String>] = [:]
        var newest: [String: (command: Set<String>, pool: Set<String>)] = [:]
        for line in output.textLines where line.hasPrefix("data: ") {
            guard let event = try? JSON(parsing: String(line.dropFirst(6))), let name = event["name"]?.string else { continue }
            let members = Set((event.members ?? []).filter { !["currentTime", "latencyExecute"].contains($0.name) }
                .map { "\($0.name): \($0.value.text())" })
            var pair = newest[name] ?? ([], [])
            if event["type"]?.string == "HystrixCommand" { pair.command = members } else { pair.pool = Set(members.map { "pool " + $0 }) }
            newest[name] = pair
        }
        for (name, pair) in newest { found[name] = pair.command.union(pair.pool) }
        return found
    }

    private func latencies(_ line: String) -> [String]? {
        guard line.hasPrefix("data: "), let event = try? JSON(parsing: String(line.dropFirst(6))), let all = event["latencyExecute"]?.members
        else { return nil }
        return all.map(\.name).sorted()
    }
}
