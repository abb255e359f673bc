import TestSupport
import Testing

/// Zone aware routing: the same clusters through Envoy 1.40 and through Martlet, their counters and their shares of traffic.
@Suite(.serialized)
struct ZoneOracleTests {
    /// A cluster's hosts: by zone how many, of which so many are healthy.
    private struct Setting {
        var zones: [(zone: String, count: Int, healthy: Int)]
        var options = ""
    }

    private static let requests = 400

    private static func aware(_ options: String) -> String {
        "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin, locality_lb_config: {zone_aware_lb_config: {\(options)}}}}}]}, "
    }

    private static let settings: [(name: String, setting: Setting)] = [
        ("direct", Setting(zones: [("a", 5, 5), ("b", 5, 5)])),
        ("shared", Setting(zones: [("a", 2, 2), ("b", 4, 4), ("c", 2, 2)])),
        ("small", Setting(zones: [("a", 2, 2), ("b", 3, 3)])),
        ("elsewhere", Setting(zones: [("b", 4, 4), ("c", 4, 4)])),
        ("dead", Setting(zones: [("a", 2, 0), ("b", 6, 6)])),
        ("half", Setting(zones: [("a", 5, 5), ("b", 5, 5)], options: "common_lb_config: {zone_aware_lb_config: {routing_enabled: {value: 50}}}, ")),
        ("few", Setting(zones: [("a", 2, 2), ("b", 2, 2)], options: "common_lb_config: {zone_aware_lb_config: {min_cluster_size: 3}}, ")),
        ("forced", Setting(zones: [("a", 1, 1), ("b", 7, 7)], options: aware("force_local_zone: {}"))),
        ("weights", Setting(zones: [("a", 2, 2), ("b", 4, 4)], options: aware("locality_basis: HEALTHY_HOSTS_WEIGHT"))),
        ("random", Setting(zones: [("a", 2, 2), ("b", 6, 6)], options: "lb_policy: RANDOM, ")),
        ("hashed", Setting(zones: [("a", 2, 2), ("b", 6, 6)], options: "lb_policy: MAGLEV, ")),
        ("panicking", Setting(zones: [("a", 4, 1), ("b", 4, 1)])),
    ]

    private func endpoints(_ name: String, _ setting: Setting, _ port: UInt16) -> String {
        var host = 0
        let groups = setting.zones.map { zone in
            let hosts = (0..<zone.count).map { i in
                host += 1
                return "{endpoint: {address: {socket_address: {address: 127.0.0.\(host), port_value: \(port)}}}, load_balancing_weight: \(name == "weights" && zone.zone == "b" ? 3 : 1), health_status: \(i < zone.healthy ? "HEALTHY" : "UNHEALTHY")}"
            }
            return "{locality: {zone: \(zone.zone)}, lb_endpoints: [\(hosts.joined(separator: ", "))]}"
        }
        return "{cluster_name: \(name), endpoints: [\(groups.joined(separator: ", "))]}"
    }

    private func listener(_ port: UInt16, _ address: String, _ prefix: String, _ routes: String) -> String {
        """
          - address: {socket_address: {address: \(address), port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: \(prefix)
                  http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [\(routes)]}]}

        """
    }

    private func yaml(_ front: UInt16, _ hosts: UInt16, _ admin: UInt16) -> String {
        let routes = ZoneOracleTests.settings.map { "{match: {prefix: /\($0.name)}, route: {cluster: \($0.name), hash_policy: [{header: {header_name: number}}]}}" }
        let local = Setting(zones: [("a", 4, 4), ("b", 4, 4), ("c", 2, 2)])
        let clusters = ZoneOracleTests.settings.map { "  - {name: \($0.name), type: STATIC, \($0.setting.options)load_assignment: \(endpoints($0.name, $0.setting, hosts))}\n" }
        return """
            node: {id: one, cluster: local, locality: {zone: a}}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            cluster_manager: {local_cluster_name: local}
            static_resources:
              listeners:

            """ + listener(front, "127.0.0.1", "in", routes.joined(separator: ", "))
            + listener(hosts, "0.0.0.0", "hosts", "{match: {prefix: /}, direct_response: {status: 200}}")
            + "  clusters:\n  - {name: local, type: STATIC, load_assignment: \(endpoints("local", local, hosts))}\n" + clusters.joined()
    }

    private struct Outcome {
        /// `lb_*` before the first request, and at the end.
        var begun: [String: Int] = [:]
        var counters: [String: Int] = [:]
        /// Requests that each zone of each cluster has answered.
        var answers: [String: Int] = [:]
    }

    private func outcome(_ binary: String, _ options: [String]) throws -> Outcome {
        let (front, hosts, admin) = (Ports.free(), Ports.free(), Ports.free())
        let directory = TemporaryDirectory()
        let file = directory.write(yaml(front, hosts, admin), to: "zones.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin, upToMs: 20_000), "\(process.output)")
        var found = Outcome()
        found.begun = counters(admin)
        for (name, _) in ZoneOracleTests.settings {
            let requests = (0..<ZoneOracleTests.requests).map { "GET /\(name) HTTP/1.1\r\nhost: h\r\nnumber: \($0)\r\n\r\n" }
            var client = RawClient(steps: [.send(requests.joined())], methods: requests.map { _ in "GET" })
            client.closeLimitMs = 0
            client.answerLimitMs = 60_000
            let answer = try client.run(port: front)
            #expect(answer.responses.count == requests.count, "\(name)")
        }
        found.counters = counters(admin)
        found.answers = Admin(port: admin).stats(matching: "zone.a.*upstream_rq_200")
        return found
    }

    /// How often Envoy has looked before its local cluster was there depends on the order of a hash table.
    private func counters(_ admin: UInt16) -> [String: Int] {
        Admin(port: admin).stats(matching: "lb_").filter { name, count in
            count > 0 && name.contains(".lb_") && !name.contains("recalculate") && !name.contains("local_cluster_not_ok")
        }
    }

    @Test func zonesCountAlike() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "error"])
        let found = try outcome(martlet, [])
        #expect(expected.begun == found.begun)
        #expect(expected.counters.keys.sorted() == found.counters.keys.sorted())
        #expect(expected.answers.count > 12)
        let most = Double(ZoneOracleTests.requests)
        // Draws differ: five and a half times the deviation of a coin.
        let tolerance = 5.5 * 0.5 * most.squareRoot() * 2.0.squareRoot()
        for (name, count) in expected.counters {
            let other = found.counters[name] ?? 0
            if count == ZoneOracleTests.requests || name.contains("too_small") {
                #expect(other == count, "\(name)")
            } else {
                #expect(abs(Double(other - count)) < tolerance, "\(name): \(count) and \(other)")
            }
        }
        for name in Set(expected.answers.keys).union(found.answers.keys) {
            let (one, other) = (expected.answers[name] ?? 0, found.answers[name] ?? 0)
            #expect(abs(Double(one - other)) < tolerance, "\(name): \(one) and \(other)")
        }
    }
}
