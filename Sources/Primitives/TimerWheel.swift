// Timers of one thread: a hierarchical wheel, six levels of 64 slots, a tick of one millisecond.
//
// Arming and cancelling relink one node; expiry hands out tokens. Deadlines that move on every request (idle timers) are
// not re-armed: the owner keeps the newest deadline, lets the node fire at the old one, and arms it again.
// A timer never fires early; it fires within a tick of its deadline, once `advance` is called.

import CMartlet

/// Embedded in the object that waits. Its memory must stay until it is cancelled or has fired.
@safe
public struct TimerNode {
    @usableFromInline var next: UnsafeMutablePointer<TimerNode>?
    @usableFromInline var previous: UnsafeMutablePointer<TimerNode>?
    /// Milliseconds of the wheel's clock.
    public var deadline: UInt64 = 0
    /// What expiry hands out.
    public var token: UInt64 = 0
    @usableFromInline var level: UInt8 = 0
    @usableFromInline var slot: UInt8 = 0
    public var isArmed = false

    @inlinable public init(token: UInt64 = 0) { self.token = token }
}

@safe
public struct TimerWheel {
    @usableFromInline static let levels = 6
    @usableFromInline static let slotBits: UInt64 = 6

    @usableFromInline let slots: UnsafeMutablePointer<UnsafeMutablePointer<TimerNode>?>
    @usableFromInline let occupied: UnsafeMutablePointer<UInt64>
    @usableFromInline let state: UnsafeMutablePointer<State>
    /// In memory of its own: what fires may arm and cancel while the wheel advances.
    @usableFromInline struct State {
        @usableFromInline var now: UInt64
        @usableFromInline var count = 0
        @usableFromInline init(now: UInt64) { self.now = now }
    }
    /// The tick up to which everything has fired.
    @inlinable public var now: UInt64 {
        get { unsafe state.pointee.now }
        nonmutating set { unsafe state.pointee.now = newValue }
    }
    @inlinable public var count: Int {
        get { unsafe state.pointee.count }
        nonmutating set { unsafe state.pointee.count = newValue }
    }

