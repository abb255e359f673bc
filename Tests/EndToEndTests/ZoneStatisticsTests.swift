import TestSupport
import Testing

/// `cluster.<name>.zone.<from>.<to>.` and what else is counted by where a host is and what it is: the same in Envoy and here.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ZoneStatisticsTests {
    private struct Stage {
        let process: ChildProcess
        let admin: Admin
        let listener: UInt16
        let ports: [UInt16]

        func get(_ path: String) throws {
            var client = RawClient(steps: [.send("GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
            client.closeLimitMs = 0
            client.announcedCloseLimitMs = 0
            _ = try client.run(port: listener)
        }

        /// Counters with values, histograms without: `what`, a regular expression of names.
        func lines(_ what: String) -> [String] {
            let counters = admin.request("GET", "/stats?type=Counters&filter=\(what)").map { String(wire: $0.body).textLines } ?? []
            let histograms = admin.request("GET", "/stats?type=Histograms&filter=\(what)").map { String(wire: $0.body).textLines } ?? []
            return counters + histograms.map { String($0.prefix { $0 != ":" }) }
        }

        /// Ports by their places.
        func hosts() -> [String] {
            let text = admin.request("GET", "/clusters").map { String(wire: $0.body) } ?? ""
            return text.textLines.filter { line in ["region", "zone", "sub_zone", "canary"].contains { line.contains("::\($0)::") } }.map { line in
                var line = line
                for (place, port) in ports.enumerated() { line = line.replacing(text: ":\(port)::", by: ":PORT\(place)::") }
                return line
            }.sorted()
        }
    }

    private static func start(_ binary: String, _ options: [String], good: UInt16, deaf: UInt16, zone: String) throws -> Stage {
        let ports = [good, deaf, Ports.free(), Ports.free()]
        let admin = Admin(port: Ports.free())
        let listener = Ports.free()
        func host(_ place: Int, _ metadata: String = "{}") -> String {
            "lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(ports[place])}}}, metadata: {filter_metadata: {envoy.lb: \(metadata)}}}]"
        }
        func cluster(_ name: String, _ endpoints: [String], _ more: String = "") -> String {
            """
              - name: \(name)
                connect_timeout: 2s
                \(more)
                load_assignment: {cluster_name: \(name), endpoints: [\(endpoints.map { "{\($0)}" }.joined(separator: ", "))]}

            """
        }
        let routes = [
            "{match: {prefix: /late}, route: {cluster: late, timeout: 0.1s}}",
            "{match: {prefix: /dead}, route: {cluster: dead, retry_policy: {retry_on: connect-failure, num_retries: 1, retry_back_off: {base_interval: 0.001s}}}}",
        ] + ["far", "nowhere", "alt", "none", "two"].map { "{match: {prefix: /\($0)}, route: {cluster: \($0)}}" }
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            node: {id: node, cluster: fleet, locality: {region: r, zone: "\(zone)", sub_zone: s}}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: hcm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [\(routes.joined(separator: ", "))]}]}
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
              clusters:

            """
                + cluster("far", ["locality: {zone: 'a:1.b', region: q}, " + host(0, "{canary: true}")])
                + cluster("nowhere", [host(0, "{canary: 1}")])
                + cluster("alt", ["locality: {zone: home}, " + host(0)], "alt_stat_name: other.name")
                + cluster("none", ["locality: {zone: empty}"])
                + cluster("late", ["locality: {zone: c, sub_zone: s}, " + host(1)])
                + cluster("dead", ["locality: {zone: d}, " + host(2)])
                // The second by name comes first: hosts keep their own.
                + cluster("two", ["locality: {zone: z}, " + host(0), "locality: {zone: a}, " + host(3) + ", priority: 1"]),
            to: "zones.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        return Stage(process: process, admin: admin, listener: listener, ports: ports)
    }

    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "no Envoy here"), arguments: ["home", "x:y", ""])
    func countedAsEnvoyCounts(_ zone: String) throws {
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        let deaf = Ports.free()
        let socket = try Sockets.listen(port: deaf, backlog: 64)
        defer { socket.close() }
        let stages = try [
            ZoneStatisticsTests.start(ProxyBinary.envoy().get(), ["--disable-hot-restart", "-l", "error"], good: upstream.port, deaf: deaf, zone: zone),
            ZoneStatisticsTests.start(Binary.martlet().binary, [], good: upstream.port, deaf: deaf, zone: zone),
        ]
        defer { for stage in stages { stage.process.kill() } }
        for stage in stages {
            for path in ["/far", "/far", "/nowhere", "/alt", "/none", "/late", "/dead", "/two"] { try stage.get(path) }
        }
        // Histograms are merged every five seconds.
        let what = "^cluster\\..*(zone\\.|canary|internal|external|upstream_rq_(time$|completed|[0-9]))"
        _ = wait(upToMs: 30_000, everyMs: 200) { stages[0].lines(what) == stages[1].lines(what) }
        let (expected, found) = (stages[0].lines(what), stages[1].lines(what))
        same(expected, found)
        #expect(expected.contains { $0.contains(".zone.") } == !zone.isEmpty)
        #expect(expected.contains { $0.hasPrefix("cluster.far.canary.upstream_rq_200: 2") })
        let shown = stages.map { stage in
            (stage.admin.request("GET", "/stats/prometheus?filter=^cluster\\..*zone\\.").map { String(wire: $0.body).textLines } ?? []).filter { !$0.contains("_bucket{") && !$0.contains("_sum{") }
        }
        same(shown[0], shown[1])
        same(stages[0].hosts(), stages[1].hosts())
    }

    private func same(_ expected: [String], _ found: [String]) {
        #expect(!expected.isEmpty || found.isEmpty)
        #expect(expected.filter { !found.contains($0) } == [], "only Envoy's")
        #expect(found.filter { !expected.contains($0) } == [], "only Martlet's")
    }
}
