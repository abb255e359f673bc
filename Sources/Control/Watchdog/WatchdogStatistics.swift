// The watchdog's counts as statistics. Main writes them: the watchdog's own words are read at each tick.

import Stats
import StatsStore

final class WatchdogStatistics {
    private struct Entry {
        let thread: WatchedThread
        let own: StatScope<WatchdogStat>
        let group: StatScope<WatchdogStat>
        var misses: UInt64 = 0
        var megamisses: UInt64 = 0
    }

    private let stats: StatRegistry
    private let watchdog: Watchdog
    private var entries: [Entry] = []
    private var profile: StatScope<WatchdogProfileStat>?
    private var backtrace: StatScope<WatchdogBacktraceStat>?
    private var published = WatchdogActions.Counts()

    init(
        _ stats: StatRegistry, _ watchdog: Watchdog, _ main: [WatchedThread], _ workers: [WatchedThread],
        _ configs: WatchdogConfigs
    ) {
        self.stats = stats
        self.watchdog = watchdog
        for (threads, group) in [(main, "main_thread."), (workers, "workers.")] {
            let group = stats.scope(group, WatchdogStat.self)
            for thread in threads {
                entries.append(
                    Entry(thread: thread, own: stats.scope("server.\(thread.name).", WatchdogStat.self), group: group))
            }
        }
        keepActions(configs)
    }

    /// Actions have statistics from when the configuration first names one.
    func keepActions(_ configs: WatchdogConfigs) {
        for rule in configs.main.rules + configs.workers.rules {
            switch rule.action {
            case .profile: profile = profile ?? stats.scope("watchdog.profile_action.", WatchdogProfileStat.self)
            case .backtrace: backtrace = backtrace ?? stats.scope("watchdog.backtrace_action.", WatchdogBacktraceStat.self)
            case .abort: break
            }
        }
    }

    func publish() {
        let cells = stats.mainCells
        for i in entries.indices {
            let (misses, megamisses) = (entries[i].thread.misses, entries[i].thread.megamisses)
            if misses == entries[i].misses, megamisses == entries[i].megamisses { continue }
            for scope in [entries[i].own, entries[i].group] {
                cells.add(scope[.watchdogMiss], misses &- entries[i].misses)
                cells.add(scope[.watchdogMegaMiss], megamisses &- entries[i].megamisses)
            }
            entries[i].misses = misses
            entries[i].megamisses = megamisses
        }
        let counts = watchdog.counts
        if counts == published { return }
        if let profile {
            cells.add(profile[.attempted], counts.attempted &- published.attempted)
            cells.add(profile[.successfullyCaptured], counts.captured &- published.captured)
        }
        if let backtrace {
            cells.add(backtrace[.backtracesLogged], counts.logged &- published.logged)
            cells.add(backtrace[.backtracesFailed], counts.failed &- published.failed)
        }
        published = counts
    }
}
