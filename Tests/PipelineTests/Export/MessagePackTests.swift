import Primitives
import Testing

@testable import Pipeline

/// MessagePack in its shortest forms, and JSON of ours made MessagePack. That others read it shows `LogServerOracleTests`.
struct MessagePackTests {
    private func written(_ write: (inout TextBuffer) -> Void) -> [UInt8] {
        var text = TextBuffer(pool: BlockPool())
        defer { text.destroy() }
        write(&text)
        return Array(text.bytes)
    }

    @Test func integers() {
        let cases: [(UInt64, [UInt8])] = [
            (0, [0]), (127, [0x7f]), (128, [0xcc, 0x80]), (255, [0xcc, 0xff]), (256, [0xcd, 1, 0]), (65535, [0xcd, 0xff, 0xff]),
            (65536, [0xce, 0, 1, 0, 0]), (1 << 32, [0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        ]
        for (value, bytes) in cases { #expect(written { $0.put(integer: value) } == bytes) }
        let below: [(UInt64, [UInt8])] = [
            (1, [0xff]), (32, [0xe0]), (33, [0xd0, 0xdf]), (128, [0xd0, 0x80]), (129, [0xd1, 0xff, 0x7f]), (32769, [0xd2, 0xff, 0xff, 0x7f, 0xff]),
            (1 << 33, [0xd3, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0]),
        ]
        for (magnitude, bytes) in below { #expect(written { $0.put(negative: magnitude) } == bytes) }
    }

    @Test func lengths() {
        #expect(written { $0.put(arrayOf: 15) } == [0x9f] && written { $0.put(mapOf: 16) } == [0xde, 0, 16])
        #expect(written { $0.put(arrayOf: 70000) } == [0xdd, 0, 1, 0x11, 0x70])
        #expect(written { $0.put(stringOf: 31) } == [0xbf] && written { $0.put(stringOf: 32) } == [0xd9, 32])
        #expect(written { $0.put(stringOf: 300) } == [0xda, 1, 44] && written { $0.put(stringOf: 70000) } == [0xdb, 0, 1, 0x11, 0x70])
    }

    @Test func fractions() {
        #expect(written { $0.put(double: 1.5) } == [0xca, 0x3f, 0xc0, 0, 0])
        #expect(written { $0.put(double: 0.1) } == [0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a])
    }

    /// Bytes that are no UTF-8 are taken for Latin-1.
    @Test func strings() {
        #expect(written { out in [0x61, 0xe9].withBytes { out.put(packed: $0) } } == [0xa3, 0x61, 0xc3, 0xa9])
        #expect(written { out in "a\u{e9}".withBytes { out.put(packed: $0) } } == [0xa3, 0x61, 0xc3, 0xa9])
    }

    private func converted(_ json: String) -> [UInt8] { written { out in json.withBytes { MessagePackJSON.convert($0, into: &out) } } }

    @Test func jsonOfOurs() {
        #expect(converted("{}") == [0xdf, 0, 0, 0, 0])
        #expect(converted("{\"a\":[1,-2,true,false,null,0.5]}")
            == [0xdf, 0, 0, 0, 1, 0xdb, 0, 0, 0, 1, 0x61, 0xdd, 0, 0, 0, 6, 1, 0xfe, 0xc3, 0xc2, 0xc0, 0xca, 0x3f, 0, 0, 0])
        #expect(converted("\"\\\"\\\\\\n\\t\\r\\b\\f\\u0001\\u00e9\"")
            == [0xdb, 0, 0, 0, 10, 0x22, 0x5c, 0x0a, 0x09, 0x0d, 0x08, 0x0c, 1, 0xc3, 0xa9])
    }

    /// Cut anywhere it ends, and never reads on.
    @Test func jsonThatIsCut() {
        let json = "{\"a\":[1,{\"b\":\"c\\u00e9\"}, -3.5 ],\"d\":nonsense}"
        for length in 0...json.utf8.count { #expect(!converted(String(json.prefix(length))).isEmpty) }
        #expect(!converted(String(repeating: "[", count: 200)).isEmpty)
    }
}
