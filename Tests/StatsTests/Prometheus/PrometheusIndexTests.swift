import Stats
@testable import StatsStore
import StatsStore
import Testing

/// The index over the life of scopes: what comes, goes and comes again between scrapes, and during one.
@Suite struct PrometheusIndexTests {
    private let registry = StatRegistry(workers: 2)

    private func lines(_ configure: (inout StatsQuery) -> Void = { _ in }) -> [String] {
        rendered(registry) {
            $0.format = .prometheus
            configure(&$0)
        }.split(separator: "\n").map(String.init)
    }

    private func clusters(_ line: String) -> [String] {
        lines().filter { $0.hasPrefix("envoy_cluster_\(line){") }
            .compactMap { $0.split(separator: "\"").dropFirst().first.map(String.init) }
    }

    @Test func scopesComeAndGo() {
        for name in ["m", "a", "z"] { _ = registry.scope("cluster.\(name).", ClusterStat.self) }
        let b = registry.scope("cluster.b.", ClusterStat.self)
        #expect(clusters("bind_errors") == ["a", "b", "m", "z"])
        _ = registry.scope("cluster.c.", ClusterStat.self)
        _ = registry.scope("cluster.aa.", ClusterStat.self)
        registry.retire(b.ref)
        #expect(clusters("bind_errors") == ["a", "aa", "c", "m", "z"])
        registry.recycle(registry.retiredScopes())
        // The slot and the ids of "b" are used again.
        let y = registry.scope("cluster.y.", ClusterStat.self)
        #expect(y.base == b.base)
        registry.cells(worker: 1).add(y[.bindErrors], 3)
        #expect(clusters("bind_errors") == ["a", "aa", "c", "m", "y", "z"])
        #expect(lines().contains(#"envoy_cluster_bind_errors{envoy_cluster_name="y"} 3"#))
    }

