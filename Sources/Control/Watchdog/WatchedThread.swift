// A thread under watch: what the watchdog reads of it, and the counts that main reads of the watchdog.

import CMartlet
import Pipeline
import Primitives

@safe
package final class WatchedThread: @unchecked Sendable {  // the counts are words with one writer
    package let name: String
    /// Of the table of threads (`martlet_thread_enter`).
    package let number: Int32
    let threadID: Int32
    private let word: () -> UInt64
    private let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: 2)
    /// When it was seen alive last: its CPU time. The watchdog's own.
    var cpuNsAtCheckin: UInt64 = 0
    /// Profiles that its hanging has brought. The watchdog's own.
    var profiles: UInt64 = 0

    package init(_ name: String, number: Int32, word: @escaping () -> UInt64) {
        self.name = name
        self.number = number
        threadID = martlet_thread_facts_of(number).thread_id
        self.word = word
        unsafe counts.initialize(repeating: 0, count: 2)
    }

    deinit { unsafe counts.deallocate() }

    var turn: UInt64 { word() }

    func missed() { unsafe cmartlet_store_relaxed(counts, counts[0] &+ 1) }
    func megamissed() { unsafe cmartlet_store_relaxed(counts + 1, counts[1] &+ 1) }

    package var misses: UInt64 { unsafe cmartlet_load_relaxed(counts) }
    package var megamisses: UInt64 { unsafe cmartlet_load_relaxed(counts + 1) }
}

/// Threads that are watched by one set of rules: `main_thread`, `workers`.
package struct WatchedGroup {
    package enum Kind: Sendable { case main, workers }

    let kind: Kind
    let threads: [WatchedThread]
    var dog: GuardDog

    package init(_ kind: Kind, _ threads: [WatchedThread], _ configs: WatchdogConfigs) {
        self.kind = kind
        self.threads = threads
        dog = GuardDog(WatchedGroup.config(kind, configs), count: threads.count, nowNs: Clock.monotonicNs())
    }

    mutating func begin(_ configs: WatchdogConfigs, nowNs: UInt64) {
        dog = GuardDog(WatchedGroup.config(kind, configs), count: threads.count, nowNs: nowNs)
    }

    private static func config(_ kind: Kind, _ configs: WatchdogConfigs) -> WatchdogConfig {
        kind == .main ? configs.main : configs.workers
    }
}
