// Protobuf's wire format, as far as exporters write it: varints, fixed numbers, and texts whose length is known before.

import Primitives

extension TextBuffer {
    package mutating func put(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            put(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        put(UInt8(truncatingIfNeeded: rest))
    }

    package mutating func put(field number: UInt8, _ bytes: Bytes) {
        put(lengthOf: number, bytes.count)
        put(bytes)
    }

    /// Tag and length of a text or message that follows.
    package mutating func put(lengthOf number: UInt8, _ count: Int) {
        put(number << 3 | 2)
        put(varint: UInt64(truncatingIfNeeded: count))
    }

    package mutating func put(field number: UInt8, varint value: UInt64) {
        put(number << 3)
        put(varint: value)
    }

    package mutating func put(field number: UInt8, fixed64 value: UInt64) {
        put(number << 3 | 1)
        guard let room = unsafe room(8) else { return }
        unsafe UnsafeMutableRawPointer(room).storeBytes(of: value.littleEndian, as: UInt64.self)
        wrote(8)
    }

    /// Any field number.
    package mutating func put(tag number: Int, _ wireType: UInt64) { put(varint: UInt64(truncatingIfNeeded: number) << 3 | wireType) }

    package mutating func put(_ number: Int, text: Bytes) {
        guard !text.isEmpty else { return }
        put(tag: number, 2)
        put(varint: UInt64(truncatingIfNeeded: text.count))
        put(text)
    }

    /// Nothing for 0, as in proto3.
    package mutating func put(_ number: Int, number value: UInt64) {
        guard value != 0 else { return }
        put(tag: number, 0)
        put(varint: value)
    }

    /// A message whose length is known at its end (`close`).
    package mutating func open(_ number: Int) -> Int {
        put(tag: number, 2)
        put(UInt8(0))
        return count
    }

    package mutating func close(_ start: Int) {
        guard !isTruncated else { return }
        let length = count &- start
        let extra = ProtoSize.varint(length) &- 1
        if extra > 0, unsafe spread(at: start, by: extra) == nil { return }
        var rest = length
        for i in 0...extra {
            overwrite(at: start &- 1 &+ i, UInt8(truncatingIfNeeded: rest & 0x7f) | (i < extra ? 0x80 : 0))
            rest >>= 7
        }
    }

    /// Eight bytes, the highest first: ids.
    package mutating func put(bigEndian value: UInt64) {
        guard let room = unsafe room(8) else { return }
        unsafe UnsafeMutableRawPointer(room).storeBytes(of: value.bigEndian, as: UInt64.self)
        wrote(8)
    }
}

package enum ProtoSize {
    package static func varint(_ value: Int) -> Int {
        var rest = UInt64(truncatingIfNeeded: value) >> 7
        var bytes = 1
        while rest != 0 {
            rest >>= 7
            bytes += 1
        }
        return bytes
    }

    /// Tag, length and content, for field numbers below 16.
    package static func field(_ count: Int) -> Int { 1 + varint(count) + count }
}
