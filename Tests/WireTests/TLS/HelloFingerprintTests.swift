import Primitives
import Testing
import Wire

/// Texts of JA3 and JA4 (their digests are compared with Envoy's end to end).
@Suite struct HelloFingerprintTests {
    private func vector(_ width: Int, _ body: [UInt8]) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }

    private func numbers(_ values: [UInt16]) -> [UInt8] { values.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } }
    private func type(_ type: UInt16, _ body: [UInt8]) -> [UInt8] { numbers([type]) + vector(2, body) }

    private func message(_ ciphers: [UInt16], _ extensions: [UInt8]?) -> [UInt8] {
        [3, 3] + [UInt8](repeating: 7, count: 32) + vector(1, []) + vector(2, numbers(ciphers)) + vector(1, [0])
            + (extensions.map { vector(2, $0) } ?? [])
    }

    /// JA3, JA4's head, ciphers, extensions.
    private func texts(_ message: [UInt8]) -> [String]? {
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: HelloFingerprint.textMax)
        defer { unsafe out.deallocate() }
        return message.withBytes { bytes in
            guard let hello = HelloFingerprint(bytes) else { return nil }
            func text(_ count: Int) -> String { unsafe String(decoding: UnsafeBufferPointer(start: out, count: count), as: UTF8.self) }
            let ja3 = unsafe text(hello.ja3(into: out))
            unsafe hello.ja4Head(into: out)
            let head = text(10)
            let ciphers = unsafe text(hello.ja4Ciphers(into: out))
            return unsafe [ja3, head, ciphers, text(hello.ja4Extensions(into: out))]
        }
    }

    @Test func everyList() {
        let extensions =
            type(0x1A1A, []) + type(0, vector(2, [0] + vector(2, [97]))) + type(10, vector(2, numbers([0x2A2A, 29, 23])))
            + type(11, vector(1, [0, 1])) + type(13, vector(2, numbers([0x0804, 0x0403]))) + type(43, vector(1, numbers([0x3A3A, 0x0304])))
            + type(16, vector(2, vector(1, Array("h2".utf8)) + vector(1, Array("http/1.1".utf8))))
        #expect(texts(message([0x0A0A, 0xC02F, 0x1301], extensions)) == [
            "771,49199-4865,0-10-11-13-43-16,10794-29-23,0-1", "t13d0206h2", "1301,c02f", "000a,000b,000d,002b_0804,0403",
        ])
        #expect(texts(message([0x2F], nil)) == ["771,47,,,", "t12i010000", "002f", ""])
        #expect(texts(message([], [])) == ["771,,,,", "t12i000000", "", ""])
    }

    @Test func theLargestHello() {
        let ciphers = (0..<8_100).map { UInt16(($0 * 7919) % 65_521) }
        let found = texts(message(ciphers, type(5, [])))
        #expect(found?[1] == "t12i990100")
        let sorted = ciphers.filter { !($0 & 0x0F0F == 0x0A0A && $0 >> 8 == $0 & 0xFF) }.sorted()
        #expect(found?[2] == sorted.map { value in
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 4 - text.count) + text
        }.joined(separator: ","))
    }

    /// Cut short at each byte: none, or texts of what is there.
    @Test func everyPrefix() {
        let whole = message([0x1301, 0x1302], type(13, vector(2, numbers([0x0804]))) + type(16, vector(2, vector(1, [0xAB, 0x12]))))
        #expect(texts(whole)?[1] == "t12i0202a2")
        for count in 0..<whole.count { _ = texts(Array(whole.prefix(count))) }
        for i in 34..<whole.count {
            var changed = whole
            changed[i] = 255
            _ = texts(changed)
        }
    }
}
