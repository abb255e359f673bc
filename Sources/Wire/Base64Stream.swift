// Base64 (RFC 4648 §4) of bytes that come in pieces. Pure machines: what does not fill a group yet is kept, nothing else.

import Primitives

package struct Base64Encoder: BitwiseCopyable {
    private var group: UInt32 = 0
    private var count: UInt8 = 0

    package init() {}

    /// Bytes that `encode` and `finish` together write for `count` bytes at most.
    package static func bytesMax(_ count: Int) -> Int { (count &+ 4) / 3 &* 4 &+ 4 }

    // HOT: per byte.
    /// Writes what is complete; how many bytes it was.
    package mutating func encode(_ bytes: Bytes, into out: UnsafeMutablePointer<UInt8>) -> Int {
        var n = 0
        for i in 0..<bytes.count {
            group = group << 8 | UInt32(bytes[i])
            count &+= 1
            guard count == 3 else { continue }
            for k in 0..<4 { unsafe out[n &+ k] = Base64Alphabet.letter(group >> UInt32(18 &- 6 &* k)) }
            n &+= 4
            group = 0
            count = 0
        }
        return n
    }

    /// The last group, padded; how many bytes it was.
    package mutating func finish(into out: UnsafeMutablePointer<UInt8>) -> Int {
        guard count > 0 else { return 0 }
        let bits = group << (count == 1 ? 16 : 8)
        unsafe out[0] = Base64Alphabet.letter(bits >> 18)
        unsafe out[1] = Base64Alphabet.letter(bits >> 12)
        unsafe out[2] = count == 2 ? Base64Alphabet.letter(bits >> 6) : UInt8(ascii: "=")
        unsafe out[3] = UInt8(ascii: "=")
        self = Base64Encoder()
        return 4
    }
}

package struct Base64Decoder: BitwiseCopyable {
    private var group: UInt32 = 0
    private var count: UInt8 = 0
    private var padding: UInt8 = 0

    package init() {}

    /// Letters of a group that is not complete.
    package var openCount: Int { Int(count) }

    /// Call before each piece: a padded group may stand at a piece's end only.
    package mutating func begin() { if count == 0 { padding = 0 } }

    // HOT: per byte.
    /// Writes what is complete, at most three bytes for every four; how many. Nil: not base64.
    package mutating func decode(_ bytes: Bytes, into out: UnsafeMutablePointer<UInt8>) -> Int? {
        var n = 0
        for i in 0..<bytes.count {
            let byte = bytes[i]
            if padding > 0, count == 0 { return nil }
            if byte == UInt8(ascii: "=") {
                guard count >= 2 else { return nil }
                padding &+= 1
                group <<= 6
            } else {
                guard padding == 0, let value = Base64Alphabet.value(byte) else { return nil }
                group = group << 6 | UInt32(value)
            }
            count &+= 1
            guard count == 4 else { continue }
            // Bits behind the last byte are zero (RFC 4648 §3.5).
            if padding == 1, group & 0xff != 0 { return nil }
            if padding == 2, group & 0xffff != 0 { return nil }
            unsafe out[n] = UInt8(truncatingIfNeeded: group >> 16)
            n &+= 1
            if padding < 2 {
                unsafe out[n] = UInt8(truncatingIfNeeded: group >> 8)
                n &+= 1
            }
            if padding < 1 {
                unsafe out[n] = UInt8(truncatingIfNeeded: group)
                n &+= 1
            }
            group = 0
            count = 0
        }
        return n
    }
}

private enum Base64Alphabet {
    @inline(__always)
    static func letter(_ bits: UInt32) -> UInt8 {
        let text = Bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" as StaticString)
        return text[Int(bits & 63)]
    }

    @inline(__always)
    static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte &- 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte &- 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &+ 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
