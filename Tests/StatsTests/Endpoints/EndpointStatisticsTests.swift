import Stats
@testable import StatsStore
import StatsStore
import Testing

/// `cluster.<name>.endpoint.<address>.…`: views over hosts' cells. How Envoy 1.40 writes them is held by OracleTests.
@Suite struct EndpointStatisticsTests {
    private let registry = StatRegistry(workers: 2)

    private func host(_ name: String) -> StatScope<HostStat> { registry.scope("cluster.\(name).host.x.", HostStat.self) }

    private func endpoint(
        _ address: String, _ host: StatScope<HostStat>, hostname: String = "", isHealthy: Bool = true
    ) -> StatEndpoint {
        StatEndpoint(address: address, hostname: hostname, isHealthy: isHealthy, cells: .scope(host.base))
    }

    private func show(_ groups: [(cluster: String, endpoints: [StatEndpoint])]) {
        let made = groups.map { group in EndpointGroup(cluster: group.cluster, count: group.endpoints.count) { group.endpoints[$0] } }
        registry.endpointGroups = { made }
    }

    /// One cluster with one host, which has counted a little.
    private func showOne(hostname: String = "") -> StatScope<HostStat> {
        let host = host("up")
        registry.cells(worker: 0).add(host[.rqTotal], 5)
        registry.cells(worker: 1).add(host[.rqTotal], 2)
        registry.cells(worker: 0).gaugeAdd(host[.cxActive], 3)
        registry.cells(worker: 1).gaugeAdd(host[.cxActive], 1)
        show([("up", [endpoint("127.0.0.1:80", host, hostname: hostname)])])
        return host
    }

    private static let lines = [
        "cx_connect_fail: 0", "cx_total: 0", "rq_error: 0", "rq_success: 0", "rq_timeout: 0", "rq_total: 7", "cx_active: 4",
        "rq_active: 0", "rq_pending_active: 0", "healthy: 1",
    ].map { "cluster.up.endpoint.127.0.0.1_80.\($0)\n" }

    @Test func standBehindCountersAndGaugesOfAllOthers() {
        _ = showOne()
        _ = registry.scope("zz.", SubscriptionStat.self)
        let tls = registry.scope("cluster.zz.", ClusterStat.self)
        registry.cells(worker: 0).record(tls[.upstreamRqTime], 1)
        registry.flushHistograms()
        let text = rendered(registry)
        let own = EndpointStatisticsTests.lines.joined()
        #expect(text.contains("zz.version: 0\n" + own + "cluster.zz."))
        #expect(text.components(of: "endpoint") == 10)
        // In slices of any length the same.
        #expect(rendered(registry, slice: 1) == text)
        #expect(rendered(registry, slice: 333) == text)
    }

    /// What has never counted is there too, and the hosts' own scopes are not.
    @Test func usedOnlyTypesAndFilters() {
        let host = showOne()
        #expect(rendered(registry) { $0.usedOnly = true } == EndpointStatisticsTests.lines.joined())
        #expect(rendered(registry) { $0.types = .counters } == EndpointStatisticsTests.lines[..<6].joined())
        #expect(rendered(registry) { $0.types = .gauges } == EndpointStatisticsTests.lines[6...].joined())
        #expect(rendered(registry) { $0.types = .scalars } == EndpointStatisticsTests.lines.joined())
        #expect(rendered(registry) { $0.types = .histograms } == "")
        #expect(rendered(registry) { $0.types = .textReadouts } == "")
        #expect(rendered(registry) { $0.filter = { string($0).hasSuffix("80.rq_total") } } == EndpointStatisticsTests.lines[5])
        #expect(rendered(registry) { $0.filter = { string($0).contains("host.") } } == "")
        registry.resetCounters()
        #expect(registry.value(HostStat.rqTotal, of: .scope(host.base)) == 7, "as in Envoy")
        // Nor are they asked about by stats_matcher.
        registry.keep(StatNameMatcher { _ in false })
        #expect(rendered(registry) == EndpointStatisticsTests.lines.joined())
    }

