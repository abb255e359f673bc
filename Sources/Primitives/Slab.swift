// Objects that live long and are named by number: connections, streams, segments.
//
// Entries never move, so a pointer to one stays good until it is freed. A handle is slot + generation: after `free` the
// generation differs, so that a late completion or timer is recognised as stale. Owner: one thread.

import CMartlet
import Glibc

/// Slot and generation in 56 bits, so that an 8-bit operation fits beside them in a completion's `user_data`.
public struct Handle: Equatable {
    public var raw: UInt64

    @inlinable @inline(__always) public init(slot: UInt32, generation: UInt32) {
        raw = UInt64(slot) | UInt64(generation & 0xff_ffff) << 32
    }
    @inlinable @inline(__always) public init(raw: UInt64) { self.raw = raw & 0xff_ffff_ffff_ffff }
    @inline(__always) public var slot: UInt32 { UInt32(truncatingIfNeeded: raw) }
    @inlinable @inline(__always) public var generation: UInt32 { UInt32(truncatingIfNeeded: raw >> 32) & 0xff_ffff }
    /// Names nothing: generations begin at 1.
    @inlinable public static var none: Handle { Handle(slot: 0, generation: 0) }
    @inline(__always) public var isNone: Bool { raw == 0 }
}

@safe
public struct Slab<Value> {
    @usableFromInline struct Entry {
        @usableFromInline var generation: UInt32
        @usableFromInline var nextFree: UInt32
        @usableFromInline var value: Value
    }
    @inlinable static var chunkShift: UInt32 { martlet_separates_objects() == 0 ? 6 : 0 }
    @inlinable static var chunkMask: UInt32 { (1 << chunkShift) &- 1 }
    @inlinable static var end: UInt32 { .max }
    /// In `nextFree` of an entry in use.
    @inlinable static var inUse: UInt32 { .max &- 1 }

    @usableFromInline let chunks: UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
    @usableFromInline let chunksMax: UInt32
    @usableFromInline var chunkCount: UInt32 = 0
    @usableFromInline var freeHead: UInt32 = .max
    @usableFromInline let firstGeneration: UInt32
    /// Entries in use.
    public var count = 0

    /// `capacity`: the most entries that may be in use at once; address space only, memory comes with use.
    /// `firstGeneration`: that of entries which have never been used; a test begins short of the end.
    @inlinable public init(capacity: Int, firstGeneration: UInt32 = 1) {
        self.firstGeneration = firstGeneration
        chunksMax = UInt32(truncatingIfNeeded: (capacity + Int(Slab.chunkMask)) >> Int(Slab.chunkShift))
        unsafe chunks = .allocate(capacity: Int(chunksMax))
        unsafe chunks.initialize(repeating: nil, count: Int(chunksMax))
    }

    @inlinable public func destroy() {
        for slot in 0..<(chunkCount << Slab.chunkShift) {
            unsafe martlet_unpoison(valuePointer(entry(slot)), MemoryLayout<Value>.size)
        }
        for i in 0..<Int(chunkCount) { unsafe chunks[i]?.deallocate() }
        unsafe chunks.deallocate()
    }

    // HOT: per message.
    /// A new entry, its memory initialised by the caller; nil when the slab is full.
    @inline(__always)
    @inlinable public mutating func allocate() -> (handle: Handle, value: UnsafeMutablePointer<Value>)? {
        if freeHead == Slab.end, !grow() { return nil }
        let slot = freeHead
        let entry = unsafe entry(slot)
        unsafe freeHead = entry.pointee.nextFree
        unsafe entry.pointee.nextFree = Slab.inUse
        count &+= 1
        unsafe martlet_unpoison(valuePointer(entry), MemoryLayout<Value>.size)
        return unsafe (Handle(slot: slot, generation: entry.pointee.generation), valuePointer(entry))
    }

    // HOT: per message.
    @inline(__always)
    @inlinable public mutating func free(_ handle: Handle) {
        let entry = unsafe entry(handle.slot)
        assert(unsafe entry.pointee.generation == handle.generation, "slab entry freed twice")
        let next = unsafe (entry.pointee.generation &+ 1) & 0xff_ffff
        unsafe entry.pointee.generation = next == 0 ? 1 : next
        unsafe entry.pointee.nextFree = freeHead
        freeHead = handle.slot
        count &-= 1
        unsafe martlet_poison(valuePointer(entry), MemoryLayout<Value>.size)
    }

    // HOT: per completion.
    /// The entry, or nil when the handle is stale.
    @inline(__always)
    @inlinable public subscript(_ handle: Handle) -> UnsafeMutablePointer<Value>? {
        let slot = handle.slot
        guard slot >> Slab.chunkShift < chunkCount else { return nil }
        let entry = unsafe entry(slot)
        guard unsafe entry.pointee.generation == handle.generation, unsafe entry.pointee.nextFree == Slab.inUse else {
            return nil
        }
        return unsafe valuePointer(entry)
    }

    /// Every entry in use, for drains and dumps. `body` may free the entry that it is given.
    @inlinable public func forEach(_ body: (UnsafeMutablePointer<Value>) -> Void) {
        for slot in 0..<(chunkCount << Slab.chunkShift) {
            let entry = unsafe entry(slot)
            if unsafe entry.pointee.nextFree == Slab.inUse { unsafe body(valuePointer(entry)) }
        }
    }

    /// The entry of a slot, whoever uses it now; nil when it is free.
    @inline(__always)
    @inlinable public func current(_ slot: UInt32) -> UnsafeMutablePointer<Value>? {
        let entry = unsafe entry(slot)
        return unsafe entry.pointee.nextFree == Slab.inUse ? valuePointer(entry) : nil
    }

    /// The entry of a slot that is known to be in use.
    @inline(__always)
    @inlinable public func unchecked(_ slot: UInt32) -> UnsafeMutablePointer<Value> { unsafe valuePointer(entry(slot)) }

    @inline(__always)
    @inlinable func entry(_ slot: UInt32) -> UnsafeMutablePointer<Entry> {
        unsafe chunks[Int(slot >> Slab.chunkShift)].unsafelyUnwrapped + Int(slot & Slab.chunkMask)
    }

    @inline(__always)
    @inlinable func valuePointer(_ entry: UnsafeMutablePointer<Entry>) -> UnsafeMutablePointer<Value> {
        unsafe (UnsafeMutableRawPointer(entry) + MemoryLayout<Entry>.offset(of: \.value).unsafelyUnwrapped)
            .assumingMemoryBound(to: Value.self)
    }

    @inlinable mutating func grow() -> Bool {
        guard chunkCount < chunksMax else { return false }
        let size = MemoryLayout<Entry>.stride << Int(Slab.chunkShift)
        guard let raw = unsafe calloc(1, size) else { return false }
        let chunk = unsafe raw.assumingMemoryBound(to: Entry.self)
        unsafe chunks[Int(chunkCount)] = chunk
        let first = chunkCount << Slab.chunkShift
        chunkCount &+= 1
        for i in (0...Slab.chunkMask).reversed() {
            unsafe chunk[Int(i)].generation = firstGeneration
            unsafe chunk[Int(i)].nextFree = freeHead
            freeHead = first &+ i
            unsafe martlet_poison(valuePointer(chunk + Int(i)), MemoryLayout<Value>.size)
        }
        return true
    }
}
