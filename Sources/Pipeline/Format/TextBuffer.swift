// Text under construction: one growing run of bytes, kept from line to line, so that in steady state nothing is
// allocated. Owner: one worker.
//
// What does not fit into `bytesMax` is left out and `isTruncated` says so: a line is cut, never a reason to fail.

import CMartlet
import Glibc
import Primitives

@safe
package struct TextBuffer {
    /// `docs/limits.md` §formats: header values of both heads, several times over.
    package static let bytesMax = 1 << 20
    /// A block larger than this goes back to the pool with the next `reset`.
    package static let keptBytesMax = 1 << 16

    private let pool: BlockPool
    private var block: Block
    package private(set) var count = 0
    package private(set) var isTruncated = false

    package init(pool: BlockPool) {
        self.pool = pool
        guard let block = pool.allocate(4096) else { fatalError("no memory for a text buffer") }
        self.block = block
    }

    package func destroy() { pool.free(block) }

    // HOT: per message.
    package mutating func reset() {
        count = 0
        isTruncated = false
        if block.capacity > TextBuffer.keptBytesMax { shrink() }
    }

    @inline(never)
    private mutating func shrink() {
        guard let smaller = pool.allocate(4096) else { return }
        pool.free(block)
        block = smaller
    }

    /// What has been written. Good until the next write or reset.
    @inline(__always)
    package var bytes: Bytes { unsafe Bytes(UnsafeRawPointer(block.base), count) }

    /// Like `bytes`, from `start` on.
    @inline(__always)
    package func bytes(from start: Int) -> Bytes { bytes.from(start) }

    /// Takes back what was written after `length`.
    @inline(__always)
    package mutating func truncate(to length: Int) {
        assert(length >= 0 && length <= count, "text can only become shorter")
        count = length
    }

    // HOT: per field.
    /// Room for `more` bytes behind the text; nil when the text is as long as it may get. Fill it, then say `wrote`.
    @inline(__always)
    package mutating func room(_ more: Int) -> UnsafeMutablePointer<UInt8>? {
        if more > block.capacity &- count, !grow(more) { return nil }
        return unsafe (block.base + count).assumingMemoryBound(to: UInt8.self)
    }

    @inline(__always)
    package mutating func wrote(_ bytes: Int) {
        assert(bytes <= block.capacity &- count, "more written than there was room")
        count &+= bytes
    }

    @inline(never)
    private mutating func grow(_ more: Int) -> Bool {
        let wanted = count &+ more
        guard wanted <= TextBuffer.bytesMax, let larger = pool.allocate(max(wanted, block.capacity &* 2)) else {
            isTruncated = true
            return false
        }
        unsafe larger.base.copyMemory(from: block.base, byteCount: count)
        pool.free(block)
        block = larger
        return true
    }

    // HOT: per field.
    /// Moves what was written from `start` on by `bytes`; the gap, or nil when the text is as long as it may get.
    package mutating func spread(at start: Int, by bytes: Int) -> UnsafeMutablePointer<UInt8>? {
        assert(start >= 0 && start <= count, "a gap lies in the text")
        guard unsafe room(bytes) != nil else { return nil }
        let gap = unsafe (block.base + start).assumingMemoryBound(to: UInt8.self)
        unsafe memmove(gap + bytes, gap, count &- start)
        count &+= bytes
        return unsafe gap
    }

    /// Writes over one byte of the text.
    @inline(__always)
    package mutating func overwrite(at place: Int, _ byte: UInt8) {
        assert(place >= 0 && place < count, "only what was written is written over")
        unsafe (block.base + place).storeBytes(of: byte, as: UInt8.self)
    }

    // HOT: per field.
    /// `bytes` may not lie in this buffer.
    @inline(__always)
    package mutating func put(_ bytes: Bytes) {
        guard let room = unsafe room(bytes.count) else { return putWhatFits(bytes) }
        unsafe memcpy(room, bytes.base, bytes.count)
        count &+= bytes.count
    }

    @inline(never)
    private mutating func putWhatFits(_ bytes: Bytes) {
        // As long as text may get, or as there is memory for.
        var n = min(bytes.count, TextBuffer.bytesMax &- count)
        if unsafe room(n) == nil { n = block.capacity &- count }
        guard let room = unsafe room(n) else { return }
        unsafe memcpy(room, bytes.base, n)
        count &+= n
    }

    @inline(__always)
    package mutating func put(_ literal: StaticString) { put(Bytes(literal)) }

    @inline(__always)
    package mutating func put(_ byte: UInt8) {
        guard let room = unsafe room(1) else { return }
        unsafe room.pointee = byte
        count &+= 1
    }

    // HOT: per field.
    package mutating func put(decimal value: UInt64) {
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits &+= 1
        }
        put(decimal: value, width: digits)
    }

    /// The last `width` decimal digits, with leading zeros.
    package mutating func put(decimal value: UInt64, width: Int) {
        guard let room = unsafe room(width) else { return }
        var rest = value
        var at = width
        while at > 0 {
            at &-= 1
            unsafe room[at] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count &+= width
    }

    /// The `width` low hexadecimal digits, lower case.
    package mutating func put(hex value: UInt64, width: Int) {
        guard let room = unsafe room(width) else { return }
        var rest = value
        var at = width
        while at > 0 {
            at &-= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe room[at] = digit &+ (digit < 10 ? 0x30 : 0x57)
            rest >>= 4
        }
        count &+= width
    }

    /// `127.0.0.1:80`, `[::1]:80`, a UNIX path.
    package mutating func put(_ address: SocketAddress) {
        guard let room = unsafe room(112) else { return }
        unsafe count &+= address.write(room)
    }

    /// The address without its port.
    package mutating func put(ip address: SocketAddress) {
        guard let room = unsafe room(64) else { return }
        unsafe count &+= address.writeIP(room)
    }
}
