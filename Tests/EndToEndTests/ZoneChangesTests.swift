import TestSupport
import Testing

/// Zone aware routing in a process: what the local cluster's hosts say is looked at again when they change, and runtime keys count.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ZoneChangesTests {
    private let admin = Admin(port: Ports.free())
    private let listener = Ports.free()

    private func stats(_ name: String, become wanted: (Int) -> Bool) -> Int {
        var found = 0
        _ = wait(upToMs: 10_000) {
            found = admin.stats(matching: "^cluster.up.\(name)$")["cluster.up.\(name)"] ?? 0
            return wanted(found)
        }
        return found
    }

    private func ask(_ count: Int) throws {
        let requests = Array(repeating: "GET / HTTP/1.1\r\nhost: h\r\n\r\n", count: count)
        var client = RawClient(steps: [.send(requests.joined())], methods: requests.map { _ in "GET" })
        client.closeLimitMs = 0
        #expect(try client.run(port: listener).responses.allSatisfy { $0.status == 200 })
    }

    private struct Upstreams {
        let here: ScriptedUpstream
        let there: ScriptedUpstream

        init() throws {
            (here, there) = (try ScriptedUpstream(name: "here"), try ScriptedUpstream(name: "there"))
            for upstream in [here, there] {
                upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
                upstream.start()
            }
        }

        func stop() {
            here.stop()
            there.stop()
        }
    }

    /// `own`: where the two halves of the local cluster are, under names.
    private func yaml(dns: UInt16, upstreams: Upstreams, options: String = "") -> String {
        func host(_ zone: String, _ upstream: ScriptedUpstream) -> String {
            "{locality: {zone: \(zone)}, lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream.port)}}}}]}"
        }
        let hosts = host("a", upstreams.here) + ", " + host("b", upstreams.there)
        func named(_ zone: String) -> String {
            "{locality: {zone: \(zone)}, lb_endpoints: [{endpoint: {address: {socket_address: {address: \(zone).test, port_value: 80}}}}]}"
        }
        return """
            node: {id: one, cluster: own, locality: {zone: a}}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            cluster_manager: {local_cluster_name: own}
            layered_runtime: {layers: [{name: s, static_layer: {upstream.zone_routing.min_cluster_size: 2}}, {name: a, admin_layer: {}}]}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
              clusters:
              - {name: up, \(options)load_assignment: {cluster_name: up, endpoints: [\(hosts)]}}
              - {name: ring, lb_policy: RING_HASH, load_assignment: {cluster_name: ring, endpoints: [\(hosts)]}}
              - name: own
                type: STRICT_DNS
                dns_refresh_rate: 0.2s
                dns_jitter: 0s
                typed_dns_resolver_config:
                  name: envoy.network.dns_resolver.cares
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
                    resolvers: [{socket_address: {address: 127.0.0.1, port_value: \(dns)}}]
                    dns_resolver_options: {no_default_search_domain: true}
                load_assignment: {cluster_name: own, endpoints: [\(named("a")), \(named("b"))]}
            """
    }

    @Test func theLocalClusterIsLookedAtAgain() throws {
        let dns = try DNSServer()
        dns["a.test"] = .init(v4: ["127.1.0.1"])
        dns["b.test"] = .init(v4: ["127.1.0.2"])
        let upstreams = try Upstreams()
        defer { upstreams.stop() }
        let directory = TemporaryDirectory()
        let file = directory.write(yaml(dns: dns.port, upstreams: upstreams), to: "zones.yaml")
        let process = try ChildProcess(Binary.martlet().binary, ["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        // Both names have been answered for: half of the local cluster is here, and half of the hosts.
        #expect(wait(upToMs: 10_000) { admin.stats(matching: "cluster.own.membership_total")["cluster.own.membership_total"] == 2 })
        try ask(20)
        #expect(stats("lb_zone_routing_all_directly", become: { $0 == 20 }) == 20)
        let before = stats("lb_recalculate_zone_structures", become: { $0 > 0 })
        #expect(admin.stats(matching: "cluster.ring.lb_recalculate")["cluster.ring.lb_recalculate_zone_structures"] == 0)
        // More of us here: not all that they are asked for stays.
        dns["a.test"] = .init(v4: ["127.1.0.1", "127.1.0.3", "127.1.0.4"])
        #expect(stats("lb_recalculate_zone_structures", become: { $0 > before }) > before)
        try ask(200)
        let crossed = stats("lb_zone_routing_cross_zone", become: { $0 > 0 })
        #expect(crossed > 20 && crossed < 140, "a third of 200: \(crossed)")
        // Switched off while it runs.
        #expect(admin.request("POST", "/runtime_modify?upstream.zone_routing.enabled=0")?.status == 200)
        let sampled = stats("lb_zone_routing_sampled", become: { $0 + crossed == 200 })
        try ask(20)
        #expect(stats("lb_zone_routing_cross_zone", become: { $0 == crossed }) == crossed && stats("lb_zone_routing_sampled", become: { $0 == sampled }) == sampled)
    }

    /// A reload that changes nothing of the cluster but its options, and one that changes the local cluster only.
    @Test func aReloadIsLookedAtToo() throws {
        let dns = try DNSServer()
        dns["a.test"] = .init(v4: ["127.1.0.1", "127.1.0.3"])
        dns["b.test"] = .init(v4: ["127.1.0.2"])
        let upstreams = try Upstreams()
        defer { upstreams.stop() }
        let directory = TemporaryDirectory()
        let text = yaml(dns: dns.port, upstreams: upstreams)
        let file = directory.write(text, to: "zones.yaml")
        let process = try ChildProcess(Binary.martlet().binary, ["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        #expect(wait(upToMs: 10_000) { admin.stats(matching: "cluster.own.membership_total")["cluster.own.membership_total"] == 3 })
        func policy(_ options: String) -> String {
            "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random, locality_lb_config: {zone_aware_lb_config: {\(options)}}}}}]}, "
        }
        func reload(_ text: String) {
            let applied = admin.stats(matching: "reloads_applied")["martlet.plan.reloads_applied"] ?? 0
            _ = directory.write(text, to: "zones.yaml")
            process.signal(1)
            #expect(wait(upToMs: 10_000) { admin.stats(matching: "reloads_applied")["martlet.plan.reloads_applied"] ?? 0 > applied })
        }
        reload(yaml(dns: dns.port, upstreams: upstreams, options: policy("force_local_zone: {}, routing_enabled: {value: 100}, min_cluster_size: 1, locality_basis: HEALTHY_HOSTS_WEIGHT")))
        #expect(wait(upToMs: 10_000) { admin.stats(matching: "cluster.own.membership_total")["cluster.own.membership_total"] == 3 })
        try ask(20)
        #expect(stats("lb_zone_routing_all_directly", become: { $0 == 20 }) == 20)
        // The older name; and the local cluster changes, so that who has not changed is looked at again.
        let older = yaml(dns: dns.port, upstreams: upstreams, options: policy("force_locality_direct_routing: true"))
        reload(older)
        let before = stats("lb_recalculate_zone_structures", become: { $0 > 0 })
        reload(older.replacing(text: "dns_refresh_rate: 0.2s", by: "dns_refresh_rate: 0.3s"))
        #expect(stats("lb_recalculate_zone_structures", become: { $0 > before }) > before)
        try ask(20)
        #expect(stats("lb_zone_routing_all_directly", become: { $0 == 40 }) == 40)
    }

    /// A cluster that serves on because its successor waits for a secret goes by the local cluster's hosts of now, too.
    @Test func whoServesMeanwhileIsLookedAtToo() throws {
        let dns = try DNSServer()
        dns["a.test"] = .init(v4: ["127.1.0.1"])
        dns["b.test"] = .init(v4: ["127.1.0.2"])
        let upstreams = try Upstreams()
        defer { upstreams.stop() }
        let directory = TemporaryDirectory()
        let silent = "\n  - {name: sds, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}, load_assignment: {cluster_name: sds, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(Ports.free())}}}}]}]}}"
        let text = yaml(dns: dns.port, upstreams: upstreams)
        let waiting = yaml(
            dns: dns.port, upstreams: upstreams,
            options: "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {validation_context_sds_secret_config: {name: late, sds_config: {initial_fetch_timeout: 0s, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}}}}}, ")
        let file = directory.write(text + silent, to: "zones.yaml")
        let process = try ChildProcess(Binary.martlet().binary, ["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        #expect(wait(upToMs: 10_000) { admin.stats(matching: "cluster.own.membership_total")["cluster.own.membership_total"] == 2 })
        try ask(20)
        #expect(stats("lb_zone_routing_all_directly", become: { $0 == 20 }) == 20)
        _ = directory.write(waiting + silent, to: "zones.yaml")
        process.signal(1)
        #expect(wait(upToMs: 20_000) { admin.stats(matching: "warming_state")["cluster.up.warming_state"] == 1 }, "\(process.output)")
        // More of us here: a third of what comes goes.
        dns["a.test"] = .init(v4: ["127.1.0.1", "127.1.0.3", "127.1.0.4"])
        #expect(wait(upToMs: 10_000) { admin.stats(matching: "cluster.own.membership_total")["cluster.own.membership_total"] == 4 })
        try ask(200)
        let crossed = stats("lb_zone_routing_cross_zone", become: { $0 > 0 })
        #expect(crossed > 20 && crossed < 140, "a third of 200: \(crossed)")
        #expect(admin.stats(matching: "cluster.up.membership_total")["cluster.up.membership_total"] == 2)
    }
}
