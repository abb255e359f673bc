import Glibc
import Stats
import StatsStore
import Testing

@Suite struct StatCellsTests {
    @Test func countersAddUpOverThreads() {
        let registry = StatRegistry(workers: 3)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        for worker in 0..<3 { registry.cells(worker: worker).add(scope[.upstreamRqTotal], UInt64(worker + 1)) }
        registry.mainCells.increment(scope[.upstreamRqTotal])
        #expect(registry.counter(scope[.upstreamRqTotal]) == 7)
        #expect(registry.counter(scope[.upstreamRqRetry]) == 0)
    }

    @Test func gaugesMoveAndMaySinkBelowZeroOnOneThread() {
        let registry = StatRegistry(workers: 2)
        let id = registry.scope("cluster.up.", ClusterStat.self)[.upstreamCxActive]
        #expect(registry.gauge(id, .gauge) == (0, false))
        registry.cells(worker: 0).gaugeAdd(id, 5)
        registry.cells(worker: 1).gaugeAdd(id, -3)
        #expect(registry.gauge(id, .gauge) == (2, true))
        registry.cells(worker: 0).gaugeAdd(id, -5)
        // Below zero only because the shares were read at different moments.
        #expect(registry.gauge(id, .gauge) == (0, true))
        registry.cells(worker: 1).set(id, 0)
        #expect(registry.gauge(id, .gauge) == (0, true))
    }

    @Test func largestShareOfAFlagWins() {
        let registry = StatRegistry(workers: 2)
        let id = registry.scope("cluster.up.", ClusterStat.self)[.circuitBreakersDefaultRqOpen]
        registry.cells(worker: 0).set(id, 1)
        registry.cells(worker: 1).set(id, 1)
        #expect(registry.gauge(id, .gaugeMax) == (1, true))
        registry.cells(worker: 0).set(id, 0)
        #expect(registry.gauge(id, .gaugeMax) == (1, true))
    }

    @Test func largeGaugeValues() {
        let registry = StatRegistry(workers: 1)
        let id = registry.scope("cluster_manager.cds.", SubscriptionStat.self)[.version]
        // What Envoy really shows there: a hash of the version.
        registry.mainCells.set(id, 814_672_407_442_807_801)
        #expect(registry.gauge(id, .gauge).value == 814_672_407_442_807_801)
        registry.mainCells.set(id, 4_294_967_295)
        #expect(registry.gauge(id, .gauge).value == 4_294_967_295)
    }

    @Test func aWrongIdStaysInsideTheTable() {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        let wrong: [StatID] = [.max, 1 << 24, (1 << 24) - 1]
        for id in wrong { registry.cells(worker: 0).increment(id) }
        #expect(registry.counter(scope[.upstreamRqTotal]) <= 1)
    }

    @Test func whatOnlyMainWritesHasNoCellsOnWorkers() {
        let registry = StatRegistry(workers: 1)
        let workerStat = registry.scope("cluster.up.", ClusterStat.self)
        let mainStat = registry.scope("cluster.up.", ClusterControlStat.self)
        #expect(workerStat.base >> 10 != mainStat.base >> 10)
    }

    /// One writer, one merging reader: what the reader sees never goes backwards, and in the end nothing is missing.
    @Test func oneWriterAndAMergingReader() {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        let writer = Writer(cells: registry.cells(worker: 0), scope: scope, rounds: 200_000)
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(writer).toOpaque()
        let created = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Writer>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        #expect(created == 0)
        var last: UInt64 = 0
        var samplesLast: UInt64 = 0
        while last < UInt64(writer.rounds) {
            let now = registry.counter(scope[.upstreamRqTotal])
            #expect(now >= last)
            last = now
            registry.flushHistograms()
            let merged = registry.histograms[scope[.upstreamRqTime]]
            let samples = merged?.cumulative.sampleCount ?? 0
            #expect(samples >= samplesLast)
            samplesLast = samples
            let codes = registry.responseCodes(scope[.responseCodes])
            #expect(codes.allSatisfy { $0.count > 0 && (200...299).contains($0.code) })
        }
        pthread_join(thread, nil)
        registry.flushHistograms()
        #expect(registry.histograms[scope[.upstreamRqTime]]?.cumulative.sampleCount == UInt64(writer.rounds))
        #expect(registry.responseCodes(scope[.responseCodes]).reduce(0) { $0 + $1.count } == UInt64(writer.rounds))
        #expect(registry.gauge(scope[.upstreamRqActive], .gauge) == (0, true))
    }
}

private final class Writer: Sendable {
    let cells: StatCells
    let scope: StatScope<ClusterStat>
    let rounds: Int

    init(cells: StatCells, scope: StatScope<ClusterStat>, rounds: Int) {
        self.cells = cells
        self.scope = scope
        self.rounds = rounds
    }

    func run() {
        for round in 0..<rounds {
            cells.gaugeAdd(scope[.upstreamRqActive], 1)
            cells.record(scope[.upstreamRqTime], UInt64(round))
            cells.count(scope[.responseCodes], responseCode: UInt16(200 + round % 100))
            cells.gaugeAdd(scope[.upstreamRqActive], -1)
            cells.increment(scope[.upstreamRqTotal])
        }
    }
}
