import Glibc
import TestSupport
import Testing

/// Names: a name server of ours, real traffic. Statistics were read off Envoy 1.40 with the same answers.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct DNSTests {
    private static func cluster(
        _ type: String, dns: UInt16, port: UInt16, refresh: String = "0.2s", name: String = "up.test", more: String = "",
        resolver: String = ""
    ) -> String {
        """
              - name: c
                type: \(type)
                connect_timeout: 1s
                dns_refresh_rate: \(refresh)
                dns_jitter: 0s
                \(more)
                typed_dns_resolver_config:
                  name: envoy.network.dns_resolver.cares
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
                    resolvers: [{socket_address: {address: 127.0.0.1, port_value: \(dns)}}]
                    dns_resolver_options: {no_default_search_domain: true}
                    query_timeout_seconds: 1
                    query_tries: 1
                    \(resolver)
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: \(name), port_value: \(port)}}}}]}]}
            """
    }

    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    private struct Setting {
        var served: Served
        var dns: DNSServer
        var upstream: ScriptedUpstream
    }

    private func serve(
        _ type: String, refresh: String = "0.2s", waits: Bool = true, more: String = "", resolver: String = "",
        zone: DNSServer.Zone
    ) throws -> Setting {
        let dns = try DNSServer()
        dns["up.test"] = zone
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always(DNSTests.ok))
        upstream.start()
        let served = try Served(try Binary.martlet(), waits: waits) { port in
            Served.http(
                port,
                clusters: [DNSTests.cluster(type, dns: dns.port, port: upstream.port, refresh: refresh, more: more, resolver: resolver)])
        }
        return Setting(served: served, dns: dns, upstream: upstream)
    }

    /// What `typed_dns_resolver_config` replaced, of a cluster and of the bootstrap.
    @Test(arguments: ["dns_resolvers: [DNS]", "dns_resolution_config: {resolvers: [DNS], dns_resolver_options: {no_default_search_domain: true}}", ""])
    func resolversOfOld(cluster: String) throws {
        let dns = try DNSServer()
        dns["up.test"] = .init(v4: ["127.0.0.1"])
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always(DNSTests.ok))
        upstream.start()
        let resolver = "{socket_address: {address: 127.0.0.1, port_value: \(dns.port)}}"
        let fields = cluster.replacing(text: "DNS", by: resolver)
        let top = cluster.isEmpty ? "dns_resolution_config: {resolvers: [\(resolver)]}" : ""
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port,
                clusters: [
                    """
                          - name: c
                            type: STRICT_DNS
                            \(fields)
                            load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: up.test, port_value: \(upstream.port)}}}}]}]}
                    """
                ]) + "\n" + top
        }
        #expect(try served.get().status == 200)
    }

    @Test(arguments: ["STRICT_DNS", "LOGICAL_DNS"])
    func aNameIsServed(type: String) throws {
        let setting = try serve(type, refresh: "60s", zone: .init(v4: ["127.0.0.1"]))
        #expect(try setting.served.get().status == 200)
        let stats = setting.served.admin.stats(matching: "cluster.c.(update|membership)")
        #expect(stats["cluster.c.membership_total"] == 1)
        #expect(stats["cluster.c.membership_change"] == 1)
        #expect(stats["cluster.c.update_attempt"] == 1)
        #expect(stats["cluster.c.update_success"] == 1)
        #expect(stats["cluster.c.update_no_rebuild"] == 0)
        // AUTO asks for IPv6 first.
        #expect(setting.dns.questions.map(\.type) == [28, 1])
    }

    /// `filter_unroutable_families`: a family of which this machine has no address but loopback is not asked for.
    @Test func aFamilyThatCannotBeReachedIsNotAskedFor() throws {
        let setting = try serve(
            "STRICT_DNS", refresh: "60s", more: "dns_lookup_family: V4_ONLY", resolver: "filter_unroutable_families: true",
            zone: .init(v4: ["127.0.0.1"]))
        let isRoutable = !Interfaces.ipv4Addresses().isEmpty
        #expect(setting.served.stat("cluster.c.membership_total", becomes: isRoutable ? 1 : 0) == (isRoutable ? 1 : 0))
        #expect(setting.dns.questions.map(\.type) == (isRoutable ? [1] : []))
    }

    @Test func everyAddressIsAHost() throws {
        let setting = try serve("STRICT_DNS", zone: .init(v4: ["127.0.0.1", "127.0.0.2", "127.0.0.1"]))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 2) == 2)
    }

    @Test func onlyTheFirstIsTheLogicalHost() throws {
        let setting = try serve("LOGICAL_DNS", zone: .init(v4: ["127.0.0.1", "127.0.0.2"]))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 1) == 1)
        #expect(try setting.served.get().status == 200)
    }

    @Test(arguments: [
        ("V4_ONLY", [1], 1), ("V6_ONLY", [28], 1), ("V4_PREFERRED", [1], 1), ("AUTO", [28], 1), ("ALL", [1, 28], 2),
    ])
    func families(family: String, types: [UInt16], hosts: Int) throws {
        let setting = try serve(
            "STRICT_DNS", refresh: "60s", more: "dns_lookup_family: \(family)", zone: .init(v4: ["127.0.0.1"], v6: ["::1"]))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: hosts) == hosts)
        #expect(setting.dns.questions.map(\.type).sorted() == types)
    }

    @Test func thePreferredFamilyHasNothing() throws {
        let setting = try serve("STRICT_DNS", refresh: "60s", more: "dns_lookup_family: V4_PREFERRED", zone: .init(v6: ["::1"]))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 1) == 1)
        #expect(setting.dns.questions.map(\.type) == [1, 28])
    }

    /// The address moves while requests go on: none fails, and the new host gets them.
    @Test(arguments: ["STRICT_DNS", "LOGICAL_DNS"])
    func aNewAddressTakesOverWithoutAFailedRequest(type: String) throws {
        // Connections that a logical host has stay with its old address: they must end by themselves.
        let setting = try serve(
            type, more: "respect_dns_ttl: true\n    max_requests_per_connection: 2", zone: .init(v4: ["127.0.0.1"]))
        let served = setting.served
        let failed = Locked<[String]>([])
        let done = Locked(0)
        let stop = Flag()
        let stopUpstream = Flag()
        let client = BackgroundThread {
            while !stop.isRaised {
                let response = try? served.get()
                if response?.status == 200 {
                    done.withLock { $0 += 1 }
                } else {
                    failed.withLock { $0.append("\(String(describing: response))") }
                }
            }
        }
        sleep(ms: 300)
        // The upstream listens on 127.0.0.1 only; ::1 and 127.0.0.2 are answered by nobody.
        let second = try Sockets.listen(address: "127.0.0.2", port: setting.upstream.port)
        let taken = Flag()
        let acceptor = BackgroundThread {
            let deadline = Deadline(afterMs: 8_000)
            while !stopUpstream.isRaised, !deadline.passed {
                guard Sockets.ready(second, for: Sockets.readable, until: Deadline(afterMs: 50)) != 0,
                    let socket = Sockets.accept(second)
                else { continue }
                taken.raise()
                _ = BackgroundThread {
                    while !stopUpstream.isRaised, Sockets.ready(socket, for: Sockets.readable, until: Deadline(afterMs: 500)) != 0 {
                        guard case .bytes = Sockets.receive(socket) else { return }
                        _ = Sockets.send(DNSTests.ok.wire, from: 0, on: socket)
                    }
                }
            }
        }
        setting.dns["up.test"] = .init(v4: ["127.0.0.2"])
        #expect(wait(upToMs: 5_000) { taken.isRaised })
        sleep(ms: 300)
        stop.raise()
        client.join()
        stopUpstream.raise()
        acceptor.join()
        #expect(failed.withLock { $0 } == [])
        #expect(done.withLock { $0 } > 10)
    }

    @Test func aTTLDoesNotGoBelowTheLeastRefreshRate() throws {
        let dns = try DNSServer()
        dns["up.test"] = .init(v4: ["127.0.0.1"], ttlS: 1)
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port,
                clusters: [
                    """
                          - name: c
                            cluster_type:
                              name: envoy.cluster.dns
                              typed_config:
                                "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
                                dns_refresh_rate: 0.2s
                                dns_jitter: 0s
                                respect_dns_ttl: true
                                dns_min_refresh_rate: 3s
                                dns_lookup_family: V4_ONLY
                                typed_dns_resolver_config:
                                  name: envoy.network.dns_resolver.cares
                                  typed_config:
                                    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
                                    resolvers: [{socket_address: {address: 127.0.0.1, port_value: \(dns.port)}}]
                                    dns_resolver_options: {no_default_search_domain: true}
                            load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: up.test, port_value: 80}}}}]}]}
                        """
                ])
        }
        #expect(served.stat("cluster.c.membership_total", becomes: 1) == 1)
        sleep(ms: 2_000)
        #expect(dns.questions.count == 1)
        #expect(wait(upToMs: 4_000) { dns.questions.count == 2 })
    }

    @Test func aNameThatIsGoneEmptiesTheCluster() throws {
        let setting = try serve("STRICT_DNS", zone: .init(v4: ["127.0.0.1"]))
        // A busy machine may let the first question time out.
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 1) == 1)
        #expect(try setting.served.get().status == 200)
        setting.dns["up.test"] = .init(code: 3)
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 0) == 0)
        let response = try setting.served.get()
        #expect(response.status == 503)
        #expect(String(wire: response.body) == "no healthy upstream")
        #expect(setting.served.admin.stats(matching: "membership_change")["cluster.c.membership_change"] == 2)
        // The first answer is no change of a cluster that has begun.
        #expect(setting.served.admin.stats(matching: "cluster_updated$")["cluster_manager.cluster_updated"] == 1)
    }

    /// `close_connections_on_host_set_change`: an idle connection goes with a host that comes, and with one that goes; a busy one when
    /// it has answered. Without it connections to hosts that stay are kept.
    @Test(arguments: [true, false], [false, true])
    func aChangeOfHostsEndsConnections(asked: Bool, http2: Bool) throws {
        let options = http2 ? "http2_protocol_options: {}" : "http_protocol_options: {}"
        let setting = try serve(
            "STRICT_DNS",
            more: "common_lb_config: {close_connections_on_host_set_change: \(asked)}\n    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {\(options)}}}",
            zone: .init(v4: ["127.0.0.1"]))
        defer { setting.upstream.stop() }
        setting.upstream.begin(http2 ? UpstreamScript([[.http2([.awaitHead(1), .answer(1), .awaitHead(3), .pause(ms: 1_500), .answer(3), .awaitClose(ms: 20_000)])]])
            : .steps(.readRequest, .answer(DNSTests.ok), .readRequest, .delay(ms: 1_500), .answer(DNSTests.ok), .again))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 1) == 1)
        #expect(try setting.served.get().status == 200)
        #expect(setting.served.stat("cluster.c.upstream_cx_active", becomes: 1) == 1)
        setting.dns["up.test"] = .init(v4: ["127.0.0.1", "127.0.0.2"])
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 2) == 2)
        guard asked else {
            // Both hosts are asked, and the first one over the connection that there was.
            #expect(setting.served.admin.stats(matching: "cx_destroy$")["cluster.c.upstream_cx_destroy"] == 0)
            return
        }
        #expect(setting.served.stat("cluster.c.upstream_cx_destroy_local", becomes: 1) == 1)
        #expect(setting.served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
    }

    /// The one of HTTP/2 has no room for a second request, and is in no pool.
    @Test(arguments: [false, true]) func aBusyConnectionEndsBehindItsAnswer(http2: Bool) throws {
        let options = http2 ? "http2_protocol_options: {max_concurrent_streams: 1}" : "http_protocol_options: {}"
        let setting = try serve(
            "STRICT_DNS",
            more: "common_lb_config: {close_connections_on_host_set_change: true}\n    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {\(options)}}}",
            zone: .init(v4: ["127.0.0.1"]))
        defer { setting.upstream.stop() }
        setting.upstream.begin(http2 ? UpstreamScript([[.http2([.awaitHead(1), .pause(ms: 3_000), .answer(1), .awaitClose(ms: 20_000)])]])
            : .steps(.readRequest, .delay(ms: 3_000), .answer(DNSTests.ok), .again))
        #expect(setting.served.stat("cluster.c.membership_total", becomes: 1) == 1)
        var client = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        let (served, dns) = (setting.served, setting.dns)
        let outcome = try client.run(port: served.listener) {
            #expect(served.stat("cluster.c.upstream_rq_active", becomes: 1) == 1)
            dns["up.test"] = .init(v4: ["127.0.0.1", "127.0.0.2"])
            #expect(served.stat("cluster.c.membership_total", becomes: 2) == 2)
            #expect(served.admin.stats(matching: "cx_active$")["cluster.c.upstream_cx_active"] == 1)
        }
        #expect(outcome.responses.first?.status == 200)
        #expect(served.stat("cluster.c.upstream_cx_destroy_local", becomes: 1) == 1)
        #expect(served.admin.stats(matching: "with_active_rq")["cluster.c.upstream_cx_destroy_with_active_rq"] == 0)
    }

    @Test func aLogicalHostStaysWhenItsNameIsGone() throws {
        let setting = try serve("LOGICAL_DNS", zone: .init(v4: ["127.0.0.1"]))
        setting.dns["up.test"] = .init(code: 3)
        #expect(wait(upToMs: 3_000, everyMs: 50) {
            setting.served.admin.stats(matching: "update_failure")["cluster.c.update_failure"] ?? 0 > 1
        })
        #expect(try setting.served.get().status == 200)
    }

    /// SERVFAIL says nothing about the name: what was known stays.
    @Test func aFailingServerChangesNothing() throws {
        let setting = try serve(
            "STRICT_DNS", more: "dns_failure_refresh_rate: {base_interval: 0.05s, max_interval: 0.2s}", zone: .init(v4: ["127.0.0.1"]))
        setting.dns["up.test"] = .init(code: 2)
        #expect(wait(upToMs: 4_000, everyMs: 50) {
            setting.served.admin.stats(matching: "update_failure")["cluster.c.update_failure"] ?? 0 > 3
        })
        #expect(try setting.served.get().status == 200)
        setting.dns["up.test"] = .init(v4: ["127.0.0.1"])
        let before = setting.served.admin.stats(matching: "update_success")["cluster.c.update_success"] ?? 0
        #expect(wait(upToMs: 3_000, everyMs: 50) {
            setting.served.admin.stats(matching: "update_success")["cluster.c.update_success"] ?? 0 > before
        })
    }

    /// Nothing is served before the first answer, or its time-out; the admin interface says so.
    @Test func aSilentServerHoldsTheStartUpUntilItsTimeOut() throws {
        var zone = DNSServer.Zone()
        zone.isSilent = true
        let setting = try serve("STRICT_DNS", waits: false, zone: zone)
        #expect(wait(upToMs: 1_000, everyMs: 10) { setting.served.admin.request("GET", "/stats") != nil })
        #expect(setting.served.admin.stats(matching: "workers_started")["listener_manager.workers_started"] == 0)
        #expect(wait(upToMs: 30_000, everyMs: 100) { setting.served.admin.stats(matching: "workers_started")["listener_manager.workers_started"] == 1 })
        #expect(try setting.served.get().status == 503)
        #expect(setting.served.admin.stats(matching: "dns.cares.timeouts")["dns.cares.timeouts"] == 2)
    }

    @Test func anAnswerThatIsCutShortIsAskedForOverTCP() throws {
        var zone = DNSServer.Zone(v4: ["127.0.0.1"])
        zone.isTruncated = true
        let setting = try serve("STRICT_DNS", refresh: "60s", more: "dns_lookup_family: V4_ONLY", zone: zone)
        #expect(try setting.served.get().status == 200)
        #expect(setting.dns.questions.map(\.overTCP) == [false, true])
    }

    /// An answer under another id is nobody's.
    @Test func aForgedAnswerIsNotTaken() throws {
        var zone = DNSServer.Zone(v4: ["127.0.0.1"])
        zone.isForged = true
        let setting = try serve("STRICT_DNS", refresh: "60s", more: "dns_lookup_family: V4_ONLY", zone: zone)
        #expect(try setting.served.get().status == 503)
        #expect(setting.served.admin.stats(matching: "update_failure")["cluster.c.update_failure"] == 1)
    }

    /// SIGTERM while names are still unanswered.
    @Test func theStartUpCanBeEnded() throws {
        var zone = DNSServer.Zone()
        zone.isSilent = true
        let setting = try serve("STRICT_DNS", waits: false, zone: zone)
        #expect(wait(upToMs: 10_000) { !setting.dns.questions.isEmpty })
        setting.served.process.signal(SIGTERM)
        #expect(setting.served.process.waitForExit(upToMs: 1_500) == 0)
    }

    /// SIGHUP (which Envoy does not have) to another name: the old hosts serve until the new name is answered for.
    @Test func aChangedNameKeepsTheHostsUntilItIsKnown() throws {
        let setting = try serve("STRICT_DNS", zone: .init(v4: ["127.0.0.1"]))
        #expect(try setting.served.get().status == 200)
        var silent = DNSServer.Zone()
        silent.isSilent = true
        setting.dns["other.test"] = silent
        let text = String(decoding: Files.read(setting.served.file) ?? [], as: UTF8.self).replacing(text: "up.test", by: "other.test")
        Files.write(Array(text.utf8), to: setting.served.file)
        setting.served.process.signal(SIGHUP)
        #expect(wait(upToMs: 2_000) { setting.dns.questions.contains { $0.name == "other.test" } })
        #expect(try setting.served.get().status == 200)
        setting.dns["other.test"] = .init(v4: ["127.0.0.1", "127.0.0.3"])
        #expect(wait(upToMs: 5_000, everyMs: 50) {
            setting.served.admin.stats(matching: "membership_total")["cluster.c.membership_total"] == 2
        })
    }
}
