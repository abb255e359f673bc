@testable import Control
import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore
import Testing

/// What main makes of a flush, without a worker that takes it.
@Suite struct MetricsSinkTests {
    private final class Fixture {
        let stats = StatRegistry(workers: 1)
        let inbox = ExportInbox()
        let part = PlanPart(kind: .listener, name: "sink")
        var wakes = 0

        deinit { inbox.destroy() }

        func sink(_ format: MetricsSinkSpec.Format, itemsMax: Int = 0) -> MetricsSink {
            let holder = SinkPart(part) { _ in }
            unsafe holder.set(part.arena.store(ExportConfig()))
            return MetricsSink(MetricsSinkSpec(format: format, itemsMax: itemsMax, holder: holder), stats, inbox) { [unowned self] in
                wakes += 1
            }
        }

        /// Every statistic that is used, once.
        func flush(_ sink: StatsSink) {
            var walk = SinkWalk(stats, wantsTags: sink.wantsTags, wantsHistograms: true)
            while walk.step(stats, scopesMax: 16, { sink.send($0) }) {}
            sink.end()
        }

        func dropped() -> UInt64 {
            let scope = stats.scope("martlet.stats_sinks.", SinkStat.self)
            return stats.counter(scope[.linesDropped])
        }
    }

    private func count(_ fixture: Fixture, _ names: Int) {
        for i in 0..<names {
            let scope = fixture.stats.scope("cluster.c\(i).", ClusterControlStat.self)
            fixture.stats.mainCells.set(scope[.membershipTotal], UInt64(i + 1))
        }
    }

    @Test func aRingThatNobodyEmptiesLosesPointsAndSaysSo() {
        let fixture = Fixture()
        count(fixture, Int(ExportInbox.places) + 6)
        let sink = fixture.sink(.openTelemetry(OTLPMetricFormat()), itemsMax: 1)
        fixture.flush(sink)
        #expect(fixture.wakes == 1)
        var batches = 0
        while let batch = fixture.inbox.take() {
            #expect(batch.items == 1 && batch.count > 0 && !batch.waits)
            unsafe batch.base.deallocate()
            batches += 1
        }
        #expect(batches == Int(ExportInbox.places))
        #expect(fixture.dropped() >= 6)
    }

    @Test(arguments: [true, false])
    func aFlushIsOneBatch(_ isOpenTelemetry: Bool) {
        let fixture = Fixture()
        count(fixture, 3)
        let sink = fixture.sink(isOpenTelemetry ? .openTelemetry(OTLPMetricFormat()) : .metricsService(MetricsServiceFormat()))
        #expect(sink.wantsTags == isOpenTelemetry && sink.wantsHistograms)
        fixture.flush(sink)
        let batch = fixture.inbox.take()
        #expect((batch?.items ?? 0) >= 3)
        if let batch { unsafe batch.base.deallocate() }
        #expect(fixture.inbox.isEmpty && fixture.dropped() == 0)
    }

    @Test func pointsThatAreAlikeAreSummed() {
        let fixture = Fixture()
        count(fixture, 4)
        var format = OTLPMetricFormat()
        format.tagsAreAttributes = false
        format.convert = { name in String(decoding: name, as: UTF8.self).hasSuffix("membership_total") ? .rename(Array("m".utf8), labels: []) : .drop }
        let sink = fixture.sink(.openTelemetry(format))
        for _ in 0..<2 {
            fixture.flush(sink)
            let batch = fixture.inbox.take()
            #expect(batch?.items == 1, "four gauges of one name, and nothing of the flush before")
            if let batch { unsafe batch.base.deallocate() }
        }
    }

    /// A part that holds nothing yet sends nothing.
    @Test func withoutAConfigurationNothingLeaves() {
        let fixture = Fixture()
        count(fixture, 2)
        let spec = MetricsSinkSpec(format: .openTelemetry(OTLPMetricFormat()), itemsMax: 0, holder: SinkPart(fixture.part) { _ in })
        let sink = MetricsSink(spec, fixture.stats, fixture.inbox) {}
        fixture.flush(sink)
        #expect(fixture.inbox.isEmpty)
    }

    // MARK: Hystrix