    @inlinable public init(now: UInt64) {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(now: now))
        unsafe slots = .allocate(capacity: TimerWheel.levels << 6)
        unsafe slots.initialize(repeating: nil, count: TimerWheel.levels << 6)
        unsafe occupied = .allocate(capacity: TimerWheel.levels)
        unsafe occupied.initialize(repeating: 0, count: TimerWheel.levels)
    }

    @inlinable public func destroy() {
        unsafe slots.deallocate()
        unsafe occupied.deallocate()
        unsafe state.deallocate()
    }

    // HOT: per message.
    /// Fires at `deadline` (milliseconds), or at the next tick when that has passed. An armed node is moved.
    @inlinable public func arm(_ node: UnsafeMutablePointer<TimerNode>, at deadline: UInt64) {
        if unsafe node.pointee.isArmed { unsafe unlink(node) } else { count &+= 1 }
        unsafe node.pointee.deadline = max(deadline, now &+ 1)
        unsafe link(node)
    }

    // HOT: per message.
    /// Makes sure that the node fires at or before `deadline`; one that fires sooner stays. The usual case costs a compare.
    @inline(__always)
    @inlinable public func armNoLater(_ node: UnsafeMutablePointer<TimerNode>, than deadline: UInt64) {
        if unsafe node.pointee.isArmed && node.pointee.deadline <= deadline { return }
        unsafe arm(node, at: deadline)
    }

    @inlinable public func cancel(_ node: UnsafeMutablePointer<TimerNode>) {
        guard unsafe node.pointee.isArmed else { return }
        unsafe unlink(node)
        unsafe node.pointee.isArmed = false
        count &-= 1
    }

    /// Milliseconds until something may fire; nil when nothing is armed. May be early, never late.
    @inlinable public var untilNext: UInt64? {
        var level = 0
        while level < TimerWheel.levels {
            let bits = unsafe occupied[level]
            if bits != 0 {
                let shift = UInt64(level) &* TimerWheel.slotBits
                let current = (now >> shift) & 63
                // Rotate so that the current slot is bit 0: the lowest set bit is the next slot in time.
                let rotated = (bits >> current) | (bits << ((64 &- current) & 63))
                let distance = UInt64(rotated.trailingZeroBitCount)
                let at = ((now >> shift) &+ distance) << shift
                return at > now ? at &- now : 0
            }
            level &+= 1
        }
        return nil
    }

    /// Moves to `time` and hands out the tokens of everything that is due, at the most `limit` of them per call; true
    /// when more is due. `fired` may arm and cancel timers.
    @inlinable public func advance(to time: UInt64, limit: Int, _ fired: (UInt64) -> Void) -> Bool {
        var budget = limit
        while true {
            // Everything in the slot of the current tick is due.
            let slot = Int(now & 63)
            while let node = unsafe slots[slot] {
                if budget == 0 { return true }
                budget &-= 1
                unsafe cancel(node)
                unsafe fired(node.pointee.token)
            }
            guard now < time else { return false }
            // Skip ticks in which nothing can happen: to the next slot that is occupied, on the lowest level that has
            // one. Between here and there no level turns that has anything to hand down.
            guard let step = untilNext else {
                now = time
                return false
            }
            let target = min(time, now &+ max(step, 1))
            now = target
            if target & 63 == 0 { cascade() }
        }
    }

    /// At a turn of level 0: nodes of the next slot of each turned level move down.
    @inlinable func cascade() {
        var level = 1
        while level < TimerWheel.levels {
            let slot = Int((now >> (UInt64(level) &* TimerWheel.slotBits)) & 63)
            var node = unsafe slots[level << 6 | slot]
            unsafe slots[level << 6 | slot] = nil
            unsafe occupied[level] &= ~(1 << UInt64(slot))
            while let current = unsafe node {
                unsafe node = current.pointee.next
                unsafe link(current)
            }
            if slot != 0 { return }
            level &+= 1
        }
    }

    @inlinable func link(_ node: UnsafeMutablePointer<TimerNode>) {
        let deadline = unsafe node.pointee.deadline
        let difference = deadline ^ now
        var level = difference == 0 ? 0 : (63 &- difference.leadingZeroBitCount) / 6
        var tick = deadline
        if level >= TimerWheel.levels {
            // Behind the next turn of the last level (two years), or further away than the wheel reaches: wait there,
            // at most 62 slots from here, and be linked again.
            level = TimerWheel.levels &- 1
            tick = min(deadline, now &+ (62 << (UInt64(level) &* TimerWheel.slotBits)))
        }
        let slot = Int((tick >> (UInt64(level) &* TimerWheel.slotBits)) & 63)
        let index = level << 6 | slot
        let head = unsafe slots[index]
        unsafe node.pointee.next = head
        unsafe node.pointee.previous = nil
        unsafe node.pointee.level = UInt8(truncatingIfNeeded: level)
        unsafe node.pointee.slot = UInt8(truncatingIfNeeded: slot)
        unsafe node.pointee.isArmed = true
        unsafe head?.pointee.previous = node
        unsafe slots[index] = node
        unsafe occupied[level] |= 1 << UInt64(slot)
    }

    @inlinable func unlink(_ node: UnsafeMutablePointer<TimerNode>) {
        let level = unsafe Int(node.pointee.level)
        let slot = unsafe Int(node.pointee.slot)
        let next = unsafe node.pointee.next
        if let previous = unsafe node.pointee.previous {
            unsafe previous.pointee.next = next
        } else {
            unsafe slots[level << 6 | slot] = next
            if unsafe next == nil { unsafe occupied[level] &= ~(1 << UInt64(slot)) }
        }
        unsafe next?.pointee.previous = unsafe node.pointee.previous
        unsafe node.pointee.next = nil
        unsafe node.pointee.previous = nil
    }
}
