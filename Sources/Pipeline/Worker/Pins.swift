// Which plan parts this worker still uses, counted per part without atomics: a connection pins its listener's part, a
// stream its route table's. A retired part is let go of when its count is zero, and main frees it when every worker has.

import Primitives

@safe
package struct Pins {
    private var counts = PlainArray<UInt32>(capacity: 64)
    private var waiting = PlainArray<PartID>(capacity: 16)

    package init() {}

    package func destroy() {
        counts.destroy()
        waiting.destroy()
    }

    // HOT: per request.
    @inline(__always)
    package mutating func pin(_ part: PartID) {
        let index = Int(part)
        while index >= counts.count { counts.append(0) }
        counts[index] &+= 1
    }

    // HOT: per request.
    @inline(__always)
    package func unpin(_ part: PartID) {
        assert(counts[Int(part)] > 0, "plan part unpinned twice")
        counts[Int(part)] &-= 1
    }

    /// Main has retired this part; it may be named more than once.
    package mutating func retire(_ part: PartID) {
        for i in 0..<waiting.count where waiting[i] == part { return }
        waiting.append(part)
    }

    /// Lets go of every retired part that is not used any more.
    package mutating func releaseUnused(_ mailbox: Mailbox, plan version: UInt64) -> Bool {
        var released = false
        var i = 0
        while i < waiting.count {
            let part = waiting[i]
            if Int(part) >= counts.count || counts[Int(part)] == 0, mailbox.release(part, plan: version) {
                waiting.swapRemove(i)
                released = true
            } else {
                i += 1
            }
        }
        return released
    }

    package var hasRetired: Bool { !waiting.isEmpty }
}
