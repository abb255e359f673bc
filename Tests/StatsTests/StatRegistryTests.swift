import Stats
import StatsStore
import Testing

@Suite struct StatRegistryTests {
    @Test func aScopeIsSharedAndGoesWithItsLastUse() {
        let registry = StatRegistry(workers: 1)
        let first = registry.scope("http.ingress.", HTTPConnectionManagerStat.self)
        let second = registry.scope("http.ingress.", HTTPConnectionManagerStat.self)
        let router = registry.scope("http.ingress.", RouterStat.self)
        #expect(first.base == second.base && first.base != router.base)
        registry.retire(first.ref)
        #expect(rendered(registry).contains("http.ingress.downstream_rq_total"))
        registry.retire(second.ref)
        #expect(!rendered(registry).contains("http.ingress.downstream_rq_total"))
        #expect(rendered(registry).contains("http.ingress.rq_total"))
        // Once too often: ignored.
        registry.retire(second.ref)
        #expect(registry.retiredScopes() == [first.ref])
        #expect(registry.retiredScopes() == [])
    }

    @Test func aRetiredScopeCanStillBeWrittenUntilItIsRecycled() {
        let registry = StatRegistry(workers: 1)
        let old = registry.scope("cluster.a.", ClusterStat.self)
        registry.retire(old.ref)
        let new = registry.scope("cluster.a.", ClusterStat.self)
        #expect(new.base != old.base)
        registry.cells(worker: 0).increment(old[.upstreamRqTotal])
        #expect(registry.counter(new[.upstreamRqTotal]) == 0)
    }

    @Test(arguments: [0, 1, 1 << 62, 1 << 63, 0xC000_0000_0000_0001, UInt64.max])
    func aWideGaugeHasAllBits(value: UInt64) {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster_manager.cds.", SubscriptionStat.self)
        #expect(registry.gauge(scope[.version], .gauge) == (0, false))
        registry.set(scope[.version], wide: value)
        #expect(registry.gauge(scope[.version], .gauge) == (value, true))
        #expect(rendered(registry) { $0.usedOnly = true }.contains("cluster_manager.cds.version: \(value)\n"))
        registry.retire(scope.ref)
        registry.recycle(registry.retiredScopes())
        let next = registry.scope("cluster_manager.cds.", SubscriptionStat.self)
        #expect(registry.gauge(next[.version], .gauge) == (0, false))
    }

    @Test func recycledIdsStartFromNothing() {
        let registry = StatRegistry(workers: 2)
        let old = registry.scope("cluster.a.", ClusterStat.self)
        let text = registry.scope("cluster_manager.cds.", SubscriptionStat.self)
        for worker in 0..<2 {
            let cells = registry.cells(worker: worker)
            cells.increment(old[.upstreamRqTotal])
            cells.gaugeAdd(old[.upstreamRqActive], 1)
            cells.record(old[.upstreamRqTime], 123_456)
            for code in 100..<150 { cells.count(old[.responseCodes], responseCode: UInt16(code)) }
        }
        registry.setText(text[.versionText], "x")
        registry.flushHistograms()
        registry.resetCounters()
        registry.retire(old.ref)
        registry.retire(text.ref)
        registry.recycle(registry.retiredScopes())
        // Twice does no harm: the refs are stale.
        registry.recycle([old.ref])
        let new = registry.scope("cluster.b.", ClusterStat.self)
        let newText = registry.scope("listener_manager.lds.", SubscriptionStat.self)
        #expect(new.base == old.base && newText.base == text.base)
        #expect(new.ref != old.ref)
        #expect(registry.text(newText[.versionText]) == nil)
        #expect(rendered(registry) { $0.usedOnly = true } == "")
        registry.cells(worker: 1).increment(new[.upstreamRqTotal])
        registry.cells(worker: 1).record(new[.upstreamRqTime], 1)
        registry.flushHistograms()
        #expect(registry.counter(new[.upstreamRqTotal]) == 1)
        #expect(registry.histograms[new[.upstreamRqTime]]?.cumulative.sampleCount == 1)
    }

    @Test func resetCountersLeavesGaugesAndHistograms() {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        let cells = registry.cells(worker: 0)
        cells.add(scope[.upstreamRqTotal], 5)
        cells.set(scope[.upstreamRqActive], 2)
        cells.count(scope[.responseCodes], responseCode: 200)
        cells.record(scope[.upstreamRqTime], 1)
        let host = registry.scope("cluster.up.host.10.0.0.1:80.", HostStat.self)
        cells.add(host[.rqTotal], 4)
        registry.flushHistograms()
        registry.resetCounters()
        #expect(registry.counter(host[.rqTotal]) == 4, "as Envoy's in /clusters")
        let text = rendered(registry) { $0.usedOnly = true }
        // Still "used", as in Envoy.
        #expect(text.contains("upstream_rq_total: 0\n") && text.contains("upstream_rq_200: 0\n"))
        #expect(text.contains("upstream_rq_2xx: 0\n") && text.contains("upstream_rq_active: 2\n"))
        #expect(text.contains("upstream_rq_time: P0(1.05,1.05)"))
        cells.add(scope[.upstreamRqTotal], 3)
        cells.count(scope[.responseCodes], responseCode: 200)
        #expect(registry.counter(scope[.upstreamRqTotal]) == 3)
        registry.resetCounters()
        #expect(registry.counter(scope[.upstreamRqTotal]) == 0)
        #expect(registry.responseCodes(scope[.responseCodes]).map(\.count) == [0])
    }

    @Test func manyScopesAndPages() {
        let registry = StatRegistry(workers: 1)
        var scopes: [StatScope<ClusterStat>] = []
        for at in 0..<3000 { scopes.append(registry.scope("cluster.\(at).", ClusterStat.self)) }
        for (at, scope) in scopes.enumerated() { registry.cells(worker: 0).add(scope[.upstreamRqTotal], UInt64(at)) }
        #expect(scopes.enumerated().allSatisfy { registry.counter($0.element[.upstreamRqTotal]) == UInt64($0.offset) })
        // A scope stays within its page and begins on a cache line.
        let size = UInt32(ClusterStat.allCases.count)
        #expect(scopes.allSatisfy { $0.base >> 10 == ($0.base + size - 1) >> 10 && $0.base % 8 == 0 })
    }
}
