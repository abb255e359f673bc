// JSON that we have written ourselves (filter state, metadata) as MessagePack. What is not JSON ends the conversion, and what
// is missing then is null: the text comes from us, but nothing is taken on trust.

import Primitives
import Wire

enum MessagePackJSON {
    static let depthMax = FormatWriter.jsonDepthMax

    static func convert(_ json: Bytes, into out: inout TextBuffer) {
        var at = 0
        value(json, &at, depth: 0, &out)
    }

    private static func value(_ json: Bytes, _ at: inout Int, depth: Int, _ out: inout TextBuffer) {
        skipSpace(json, &at)
        guard at < json.count, depth <= depthMax else { return out.put(UInt8(0xc0)) }
        switch json[at] {
        case UInt8(ascii: "{"): container(json, &at, depth: depth, isMap: true, &out)
        case UInt8(ascii: "["): container(json, &at, depth: depth, isMap: false, &out)
        case UInt8(ascii: "\""): string(json, &at, &out)
        default: word(json, &at, &out)
        }
    }

    /// With a count of 32 bits, which is known at the end.
    private static func container(_ json: Bytes, _ at: inout Int, depth: Int, isMap: Bool, _ out: inout TextBuffer) {
        let close = isMap ? UInt8(ascii: "}") : UInt8(ascii: "]")
        at &+= 1
        out.put(isMap ? UInt8(0xdf) : 0xdd)
        let place = out.count
        for _ in 0..<4 { out.put(UInt8(0)) }
        var count: UInt32 = 0
        while true {
            skipSpace(json, &at)
            if at < json.count, json[at] == UInt8(ascii: ",") {
                at &+= 1
                continue
            }
            guard at < json.count, json[at] != close else { break }
            let before = at
            if isMap {
                string(json, &at, &out)
                skipSpace(json, &at)
                if at < json.count, json[at] == UInt8(ascii: ":") { at &+= 1 }
            }
            value(json, &at, depth: depth &+ 1, &out)
            count &+= 1
            if at == before { break }
        }
        at = min(at &+ 1, json.count)
        guard !out.isTruncated else { return }
        for i in 0..<4 { out.overwrite(at: place &+ i, UInt8(truncatingIfNeeded: count >> UInt32(24 &- 8 &* i))) }
    }

    /// Escapes are those that `JSONString` writes.
    private static func string(_ json: Bytes, _ at: inout Int, _ out: inout TextBuffer) {
        guard at < json.count, json[at] == UInt8(ascii: "\"") else { return out.put(stringOf: 0) }
        at &+= 1
        // 32 bits of length: escapes make it unknown.
        out.put(UInt8(0xdb))
        let place = out.count
        for _ in 0..<4 { out.put(UInt8(0)) }
        while at < json.count, json[at] != UInt8(ascii: "\"") {
            let byte = json[at]
            at &+= 1
            guard byte == UInt8(ascii: "\\"), at < json.count else {
                out.put(byte)
                continue
            }
            escaped(json, &at, &out)
        }
        at = min(at &+ 1, json.count)
        guard !out.isTruncated else { return }
        let length = UInt32(truncatingIfNeeded: out.count &- place &- 4)
        for i in 0..<4 { out.overwrite(at: place &+ i, UInt8(truncatingIfNeeded: length >> UInt32(24 &- 8 &* i))) }
    }

    private static func escaped(_ json: Bytes, _ at: inout Int, _ out: inout TextBuffer) {
        let kind = json[at]
        at &+= 1
        switch kind {
        case UInt8(ascii: "b"): out.put(UInt8(0x08))
        case UInt8(ascii: "t"): out.put(UInt8(0x09))
        case UInt8(ascii: "n"): out.put(UInt8(0x0a))
        case UInt8(ascii: "f"): out.put(UInt8(0x0c))
        case UInt8(ascii: "r"): out.put(UInt8(0x0d))
        case UInt8(ascii: "u"):
            var scalar: UInt16 = 0
            for _ in 0..<4 where at < json.count {
                scalar = scalar << 4 | UInt16(hexDigit(json[at]))
                at &+= 1
            }
            // Only bytes are written so.
            if scalar < 0x80 {
                out.put(UInt8(truncatingIfNeeded: scalar))
            } else {
                out.put(0xc0 | UInt8(truncatingIfNeeded: scalar >> 6 & 0x1f))
                out.put(0x80 | UInt8(truncatingIfNeeded: scalar & 0x3f))
            }
        default: out.put(kind)
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8 {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x61...0x66: byte &- 0x57
        case 0x41...0x46: byte &- 0x37
        default: 0
        }
    }

    private static func word(_ json: Bytes, _ at: inout Int, _ out: inout TextBuffer) {
        let start = at
        while at < json.count, isWord(json[at]) { at &+= 1 }
        let word = json.part(start, at)
        if word.equals(Bytes("true" as StaticString)) { return out.put(UInt8(0xc3)) }
        if word.equals(Bytes("false" as StaticString)) { return out.put(UInt8(0xc2)) }
        if let number = word.decimal { return out.put(integer: number) }
        if word.count > 1, word[0] == UInt8(ascii: "-"), let number = word.from(1).decimal { return out.put(negative: number) }
        guard let number = double(word) else { return out.put(UInt8(0xc0)) }
        out.put(double: number)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte != UInt8(ascii: ",") && byte != UInt8(ascii: "}") && byte != UInt8(ascii: "]") && byte > 0x20
    }

    private static func double(_ word: Bytes) -> Double? {
        guard !word.isEmpty, word[0] == UInt8(ascii: "-") || (0x30...0x39).contains(word[0]) else { return nil }
        return Double(String(word))
    }

    private static func skipSpace(_ json: Bytes, _ at: inout Int) { while at < json.count, json[at] <= 0x20 { at &+= 1 } }
}

extension TextBuffer {
    /// In four bytes where that says the same.
    package mutating func put(double value: Double) {
        if Double(Float(value)) == value {
            put(UInt8(0xca))
            let bits = Float(value).bitPattern
            for shift: UInt32 in [24, 16, 8, 0] { put(UInt8(truncatingIfNeeded: bits >> shift)) }
            return
        }
        put(UInt8(0xcb))
        put(bigEndian: value.bitPattern)
    }
}
