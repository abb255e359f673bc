// Framing around the parts of a chunked body (RFC 9112 §7.1). The data itself is sent from where it lies.

import Primitives

package enum H1Chunks {
    /// Room for `prefix`: 16 digits and CRLF, and the cursor's spare.
    package static let prefixBytesMax = 18 + OutputCursor.spareBytes

    // HOT: per body part.
    /// `size` in hex and CRLF, before the data. `size` is not 0: that would end the body.
    package static func prefix(_ size: Int, into memory: UnsafeMutableRawPointer) -> Int {
        assert(size > 0, "an empty chunk ends the body")
        var output = unsafe OutputCursor(memory, capacity: prefixBytesMax)
        output.putHex(UInt64(truncatingIfNeeded: size))
        output.putLineEnd()
        return output.count
    }

    /// Behind the data of each chunk.
    package static var suffix: Bytes { Bytes("\r\n" as StaticString) }
    /// The end, when there are no trailers (`H1Encoder.trailers` otherwise).
    package static var last: Bytes { Bytes("0\r\n\r\n" as StaticString) }
}
