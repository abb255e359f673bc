// How many connections of one listener each worker has, for `exact_balance`: whoever accepts one reads all counts, adds
// one to the lowest and hands the connection to that worker.
//
// A line of memory per worker, so that workers meet on one only when they choose the same. A choice is one
// compare-and-swap on the count that was read: if another worker has taken or closed one there meanwhile the choice is
// made again, so that two who choose at once do not choose the same place. Nothing waits. Owned by the listener's parts
// (`BalanceOwner`).
//
// A count speaks of connections that are the worker's, those under way to it included; `held` of those that it has. The
// difference is what still arrives, and a worker stays able to take it until there is none (`Worker.leaveBalance`).

import CMartlet
import Primitives

@safe
package struct BalanceCells: BitwiseCopyable, @unchecked Sendable {  // atomics only
    /// Words of a line: count, ring, held.
    private static let lineWords = 8
    /// Choices that another worker's spoiled before we take the connection ourselves.
    static let triesMax = 64

    private let words: UnsafeMutablePointer<UInt64>
    private let workers: Int

    package init(workers: Int) {
        self.workers = max(workers, 1)
        let count = self.workers * BalanceCells.lineWords
        unsafe words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64)
            .bindMemory(to: UInt64.self, capacity: count)
        unsafe words.initialize(repeating: 0, count: count)
    }

    package func destroy() { unsafe words.deallocate() }

    package func isSame(as other: BalanceCells) -> Bool { unsafe words == other.words }

    @inline(__always)
    private func count(_ worker: Int) -> UnsafeMutablePointer<UInt64> { unsafe words + worker &* BalanceCells.lineWords }
    @inline(__always)
    private func ring(_ worker: Int) -> UnsafeMutablePointer<UInt64> { unsafe count(worker) + 1 }
    @inline(__always)
    private func held(_ worker: Int) -> UnsafeMutablePointer<UInt64> { unsafe count(worker) + 2 }

    // MARK: Whoever accepts

    // HOT: per connection.
    /// Counts a connection for the worker that has the fewest, `own` if no other has fewer, and says which one.
    package func take(own: Int) -> Int {
        for _ in 0..<BalanceCells.triesMax {
            var least = unsafe cmartlet_load_acquire(count(own))
            var best = own
            for worker in 0..<workers where worker != own {
                guard unsafe cmartlet_load_acquire(ring(worker)) != 0 else { continue }
                let seen = unsafe cmartlet_load_acquire(count(worker))
                if seen < least {
                    least = seen
                    best = worker
                }
            }
            guard unsafe cmartlet_compare_exchange(count(best), least, least &+ 1) == least else { continue }
            if best == own { return own }
            // It may have ended meanwhile; `leave` looks at the count behind its own fence.
            cmartlet_fence()
            if unsafe cmartlet_load_acquire(ring(best)) != 0 { return best }
            give(best)
        }
        add(own)
        return own
    }

    package func add(_ worker: Int) { _ = unsafe cmartlet_fetch_add(count(worker), 1) }

    package func give(_ worker: Int) {
        let before = unsafe cmartlet_fetch_add(count(worker), UInt64.max)
        assert(before > 0, "a balanced connection is given back as often as it was taken")
    }

    /// By which a worker is reached; nil: it takes none.
    package func ringDescriptor(of worker: Int) -> Int32? {
        let word = unsafe cmartlet_load_acquire(ring(worker))
        return word == 0 ? nil : Int32(truncatingIfNeeded: word &- 1)
    }

    // MARK: A worker of itself

    package func accept(_ worker: Int, ring descriptor: Int32) {
        unsafe cmartlet_store_release(ring(worker), UInt64(UInt32(bitPattern: descriptor)) &+ 1)
    }

    /// It is chosen no more.
    package func leave(_ worker: Int) {
        unsafe cmartlet_store_release(ring(worker), 0)
        cmartlet_fence()
    }

    /// A connection that was counted for it is there.
    package func hold(_ worker: Int) { unsafe cmartlet_store_relaxed(held(worker), cmartlet_load_relaxed(held(worker)) &+ 1) }

    package func letGo(_ worker: Int) {
        unsafe cmartlet_store_relaxed(held(worker), cmartlet_load_relaxed(held(worker)) &- 1)
        give(worker)
    }

    /// Connections that are under way to it.
    package func arriving(_ worker: Int) -> UInt64 {
        unsafe cmartlet_load_acquire(count(worker)) &- cmartlet_load_relaxed(held(worker))
    }

    package func connections(_ worker: Int) -> UInt64 { unsafe cmartlet_load_acquire(count(worker)) }
}

/// Gives the memory back with the last plan part that keeps this.
package final class BalanceOwner {
    package let cells: BalanceCells
    package init(_ cells: BalanceCells) { self.cells = cells }
    deinit { cells.destroy() }
}
