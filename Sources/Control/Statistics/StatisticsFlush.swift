// Every `stats_flush_interval`: gauges that are looked up are looked up, histograms get a new interval and a new total. In
// slices of half a millisecond, so that ten thousand clusters do not hold main. Owned by `Server`, main only.

import Primitives
import Stats

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
    private var histograms: HistogramFlush?

    init(_ stats: StatRegistry, _ config: StatisticsConfig, _ reactor: DNSReactor, refresh: @escaping () -> Void) {
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
    package var isRunning: Bool { histograms != nil }

    package func begin() {
        guard histograms == nil else {
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

    private func step() {
        let end = Clock.monotonicNs() &+ StatisticsFlush.sliceNs
        while histograms?.step(stats, scopesMax: StatisticsFlush.scopesPerLook) == true {
            if Clock.monotonicNs() >= end {
                slice?.arm(afterMs: 1)
                return
            }
        }
        histograms = nil
    }
}
