import CNghttp2
import Primitives
import Testing
import Wire

/// Blocks of METADATA, read again by nghttp2's decoder.
struct H2MetadataBlockTests {
    private func bytes(_ text: String, _ body: (Bytes) -> Void) {
        let wire = Array(text.utf8)
        unsafe wire.withUnsafeBytes { unsafe body(Bytes($0.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!, $0.count)) }
    }

    private func block(_ fields: [(String, String)]) -> [UInt8] {
        var block = PlainArray<UInt8>()
        defer { block.destroy() }
        for (name, value) in fields {
            bytes(name) { name in bytes(value) { H2MetadataBlock.append(name, $0, to: &block) } }
        }
        return (0..<block.count).map { block[$0] }
    }

    private func decoded(_ block: [UInt8]) -> [String]? {
        var inflater: OpaquePointer?
        guard unsafe nghttp2_hd_inflate_new(&inflater) == 0 else { return nil }
        defer { unsafe nghttp2_hd_inflate_del(inflater) }
        var fields: [String] = []
        var at = 0
        return unsafe block.withUnsafeBufferPointer { bytes in
            while at < bytes.count {
                var field = unsafe nghttp2_nv()
                var flags: Int32 = 0
                let count = unsafe nghttp2_hd_inflate_hd2(inflater, &field, &flags, bytes.baseAddress! + at, bytes.count - at, 1)
                guard count >= 0 else { return nil }
                at += count
                guard flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 else { continue }
                unsafe fields.append(
                    String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self) + "="
                        + String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self))
            }
            return fields
        }
    }

    @Test func aMapIsLiterals() {
        #expect(block([("k", "v"), ("", "")]) == [0, 1, 0x6b, 1, 0x76, 0, 0, 0])
        #expect(decoded(block([("k", "v"), ("key", "a value"), ("e", "")])) == ["k=v", "key=a value", "e="])
        #expect(block([]).isEmpty)
    }

    /// RFC 7541 §5.1: an integer of seven bits, and what is larger.
    @Test(arguments: [0, 1, 126, 127, 128, 254, 255, 16_383, 16_384, 16_510, 16_511, 60_000])
    func everyLengthIsRead(count: Int) {
        let text = String(repeating: "x", count: count)
        #expect(decoded(block([("n", text), ("after", "1")])) == ["n=" + text, "after=1"])
    }
}
