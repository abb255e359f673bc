import TestSupport
import Testing

/// Cookies that hash policies make, TCP by source address, and what tells of the tables.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HashingTests {
    private func upstreams(_ names: [String]) throws -> [ScriptedUpstream] {
        try names.map { name in
            let upstream = try ScriptedUpstream(name: name)
            upstream.begin(.always("HTTP/1.1 200 OK\r\nx-upstream: \(name)\r\ncontent-length: 0\r\n\r\n"))
            upstream.start()
            return upstream
        }
    }

    private func serve(_ upstreams: [ScriptedUpstream], _ policy: String, _ more: String) throws -> Served {
        try Served(try Binary.martlet(), workers: 2) { port in
            Served.http(
                port, route: "hash_policy: [\(policy)]", clusters: [Served.cluster(upstreams.map(\.port), more: more)])
        }
    }

    /// The attributes in Envoy 1.40's order; the cookie then leads to the host that made it.
    @Test func aCookieIsMade() throws {
        let upstreams = try upstreams(["a", "b", "c", "d"])
        defer { for upstream in upstreams { upstream.stop() } }
        let served = try serve(
            upstreams, "{cookie: {name: c, ttl: 60.5s, path: /p, attributes: [{name: Secure}, {name: SameSite, value: Lax}]}}",
            "lb_policy: RING_HASH")
        for _ in 0..<6 {
            let first = try served.get()
            let made = try #require(first.header("set-cookie"))
            #expect(made.hasPrefix("c=\"") && made.hasSuffix("\"; Max-Age=60; Path=/p; Secure; SameSite=Lax; HttpOnly"))
            let value = String(made.dropFirst(3).prefix { $0 != "\"" })
            #expect(value.count == 16 && value.allSatisfy(\.isHexDigit))
            for _ in 0..<4 {
                let again = try served.get("/", headers: ["cookie: c=\(value)"])
                #expect(again.header("x-upstream") == first.header("x-upstream"))
                #expect(again.header("set-cookie") == nil)
            }
        }
    }

    @Test func aSessionCookie() throws {
        let upstreams = try upstreams(["a"])
        defer { for upstream in upstreams { upstream.stop() } }
        let served = try serve(upstreams, "{cookie: {name: c, ttl: 0s}}", "lb_policy: MAGLEV")
        #expect(try served.get().header("set-cookie")?.hasSuffix("\"; HttpOnly") == true)
        // Without a table nobody asks for a hash, and nothing is set.
        let plain = try serve(upstreams, "{cookie: {name: c, ttl: 0s}}", "lb_policy: ROUND_ROBIN")
        #expect(try plain.get().header("set-cookie") == nil)
    }

    /// Numbers of Envoy 1.40 for three hosts of the weights 1, 3 and 1.
    @Test func gauges() throws {
        let served = try Served(try Binary.martlet()) { port in
            let hosts = [(1, 1), (2, 3), (3, 1)].map { port, weight in
                "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}, load_balancing_weight: \(weight)}"
            }.joined(separator: ", ")
            return Served.http(
                port,
                clusters: [("c", "RING_HASH"), ("m", "MAGLEV")].map { name, policy in
                    "      - {name: \(name), lb_policy: \(policy), load_assignment: {cluster_name: \(name), endpoints: [{lb_endpoints: [\(hosts)]}]}}"
                })
        }
        let stats = served.admin.stats(matching: "cluster.(c.ring_hash_lb|m.maglev_lb)")
        #expect(stats["cluster.c.ring_hash_lb.size"] == 1025)
        #expect(stats["cluster.c.ring_hash_lb.min_hashes_per_host"] == 205)
        #expect(stats["cluster.c.ring_hash_lb.max_hashes_per_host"] == 615)
        #expect(stats["cluster.m.maglev_lb.min_entries_per_host"] == 13107)
        #expect(stats["cluster.m.maglev_lb.max_entries_per_host"] == 39322)
    }

    /// Connections of one address go to one host.
    @Test func tcpBySourceAddress() throws {
        let upstreams = try upstreams(["a", "b", "c", "d"])
        defer { for upstream in upstreams { upstream.stop() } }
        func serve(_ policy: String) throws -> Set<String> {
            let served = try Served(try Binary.martlet()) { port in
                """
                static_resources:
                  listeners:
                  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                    filter_chains:
                    - filters:
                      - name: t
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c\(policy)}
                  clusters:
                \(Served.cluster(upstreams.map(\.port), more: "lb_policy: MAGLEV"))
                """
            }
            return Set(try (0..<24).compactMap { _ in try served.get().header("x-upstream") })
        }
        #expect(try serve(", hash_policy: [{source_ip: {}}]").count == 1)
        #expect(try serve("").count > 1)
    }

    /// With `hash_balance_factor` a busy host passes requests on.
    @Test func boundedLoads() throws {
        let upstreams = try ["a", "b", "c", "d"].map { name in
            let upstream = try ScriptedUpstream(name: name)
            upstream.begin(.steps(.readRequest, .delay(ms: 400), .answer("HTTP/1.1 200 OK\r\nx-upstream: \(name)\r\ncontent-length: 0\r\n\r\n"), .again))
            upstream.start()
            return upstream
        }
        defer { for upstream in upstreams { upstream.stop() } }
        func spread(_ more: String) throws -> Set<String> {
            let served = try Served(try Binary.martlet()) { port in
                Served.http(
                    port, route: "hash_policy: [{header: {header_name: x-key}}]",
                    clusters: [Served.cluster(upstreams.map(\.port), more: "lb_policy: RING_HASH\(more)")])
            }
            let port = served.listener
            let threads = (0..<8).map { _ in
                BackgroundThread {
                    let client = RawClient(
                        steps: [.send("GET / HTTP/1.1\r\nhost: h\r\nx-key: k\r\n\r\n")], methods: ["GET"])
                    _ = try? client.run(port: port)
                }
            }
            for thread in threads { thread.join() }
            let stats = served.admin.stats(matching: "cluster.c.upstream_rq_200")
            #expect(stats["cluster.c.upstream_rq_200"] == 8)
            let clusters = String(wire: served.admin.request("GET", "/clusters")?.body ?? [])
            return Set(clusters.textLines.filter { $0.contains("::rq_total::") && !$0.hasSuffix("::0") }.map { String($0) })
        }
        #expect(try spread("").count == 1)
        #expect(try spread(", common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 100}}").count > 2)
    }
}
