// A borrowed run of bytes: base and count, nothing owned.
//
// Invariant: whoever hands out a `Bytes` keeps the memory alive and unchanged until the receiver returns (within one
// turn at the most). Who needs the bytes longer copies them. The type is trivial, so passing it costs no reference count.

import CMartlet
import Glibc

@safe
public struct Bytes {
    public let base: UnsafePointer<UInt8>
    public let count: Int

    @inline(__always)
    @inlinable public init(_ base: UnsafePointer<UInt8>, _ count: Int) {
        unsafe self.base = base
        self.count = count
    }

    @inline(__always)
    @inlinable public init(_ raw: UnsafeRawPointer, _ count: Int) {
        unsafe self.base = raw.assumingMemoryBound(to: UInt8.self)
        self.count = count
    }

    /// A literal: lives as long as the process.
    @inline(__always)
    @inlinable public init(_ literal: StaticString) {
        unsafe self.base = literal.utf8Start
        self.count = literal.utf8CodeUnitCount
    }

    /// No bytes. The base is never read.
    @inlinable public static var empty: Bytes { Bytes("" as StaticString) }

    @inline(__always)
    @inlinable public var isEmpty: Bool { count == 0 }

    // HOT: per byte. `index` is the caller's to prove; debug builds check it.
    @inline(__always)
    @inlinable public subscript(_ index: Int) -> UInt8 {
        assert(index >= 0 && index < count, "Bytes index out of bounds")
        return unsafe base[index]
    }

    /// The part `start ..< end`.
    @inline(__always)
    @inlinable public func part(_ start: Int, _ end: Int) -> Bytes {
        assert(start >= 0 && start <= end && end <= count, "Bytes part out of bounds")
        return unsafe Bytes(base + start, end &- start)
    }

    @inline(__always)
    @inlinable public func from(_ start: Int) -> Bytes { part(start, count) }

    @inline(__always)
    @inlinable public func prefix(_ length: Int) -> Bytes { part(0, min(length, count)) }

    @inlinable public func equals(_ other: Bytes) -> Bool {
        unsafe count == other.count && memcmp(base, other.base, count) == 0
    }

    @inlinable public func hasPrefix(_ other: Bytes) -> Bool {
        unsafe count >= other.count && memcmp(base, other.base, other.count) == 0
    }

    @inlinable public func hasSuffix(_ other: Bytes) -> Bool {
        unsafe count >= other.count && memcmp(base + (count &- other.count), other.base, other.count) == 0
    }

    /// Equal but for the case of ASCII letters.
    @inlinable public func equalsIgnoringCase(_ other: Bytes) -> Bool {
        guard count == other.count else { return false }
        var i = 0
        while i < count {
            if unsafe Bytes.lower(base[i]) != Bytes.lower(other.base[i]) { return false }
            i &+= 1
        }
        return true
    }

    @inlinable public func hasPrefixIgnoringCase(_ other: Bytes) -> Bool {
        count >= other.count && prefix(other.count).equalsIgnoringCase(other)
    }

    @inlinable public func hasSuffixIgnoringCase(_ other: Bytes) -> Bool {
        count >= other.count && from(count &- other.count).equalsIgnoringCase(other)
    }

    /// Offset of the first `byte` at or after `start`.
    @inlinable public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count, let hit = unsafe memchr(base + start, Int32(byte), count &- start) else { return nil }
        return unsafe UnsafeRawPointer(hit) - UnsafeRawPointer(base)
    }

    /// Offset of the first occurrence of `needle`.
    @inlinable public func firstIndex(of needle: Bytes) -> Int? {
        if needle.isEmpty { return 0 }
        guard let hit = unsafe martlet_memmem(base, count, needle.base, needle.count) else { return nil }
        return unsafe UnsafeRawPointer(hit) - UnsafeRawPointer(base)
    }

    /// Without spaces and tabs at both ends (RFC 9110 §5.6.3, OWS).
    @inlinable public var trimmed: Bytes {
        var start = 0
        var end = count
        while start < end, unsafe base[start] == 0x20 || base[start] == 0x09 { start &+= 1 }
        while end > start, unsafe base[end &- 1] == 0x20 || base[end &- 1] == 0x09 { end &-= 1 }
        return part(start, end)
    }

    @inline(__always)
    @inlinable public static func lower(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// An unsigned decimal number: digits only, no sign, no space; nil when it is none or does not fit.
    @inlinable public var decimal: UInt64? {
        guard count > 0, count <= 20 else { return nil }
        var value: UInt64 = 0
        for i in 0..<count {
            let digit = unsafe base[i] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
            if overflowed || carried { return nil }
            value = sum
        }
        return value
    }

    /// FNV-1a, 64 bits: for tables that configuration builds. Not for keys that a peer can choose at will; those use
    /// `seededHash`.
    @inlinable public var hash: UInt64 { seededHash(0xcbf2_9ce4_8422_2325) }

    @inlinable public func seededHash(_ seed: UInt64) -> UInt64 {
        unsafe martlet_hash(base, count, seed)
    }
}

extension String {
    /// A copy, for logs and the admin interface. Never on the request path.
    public init(_ bytes: Bytes) {
        unsafe self = String(decoding: UnsafeBufferPointer(start: bytes.base, count: bytes.count), as: UTF8.self)
    }

    /// The UTF-8 bytes of this string for the length of the call.
    public func withBytes<R>(_ body: (Bytes) -> R) -> R {
        var copy = self
        return copy.withUTF8 { buffer in
            unsafe buffer.baseAddress.map { unsafe body(Bytes($0, buffer.count)) } ?? body(.empty)
        }
    }
}

extension Array where Element == UInt8 {
    public init(_ bytes: Bytes) {
        unsafe self = Array(UnsafeBufferPointer(start: bytes.base, count: bytes.count))
    }

    public func withBytes<R>(_ body: (Bytes) -> R) -> R {
        unsafe withUnsafeBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe body(Bytes($0, buffer.count)) } ?? body(.empty)
        }
    }
}
