import Pipeline
import Primitives
import Testing

/// Protobuf's wire format as exporters write it. That others read whole spans shows `TracingOracleTests`.
struct ProtoTextTests {
    private func written(_ write: (inout TextBuffer) -> Void) -> [UInt8] {
        var text = TextBuffer(pool: BlockPool())
        defer { text.destroy() }
        write(&text)
        return Array(text.bytes)
    }

    @Test func varintsGrowEverySevenBits() {
        for (value, bytes) in [(0, [0]), (127, [127]), (128, [0x80, 1]), (300, [0xac, 2])] as [(UInt64, [UInt8])] {
            #expect(written { $0.put(varint: value) } == bytes)
        }
        #expect(written { $0.put(varint: .max) } == [UInt8](repeating: 0xff, count: 9) + [1])
        var value = 1
        while value < 1 << 40 {
            for near in [value - 1, value] {
                #expect(ProtoSize.varint(near) == written { $0.put(varint: UInt64(near)) }.count, "\(near)")
            }
            value <<= 1
        }
    }

    @Test func anAttributeIsNestedTwice() {
        let bytes = written { out in "k".withBytes { key in "val".withBytes { OTLP.put(attribute: key, $0, number: 9, &out) } } }
        // attributes { key: "k" value { string_value: "val" } }
        #expect(bytes == [0x4a, 10, 0x0a, 1, 0x6b, 0x12, 5, 0x0a, 3, 0x76, 0x61, 0x6c])
    }

    /// A value whose length needs two bytes makes every length around it longer.
    @Test func lengthsOfLongValues() {
        let value = String(repeating: "x", count: 300)
        let bytes = written { out in "key".withBytes { key in value.withBytes { OTLP.put(attribute: key, $0, number: 1, &out) } } }
        #expect(bytes.count == ProtoSize.field(ProtoSize.field(3) + ProtoSize.field(ProtoSize.field(300))))
        #expect(Array(bytes.prefix(3)) == [0x0a, 0xb7, 2])
    }

    @Test func numbersOfFixedWidth() {
        #expect(written { $0.put(field: 7, fixed64: 1) } == [0x39, 1, 0, 0, 0, 0, 0, 0, 0])
        #expect(written { $0.put(bigEndian: 1) } == [0, 0, 0, 0, 0, 0, 0, 1])
        #expect(written { $0.put(field: 6, varint: 2) } == [0x30, 2])
    }

    /// The length is known at the end: what was written moves where it needs more than one byte.
    @Test(arguments: [0, 1, 127, 128, 16383, 16384, 70_000])
    func messagesThatAreClosedHaveTheirLength(_ count: Int) {
        let bytes = written { out in
            let outer = out.open(300)
            let inner = out.open(2)
            for i in 0..<count { out.put(UInt8(truncatingIfNeeded: i)) }
            out.close(inner)
            out.close(outer)
        }
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let inner = [0x12] + written { $0.put(varint: UInt64(count)) } + content
        #expect(bytes == written { $0.put(varint: 300 << 3 | 2) } + written { $0.put(varint: UInt64(inner.count)) } + inner)
    }

    @Test func zeroAndNothingAreLeftOut() {
        #expect(written { $0.put(5, number: 0); $0.put(6, text: .empty) } == [])
        #expect(written { $0.put(33, number: 6) } == [0x88, 2, 6])
    }

    /// A buffer that is full stays what it is.
    @Test func whatIsTooLongIsTruncated() {
        var text = TextBuffer(pool: BlockPool())
        defer { text.destroy() }
        let start = text.open(1)
        for _ in 0..<(TextBuffer.bytesMax) { text.put(UInt8(0)) }
        text.put(UInt8(0))
        text.close(start)
        #expect(text.isTruncated && text.count <= TextBuffer.bytesMax)
    }
}
