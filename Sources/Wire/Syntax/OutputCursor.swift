// Writes text into memory that the caller has measured: no checks in release, no allocation.
//
// Invariant: `capacity` covers everything that is put, and `spareBytes` more.

import CMartlet
import Glibc
import Primitives

@safe
package struct OutputCursor {
    /// Room that must lie behind the last byte put: short copies write past their end.
    package static let spareBytes = 16

    private let base: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    package private(set) var count = 0

    @inline(__always)
    package init(_ memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe base = unsafe memory.assumingMemoryBound(to: UInt8.self)
        self.capacity = capacity
    }

    @inline(__always)
    private func check(_ more: Int) {
        assert(count &+ more &+ OutputCursor.spareBytes <= capacity, "output beyond its measured size")
    }

    // HOT: per header field.
    @inline(__always)
    package mutating func put(_ bytes: Bytes) {
        check(bytes.count)
        unsafe memcpy(base + count, bytes.base, bytes.count)
        count &+= bytes.count
    }

    // HOT: per header field.
    /// `bytes` lie in memory that may be read up to `limit`.
    @inline(__always)
    package mutating func put(_ bytes: Bytes, readableTo limit: UnsafePointer<UInt8>) {
        check(bytes.count)
        unsafe martlet_copy_spare(base + count, bytes.base, bytes.count, limit)
        count &+= bytes.count
    }

    @inline(__always)
    package mutating func put(_ literal: StaticString) { put(Bytes(literal)) }

    @inline(__always)
    package mutating func put(_ byte: UInt8) {
        check(1)
        unsafe base[count] = byte
        count &+= 1
    }

    /// ": "
    @inline(__always)
    mutating func putColon() {
        check(2)
        unsafe UnsafeMutableRawPointer(base + count).storeBytes(of: UInt16(0x203a).littleEndian, as: UInt16.self)
        count &+= 2
    }

    @inline(__always)
    package mutating func putLineEnd() {
        check(2)
        unsafe UnsafeMutableRawPointer(base + count).storeBytes(of: UInt16(0x0a0d).littleEndian, as: UInt16.self)
        count &+= 2
    }

    /// At most 20 bytes.
    package mutating func putDecimal(_ value: UInt64) {
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits &+= 1
        }
        check(digits)
        rest = value
        var at = count &+ digits
        repeat {
            at &-= 1
            unsafe base[at] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while at > count
        count &+= digits
    }

    /// At most 16 bytes, lower case, no leading zeros.
    package mutating func putHex(_ value: UInt64) {
        let digits = max(1, (67 &- value.leadingZeroBitCount) >> 2)
        check(digits)
        var rest = value
        var at = count &+ digits
        repeat {
            at &-= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe base[at] = digit &+ (digit < 10 ? 0x30 : 0x57)
            rest >>= 4
        } while at > count
        count &+= digits
    }

    /// Two digits, for dates.
    @inline(__always)
    package mutating func putTwoDigits(_ value: Int) {
        put(0x30 &+ UInt8(truncatingIfNeeded: value / 10))
        put(0x30 &+ UInt8(truncatingIfNeeded: value % 10))
    }
}
