import Primitives
import Stats
import StatsStore
import Testing

/// Names that come with the traffic.
@Suite struct DynamicScopesTests {
    private func text(_ registry: StatRegistry) -> String {
        var renderer = StatsRenderer(registry, StatsQuery())
        var out: [UInt8] = []
        while renderer.next(maxBytes: 1 << 16, { bytes in for i in 0..<bytes.count { out.append(bytes[i]) } }) {}
        return String(decoding: out, as: UTF8.self)
    }

    @Test func aNameKeepsItsIDsAndIsShown() throws {
        let registry = StatRegistry(workers: 2)
        let scopes = registry.dynamicScopes(GRPCMethodStat.schema, seed: 1)
        let base = try #require("cluster.c.grpc.S.M.".withBytes { scopes.base(of: $0) })
        #expect("cluster.c.grpc.S.M.".withBytes { scopes.base(of: $0) } == base)
        #expect("cluster.c.grpc.S.N.".withBytes { scopes.base(of: $0) } != base)
        registry.cells(worker: 0).increment(base + GRPCMethodStat.total.rawValue)
        registry.cells(worker: 1).increment(base + GRPCMethodStat.total.rawValue)
        registry.cells(worker: 1).increment(base + GRPCMethodStat.unavailable.rawValue)
        #expect(text(registry) == "cluster.c.grpc.S.M.14: 1\ncluster.c.grpc.S.M.total: 2\n")
        // Named after the first output.
        let late = try #require("cluster.b.grpc.".withBytes { scopes.base(of: $0) })
        registry.cells(worker: 0).increment(late + GRPCMethodStat.success.rawValue)
        #expect(text(registry) == "cluster.b.grpc.success: 1\ncluster.c.grpc.S.M.14: 1\ncluster.c.grpc.S.M.total: 2\n")
        registry.resetCounters()
        #expect(text(registry).contains("cluster.c.grpc.S.M.total: 0\n"))
    }

    @Test func aFullTableTakesNoMore() {
        let registry = StatRegistry(workers: 1)
        let scopes = registry.dynamicScopes(GRPCMethodStat.schema, seed: 1)
        var bases: Set<StatID> = []
        for i in 0..<DynamicScopes.namesMax {
            if let base = "n\(i).".withBytes({ scopes.base(of: $0) }) { bases.insert(base) }
        }
        #expect(bases.count == DynamicScopes.namesMax)
        #expect("another.".withBytes { scopes.base(of: $0) } == nil)
        #expect("n17.".withBytes { scopes.base(of: $0) } != nil)
        let long = String(repeating: "x", count: DynamicScopes.nameBytesMax + 1)
        #expect(long.withBytes { scopes.base(of: $0) } == nil)
    }
}
