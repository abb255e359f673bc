import Pipeline
import Primitives
import Testing

/// `sw8`, SkyWalking's header of propagation.
struct SW8ContextTests {
    private static let right = "1-dGlk-c2Vn-3-cHN2Yw==-cGluc3Q=-L2Vw-MS4yLjMuNDo4MA=="

    private func parse(_ text: String) -> SW8Context? { text.withBytes { SW8Context.parse($0) } }

    private func decoded(_ text: String) -> String {
        var out = TextBuffer(pool: BlockPool())
        defer { out.destroy() }
        text.withBytes { SW8Context.decode($0, into: &out) }
        return String(out.bytes)
    }

    private func encoded(_ text: String) -> String {
        var out = TextBuffer(pool: BlockPool())
        defer { out.destroy() }
        text.withBytes { SW8Context.encode($0, into: &out) }
        return String(out.bytes)
    }

    @Test func eightFields() throws {
        SW8ContextTests.right.withBytes { text in
            let context = SW8Context.parse(text)
            #expect(context.map { [$0.trace, $0.segment, $0.service, $0.instance, $0.endpoint, $0.address].map { decoded(String($0)) } }
                == ["tid", "seg", "psvc", "pinst", "/ep", "1.2.3.4:80"])
            #expect(context?.span == 3)
        }
        #expect(parse("0" + SW8ContextTests.right.dropFirst()) != nil, "the caller's wish does not count")
        #expect(parse("1---0----") != nil, "texts may be empty")
        #expect(parse("1---2147483647----")?.span == .max)
    }

    /// Fewer fields, more, another flag, a number that is none; cut short at each byte. A ninth field ends Envoy.
    @Test func anythingElseIsRefused() {
        for wrong in ["", "x", "2-a-b-3-c-d-e-f", "1-a-b-x-c-d-e-f", "1-a-b--3-c-d-e-f", "1-a-b-2147483648-c-d-e-f", "1-a-b-3-c-d-e-f-",
            "1-a-b-3-c-d-e-f-g", "1-a-b-3-c-d-e", "--------", "1-a-b-+3-c-d-e-f"]
        {
            #expect(parse(wrong) == nil, "\(wrong)")
        }
        let bytes = Array(SW8ContextTests.right.utf8)
        let lastDash = bytes.lastIndex(of: UInt8(ascii: "-")) ?? 0
        for i in 0...lastDash { #expect((parse(String(decoding: bytes[..<i], as: UTF8.self)) != nil) == false, "cut at \(i)") }
    }

    @Test(arguments: ["", "a", "ab", "abc", "/some/path?x=1", "127.0.0.1:8080"])
    func textsComeBackAsTheyWent(_ text: String) {
        #expect(decoded(encoded(text)) == text)
        // With and without padding.
        #expect(decoded(String(encoded(text).prefix { $0 != "=" })) == text)
    }

    @Test(arguments: ["!", "c2V!", "a", "abcde", "a=", "====", "YQ==YQ=="])
    func whatIsNotBase64IsNothing(_ text: String) { #expect(decoded(text) == "") }
}