    @Test func codesAppear() {
        let a = registry.scope("cluster.a.", ClusterStat.self)
        let b = registry.scope("cluster.b.", ClusterStat.self)
        #expect(!lines().contains { $0.hasPrefix("envoy_cluster_upstream_rq{") })
        registry.cells(worker: 0).count(b[.responseCodes], responseCode: 404)
        registry.cells(worker: 1).count(b[.responseCodes], responseCode: 200)
        registry.cells(worker: 0).count(a[.responseCodes], responseCode: 503)
        func codes() -> [String] { lines().filter { $0.hasPrefix("envoy_cluster_upstream_rq") && $0.contains("response_code") } }
        #expect(
            codes() == [
                #"envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="a"} 1"#,
                #"envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="b"} 1"#,
                #"envoy_cluster_upstream_rq{envoy_response_code="404",envoy_cluster_name="b"} 1"#,
                #"envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="a"} 1"#,
                #"envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="b"} 1"#,
                #"envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="b"} 1"#,
            ])
        registry.cells(worker: 0).count(b[.responseCodes], responseCode: 204)
        registry.cells(worker: 0).count(a[.responseCodes], responseCode: 1000)
        let now = codes()
        #expect(now.contains(#"envoy_cluster_upstream_rq{envoy_response_code="204",envoy_cluster_name="b"} 1"#))
        #expect(now.contains(#"envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="b"} 2"#))
        #expect(lines().contains(#"envoy_cluster_upstream_rq_unknown{envoy_cluster_name="a"} 1"#))
        for code: UInt16 in [200, 503, 503] {
            registry.cells(worker: 1).count(b[.externalResponseCodes], responseCode: code)
        }
        #expect(lines().contains(#"envoy_cluster_external_upstream_rq_completed{envoy_cluster_name="b"} 3"#))
        // The same id under another name knows nothing of these codes.
        registry.retire(b.ref)
        registry.recycle(registry.retiredScopes())
        let c = registry.scope("cluster.c.", ClusterStat.self)
        #expect(c.base == b.base)
        #expect(codes().count == 2)
        registry.cells(worker: 0).count(c[.responseCodes], responseCode: 200)
        #expect(codes().contains(#"envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="c"} 1"#))
    }

    /// Scopes of a scrape that is on its way go, others come: no line is torn, those that stay are all there.
    @Test func aScrapeGoesOnWhileScopesChange() {
        var scopes = (0..<50).map { registry.scope("cluster.c\($0).", ClusterStat.self) }
        var query = StatsQuery()
        query.format = .prometheus
        var renderer = StatsRenderer(registry, query)
        var bytes: [UInt8] = []
        var turn = 0
        while renderer.next(maxBytes: 200, { span in for at in span.indices { bytes.append(span[at]) } }) {
            turn += 1
            guard turn % 5 == 0, turn < 200 else { continue }
            let victim = scopes.remove(at: turn % scopes.count)
            if turn % 2 == 0 { registry.retire(victim.ref) } else { scopes.append(victim) }
            registry.recycle(registry.retiredScopes())
            _ = registry.scope("cluster.new\(turn).", ClusterStat.self)
            if turn % 25 == 0 { _ = lines { $0.types = .gauges } }
        }
        let text = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let shape = text.filter { !$0.hasPrefix("# TYPE envoy_") }
        #expect(shape.allSatisfy { $0.hasPrefix("envoy_cluster_") && $0.contains("} ") && Double($0.split(separator: " ").last ?? "") != nil })
        for scope in scopes {
            let name = String(decoding: registry.record(scope.ref).map { unsafe Array($0.prefix.buffer) } ?? [], as: UTF8.self)
                .dropFirst("cluster.".count).dropLast()
            #expect(text.contains { $0.hasPrefix(#"envoy_cluster_upstream_rq_total{envoy_cluster_name="\#(name)"}"#) })
        }
    }

    /// A thousand scopes come and go: the texts of their labels go with them.
    @Test func churnDoesNotPileUp() {
        _ = registry.scope("cluster.stays.", ClusterStat.self)
        for round in 0..<1200 {
            let scope = registry.scope("cluster.c\(round).", CircuitBreakerRemainingStat.self)
            if round % 100 == 0 { _ = lines() }
            registry.retire(scope.ref)
            registry.recycle(registry.retiredScopes())
        }
        #expect(clusters("bind_errors") == ["stays"])
        #expect(lines().filter { $0.contains("remaining_cx") } == [])
    }

    /// So many scopes went that the index is made anew, in the middle of an answer that was begun with the old one.
    @Test func anAnswerKeepsItsIndex() {
        for i in 0..<40 { _ = registry.scope("cluster.stays\(i).", ClusterStat.self) }
        _ = lines()
        var query = StatsQuery()
        query.format = .prometheus
        var renderer = StatsRenderer(registry, query)
        var bytes: [UInt8] = []
        for _ in 0..<20 {
            let more = renderer.next(maxBytes: 500) { span in for at in span.indices { bytes.append(span[at]) } }
            #expect(more)
        }
        for round in 0..<1_500 { registry.retire(registry.scope("cluster.c\(round).", CircuitBreakerRemainingStat.self).ref) }
        registry.recycle(registry.retiredScopes())
        #expect(lines().contains { $0.hasPrefix("envoy_cluster_bind_errors{") })
        while renderer.next(maxBytes: 500, { span in for at in span.indices { bytes.append(span[at]) } }) {}
        let total = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("envoy_cluster_upstream_rq_total{") }
        #expect(total.count == 40)
    }

    /// What the matcher rejects has no line, codes of responses included.
    @Test func rejectedOnesHaveNoLine() {
        registry.keep(StatNameMatcher { !string($0).contains("2") && !string($0).hasSuffix("bind_errors") })
        let a = registry.scope("cluster.a.", ClusterStat.self)
        registry.cells(worker: 0).count(a[.responseCodes], responseCode: 200)
        registry.cells(worker: 0).count(a[.responseCodes], responseCode: 404)
        registry.cells(worker: 0).increment(a[.bindErrors])
        let lines = self.lines()
        #expect(lines.contains { $0.contains("response_code=\"404\"") } && !lines.contains { $0.contains("\"200\"") })
        #expect(!lines.contains { $0.contains("bind_errors") })
        let text = rendered(registry)
        #expect(text.contains("cluster.a.upstream_rq_4xx: 1\n") && !text.contains("upstream_rq_2xx"))
        #expect(!text.contains("bind_errors"))
        #expect(!rendered(registry) { $0.format = .json }.contains("bind_errors"))
    }

    /// An owner's own matcher takes the place of that of all, and a scope of several shows what one of them keeps: in every
    /// output, also where lines were made before.
    @Test func ownersMayHaveMatchersOfTheirOwn() {
        registry.keep(StatNameMatcher { !string($0).contains("bind") })
        let total = StatNameMatcher { string($0).hasSuffix("_total") || string($0).hasSuffix("_404") }
        let nothing = StatNameMatcher { _ in false }
        func shown(_ name: String) -> Bool {
            let text = rendered(registry).contains("cluster.a.\(name): ")
            #expect(rendered(registry) { $0.format = .json }.contains("\"cluster.a.\(name)\"") == text, "\(name)")
            let line = name.hasSuffix("_404") ? "response_code=\"404\"" : "envoy_cluster_\(name){envoy_cluster_name=\"a\"}"
            #expect(self.lines().contains { $0.contains(line) } == text, "\(name)")
            return text
        }
        let names = ["upstream_rq_total", "bind_errors", "upstream_rq_active", "upstream_rq_404"]
        let owned = registry.scope("cluster.a.", ClusterStat.self, matcher: total)
        registry.cells(worker: 0).count(owned[.responseCodes], responseCode: 404)
        #expect(names.map(shown) == [true, false, false, true])
        let silent = registry.scope("cluster.a.", ClusterStat.self, matcher: nothing)
        #expect(names.map(shown) == [true, false, false, true])
        let common = registry.scope("cluster.a.", ClusterStat.self)
        #expect(names.map(shown) == [true, false, true, true])
        registry.retire(owned.ref, matcher: total)
        registry.retire(common.ref)
        #expect(names.map(shown) == [false, false, false, false])
        // The matcher of all changes nothing for an owner that has one.
        registry.keep(nil)
        #expect(names.map(shown) == [false, false, false, false])
        let again = registry.scope("cluster.a.", ClusterStat.self)
        #expect(names.map(shown) == [true, true, true, true])
        registry.retire(silent.ref, matcher: nothing)
        registry.retire(again.ref)
        #expect(registry.retiredScopes() == [owned.ref])
    }

    /// Codes make names of their own: matchers that differ in one of them alone make other lines.
    @Test func matchersThatDifferInACode() {
        let (one, other) = (StatNameMatcher { !string($0).hasSuffix("_404") }, StatNameMatcher { !string($0).hasSuffix("_503") })
        let before = registry.scope("cluster.a.", ClusterStat.self, matcher: one)
        for code: UInt16 in [404, 503] { registry.cells(worker: 0).count(before[.responseCodes], responseCode: code) }
        func codes() -> [String] { ["404", "503"].filter { code in lines().contains { $0.contains("response_code=\"\(code)\"") } } }
        #expect(codes() == ["503"])
        let after = registry.scope("cluster.a.", ClusterStat.self, matcher: other)
        #expect(codes() == ["404", "503"])
        registry.retire(before.ref, matcher: one)
        #expect(codes() == ["404"])
        registry.retire(after.ref, matcher: other)
    }

    /// A scope that has many uses with one matcher is judged once.
    @Test func usesOfOneMatcherAreCounted() {
        var asked = 0
        let matcher = StatNameMatcher { _ in asked += 1; return false }
        let uses = (0..<100).map { _ in registry.scope("cluster.a.", ClusterStat.self, matcher: matcher) }
        let first = asked
        #expect(first > 0 && first <= ClusterStat.schema.leaves.count)
        for use in uses.dropLast() { registry.retire(use.ref, matcher: matcher) }
        #expect(asked == first && !rendered(registry).contains("bind_errors"))
        registry.retire(uses[99].ref, matcher: matcher)
    }

    /// A filter that lets nothing through does not hold its caller longer than a slice.
    @Test func aFilterThatWantsNothingIsSliced() {
        for i in 0..<2_000 { _ = registry.scope("cluster.c\(i).", ClusterStat.self) }
        for format in [StatsQuery.Format.text, .json, .prometheus] {
            var query = StatsQuery()
            query.format = format
            query.filter = { name in name.count < 5 }
            var renderer = StatsRenderer(registry, query)
            var slices = 0
            var bytes = 0
            while renderer.next(maxBytes: 32_768, { bytes += $0.count }) { slices += 1 }
            #expect(slices > 3, "\(format)")
            #expect(bytes < 20)
        }
    }
}
