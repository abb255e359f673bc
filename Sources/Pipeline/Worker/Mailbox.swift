// What crosses between main and one worker: the published plan, the version that the worker has adopted, and the parts
// that it has let go of. Plain memory, one writer per word; a MSG_RING message wakes the other side.

import CMartlet
import Primitives

@safe
package struct Mailbox: @unchecked Sendable {
    /// Parts let go of that main has not yet read; a full ring makes the worker try again the next turn.
    package static let releasedMax = 1024

    @safe
    private struct Words {
        var plan: UnsafeMutableRawPointer?
        var planPadding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        var adopted: UInt64 = 0
        var releasedWritten: UInt64 = 0
        var accepting: UInt64 = 0
        var connections: UInt64 = 0
        var turn: UInt64 = 0
        var exports: UInt64 = 0
        var leaving: UInt64 = 0
        var workerPadding: UInt64 = 0
        var releasedRead: UInt64 = 0
        var stop: UInt64 = 0
    }

    private let words: UnsafeMutablePointer<Words>
    private let released: UnsafeMutablePointer<UInt64>

    package init() {
        unsafe words = .allocate(capacity: 1)
        unsafe words.initialize(to: Words())
        unsafe released = .allocate(capacity: Mailbox.releasedMax)
        unsafe released.initialize(repeating: 0, count: Mailbox.releasedMax)
    }

    package func destroy() {
        unsafe words.deallocate()
        unsafe released.deallocate()
    }

    // MARK: Main

    package func publish(_ plan: UnsafePointer<Plan>) {
        unsafe cmartlet_store_pointer_release(&words.pointee.plan, UnsafeMutableRawPointer(mutating: plan))
    }

    /// The version of the plan that the worker adopted last. Older plans are not read any more.
    package var adopted: UInt64 { unsafe cmartlet_load_acquire(&words.pointee.adopted) }

    /// Listening sockets that the worker uses, those included that a plan has taken away and that it still empties.
    package var accepting: UInt64 { unsafe cmartlet_load_acquire(&words.pointee.accepting) }

    /// Those of them that a plan has taken away.
    package var leaving: UInt64 { unsafe cmartlet_load_acquire(&words.pointee.leaving) }

    /// Downstream connections that the worker holds, told while it drains.
    package var connections: UInt64 { unsafe cmartlet_load_acquire(&words.pointee.connections) }

    /// Batches of exporters that are not sent or not answered, told while the worker drains.
    package var pendingExports: UInt64 { unsafe cmartlet_load_acquire(&words.pointee.exports) }

    /// Odd while the worker works, even while it waits in the kernel; another number at each change.
    package var turn: UInt64 { unsafe cmartlet_load_relaxed(&words.pointee.turn) }

    package func stop() { unsafe cmartlet_store_release(&words.pointee.stop, 1) }

    /// Hands out the parts that the worker has let go of since the last call,
    /// with the plan under which it did (the low half of its version).
    package func takeReleased(_ body: (_ part: PartID, _ plan: UInt32) -> Void) {
        let written = unsafe cmartlet_load_acquire(&words.pointee.releasedWritten)
        var read = unsafe words.pointee.releasedRead
        while read != written {
            let word = unsafe released[Int(read) & (Mailbox.releasedMax - 1)]
            body(PartID(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32))
            read &+= 1
        }
        unsafe cmartlet_store_release(&words.pointee.releasedRead, read)
    }

    // MARK: Worker

    // HOT: per turn.
    @inline(__always)
    package var plan: UnsafePointer<Plan>? {
        unsafe cmartlet_load_pointer_acquire(&words.pointee.plan).map { unsafe UnsafePointer($0.assumingMemoryBound(to: Plan.self)) }
    }

    // HOT: per turn.
    @inline(__always)
    package func isAt(turn: UInt64) { unsafe cmartlet_store_relaxed(&words.pointee.turn, turn) }

    /// `leaving`: of those, the ones that a plan has taken away.
    package func accepts(on sockets: Int, leaving: Int) {
        unsafe cmartlet_store_release(&words.pointee.leaving, UInt64(truncatingIfNeeded: leaving))
        unsafe cmartlet_store_release(&words.pointee.accepting, UInt64(truncatingIfNeeded: sockets))
    }

    package func holds(connections: Int) {
        unsafe cmartlet_store_release(&words.pointee.connections, UInt64(truncatingIfNeeded: connections))
    }

    package func exports(pending: Int) {
        unsafe cmartlet_store_release(&words.pointee.exports, UInt64(truncatingIfNeeded: pending))
    }

    package func adopt(_ version: UInt64) { unsafe cmartlet_store_release(&words.pointee.adopted, version) }

    package var isStopped: Bool { unsafe cmartlet_load_acquire(&words.pointee.stop) != 0 }

    /// Whether half a version is older than a whole one; they are never two thousand million plans apart.
    package static func isOlder(_ plan: UInt32, than version: UInt64) -> Bool {
        Int32(bitPattern: plan &- UInt32(truncatingIfNeeded: version)) < 0
    }

    /// False when the ring is full.
    package func release(_ part: PartID, plan version: UInt64) -> Bool {
        let written = unsafe words.pointee.releasedWritten
        let read = unsafe cmartlet_load_acquire(&words.pointee.releasedRead)
        guard written &- read < UInt64(Mailbox.releasedMax) else { return false }
        unsafe released[Int(written) & (Mailbox.releasedMax - 1)] = UInt64(part) | version << 32
        unsafe cmartlet_store_release(&words.pointee.releasedWritten, written &+ 1)
        return true
    }
}
