import Stats
import StatsStore
import Testing

@Suite struct StatWalkTests {
    /// Names of nested scopes interleave: the output must be sorted whatever the nesting.
    @Test func linesAreSortedAcrossNestedPrefixes() {
        let registry = StatRegistry(workers: 1)
        for name in ["a", "a.b", "a.upstream_rq_total", "a.b.c", "a.u", "b", "a-", "a.upstream_cx_active.x"] {
            _ = registry.scope(StatPrefix.cluster(name), ClusterStat.self)
            _ = registry.scope(StatPrefix.cluster(name), ClusterControlStat.self)
        }
        _ = registry.scope("cluster.a.upstream_rq_zzz", NamedCounterStat.self)
        let lines = rendered(registry) { $0.types = .counters }.split(separator: "\n").map { Array($0.utf8) }
        let names = lines.map { $0.prefix { $0 != UInt8(ascii: ":") } }
        #expect(names.count > 500)
        #expect(names == names.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(Set(names).count == names.count)
    }

    @Test func aNewScopeIsNotSeenByAnOutputInProgress() {
        let registry = StatRegistry(workers: 1)
        _ = registry.scope("cluster.a.", ClusterStat.self)
        var renderer = StatsRenderer(registry, StatsQuery())
        _ = renderer.next(maxBytes: 10) { _ in }
        _ = registry.scope("cluster.b.", ClusterStat.self)
        var rest = ""
        while renderer.next(maxBytes: 4096, { rest += string($0) }) {}
        #expect(!rest.contains("cluster.b."))
    }
}
