// Bytes in order, waiting: to be sent, or to be handed on. Segments refer to receive buffers in place or to blocks of
// their own; small pieces are copied together so that one send carries them.
//
// Owner: one connection or stream. The queue is two pointers and a count; its memory comes from the worker's `Memory`,
// which every call takes. Bounded by its owner: who appends looks at `count` first (`docs/limits.md` §watermarks).

import CLiburing
import CMartlet
import Glibc
import Primitives
import Ring

@safe
public struct Segment {
    public enum Owner: UInt8 { case block, buffer, borrowed }
    @usableFromInline var next: UnsafeMutablePointer<Segment>?
    /// First byte that is still wanted.
    public var start: UnsafeMutableRawPointer
    public var count: Int
    @usableFromInline var blockBase: UnsafeMutableRawPointer
    @usableFromInline var blockCapacity: Int
    @usableFromInline var bufferID: UInt16
    @usableFromInline var owner: Owner

    @usableFromInline init(
        next: UnsafeMutablePointer<Segment>?, start: UnsafeMutableRawPointer, count: Int,
        blockBase: UnsafeMutableRawPointer, blockCapacity: Int, bufferID: UInt16, owner: Owner
    ) {
        unsafe self.next = unsafe next
        unsafe self.start = start
        self.count = count
        unsafe self.blockBase = blockBase
        self.blockCapacity = blockCapacity
        self.bufferID = bufferID
        self.owner = owner
    }
}

/// What a worker's queues are made of.
@safe
public struct Memory {
    public let blocks: BlockPool
    public let buffers: ProvidedBuffers
    @usableFromInline let free: UnsafeMutablePointer<UnsafeMutablePointer<Segment>?>

    @inlinable public init(blocks: BlockPool, buffers: ProvidedBuffers) {
        self.blocks = blocks
        self.buffers = buffers
        unsafe free = .allocate(capacity: 1)
        unsafe free.initialize(to: nil)
    }

    // HOT: per frame.
    @inline(__always)
    @inlinable func takeSegment() -> UnsafeMutablePointer<Segment> {
        if let segment = unsafe free.pointee {
            unsafe free.pointee = segment.pointee.next
            return unsafe segment
        }
        return .allocate(capacity: 1)
    }

    // HOT: per frame.
    @inline(__always)
    @inlinable func give(_ segment: UnsafeMutablePointer<Segment>) {
        switch unsafe segment.pointee.owner {
        case .block:
            unsafe blocks.free(Block(base: segment.pointee.blockBase, capacity: segment.pointee.blockCapacity))
        case .buffer: unsafe buffers.release(segment.pointee.bufferID)
        case .borrowed: break
        }
        if martlet_separates_objects() != 0 {
            unsafe segment.deallocate()
            return
        }
        unsafe segment.pointee.next = unsafe free.pointee
        unsafe free.pointee = segment
    }
}

@safe
public struct ByteQueue {
    /// Pieces up to this size are copied rather than referred to: a copy costs less than a segment and an iovec.
    public static let copyMax = 2048
    @usableFromInline static let blockBytes = 4096

    public var head: UnsafeMutablePointer<Segment>?
    @usableFromInline var tail: UnsafeMutablePointer<Segment>?
    /// Bytes in the queue.
    public var count = 0
    /// Receive buffers that the queue refers to.
    public var bufferCount = 0

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { count == 0 }

    /// The first run of bytes; nil when empty.
    @inlinable public var first: Bytes? {
        unsafe head.map { unsafe Bytes(UnsafeRawPointer($0.pointee.start), $0.pointee.count) }
    }

