// Strings of a JSON line (RFC 8259 §7), escaped as Envoy 1.40 does: what is UTF-8 stays, what is not is written byte by
// byte as if it were Latin-1.

import Primitives

package enum JSONString {
    // HOT: per field.
    /// Nothing to escape and nothing but ASCII.
    package static func isPlain(_ bytes: Bytes) -> Bool {
        var i = 0
        let base = unsafe UnsafeRawPointer(bytes.base)
        while i &+ 8 <= bytes.count {
            if unsafe !isPlain((base + i).loadUnaligned(as: UInt64.self)) { return false }
            i &+= 8
        }
        // The last eight bytes, some of them a second time.
        if bytes.count >= 8 { return unsafe isPlain((base + bytes.count - 8).loadUnaligned(as: UInt64.self)) }
        while i < bytes.count {
            let byte = bytes[i]
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return false }
            i &+= 1
        }
        return true
    }

    /// Of eight bytes at once. What is subtracted is borrowed from the next byte only by one that is not plain itself.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5c)
        let special = (word &- ones &* 0x20) & ~word | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
        return (word | special) & (ones &* 0x80) == 0
    }

    /// The text without its quotes.
    package static func write(_ bytes: Bytes, into output: inout TextBuffer) {
        isUTF8(bytes) ? writeText(bytes, into: &output) : writeBytes(bytes, into: &output)
    }

    private static func writeText(_ bytes: Bytes, into output: inout TextBuffer) {
        for i in 0..<bytes.count {
            let byte = bytes[i]
            switch byte {
            case UInt8(ascii: "\""): output.put("\\\"")
            case UInt8(ascii: "\\"): output.put("\\\\")
            case 0x08: output.put("\\b")
            case 0x09: output.put("\\t")
            case 0x0a: output.put("\\n")
            case 0x0c: output.put("\\f")
            case 0x0d: output.put("\\r")
            case 0..<0x20: escape(byte, into: &output)
            default: output.put(byte)
            }
        }
    }

    private static func writeBytes(_ bytes: Bytes, into output: inout TextBuffer) {
        for i in 0..<bytes.count {
            let byte = bytes[i]
            if byte < 0x20 || byte >= 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                escape(byte, into: &output)
            } else {
                output.put(byte)
            }
        }
    }

    private static func escape(_ byte: UInt8, into output: inout TextBuffer) {
        output.put("\\u")
        output.put(hex: UInt64(byte), width: 4)
    }

    static func isUTF8(_ bytes: Bytes) -> Bool {
        var i = 0
        while i < bytes.count {
            let length = lengthOfScalar(bytes, at: i)
            if length == 0 { return false }
            i &+= length
        }
        return true
    }

    /// RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF. 0: no scalar begins here.
    static func lengthOfScalar(_ bytes: Bytes, at place: Int) -> Int {
        let lead = bytes[place]
        var low: UInt8 = 0x80
        var high: UInt8 = 0xbf
        let more: Int
        switch lead {
        case 0..<0x80: return 1
        case 0xc2...0xdf: more = 1
        case 0xe0:
            more = 2
            low = 0xa0
        case 0xe1...0xec, 0xee, 0xef: more = 2
        case 0xed:
            more = 2
            high = 0x9f
        case 0xf0:
            more = 3
            low = 0x90
        case 0xf1...0xf3: more = 3
        case 0xf4:
            more = 3
            high = 0x8f
        default: return 0
        }
        guard place &+ more < bytes.count else { return 0 }
        for j in 1...more {
            let byte = bytes[place &+ j]
            guard byte >= low, byte <= high else { return 0 }
            low = 0x80
            high = 0xbf
        }
        return more &+ 1
    }
}
