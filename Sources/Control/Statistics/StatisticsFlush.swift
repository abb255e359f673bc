// Every `stats_flush_interval`: gauges that are looked up are looked up, histograms get a new interval and a new total, sinks
// get what has changed. In slices of half a millisecond, so that ten thousand clusters do not hold main. Owned by `Server`,
// main only.

import Primitives
import Stats
import StatsStore

package final class StatisticsFlush {
    private static let sliceNs: UInt64 = 500_000
    private static let scopesPerLook = 16

    private let stats: StatRegistry
    private let server: StatScope<ServerStat>
    private let intervalMs: UInt64
    private let isTimed: Bool
    private let refresh: () -> Void
    private var interval: ControlTimer?
    private var slice: ControlTimer?
    private let sinks: [StatsSink]
    private var histograms: HistogramFlush?
    private var walk: SinkWalk?

    init(
        _ stats: StatRegistry, _ config: StatisticsConfig, _ sinks: [StatsSink], _ reactor: DNSReactor,
        refresh: @escaping () -> Void
    ) {
        self.sinks = sinks
        self.stats = stats
        server = stats.scope("server.", ServerStat.self)
        intervalMs = config.flushIntervalMs
        isTimed = !config.flushesOnAdmin
        self.refresh = refresh
        interval = reactor.timer { [unowned self] in due() }
        slice = reactor.timer { [unowned self] in step() }
    }

    func start() {
        if isTimed { interval?.arm(afterMs: intervalMs) }
    }

    /// `stats_flush_on_admin`: `/stats` begins a flush and waits until it is done.
    package var isForAdmin: Bool { !isTimed }
    package var isRunning: Bool { histograms != nil || walk != nil }

    package func begin() {
        guard !isRunning else {
            stats.mainCells.increment(server[.droppedStatFlushes])
            return
        }
        refresh()
        histograms = HistogramFlush(stats)
        step()
    }

    private func due() {
        interval?.arm(afterMs: intervalMs)
        begin()
    }

    /// The workers, who send some sinks' statistics, end soon: a last flush while they live.
    func flushMetrics() {
        guard sinks.contains(where: \.wantsHistograms) else { return }
        while isRunning { step() }
        begin()
        while isRunning { step() }
    }

    /// The process ends: a last flush, in one go.
    func finish(limitMs: Int) {
        guard !sinks.isEmpty else { return }
        // One that is on its way has passed by what came meanwhile: another follows.
        while isRunning { step() }
        begin()
        while isRunning { step() }
        for sink in sinks { sink.finish(limitMs: limitMs) }
    }

    private func step() {
        let end = Clock.monotonicNs() &+ StatisticsFlush.sliceNs
        while advance() {
            if Clock.monotonicNs() >= end {
                slice?.arm(afterMs: 1)
                return
            }
        }
    }

    /// False when the flush is over.
    private func advance() -> Bool {
        if histograms != nil {
            if histograms?.step(stats, scopesMax: StatisticsFlush.scopesPerLook) == true { return true }
            histograms = nil
            if !sinks.isEmpty { 
                walk = SinkWalk(
                    stats, wantsTags: sinks.contains(where: \.wantsTags), wantsHistograms: sinks.contains(where: \.wantsHistograms))
            }
        }
        guard walk != nil else { return false }
        let more = walk?.step(stats, scopesMax: StatisticsFlush.scopesPerLook) { [sinks] sample in
            for sink in sinks { sink.send(sample) }
        }
        if more == true { return true }
        walk = nil
        for sink in sinks { sink.end() }
        return false
    }
}
