/// JSON writes what lies beyond U+FFFF as two `\u` escapes; YAML knows no such pairs. They are replaced by the character itself
/// before libyaml sees them, which moves the columns of what follows in the same line. The other way round with U+0085, U+2028
/// and U+2029: characters like any other to JSON (RFC 8259 §7), they would end a line of YAML and be folded into a space.
enum JSONEscapes {
    static func joined(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        var copied = 0
        while index < bytes.count {
            if let (escape, length) = lineEnd(bytes, index) {
                result += bytes[copied..<index]
                result += Array(escape.utf8)
                index += length
                copied = index
                continue
            }
            guard bytes[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            if let high = unit(bytes, index), high >= 0xd800, high < 0xdc00,
                let low = unit(bytes, index + 6), low >= 0xdc00, low < 0xe000,
                let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
            {
                result += bytes[copied..<index]
                result += Array(String(scalar).utf8)
                index += 12
                copied = index
            } else {
                index += 2  // also `\\`: what follows it is no escape
            }
        }
        return copied == 0 ? bytes : result + bytes[copied...]
    }

    /// What ends a line of YAML at that place but none of JSON: its escape, and its length in bytes.
    private static func lineEnd(_ bytes: [UInt8], _ index: Int) -> (String, Int)? {
        switch bytes[index] {
        case 0xc2 where bytes[index...].starts(with: [0xc2, 0x85]): ("\\u0085", 2)
        case 0xe2 where bytes[index...].starts(with: [0xe2, 0x80, 0xa8]): ("\\u2028", 3)
        case 0xe2 where bytes[index...].starts(with: [0xe2, 0x80, 0xa9]): ("\\u2029", 3)
        default: nil
        }
    }

    /// The value of `\uXXXX` at that place.
    private static func unit(_ bytes: [UInt8], _ index: Int) -> UInt32? {
        guard index + 6 <= bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        return UInt32(String(decoding: bytes[index + 2..<index + 6], as: UTF8.self), radix: 16)
    }
}
