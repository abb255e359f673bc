// MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), as far as exporters write it, each value in its
// shortest form.

import Primitives

extension TextBuffer {
    mutating func put(arrayOf count: Int) { put(count, short: 0x90, shortMax: 15, medium: 0xdc, long: 0xdd) }
    mutating func put(mapOf count: Int) { put(count, short: 0x80, shortMax: 15, medium: 0xde, long: 0xdf) }

    package mutating func put(string bytes: Bytes) {
        put(stringOf: bytes.count)
        put(bytes)
    }

    mutating func put(stringOf count: Int) {
        if count > 31, count < 256 {
            put(UInt8(0xd9))
            return put(UInt8(truncatingIfNeeded: count))
        }
        put(count, short: 0xa0, shortMax: 31, medium: 0xda, long: 0xdb)
    }

    private mutating func put(_ count: Int, short: UInt8, shortMax: Int, medium: UInt8, long: UInt8) {
        if count <= shortMax { return put(short | UInt8(truncatingIfNeeded: count)) }
        if count <= 0xffff {
            put(medium)
            return put(bigEndian: UInt64(truncatingIfNeeded: count), bytes: 2)
        }
        put(long)
        put(bigEndian: UInt64(truncatingIfNeeded: count), bytes: 4)
    }

    package mutating func put(integer value: UInt64) {
        switch value {
        case 0..<0x80: put(UInt8(truncatingIfNeeded: value))
        case 0..<0x100: put(0xcc, value, bytes: 1)
        case 0..<0x1_0000: put(0xcd, value, bytes: 2)
        case 0..<0x1_0000_0000: put(0xce, value, bytes: 4)
        default: put(0xcf, value, bytes: 8)
        }
    }

    package mutating func put(negative magnitude: UInt64) {
        let value = 0 &- magnitude
        switch magnitude {
        case 0...32: put(UInt8(truncatingIfNeeded: value))
        case 0...0x80: put(0xd0, value, bytes: 1)
        case 0...0x8000: put(0xd1, value, bytes: 2)
        case 0...0x8000_0000: put(0xd2, value, bytes: 4)
        default: put(0xd3, value, bytes: 8)
        }
    }

    private mutating func put(_ kind: UInt8, _ value: UInt64, bytes: Int) {
        put(kind)
        put(bigEndian: value, bytes: bytes)
    }

    private mutating func put(bigEndian value: UInt64, bytes: Int) {
        var left = bytes
        while left > 0 {
            left &-= 1
            put(UInt8(truncatingIfNeeded: value >> UInt64(left &* 8)))
        }
    }
}
