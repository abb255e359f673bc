import Primitives
import Testing
import Wire

struct H2PrefaceTests {
    private func sniff(_ text: String, after: Int = 0) -> H2Preface.Verdict { text.withBytes { H2Preface.sniff($0, after: after) } }

    @Test func thePrefaceWholeAndInPieces() {
        let preface = String(H2Preface.bytes)
        #expect(preface.utf8.count == 24)
        #expect(sniff(preface) == .http2)
        for count in 1..<12 {
            #expect(sniff(String(preface.prefix(count))) == .needMore)
            #expect(sniff(String(preface.dropFirst(count)), after: count) == .http2)
        }
        #expect(sniff("PRI * HTTP/2") == .http2)
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "P", "POST / HTTP/1.1\r\n", "PRI * HTTP/1.1\r\n", "PRX"]) func others(text: String) {
        #expect(sniff(text) == (text == "P" ? .needMore : .http1))
    }

    @Test func aPieceThatGoesOnOtherwise() {
        #expect(sniff("OST / HTTP/1.1\r\n", after: 1) == .http1)
    }
}
