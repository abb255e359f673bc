import Primitives
import Testing

@Suite struct BytesTests {
    private func bytes(_ text: StaticString) -> Bytes { Bytes(text) }

    @Test func parts() {
        let text = bytes("hello world")
        #expect(String(text.part(6, 11)) == "world")
        #expect(String(text.from(6)) == "world")
        #expect(String(text.prefix(5)) == "hello")
        #expect(String(text.prefix(500)) == "hello world")
        #expect(text.from(11).isEmpty)
        #expect(Array(Bytes.empty) == [])
    }

    @Test func comparisons() {
        #expect(bytes("abc").equals(bytes("abc")))
        #expect(!bytes("abc").equals(bytes("abd")))
        #expect(!bytes("abc").equals(bytes("ab")))
        #expect(bytes("Content-LENGTH").equalsIgnoringCase(bytes("content-length")))
        // '[' and '{' differ by the bit that separates upper from lower case, and are no letters.
        #expect(!bytes("[").equalsIgnoringCase(bytes("{")))
        #expect(!bytes("@").equalsIgnoringCase(bytes("`")))
        #expect(bytes("abcdef").hasPrefix(bytes("abc")) && bytes("abcdef").hasSuffix(bytes("def")))
        #expect(!bytes("ab").hasPrefix(bytes("abc")) && !bytes("ab").hasSuffix(bytes("abc")))
        #expect(bytes("ABCdef").hasPrefixIgnoringCase(bytes("abC")) && bytes("ABCdef").hasSuffixIgnoringCase(bytes("DEF")))
        #expect(Bytes.empty.equals(.empty) && bytes("x").hasPrefix(.empty))
    }

    @Test func searches() {
        let text = bytes("a,b,,c")
        #expect(text.firstIndex(of: UInt8(ascii: ",")) == 1)
        #expect(text.firstIndex(of: UInt8(ascii: ","), from: 2) == 3)
        #expect(text.firstIndex(of: UInt8(ascii: ","), from: 6) == nil)
        #expect(text.firstIndex(of: UInt8(ascii: "x")) == nil)
        #expect(text.firstIndex(of: bytes(",,")) == 3)
        #expect(text.firstIndex(of: bytes("c,")) == nil)
        #expect(text.firstIndex(of: Bytes.empty) == 0)
        #expect(Bytes.empty.firstIndex(of: bytes("a")) == nil)
    }

    @Test func trimming() {
        #expect(String(bytes(" \t value \t").trimmed) == "value")
        #expect(bytes(" \t ").trimmed.isEmpty)
        #expect(bytes("").trimmed.isEmpty)
        // RFC 9110 §5.6.3: OWS is space and tab, nothing else.
        #expect(String(bytes("\rx\n").trimmed) == "\rx\n")
    }

    @Test func decimals() {
        #expect(bytes("0").decimal == 0)
        #expect(bytes("18446744073709551615").decimal == .max)
        #expect(bytes("18446744073709551616").decimal == nil)
        #expect(bytes("99999999999999999999").decimal == nil)
        #expect(bytes("000000000000000000001").decimal == nil, "more digits than any number needs")
        for wrong in ["", "-1", "+1", " 1", "1 ", "1a", "0x1", "/", ":"] {
            #expect(wrong.withBytes(\.decimal) == nil, "'\(wrong)'")
        }
    }

    @Test func hashesDependOnEveryByteAndOnTheSeed() {
        var seen: Set<UInt64> = []
        for length in 0...40 {
            for flipped in 0..<max(1, length) {
                var text = [UInt8](repeating: 0x61, count: length)
                if length > 0 { text[flipped] ^= 1 }
                #expect(seen.insert(text.withBytes(\.hash)).inserted)
            }
        }
        #expect(bytes("x").seededHash(1) != bytes("x").seededHash(2))
    }
}