    @Test func json() {
        _ = showOne()
        let entries = EndpointStatisticsTests.lines.map { line in
            let parts = line.dropLast().split(separator: ":")
            return "{\"name\":\"\(parts[0])\",\"value\":\(parts[1].dropFirst())}"
        }
        #expect(rendered(registry) { $0.format = .json } == "{\"stats\":[" + entries.joined(separator: ",") + "]}")
        #expect(
            rendered(registry, slice: 1) { ($0.format, $0.types) = (.json, .gauges) }
                == "{\"stats\":[" + entries[6...].joined(separator: ",") + "]}")
        #expect(rendered(registry) { ($0.format, $0.types) = (.json, .histograms) } == "{\"stats\":[]}")
    }

    @Test func addressesAsEnvoyWritesThem() {
        let host = host("a")
        show([
            ("a_b", [
                endpoint("[::1]:80", host), endpoint("/tmp/a:b/c.sock", host, isHealthy: false), endpoint("@abstract", host),
            ])
        ])
        let names = rendered(registry) { $0.filter = { string($0).hasSuffix("healthy") } }
        #expect(
            names == """
                cluster.a_b.endpoint.[__1]_80.healthy: 1
                cluster.a_b.endpoint./tmp/a_b/c.sock.healthy: 0
                cluster.a_b.endpoint.@abstract.healthy: 1

                """)
    }

    @Test func prometheus() {
        registry.tags.commandLine = [.init("zone", .fixed("z"))]
        registry.tags.custom = [.init("zone", .fixed("other")), .init("x", .match { _ in nil })]
        let one = showOne(hostname: "h.test.")
        let other = host("other")
        show([
            ("up", [endpoint("127.0.0.1:80", one, hostname: "h.test.")]), ("other", [endpoint("[::1]:80", other, isHealthy: false)]),
        ])
        _ = registry.scope("zz.", SubscriptionStat.self)
        let text = rendered(registry) { $0.format = .prometheus }
        let own = text.range(of: "# TYPE envoy_cluster_endpoint").map { String(text[$0...]) } ?? ""
        let tags = ["envoy_cluster_name=\"up\",envoy_endpoint_address=\"127.0.0.1:80\",envoy_endpoint_hostname=\"h.test.\"", "envoy_cluster_name=\"other\",envoy_endpoint_address=\"[::1]:80\""]
            .map { "{zone=\"z\",\($0)} " }
        let families: [(String, String, [Int])] = [
            ("cx_connect_fail", "counter", [0, 0]), ("cx_total", "counter", [0, 0]), ("rq_error", "counter", [0, 0]),
            ("rq_success", "counter", [0, 0]), ("rq_timeout", "counter", [0, 0]), ("rq_total", "counter", [7, 0]),
            ("cx_active", "gauge", [4, 0]), ("healthy", "gauge", [1, 0]), ("rq_active", "gauge", [0, 0]), ("rq_pending_active", "gauge", [0, 0]),
        ]
        let wanted = families.map { name, type, values in
            "# TYPE envoy_cluster_endpoint_\(name) \(type)\n"
                + zip(tags, values).map { "envoy_cluster_endpoint_\(name)\($0)\($1)\n" }.joined()
        }
        #expect(own == wanted.joined(), "behind all others")
        #expect(rendered(registry, slice: 1) { $0.format = .prometheus } == text)
        #expect(
            rendered(registry) {
                ($0.format, $0.usedOnly) = (.prometheus, true)
                $0.filter = { string($0).hasSuffix("80.rq_total") }
            } == wanted[5])
    }

    /// The same families as messages: each name, as many metrics, the last gauge's value.
    @Test func protobuf() {
        _ = showOne()
        var query = StatsQuery()
        query.format = .prometheusProtobuf
        query.filter = { string($0).hasSuffix("cx_active") }
        for slice in [1, 100_000] {
            var renderer = StatsRenderer(registry, query)
            var bytes: [UInt8] = []
            while renderer.next(maxBytes: slice, { span in for at in span.indices { bytes.append(span[at]) } }) {}
            var family: [UInt8] = []
            family.appendBytes(1, Array("envoy_cluster_endpoint_cx_active".utf8)[...])
            family.appendVarint(3, 1)
            family.appendMessage(4) { metric in
                for (name, value) in [("envoy_cluster_name", "up"), ("envoy_endpoint_address", "127.0.0.1:80")] {
                    metric.appendMessage(1) {
                        $0.appendBytes(1, Array(name.utf8)[...])
                        $0.appendBytes(2, Array(value.utf8)[...])
                    }
                }
                metric.appendMessage(2) { $0.appendDouble(1, 4) }
            }
            var wanted: [UInt8] = []
            wanted.appendVarint(UInt64(family.count))
            #expect(bytes == wanted + family)
        }
    }

    /// Ten thousand of them: no slice is longer than it may be, and none is lost.
    @Test func manyEndpointsComeInSlices() {
        let host = host("many")
        let all = (0..<10_000).map { endpoint("10.\($0 / 65_536).\($0 / 256 % 256).\($0 % 256):80", host) }
        show([("many", all), ("empty", [])])
        for format in [StatsQuery.Format.text, .json, .prometheus] {
            var query = StatsQuery()
            query.format = format
            query.filter = { string($0).hasSuffix(".healthy") }
            var renderer = StatsRenderer(registry, query)
            var text = ""
            var longest = 0
            while renderer.next(maxBytes: 32_768, { span in
                longest = max(longest, span.count)
                text += string(span)
            }) {}
            #expect(longest < 40_000)
            #expect(text.components(of: format == .prometheus ? "\"10." : "endpoint.10.") == 10_000)
        }
    }

    /// One that goes while an answer is on its way is left out; the others are all there.
    @Test func endpointsThatGo() {
        let host = host("up")
        let all = (0..<100).map { endpoint("10.0.0.\($0):80", host) }
        let gone = Gone()
        registry.endpointGroups = { [EndpointGroup(cluster: "up", count: 100) { gone.places.contains($0) ? nil : all[$0] }] }
        for format in [StatsQuery.Format.text, .json, .prometheus] {
            gone.places = []
            var query = StatsQuery()
            query.format = format
            query.types = .gauges
            query.filter = { string($0).hasSuffix(".healthy") }
            var renderer = StatsRenderer(registry, query)
            var text = ""
            var turns = 0
            while renderer.next(maxBytes: 200, { text += string($0) }) {
                turns += 1
                if turns == 3 { gone.places = [50, 99] }
            }
            for i in 0..<100 {
                let name = format == .prometheus ? "\"10.0.0.\(i):80\"" : "10.0.0.\(i)_80."
                #expect(text.components(of: name) == ([50, 99].contains(i) ? 0 : 1), "\(format) \(i)")
            }
        }
    }

    private final class Gone { var places: Set<Int> = [] }

    // MARK: sinks

    private func sent(_ family: StatsdFormat.Family = .plain, step: Int = 1000) -> [String] {
        let format = StatsdFormat(family)
        registry.flushHistograms()
        var walk = SinkWalk(registry, wantsTags: format.hasTags)
        var lines: [String] = []
        var more = true
        while more {
            more = walk.step(registry, scopesMax: step) { sample in
                var line: [UInt8] = []
                format.append(sample, prefix: Array("e".utf8), to: &line)
                lines.append(String(decoding: line, as: UTF8.self))
            }
        }
        return lines
    }

    @Test func sinksGetDifferences() {
        let host = showOne()
        func line(_ leaf: String, _ value: String) -> String { "e.cluster.up.endpoint.127.0.0.1_80.\(leaf):\(value)" }
        #expect(
            sent() == [
                line("cx_connect_fail", "0|c"), line("cx_total", "0|c"), line("rq_error", "0|c"), line("rq_success", "0|c"),
                line("rq_timeout", "0|c"), line("rq_total", "7|c"), line("cx_active", "4|g"), line("rq_active", "0|g"),
                line("rq_pending_active", "0|g"), line("healthy", "1|g"),
            ])
        registry.cells(worker: 1).add(host[.rqTotal], 2)
        // Who looks takes nothing away from them.
        _ = rendered(registry)
        #expect(sent(step: 1).contains(line("rq_total", "2|c")))
        #expect(sent().contains(line("rq_total", "0|c")))
    }

    @Test func sinksGetTags() {
        registry.tags.commandLine = [.init("zone", .fixed("z"))]
        _ = showOne(hostname: "h.test")
        #expect(
            sent(.dog).contains(
                "e.cluster.endpoint.rq_total:7|c|#zone:z,envoy.cluster_name:up,envoy.endpoint_address:127.0.0.1:80,envoy.endpoint_hostname:h.test"))
    }

    /// As in Envoy.
    @Test func theMetricsServiceIsNotTold() {
        _ = showOne()
        let up = registry.scope("cluster.up.", ClusterStat.self)
        registry.cells(worker: 0).increment(up[.upstreamRqTotal])
        var walk = SinkWalk(registry, wantsTags: true)
        var (families, samples) = (0, 0)
        var bytes: [UInt8] = []
        while walk.step(registry, scopesMax: 3, { sample in
            samples += 1
            families += MetricsServiceFormat().append(sample, timeMs: 1, to: &bytes)
        }) {}
        #expect(samples == 11 && families == 1)
    }

    /// Hosts that workers found by themselves: two of them under one address, and one that came again.
    @Test func hostsThatWorkersFound() {
        let (first, second) = (registry.scope("cluster.o.host.0.", HostStat.self), registry.scope("cluster.o.host.1.", HostStat.self))
        let found = StatEndpoint(
            address: "10.0.0.1:80", hostname: "", isHealthy: true, cells: .shares([(0, first.base), (1, second.base)]))
        show([("o", [found])])
        let (one, two) = (registry.cells(worker: 0), registry.cells(worker: 1))
        one.add(first[.rqTotal], 5)
        two.add(second[.rqTotal], 6)
        // The same place of another worker is another host's.
        two.add(first[.rqTotal], 100)
        one.gaugeAdd(first[.rqActive], 2)
        two.gaugeAdd(second[.rqActive], -1)
        func told() -> [String] {
            sent().filter { $0.contains("rq_total") || $0.contains("rq_active") }.map { String($0.dropFirst("e.cluster.o.endpoint.10.0.0.1_80.".count)) }
        }
        #expect(told() == ["rq_total:11|c", "rq_active:1|g"])
        two.add(second[.rqTotal], 3)
        #expect(told() == ["rq_total:3|c", "rq_active:1|g"])
        #expect(told().first == "rq_total:0|c")
        // It went and came again: from nothing.
        one.clear(first[.rqTotal])
        two.clear(second[.rqTotal])
        one.add(first[.rqTotal], 2)
        #expect(told().first == "rq_total:2|c")
        show([("o", [])])
        #expect(told() == [])
        show([("o", [found])])
        #expect(told().first == "rq_total:2|c")
    }
}

extension String {
    /// How often a text is in it.
    fileprivate func components(of part: String) -> Int {
        let (all, part) = (Array(utf8), Array(part.utf8))
        guard all.count >= part.count else { return 0 }
        var count = 0
        for at in 0...(all.count - part.count) where all[at] == part[0] && all[at..<(at + part.count)].elementsEqual(part) { count += 1 }
        return count
    }

    fileprivate func range(of part: String) -> String.Index? {
        var at = startIndex
        while at != endIndex {
            if self[at...].hasPrefix(part) { return at }
            at = index(after: at)
        }
        return nil
    }
}
