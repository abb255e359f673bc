// Circuit breakers of one cluster: what all workers together may have open or under way, exactly.
//
// A limit is a number of tokens; whoever opens a connection or starts a request takes one and gives it back at the end.
// Tokens lie in a common line and in one line per thread, each a cache line of its own. A thread takes from its own line
// (an atomic that nobody else touches: a few nanoseconds), fills it from the common one, and when that is empty takes
// from the others' lines. The sum of all lines and all that is taken is the limit at every moment, so the limit is exact,
// and far from it no two threads meet on a line. The common line may go below zero: one connection per host is always
// allowed (`takeBeyond`), and what is given back pays that debt first.
//
// Written by every thread with atomics; owned by the cluster's plan part.

import CMartlet
import Glibc
import Primitives

package enum BreakerResource: UInt8, BitwiseCopyable, CaseIterable { case connections, pendingRequests, requests, retries }

@safe
package struct Breakers: BitwiseCopyable, @unchecked Sendable {  // atomics only
    /// Words of a line: four resources of each priority, 64 bytes.
    private static let lineWords = 8
    /// Tokens that a thread's line is filled with at once, and keeps twice of.
    private static let batch: Int64 = 32

    private let words: UnsafeMutablePointer<UInt64>
    /// Threads that take: workers and main.
    private let threads: Int

    package init(normal: CircuitLimits, high: CircuitLimits, threads: Int) {
        self.threads = max(threads, 1)
        let count = (self.threads + 1) * Breakers.lineWords
        unsafe words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64)
            .bindMemory(to: UInt64.self, capacity: count)
        unsafe words.initialize(repeating: 0, count: count)
        for (offset, limits) in [(0, normal), (4, high)] {
            unsafe words[offset] = UInt64(limits.connections)
            unsafe words[offset + 1] = UInt64(limits.pendingRequests)
            unsafe words[offset + 2] = UInt64(limits.requests)
            unsafe words[offset + 3] = UInt64(limits.retries)
        }
    }

    package func destroy() { unsafe words.deallocate() }

    @inline(__always)
    private func word(_ line: Int, _ resource: BreakerResource, _ priority: Priority) -> UnsafeMutablePointer<UInt64> {
        unsafe words + (line &* Breakers.lineWords &+ Int(resource.rawValue) &+ (priority == .high ? 4 : 0))
    }

    @inline(__always)
    private func tokens(_ word: UnsafeMutablePointer<UInt64>) -> Int64 {
        unsafe Int64(bitPattern: cmartlet_load_relaxed(word))
    }

    /// Takes `n` if at least that many are there.
    @inline(__always)
    private func take(_ n: Int64, from word: UnsafeMutablePointer<UInt64>) -> Bool {
        var seen = unsafe cmartlet_load_relaxed(word)
        while Int64(bitPattern: seen) >= n {
            let found = unsafe cmartlet_compare_exchange(word, seen, UInt64(bitPattern: Int64(bitPattern: seen) &- n))
            if found == seen { return true }
            seen = found
        }
        return false
    }

    // HOT: per request.
    /// One token for the thread; false: the limit is reached.
    package func take(_ resource: BreakerResource, _ priority: Priority, thread: Int) -> Bool {
        let own = unsafe word(1 &+ thread, resource, priority)
        if unsafe take(1, from: own) { return true }
        let common = unsafe word(0, resource, priority)
        // Never more than a fair share, so that a small limit is not carried off by one thread.
        let share = unsafe min(Breakers.batch, tokens(common) / Int64(threads &* 2))
        if share > 1, unsafe take(share, from: common) {
            _ = unsafe cmartlet_fetch_add(own, UInt64(bitPattern: share &- 1))
            return true
        }
        if unsafe take(1, from: common) { return true }
        var line = 1
        while line <= threads {
            if unsafe take(1, from: word(line, resource, priority)) { return true }
            line &+= 1
        }
        return false
    }

    /// One token whether or not the limit is reached.
    package func takeBeyond(_ resource: BreakerResource, _ priority: Priority) {
        _ = unsafe cmartlet_fetch_add(word(0, resource, priority), UInt64.max)
    }

    // HOT: per request.
    package func give(_ resource: BreakerResource, _ priority: Priority, thread: Int) {
        let common = unsafe word(0, resource, priority)
        if unsafe tokens(common) < 0 {
            _ = unsafe cmartlet_fetch_add(common, 1)
            return
        }
        let own = unsafe word(1 &+ thread, resource, priority)
        let before = unsafe Int64(bitPattern: cmartlet_fetch_add(own, 1))
        if before >= 2 &* Breakers.batch, unsafe take(Breakers.batch, from: own) {
            _ = unsafe cmartlet_fetch_add(common, UInt64(bitPattern: Breakers.batch))
        }
    }

    /// Whether anybody has ever taken one of so many: what is given back stays with the threads. Of a limit of 0 nobody can say.
    package func isTouched(_ resource: BreakerResource, _ priority: Priority, limit: UInt32) -> Bool {
        unsafe tokens(word(0, resource, priority)) != Int64(limit)
    }

    /// Tokens that are left; below zero where more than the limit is open.
    package func left(_ resource: BreakerResource, _ priority: Priority) -> Int64 {
        var sum: Int64 = 0
        for line in 0...threads { unsafe sum &+= tokens(word(line, resource, priority)) }
        return sum
    }
}

/// Gives the memory back with the plan part that keeps this.
package final class BreakersOwner {
    package let breakers: Breakers
    package init(_ breakers: Breakers) { self.breakers = breakers }
    deinit { breakers.destroy() }
}
