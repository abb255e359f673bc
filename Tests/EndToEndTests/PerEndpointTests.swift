import Glibc
import TestSupport
import Testing

/// `track_cluster_stats.per_endpoint_stats` in a process: every figure is that of `/clusters`, through reloads too.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PerEndpointTests {
    private static let tracked = "track_cluster_stats: {per_endpoint_stats: true}"
    private static let leaves = [
        "cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total", "cx_active", "rq_active", "rq_pending_active",
        "healthy",
    ]

    private func text(_ served: Served, _ query: String) -> [String] {
        served.admin.request("GET", query).map { String(wire: $0.body).textLines } ?? []
    }

    /// `127.0.0.1:80 rq_total` → 3, out of `/clusters`.
    private func clusters(_ served: Served, _ cluster: String) -> [String: Int] {
        var found: [String: Int] = [:]
        for line in text(served, "/clusters") where line.hasPrefix(cluster + "::127.") {
            let parts = line.replacing(text: "::", by: "|").split(separator: "|").map(String.init)
            if parts.count == 4, let value = Int(parts[3]) { found["\(parts[1]) \(parts[2])"] = value }
        }
        return found
    }

    @Test func theFiguresAreThoseOfClusters() throws {
        let (one, two) = (try LoadUpstream("one"), try LoadUpstream("two"))
        defer {
            one.stop()
            two.stop()
        }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            Served.http(
                port,
                clusters: [
                    Served.cluster([one.port, two.port], more: "alt_stat_name: \"c:d\", " + PerEndpointTests.tracked),
                    Served.cluster([one.port], name: "quiet"),
                ])
        }
        for _ in 0..<7 { #expect(try served.get().status == 200) }
        #expect(served.stat("http.h.downstream_rq_2xx", becomes: 7) == 7)
        let prefix = { (port: UInt16) in "cluster.c_d.endpoint.127.0.0.1_\(port)." }
        var names: [String] = []
        for port in [one.port, two.port] { names += PerEndpointTests.leaves.map { prefix(port) + $0 } }
        let lines = text(served, "/stats?usedonly&filter=%5C.endpoint%5C.")
        #expect(lines.map { String($0.prefix { $0 != ":" }) } == names, "each of them, and none of the other cluster's")
        let values = served.admin.stats(matching: "\\.endpoint\\.")
        let expected = clusters(served, "c")
        #expect(expected.values.reduce(0, +) > 14)
        for port in [one.port, two.port] {
            #expect(values[prefix(port) + "healthy"] == 1)
            for leaf in PerEndpointTests.leaves.dropLast() {
                #expect(values[prefix(port) + leaf] == expected["127.0.0.1:\(port) \(leaf)"], "\(leaf)")
            }
        }
        #expect([one.port, two.port].reduce(0) { $0 + (values[prefix($1) + "rq_success"] ?? 0) } == 7)
        // The other formats.
        let json = try JSON(parsing: String(wire: try #require(served.admin.request("GET", "/stats?format=json&type=Gauges&filter=endpoint")).body))
        #expect((json["stats"]?.array ?? []).compactMap { $0["name"]?.string } == names.filter { PerEndpointTests.leaves[6...].contains(String($0.split(separator: ".").last ?? "")) })
        let prometheus = text(served, "/stats/prometheus?usedonly&filter=endpoint").filter { !$0.hasPrefix("#") }
        #expect(prometheus.count == 20)
        let line = "envoy_cluster_endpoint_rq_total{envoy_cluster_name=\"c_d\",envoy_endpoint_address=\"127.0.0.1:\(one.port)\"} \(values[prefix(one.port) + "rq_total"] ?? -1)"
        #expect(prometheus.contains(line))
        #expect(text(served, "/stats?format=html&filter=endpoint").filter { $0.contains(".endpoint.") }.count == 20)
        #expect(served.admin.request("POST", "/reset_counters")?.status == 200)
        #expect(served.admin.stats(matching: "\\.endpoint\\.") == values, "as in Envoy they are not reset")
    }

    /// Endpoints come and go with the configuration; one that stays counts on.
    @Test func endpointsOfAnotherConfiguration() throws {
        let (one, two) = (try LoadUpstream("one"), try LoadUpstream("two"))
        defer {
            one.stop()
            two.stop()
        }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([one.port], more: PerEndpointTests.tracked)])
        }
        func change(_ from: String, _ to: String) throws {
            let text = try #require(Files.text(served.file))
            try #require(text.contains(from))
            Files.write(Array(text.replacing(text: from, by: to).utf8), to: served.file)
            served.process.signal(SIGHUP)
        }
        func endpoints() -> [String: Int] {
            var found: [String: Int] = [:]
            for (name, value) in served.admin.stats(matching: "\\.endpoint\\..*\\.rq_total$") {
                found[String(name.dropFirst("cluster.c.endpoint.127.0.0.1_".count).prefix { $0 != "." })] = value
            }
            return found
        }
        for _ in 0..<3 { #expect(try served.get().status == 200) }
        #expect(wait(upToMs: 10_000) { endpoints() == ["\(one.port)": 3] }, "\(endpoints())")
        let second = "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(two.port)}}}, health_status: DRAINING}"
        try change("lb_endpoints: [", "lb_endpoints: [\(second), ")
        #expect(wait(upToMs: 10_000) { endpoints() == ["\(one.port)": 3, "\(two.port)": 0] }, "\(endpoints())")
        #expect(served.admin.stats(matching: "_\(two.port).healthy").values.map { $0 } == [0])
        for _ in 0..<2 { #expect(try served.get().status == 200) }
        #expect(wait(upToMs: 10_000) { endpoints() == ["\(one.port)": 5, "\(two.port)": 0] }, "\(endpoints())")
        try change(second + ", ", "")
        #expect(wait(upToMs: 10_000) { endpoints() == ["\(one.port)": 5] }, "\(endpoints())")
        try change("per_endpoint_stats: true", "per_endpoint_stats: false")
        #expect(wait(upToMs: 10_000) { endpoints() == [:] }, "\(endpoints())")
    }

    /// Hosts that only workers know, put together by their addresses, as long as they are there.
    @Test func hostsThatWorkersFind() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            Served.http(
                port,
                clusters: [
                    "  - {name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 10s, cleanup_interval: 0.2s, common_http_protocol_options: {idle_timeout: 0.1s}, original_dst_lb_config: {use_http_header: true, http_header_name: x-go}, \(PerEndpointTests.tracked)}"
                ])
        }
        #expect(text(served, "/stats?filter=endpoint") == [])
        for _ in 0..<6 { #expect(try served.get(headers: ["x-go: 127.0.0.1:\(one.port)"]).status == 200) }
        let prefix = "cluster.c.endpoint.127.0.0.1_\(one.port)."
        // Both workers' requests, unless a host has gone meanwhile on a machine that is slow.
        #expect(wait(upToMs: 10_000) {
            for _ in 0..<6 { _ = try? served.get(headers: ["x-go: 127.0.0.1:\(one.port)"]) }
            let found = served.admin.stats(matching: "endpoint")
            return (found[prefix + "rq_total"] ?? 0) >= 6 && found[prefix + "healthy"] == 1 && found.count == 10
        })
        let address = "127.0.0.1:\(one.port)"
        #expect(wait(upToMs: 10_000) {
            _ = try? served.get(headers: ["x-go: \(address)"])
            return text(served, "/stats/prometheus?filter=endpoint.*healthy").contains(
                "envoy_cluster_endpoint_healthy{envoy_cluster_name=\"c\",envoy_endpoint_address=\"\(address)\",envoy_endpoint_hostname=\"c\(address)\"} 1")
        })
        #expect(wait(upToMs: 10_000) { text(served, "/stats?filter=endpoint") == [] }, "they go with their hosts")
    }

    /// A cluster of thousands: every line is there once, and who asks whether the process lives is answered meanwhile.
    @Test func manyEndpoints() throws {
        let hosts = (0..<4_000).map { "{endpoint: {address: {socket_address: {address: 10.9.\($0 / 250).\($0 % 250 + 1), port_value: 80}}}}" }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port,
                clusters: [
                    "  - {name: c, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [\(hosts.joined(separator: ", "))]}]}, \(PerEndpointTests.tracked)}"
                ])
        }
        for query in ["/stats?filter=endpoint.*_80.rq_total", "/stats/prometheus?filter=endpoint.*_80.rq_total"] {
            let lines = text(served, query).filter { !$0.hasPrefix("#") }
            #expect(lines.count == 4_000 && Set(lines).count == 4_000)
        }
        #expect(served.admin.isReady())
    }
}
