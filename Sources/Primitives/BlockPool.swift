// Memory for heads, bodies in waiting and send staging: blocks in power-of-two classes on free lists.
//
// Owner: one worker; no other thread touches it. In steady state every request is served from the free lists, so that
// the request path calls malloc only while the load grows. What stays on the free lists is bounded per class
// (`keptBytesMax`); beyond it a block goes back to malloc, so memory falls again after a peak.

import CMartlet
import Glibc

/// A block: its base and usable size. Owned by whoever allocated it until `free`.
@safe
public struct Block {
    public let base: UnsafeMutableRawPointer
    public let capacity: Int

    @inline(__always)
    @inlinable public init(base: UnsafeMutableRawPointer, capacity: Int) {
        unsafe self.base = base
        self.capacity = capacity
    }
}

@safe
public struct BlockPool {
    /// The smallest class is 512 B (class 0), the largest 16 MiB (class 15).
    public static let smallestShift = 9
    public static let classCount = 16
    public static let capacityMax = 1 << (smallestShift + classCount - 1)
    /// Bytes that one class keeps for reuse. `docs/limits.md` §block pool.
    public static let keptBytesMax = 4 << 20

    @usableFromInline struct State {
        @usableFromInline init() {}
        @usableFromInline var allocatedBytes = 0
        @usableFromInline var allocatedBytesMax = Int.max
        @usableFromInline var keptBytes = 0
    }
    @safe
    @usableFromInline struct FreeList {
        @usableFromInline init() {}
        @usableFromInline var head: UnsafeMutableRawPointer?
        @usableFromInline var count = 0
    }

    @usableFromInline let lists: UnsafeMutablePointer<FreeList>
    @usableFromInline let state: UnsafeMutablePointer<State>

    @inlinable public init() {
        unsafe lists = .allocate(capacity: BlockPool.classCount)
        unsafe lists.initialize(repeating: FreeList(), count: BlockPool.classCount)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
    }

    /// Gives everything back. Blocks that are still out are leaked by their owners, not by the pool.
    @inlinable public func destroy() {
        trim()
        unsafe lists.deallocate()
        unsafe state.deallocate()
    }

    /// Bytes handed out and not yet given back.
    @inlinable public var allocatedBytes: Int { unsafe state.pointee.allocatedBytes }
    /// What may be handed out at once; beyond it `allocate` gives nothing, as when the system has no memory.
    @inlinable public var allocatedBytesMax: Int {
        get { unsafe state.pointee.allocatedBytesMax }
        nonmutating set { unsafe state.pointee.allocatedBytesMax = newValue }
    }
    /// Bytes on the free lists.
    @inlinable public var keptBytes: Int { unsafe state.pointee.keptBytes }

    // HOT: per message.
    /// A block of at least `bytes`; nil only when `bytes` exceeds `capacityMax`, or there is no memory: the system's, or
    /// that of `allocatedBytesMax`.
    @inlinable public func allocate(_ bytes: Int) -> Block? {
        guard bytes <= BlockPool.capacityMax else { return nil }
        let index = BlockPool.classIndex(bytes)
        let capacity = 1 << (BlockPool.smallestShift &+ index)
        let list = unsafe lists + index
        guard unsafe state.pointee.allocatedBytes &+ capacity <= state.pointee.allocatedBytesMax else { return nil }
        unsafe state.pointee.allocatedBytes &+= capacity
        if let block = unsafe list.pointee.head {
            unsafe martlet_unpoison(block, capacity)
            unsafe list.pointee.head = block.load(as: UnsafeMutableRawPointer?.self)
            unsafe list.pointee.count &-= 1
            unsafe state.pointee.keptBytes &-= capacity
            return unsafe Block(base: block, capacity: capacity)
        }
        guard let fresh = unsafe malloc(capacity) else {
            unsafe state.pointee.allocatedBytes &-= capacity
            return nil
        }
        return unsafe Block(base: fresh, capacity: capacity)
    }

    // HOT: per message.
    @inlinable public func free(_ block: Block) {
        let index = BlockPool.classIndex(block.capacity)
        let list = unsafe lists + index
        unsafe state.pointee.allocatedBytes &-= block.capacity
        if unsafe (list.pointee.count &+ 1) &* block.capacity > BlockPool.keptBytesMax || martlet_separates_objects() != 0 {
            unsafe Glibc.free(block.base)
            return
        }
        unsafe block.base.storeBytes(of: list.pointee.head, as: UnsafeMutableRawPointer?.self)
        unsafe list.pointee.head = block.base
        unsafe list.pointee.count &+= 1
        unsafe state.pointee.keptBytes &+= block.capacity
        unsafe martlet_poison(block.base, block.capacity)
    }

    /// Empties the free lists.
    @inlinable public func trim() {
        for index in 0..<BlockPool.classCount {
            let capacity = 1 << (BlockPool.smallestShift + index)
            while let block = unsafe lists[index].head {
                unsafe martlet_unpoison(block, capacity)
                unsafe lists[index].head = block.load(as: UnsafeMutableRawPointer?.self)
                unsafe Glibc.free(block)
            }
            unsafe lists[index].count = 0
        }
        unsafe state.pointee.keptBytes = 0
    }

    @inline(__always)
    @inlinable static func classIndex(_ bytes: Int) -> Int {
        let size = max(bytes, 1 << smallestShift)
        return Int.bitWidth &- (size &- 1).leadingZeroBitCount &- smallestShift
    }
}
