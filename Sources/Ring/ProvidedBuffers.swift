// The receive buffers of one worker: the kernel picks one when bytes arrive, so an idle connection owns none.
//
// A buffer that was handed up is counted: each part of it that is still needed holds it (`retain`), and with the last
// `release` it goes back to the kernel. That return is the flow control: bytes that wait to be sent are buffers that
// nothing new can be received into, so holders are capped by the Transport (`docs/limits.md` §receive buffers).
//
// The kernel sees few of them at a time, and always those that came back last: a turn's bytes then fit the cache they
// are copied through twice, and one turn cannot bring more than `shownMax` buffers.

import CLiburing
import CMartlet
import Glibc
import Primitives

@safe
public struct ProvidedBuffers {
    public static let group: UInt16 = 0
    /// Buffers that the kernel may fill in one turn: they and what they are copied to fit a level-two cache of 2 MiB.
    public static let shownMax = 48

    public let count: Int
    public let size: Int
    @usableFromInline let memory: UnsafeMutableRawPointer
    @usableFromInline let ringMemory: UnsafeMutableRawPointer
    @usableFromInline let ringBytes: Int
    @usableFromInline let holds: UnsafeMutablePointer<UInt16>
    /// Buffers that neither the kernel nor anybody else has; the top is handed out first.
    @usableFromInline let spares: UnsafeMutablePointer<UInt16>
    @usableFromInline let state: UnsafeMutablePointer<State>

    /// Every buffer is held, spare, or shown to the kernel (between `head` and `tail`).
    @usableFromInline struct State {
        @usableFromInline init() {}
        @usableFromInline var tail: UInt16 = 0
        @usableFromInline var head: UInt16 = 0
        @usableFromInline var published: UInt16 = 0
        @usableFromInline var held = 0
        @usableFromInline var spare = 0
    }

    /// `count`: a power of two, at most 32,768.
    @inlinable public init(ring: Ring, count: Int, size: Int) throws(RingError) {
        self.count = count
        self.size = size
        ringBytes = count * MemoryLayout<io_uring_buf>.stride
        let shared = MAP_PRIVATE | MAP_ANONYMOUS
        guard let buffers = unsafe mmap(nil, count * size, PROT_READ | PROT_WRITE, shared, -1, 0),
            unsafe buffers != MAP_FAILED,
            let entries = unsafe mmap(nil, ringBytes, PROT_READ | PROT_WRITE, shared, -1, 0),
            unsafe entries != MAP_FAILED
        else { throw .buffers(ENOMEM) }
        unsafe memory = buffers
        unsafe ringMemory = entries
        let status = unsafe martlet_buffers_register(
            ring.raw, entries, UInt32(truncatingIfNeeded: count), ProvidedBuffers.group)
        guard status == 0 else { throw .buffers(-status) }
        unsafe holds = .allocate(capacity: count)
        unsafe holds.initialize(repeating: 0, count: count)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
        unsafe spares = .allocate(capacity: count)
        for id in 0..<count { put(UInt16(truncatingIfNeeded: id)) }
        publish()
    }

    @inlinable public func destroy() {
        unsafe martlet_unpoison(memory, count * size)
        unsafe munmap(memory, count * size)
        unsafe munmap(ringMemory, ringBytes)
        unsafe holds.deallocate()
        unsafe spares.deallocate()
        unsafe state.deallocate()
    }

    /// Buffers that are not with the kernel.
    @inlinable public var held: Int { unsafe state.pointee.held }
    public var free: Int { unsafe count &- state.pointee.held }

    @inline(__always)
    @inlinable public func base(_ id: UInt16) -> UnsafeMutableRawPointer { unsafe memory + Int(id) &* size }

    // HOT: per completion.
    /// Takes over the buffers of one completion, each held once: how many, and the place of the first in the kernel's
    /// ring. Completions must be claimed in the order in which they came, stale ones too: the kernel takes buffers in
    /// the ring's order, and a bundle names only its first.
    @inline(__always)
    @inlinable public func claim(first id: UInt16, bytes: Int) -> (position: UInt16, count: Int) {
        let position = unsafe state.pointee.head
        assert(identifier(at: position) == id, "receive buffers claimed out of order")
        let count = max(1, (bytes &+ size &- 1) / size)
        var i = 0
        while i < count {
            let taken = identifier(at: position &+ UInt16(truncatingIfNeeded: i))
            unsafe holds[Int(taken)] = 1
            unsafe martlet_unpoison(base(taken), size)
            i &+= 1
        }
        unsafe state.pointee.head &+= UInt16(truncatingIfNeeded: count)
        unsafe state.pointee.held &+= count
        return (position, count)
    }

    // HOT: per completion.
    /// The buffers of one completion in their order, each with the bytes in it. `body` has one hold of each to give back.
    @inline(__always)
    @inlinable public func forEach(from position: UInt16, count: Int, bytes: Int, _ body: (UInt16, Bytes) -> Void) {
        var left = bytes
        var i = 0
        while i < count {
            let id = identifier(at: position &+ UInt16(truncatingIfNeeded: i))
            let n = min(left, size)
            left &-= n
            unsafe body(id, Bytes(UnsafeRawPointer(base(id)), n))
            i &+= 1
        }
    }

    // HOT: per frame.
    @inline(__always)
    @inlinable public func retain(_ id: UInt16) { unsafe holds[Int(id)] &+= 1 }

    // HOT: per frame.
    @inline(__always)
    @inlinable public func release(_ id: UInt16) {
        let holds = unsafe self.holds + Int(id)
        assert(unsafe holds.pointee > 0, "receive buffer released twice")
        unsafe holds.pointee &-= 1
        if unsafe holds.pointee == 0 {
            unsafe state.pointee.held &-= 1
            put(id)
        }
    }

    /// The buffers of one completion whose bytes nobody wants.
    @inlinable public func release(from position: UInt16, count: Int) {
        forEach(from: position, count: count, bytes: 0) { id, _ in release(id) }
    }

    @inline(__always)
    @inlinable func put(_ id: UInt16) {
        unsafe martlet_poison(base(id), size)
        unsafe spares[state.pointee.spare] = id
        unsafe state.pointee.spare &+= 1
    }

    // HOT: per turn.
    /// Shows the kernel up to `shownMax` buffers.
    @inline(__always)
    @inlinable public func publish() {
        let shown = unsafe Int(state.pointee.tail &- state.pointee.head)
        var room = unsafe min(ProvidedBuffers.shownMax &- shown, state.pointee.spare)
        while room > 0 {
            room &-= 1
            unsafe state.pointee.spare &-= 1
            let id = unsafe spares[state.pointee.spare]
            unsafe martlet_buffers_put(
                ringMemory, state.pointee.tail, UInt16(truncatingIfNeeded: count &- 1), base(id),
                UInt32(truncatingIfNeeded: size), id)
            unsafe state.pointee.tail &+= 1
        }
        if unsafe state.pointee.tail != state.pointee.published {
            unsafe state.pointee.published = state.pointee.tail
            unsafe martlet_buffers_publish(ringMemory, state.pointee.tail)
        }
    }

    /// The buffer at a place of the kernel's ring. Good until the next `publish`.
    @inline(__always)
    @inlinable public func identifier(at position: UInt16) -> UInt16 {
        let index = Int(position) & (count &- 1)
        let entry = unsafe (ringMemory + index &* MemoryLayout<io_uring_buf>.stride)
            .assumingMemoryBound(to: io_uring_buf.self)
        return unsafe entry.pointee.bid
    }
}
