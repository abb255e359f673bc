import Glibc
import TestSupport
import Testing

/// `per_host_thresholds`, and how a reload meets subsets.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HostLimitTests {
    private static let slow = UpstreamScript.steps(.readRequest, .delay(ms: 300), .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .again)

    /// Six requests at once over two workers, and one host that may have two connections: all are answered, by two. A worker
    /// that has none yet opens one whatever the limit says, as Envoy's pools do.
    @Test func connectionsOfOneHost() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(HostLimitTests.slow)
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            Served.http(
                port, clusters: [Served.cluster([upstream.port], more: "circuit_breakers: {per_host_thresholds: [{max_connections: 2}, {max_connections: 9}]}")])
        }
        let statuses = Locked<[Int]>([])
        let clients = (0..<6).map { _ in
            BackgroundThread {
                let status = (try? served.get())?.status ?? -1
                statuses.withLock { $0.append(status) }
            }
        }
        for client in clients { client.join() }
        #expect(statuses.withLock { $0 } == [Int](repeating: 200, count: 6))
        let stats = served.admin.stats(matching: "cluster.c.upstream_cx")
        #expect((2...3).contains(stats["cluster.c.upstream_cx_total"] ?? 0), "\(stats)")
        #expect(stats["cluster.c.upstream_cx_overflow"] ?? 0 > 0)
    }

    /// The word that counts goes with the last host set: reloads that change the cluster, and one that takes the limit away.
    @Test func theLimitOutlivesReloads() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(HostLimitTests.slow)
        upstream.start()
        defer { upstream.stop() }
        func yaml(_ port: UInt16, _ admin: UInt16, _ more: String) -> String {
            Served.http(port, clusters: [Served.cluster([upstream.port], more: more)])
                + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}\n"
        }
        let limit = "circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}"
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port], more: limit)]) }
        #expect(try served.get().status == 200)
        for (i, more) in ["\(limit), per_connection_buffer_limit_bytes: 65536", "", limit].enumerated() {
            served.directory.write(yaml(served.listener, served.admin.port, more), to: "martlet.yaml")
            served.process.signal(SIGHUP)
            #expect(served.stat("martlet.plan.reloads_applied", becomes: i + 1) == i + 1)
            #expect(try served.get().status == 200)
        }
    }

    /// A host's metadata change with a reload: so do the subsets, and requests follow.
    @Test func subsetsFollowReloads() throws {
        let upstreams = try ["a", "b"].map { name in
            let upstream = try ScriptedUpstream(name: name)
            upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n\(name)"))
            upstream.start()
            return upstream
        }
        defer { for upstream in upstreams { upstream.stop() } }
        func cluster(_ versions: [Int]) -> String {
            let hosts = zip(upstreams, versions).map { upstream, version in
                "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream.port)}}}, metadata: {filter_metadata: {envoy.lb: {v: \(version)}}}}"
            }
            return "  - {name: c, connect_timeout: 10s, lb_subset_config: {subset_selectors: [{keys: [v]}]}, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [\(hosts.joined(separator: ", "))]}]}}"
        }
        func yaml(_ port: UInt16, _ versions: [Int]) -> String {
            Served.http(port, route: "metadata_match: {filter_metadata: {envoy.lb: {v: 1}}}", clusters: [cluster(versions)])
        }
        let served = try Served(try Binary.martlet()) { yaml($0, [1, 2]) }
        #expect(String(wire: try served.get().body) == "a")
        #expect(served.stat("cluster.c.lb_subsets_selected", becomes: 1) == 1)
        for (i, (versions, body)) in [([2, 1], "b"), ([2, 2], "no healthy upstream"), ([1, 2], "a")].enumerated() {
            served.directory.write(
                yaml(served.listener, versions) + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n",
                to: "martlet.yaml")
            served.process.signal(SIGHUP)
            #expect(served.stat("martlet.plan.reloads_applied", becomes: i + 1) == i + 1)
            #expect(String(wire: try served.get().body) == body)
        }
    }
}