    @Test func windowsForgetWhatIsOld() throws {
        let stats = StatRegistry(workers: 1)
        let scope = stats.scope("cluster.up.", ClusterControlStat.self)
        stats.mainCells.set(scope[.membershipTotal], 3)
        var clusters = [HystrixCluster(name: "up\"q", prefix: "cluster.up.", pendingMax: 9)]
        let sink = HystrixSink(buckets: 2, flushMs: 100, stats) { clusters }
        #expect(!sink.wantsTags && sink.wantsHistograms)
        var reader = HystrixReader(sink)
        #expect(reader.isWaiting)
        func flush() -> String {
            var walk = SinkWalk(stats, wantsTags: false, wantsHistograms: true)
            while walk.step(stats, scopesMax: 16, { sink.send($0) }) {}
            sink.end()
            #expect(!reader.isWaiting)
            var out: [UInt8] = []
            reader.next(&out, upTo: 1 << 20)
            #expect(reader.isWaiting)
            return String(decoding: out, as: UTF8.self)
        }
        let text = flush()
        #expect(text.contains("\"name\": \"up\\\"q\"") && text.contains("\"reportingHosts\": 3,") && text.hasSuffix("\n\n:\n\n"))
        #expect(text.contains("MaxConcurrentRequests\": 9,") && text.contains("\"latencyExecute\": {},"))
        clusters = []
        #expect(flush() == ":\n\n")
        #expect(sink.flushes == 2)
    }

    /// As many clusters as there is room for, and the newest flush's, whatever has come in between.
    @Test func aSlowReaderGetsAPieceAtATime() {
        let stats = StatRegistry(workers: 1)
        var clusters = (0..<100).map { HystrixCluster(name: "c\(100 + $0)", prefix: "cluster.c\(100 + $0).", pendingMax: 1) }
        let sink = HystrixSink(buckets: 2, flushMs: 100, stats) { clusters }
        var reader = HystrixReader(sink)
        sink.end()
        var all = ""
        var pieces = 0
        while !reader.isWaiting, pieces < 1_000 {
            var out: [UInt8] = []
            reader.next(&out, upTo: 4096)
            #expect(out.count < 4096 + 4096)
            all += String(decoding: out, as: UTF8.self)
            pieces += 1
        }
        #expect(pieces > 25)
        #expect((100..<200).allSatisfy { all.contains("\"name\": \"c\($0)\", \"group\"") } && all.hasSuffix("\n\n:\n\n"))
        // A flush comes while one is told, and clusters go.
        sink.end()
        var out: [UInt8] = []
        reader.next(&out, upTo: 4096)
        clusters = []
        sink.end()
        out = []
        reader.next(&out, upTo: 4096)
        #expect(String(decoding: out, as: UTF8.self) == ":\n\n")
        #expect(!reader.isWaiting)
    }

    @Test func whatWasCountedStaysAsLongAsTheWindow() {
        var window = HystrixWindow(buckets: 2)
        func text() -> String {
            var text = ""
            window.write("\"c\"", pendingMax: 1, nowS: 5, flushMs: 100, to: &text)
            return text
        }
        window.add(.errors, 100)
        window.roll()
        #expect(text().contains("\"requestCount\": 0,"), "what there was before the first flush is no news")
        window.add(.errors, 2)
        window.add(.success, 5)
        window.add(.timeouts, 1)
        window.add(.rejected, 2)
        window.roll()
        #expect(text().contains("\"errorPercentage\": 50, \"errorCount\": 2, \"requestCount\": 10,"))
        #expect(text().contains("\"rollingCountSemaphoreRejected\": 2,") && text().contains("\"rollingCountTimeout\": 1,"))
        window.roll()
        #expect(text().contains("\"requestCount\": 10,"))
        window.roll()
        #expect(text().contains("\"requestCount\": 0,"))
        window.active = 7
        #expect(text().contains("\"currentConcurrentExecutionCount\": 0,"), "the next flush is not over")
        window.latency = HistogramStatistics(bins: [BinCount(bin: HistogramBin(index: 300), count: 4)])
        window.roll()
        #expect(text().contains("\"currentConcurrentExecutionCount\": 7,") && text().contains("\"99.5\": ") && !text().contains("99.9"))
    }
}
