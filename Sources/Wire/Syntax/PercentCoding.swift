// Percent-encoding (RFC 3986 §2.1).

import Primitives

package enum PercentCoding {
    /// The byte that "%XY" at `index` stands for; nil when there is no such triple.
    @inline(__always)
    package static func byte(_ text: Bytes, at index: Int) -> UInt8? {
        guard index &+ 2 < text.count, text[index] == 0x25, let high = hexDigit(text[index &+ 1]),
            let low = hexDigit(text[index &+ 2])
        else { return nil }
        return high << 4 | low
    }

    @inline(__always)
    package static func hexDigit(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    /// RFC 3986 §2.3: letters, digits, "-", ".", "_", "~".
    @inline(__always)
    package static func isUnreserved(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x03ff_6000_0000_0000
        let high: UInt64 = 0x47ff_fffe_87ff_fffe
        return byte < 128 && ((byte < 64 ? low : high) >> UInt64(byte & 63)) & 1 == 1
    }

    /// Decodes every valid triple; others stay as they are. `output` has room for `text.count` and the cursor's spare.
    package static func decode(_ text: Bytes, into output: inout OutputCursor) {
        var i = 0
        while i < text.count {
            if let byte = byte(text, at: i) {
                output.put(byte)
                i &+= 3
            } else {
                output.put(text[i])
                i &+= 1
            }
        }
    }

    /// Encodes everything but unreserved bytes: a value that is safe in any part of a query. `output` has room for
    /// three times `text.count` and the cursor's spare.
    package static func encode(_ text: Bytes, into output: inout OutputCursor) {
        var i = 0
        while i < text.count {
            let byte = text[i]
            if isUnreserved(byte) { output.put(byte) } else { put(byte, into: &output) }
            i &+= 1
        }
    }

    /// "%XY", upper case (RFC 3986 §2.1).
    package static func put(_ byte: UInt8, into output: inout OutputCursor) {
        output.put(0x25)
        output.put(upperHex(byte >> 4))
        output.put(upperHex(byte & 15))
    }

    @inline(__always)
    private static func upperHex(_ digit: UInt8) -> UInt8 { digit &+ (digit < 10 ? 0x30 : 0x37) }
}
