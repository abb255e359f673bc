// `budget_interval` of a retry budget: how many requests, tries among them, a cluster's workers have begun within it.
//
// The interval is cut into slots. Each thread counts into slots of its own, on cache lines that nobody else writes; whoever
// asks (a retry, never a request) adds up all threads' slots that are young enough. A slot says which time it counts, so
// nothing has to be cleared. What is in the newest slots is exact; the oldest is forgotten as a whole.
//
// Written by every thread, each its own words, relaxed; owned by the cluster's plan part.

import CMartlet
import Primitives

@safe
package struct RetryWindow: BitwiseCopyable, @unchecked Sendable {  // atomics only
    /// Parts of the interval that are told apart.
    package static let slots: UInt64 = 10
    /// Words of a thread and priority: those of the interval, and more, to end on a cache line.
    private static let lineWords = 16

    private let words: UnsafeMutablePointer<UInt64>
    private let threads: Int
    /// Milliseconds of a slot; 0: the priority's budget has no interval.
    private let normalSlotMs: UInt64
    private let highSlotMs: UInt64

    /// Nil: no budget has an interval.
    package init?(normal: CircuitLimits, high: CircuitLimits, threads: Int) {
        let intervals = [normal, high].map { $0.retryBudget?.intervalMs ?? 0 }
        guard intervals.contains(where: { $0 > 0 }) else { return nil }
        normalSlotMs = RetryWindow.slotMs(intervals[0])
        highSlotMs = RetryWindow.slotMs(intervals[1])
        self.threads = max(threads, 1)
        let count = self.threads * 2 * RetryWindow.lineWords
        unsafe words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64)
            .bindMemory(to: UInt64.self, capacity: count)
        unsafe words.initialize(repeating: 0, count: count)
    }

    package func destroy() { unsafe words.deallocate() }

    private static func slotMs(_ interval: UInt64) -> UInt64 { interval == 0 ? 0 : max(1, interval / slots) }

    private func slotMs(_ priority: Priority) -> UInt64 { priority == .high ? highSlotMs : normalSlotMs }

    private func line(_ thread: Int, _ priority: Priority) -> UnsafeMutablePointer<UInt64> {
        unsafe words + (thread &* 2 &+ (priority == .high ? 1 : 0)) &* RetryWindow.lineWords
    }

    // HOT: per request, with `budget_interval`.
    /// A request, or a try, begins.
    package func note(_ priority: Priority, thread: Int, nowMs: UInt64) {
        let width = slotMs(priority)
        guard width > 0, thread < threads else { return }
        // Counted from 1: a word that was never written is of no time.
        let slot = UInt32(truncatingIfNeeded: nowMs / width &+ 1)
        let word = unsafe line(thread, priority) + Int(slot % UInt32(RetryWindow.slots &+ 1))
        let seen = unsafe cmartlet_load_relaxed(word)
        let isNew = UInt32(truncatingIfNeeded: seen >> 32) != slot
        let count = isNew ? 0 : UInt32(truncatingIfNeeded: seen)
        unsafe cmartlet_store_relaxed(word, UInt64(slot) << 32 | UInt64(count == .max ? count : count &+ 1))
    }

    /// What all threads have begun within the interval; nil: the priority's budget has none.
    package func count(_ priority: Priority, nowMs: UInt64) -> Int64? {
        let width = slotMs(priority)
        guard width > 0 else { return nil }
        let slot = UInt32(truncatingIfNeeded: nowMs / width &+ 1)
        var sum: Int64 = 0
        for thread in 0..<threads {
            for i in 0...Int(RetryWindow.slots) {
                let word = unsafe cmartlet_load_relaxed(line(thread, priority) + i)
                let age = slot &- UInt32(truncatingIfNeeded: word >> 32)
                if age < UInt32(RetryWindow.slots) { sum &+= Int64(UInt32(truncatingIfNeeded: word)) }
            }
        }
        return sum
    }
}

/// Gives the memory back with the plan part that keeps this.
package final class RetryWindowOwner {
    package let window: RetryWindow
    package init(_ window: RetryWindow) { self.window = window }
    deinit { window.destroy() }
}
