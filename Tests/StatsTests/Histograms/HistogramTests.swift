import Stats
import StatsStore
import Testing

@Suite struct HistogramTests {
    private func merged(_ samples: [UInt64], workers: Int = 1) -> HistogramStatistics {
        let registry = StatRegistry(workers: workers)
        let id = registry.scope("cluster.up.", ClusterStat.self)[.upstreamRqTime]
        for (at, sample) in samples.enumerated() { registry.cells(worker: at % workers).record(id, sample) }
        registry.flushHistograms()
        return registry.histograms[id]?.cumulative ?? HistogramStatistics()
    }

    @Test func binsKeepTwoDigits() {
        let statistics = merged([0, 1, 9, 10, 99, 100, 109, 110, 999, 1000, 123_456])
        #expect(statistics.bins.map { $0.bin.lowerBound.rounded() } == [0, 1, 9, 10, 99, 100, 110, 990, 1000, 120_000])
        #expect(statistics.bins.map(\.bin.width) == [0, 0.1, 0.1, 1, 1, 10, 10, 10, 100, 10_000])
        #expect(statistics.bins.map(\.count) == [1, 1, 1, 1, 1, 2, 1, 1, 1, 1])
    }

    @Test func theLargestSampleHasABin() {
        let statistics = merged([.max, 10_000_000_000_000_000_000])
        #expect(statistics.sampleCount == 2)
        #expect(statistics.bins.map(\.bin.lowerBound) == [1e19, 1.8e19])
    }

    /// Recorded: 426 response bodies, `upstream_rs_body_size`, printed by Envoy.
    @Test func quantilesOfOneBin() {
        #expect(
            merged([Int](repeating: 1, count: 15).map(UInt64.init)).computedQuantiles() == [
                1.00625, 1.025, 1.05, 1.075, 1.0875, 1.09375, 1.09375, 1.09375, 1.09375, 1.09375,
            ])
        #expect(
            merged([7, 110]).computedQuantiles() == [
                7.05, 7.05, 7.05, 115.00000000000001, 115.00000000000001, 115.00000000000001, 115.00000000000001,
                115.00000000000001, 115.00000000000001, 115.00000000000001,
            ])
        #expect(merged([7, 110]).sampleSum == 121.83225408572310755)
    }

    @Test func quantilesAsEnvoyPrintsThem() {
        let samples: [UInt64] = [0, 2, 40, 40, 41, 43, 44, 44, 45, 47, 48, 80, 150]
        for workers in 1...3 {
            #expect(
                merged(samples, workers: workers).computedQuantiles() == [
                    0, 40.666666666666664, 44.333333333333336, 47.5, 80.5, 155, 155, 155, 155, 155,
                ])
        }
    }

    @Test func nothingRecorded() {
        let statistics = HistogramStatistics()
        #expect(statistics.computedQuantiles().allSatisfy { $0.isNaN })
        #expect(statistics.sampleSum == 0 && statistics.sampleCount == 0)
        #expect(statistics.cumulativeCounts(HistogramBuckets.standard).allSatisfy { $0 == 0 })
    }

    /// A bin counts for a bound that is not below its lower bound.
    @Test func boundsOfBuckets() {
        let statistics = merged([0, 1, 5, 25, 26, 250, 255, 2500, 2501])
        #expect(statistics.cumulativeCounts([0, 0.5, 1, 5, 25, 250, 2500]) == [1, 1, 2, 3, 4, 7, 9])
        #expect(statistics.bucketCounts([1, 25, 1e9], isCumulative: false) == [2, 2, 5])
    }

    @Test func anIntervalIsWhatCameSinceTheLastFlush() {
        let registry = StatRegistry(workers: 2)
        let id = registry.scope("cluster.up.", ClusterStat.self)[.upstreamRqTime]
        registry.flushHistograms()
        #expect(registry.histograms[id] == nil)
        registry.cells(worker: 0).record(id, 5)
        // Not yet: Envoy too shows histograms as of the last flush.
        #expect(registry.histograms[id] == nil)
        registry.flushHistograms()
        #expect(registry.histograms[id]?.interval.sampleCount == 1)
        registry.cells(worker: 0).record(id, 5)
        registry.cells(worker: 1).record(id, 700)
        registry.flushHistograms()
        #expect(registry.histograms[id]?.interval.bins.map(\.count) == [1, 1])
        #expect(registry.histograms[id]?.cumulative.bins.map(\.count) == [2, 1])
        registry.flushHistograms()
        #expect(registry.histograms[id]?.interval.sampleCount == 0)
        #expect(registry.histograms[id]?.cumulative.sampleCount == 3)
    }

    @Test func aFlushInSlices() {
        let registry = StatRegistry(workers: 1)
        let scopes = (0..<10).map { registry.scope("cluster.\($0).", ClusterStat.self) }
        for scope in scopes { registry.cells(worker: 0).record(scope[.upstreamRqTime], 1) }
        var flush = HistogramFlush(registry)
        var slices = 1
        while flush.step(registry, scopesMax: 3) {
            // A scope may go while the flush is under way.
            if slices == 1 {
                registry.retire(scopes[9].ref)
                registry.recycle(registry.retiredScopes())
            }
            slices += 1
        }
        #expect(slices == 4)
        #expect(scopes.dropLast().allSatisfy { registry.histograms[$0[.upstreamRqTime]] != nil })
    }
}