    // HOT: per frame.
    /// Copies `bytes` to the end. False when there is no memory.
    @inlinable public mutating func append(copying bytes: Bytes, _ memory: Memory) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            guard let room = unsafe room(memory, wanted: rest.count) else { return false }
            let n = unsafe min(room.count, rest.count)
            unsafe room.start.copyMemory(from: rest.base, byteCount: n)
            wrote(n)
            rest = rest.from(n)
        }
        return true
    }

    /// Writable bytes at the end, at least one and at best `wanted`: fill some, then say `wrote`.
    @inlinable public mutating func room(_ memory: Memory, wanted: Int) -> (start: UnsafeMutableRawPointer, count: Int)? {
        if let last = unsafe tail, unsafe last.pointee.owner == .block {
            let used = unsafe (last.pointee.start - last.pointee.blockBase) &+ last.pointee.count
            let free = unsafe last.pointee.blockCapacity &- used
            if free > 0 { return unsafe (last.pointee.start + last.pointee.count, free) }
        }
        return unsafe freshBlock(memory, bytes: min(max(wanted, ByteQueue.blockBytes), 1 << 16))
    }

    /// Like `room`, but the bytes are contiguous: for an encoder that knows its bound.
    @inlinable public mutating func contiguousRoom(_ memory: Memory, bytes: Int) -> (start: UnsafeMutableRawPointer, count: Int)? {
        if let last = unsafe tail, unsafe last.pointee.owner == .block {
            let used = unsafe (last.pointee.start - last.pointee.blockBase) &+ last.pointee.count
            let free = unsafe last.pointee.blockCapacity &- used
            if free >= bytes { return unsafe (last.pointee.start + last.pointee.count, free) }
        }
        return unsafe freshBlock(memory, bytes: max(bytes, ByteQueue.blockBytes))
    }

    @inlinable mutating func freshBlock(_ memory: Memory, bytes: Int) -> (start: UnsafeMutableRawPointer, count: Int)? {
        guard let block = memory.blocks.allocate(bytes) else { return nil }
        let segment = unsafe memory.takeSegment()
        unsafe segment.initialize(
            to: Segment(
                next: nil, start: block.base, count: 0, blockBase: block.base, blockCapacity: block.capacity,
                bufferID: 0, owner: .block))
        unsafe link(segment)
        return unsafe (block.base, block.capacity)
    }

    /// `n` bytes of the last `room` are in the queue now.
    @inline(__always)
    @inlinable public mutating func wrote(_ n: Int) {
        unsafe tail.unsafelyUnwrapped.pointee.count &+= n
        count &+= n
    }

    // HOT: per frame.
    /// Refers to part of a receive buffer. Takes over one hold of it.
    @inlinable public mutating func append(buffer id: UInt16, _ bytes: Bytes, _ memory: Memory) {
        let segment = unsafe memory.takeSegment()
        unsafe segment.initialize(
            to: Segment(
                next: nil, start: UnsafeMutableRawPointer(mutating: bytes.base), count: bytes.count,
                blockBase: UnsafeMutableRawPointer(mutating: bytes.base), blockCapacity: 0, bufferID: id,
                owner: .buffer))
        unsafe link(segment)
        count &+= bytes.count
        bufferCount &+= 1
    }

    /// Refers to bytes that outlive the queue: frozen plan memory, literals.
    @inlinable public mutating func append(borrowing bytes: Bytes, _ memory: Memory) {
        guard !bytes.isEmpty else { return }
        let segment = unsafe memory.takeSegment()
        unsafe segment.initialize(
            to: Segment(
                next: nil, start: UnsafeMutableRawPointer(mutating: bytes.base), count: bytes.count,
                blockBase: UnsafeMutableRawPointer(mutating: bytes.base), blockCapacity: 0, bufferID: 0,
                owner: .borrowed))
        unsafe link(segment)
        count &+= bytes.count
    }

    /// Everything of `other` moves to the end of this queue.
    @inlinable public mutating func append(moving other: inout ByteQueue) {
        guard unsafe other.head != nil else { return }
        if let last = unsafe tail { unsafe last.pointee.next = unsafe other.head } else { unsafe head = unsafe other.head }
        unsafe tail = unsafe other.tail
        count &+= other.count
        bufferCount &+= other.bufferCount
        other = ByteQueue()
    }

    // HOT: per frame.
    /// The first `n` bytes of `other` move to the end of this queue, in the memory that they lie in where that goes.
    /// False when there is no memory, or fewer bytes than that.
    @inlinable public mutating func append(moving n: Int, of other: inout ByteQueue, _ memory: Memory) -> Bool {
        var left = n
        while left > 0, let segment = unsafe other.head {
            let available = unsafe segment.pointee.count
            if available > left || available <= ByteQueue.copyMax {
                let count = min(available, left)
                let bytes = unsafe Bytes(UnsafeRawPointer(segment.pointee.start), count)
                if count > ByteQueue.copyMax, unsafe segment.pointee.owner == .buffer {
                    unsafe memory.buffers.retain(segment.pointee.bufferID)
                    unsafe append(buffer: segment.pointee.bufferID, bytes, memory)
                } else if !append(copying: bytes, memory) {
                    return false
                }
                other.consume(count, memory)
                left &-= count
                continue
            }
            unsafe other.head = unsafe segment.pointee.next
            if unsafe other.head == nil { unsafe other.tail = nil }
            let isBuffer = unsafe segment.pointee.owner == .buffer
            other.count &-= available
            count &+= available
            if isBuffer {
                other.bufferCount &-= 1
                bufferCount &+= 1
            }
            unsafe segment.pointee.next = nil
            unsafe link(segment)
            left &-= available
        }
        return left == 0
    }

    // HOT: per frame.
    /// The first `n` bytes are done with.
    @inlinable public mutating func consume(_ n: Int, _ memory: Memory) {
        count &-= n
        var rest = n
        while let segment = unsafe head {
            let available = unsafe segment.pointee.count
            if available > rest {
                unsafe segment.pointee.start += rest
                unsafe segment.pointee.count = available &- rest
                return
            }
            rest &-= available
            unsafe head = unsafe segment.pointee.next
            if unsafe head == nil { unsafe tail = nil }
            if unsafe segment.pointee.owner == .buffer { bufferCount &-= 1 }
            unsafe memory.give(segment)
            // A following empty segment (a block nobody has written to) stays until bytes reach it.
            if rest == 0 { return }
        }
    }

    @inlinable public mutating func removeAll(_ memory: Memory) {
        while let segment = unsafe head {
            unsafe head = unsafe segment.pointee.next
            unsafe memory.give(segment)
        }
        self = ByteQueue()
    }

    /// Bytes in receive buffers move to blocks, so that the buffers go back to the kernel.
    /// False when there is no memory (nothing is lost then).
    @inlinable public mutating func detach(_ memory: Memory) -> Bool {
        guard bufferCount > 0 else { return true }
        var segment = unsafe head
        while let current = unsafe segment {
            if unsafe current.pointee.owner == .buffer {
                let bytes = unsafe current.pointee.count
                guard let block = memory.blocks.allocate(bytes) else { return false }
                unsafe block.base.copyMemory(from: current.pointee.start, byteCount: bytes)
                unsafe memory.buffers.release(current.pointee.bufferID)
                unsafe current.pointee.owner = .block
                unsafe current.pointee.start = block.base
                unsafe current.pointee.blockBase = block.base
                unsafe current.pointee.blockCapacity = block.capacity
                bufferCount &-= 1
            }
            unsafe segment = unsafe current.pointee.next
        }
        return true
    }

    /// Calls `body` with each run of bytes in order.
    @inlinable public func forEach(_ body: (Bytes) -> Void) {
        var segment = unsafe head
        while let current = unsafe segment {
            body(unsafe Bytes(UnsafeRawPointer(current.pointee.start), current.pointee.count))
            unsafe segment = unsafe current.pointee.next
        }
    }

    /// The contiguous bytes that begin `offset` bytes into the queue.
    @inlinable public func run(from offset: Int) -> Bytes {
        var skip = offset
        var segment = unsafe head
        while let current = unsafe segment {
            let count = unsafe current.pointee.count
            if count > skip { return unsafe Bytes(UnsafeRawPointer(current.pointee.start) + skip, count &- skip) }
            skip &-= count
            unsafe segment = unsafe current.pointee.next
        }
        return .empty
    }

    /// Copies `count` bytes that begin `offset` bytes into the queue, which holds as many.
    @inlinable public func copy(from offset: Int, count: Int, into target: UnsafeMutableRawPointer) {
        var skip = offset
        var done = 0
        var segment = unsafe head
        while let current = unsafe segment, done < count {
            let available = unsafe current.pointee.count &- skip
            if available > 0 {
                let n = min(available, count &- done)
                unsafe (target + done).copyMemory(from: current.pointee.start + skip, byteCount: n)
                done &+= n
                skip = 0
            } else {
                skip = -available
            }
            unsafe segment = unsafe current.pointee.next
        }
    }

    @inline(__always)
    @inlinable mutating func link(_ segment: UnsafeMutablePointer<Segment>) {
        if let last = unsafe tail { unsafe last.pointee.next = unsafe segment } else { unsafe head = unsafe segment }
        unsafe tail = unsafe segment
    }

    /// Fills `vectors` with the first runs; how many, and their bytes.
    @inlinable public func gather(_ vectors: UnsafeMutablePointer<iovec>, max: Int) -> (vectors: Int, bytes: Int) {
        var n = 0
        var bytes = 0
        var segment = unsafe head
        while let current = unsafe segment, n < max {
            if unsafe current.pointee.count > 0 {
                unsafe (vectors + n).initialize(
                    to: iovec(iov_base: current.pointee.start, iov_len: current.pointee.count))
                unsafe bytes &+= current.pointee.count
                n &+= 1
            }
            unsafe segment = unsafe current.pointee.next
        }
        return (n, bytes)
    }
}
