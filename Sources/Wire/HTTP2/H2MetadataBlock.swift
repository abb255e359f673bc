// A block of METADATA as it goes out: literals without indexing and without Huffman coding (RFC 7541 §6.2.2), which every
// decoder reads in every state.

import Primitives

package enum H2MetadataBlock {
    package static func append(_ name: Bytes, _ value: Bytes, to block: inout PlainArray<UInt8>) {
        block.append(0)
        append(name, to: &block)
        append(value, to: &block)
    }

    private static func append(_ text: Bytes, to block: inout PlainArray<UInt8>) {
        appendLength(text.count, to: &block)
        block.append(text)
    }

    /// RFC 7541 §5.1, §5.2: an integer with a prefix of seven bits; the eighth says that no Huffman code is used.
    private static func appendLength(_ length: Int, to block: inout PlainArray<UInt8>) {
        guard length >= 0x7f else { return block.append(UInt8(truncatingIfNeeded: length)) }
        block.append(0x7f)
        var rest = length &- 0x7f
        while rest >= 0x80 {
            block.append(UInt8(truncatingIfNeeded: rest & 0x7f | 0x80))
            rest >>= 7
        }
        block.append(UInt8(truncatingIfNeeded: rest))
    }
}

extension PlainArray<UInt8> {
    package mutating func append(_ bytes: Bytes) {
        for i in 0..<bytes.count { append(bytes[i]) }
    }
}
