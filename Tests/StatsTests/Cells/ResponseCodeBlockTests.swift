import Stats
import StatsStore
import Testing

@Suite struct ResponseCodeBlockTests {
    private func lines(_ registry: StatRegistry) -> [String] {
        rendered(registry) { $0.usedOnly = true }.split(separator: "\n").map(String.init)
    }

    @Test func codesAppearWithTheirClass() {
        let registry = StatRegistry(workers: 2)
        let scope = registry.scope("vhost.v.vcluster.c.", VirtualClusterStat.self)
        #expect(lines(registry) == [])
        registry.cells(worker: 0).count(scope[.responseCodes], responseCode: 204)
        registry.cells(worker: 1).count(scope[.responseCodes], responseCode: 200)
        registry.cells(worker: 1).count(scope[.responseCodes], responseCode: 503)
        #expect(
            lines(registry) == [
                "vhost.v.vcluster.c.upstream_rq_200: 1", "vhost.v.vcluster.c.upstream_rq_204: 1",
                "vhost.v.vcluster.c.upstream_rq_2xx: 2", "vhost.v.vcluster.c.upstream_rq_503: 1",
                "vhost.v.vcluster.c.upstream_rq_5xx: 1", "vhost.v.vcluster.c.upstream_rq_completed: 3",
            ])
    }

    /// A hostile upstream sends every code: bounded, nothing lost. Envoy too counts 600 and above as `unknown`, with no
    /// class (seen).
    @Test func everyCodeThereIs() {
        let registry = StatRegistry(workers: 1)
        let id = registry.scope("cluster.up.", ClusterStat.self)[.responseCodes]
        let cells = registry.cells(worker: 0)
        for _ in 0..<2 {
            for code in UInt16.min...UInt16.max { cells.count(id, responseCode: code) }
        }
        let codes = registry.responseCodes(id)
        #expect(codes.count == StatLimits.responseCodesMax)
        #expect(codes[0].code == ResponseCodeBlock.unknownCode && codes[0].count == 2 * (65_536 - 500))
        #expect(codes.dropFirst().map(\.code) == Array(100...599))
        #expect(codes.dropFirst().allSatisfy { $0.count == 2 })
        let text = rendered(registry) { $0.usedOnly = true }
        #expect(text.contains("cluster.up.upstream_rq_1xx: 200\n"))
        #expect(text.hasSuffix("cluster.up.upstream_rq_unknown: \(2 * (65_536 - 500))\n"))
    }
}
