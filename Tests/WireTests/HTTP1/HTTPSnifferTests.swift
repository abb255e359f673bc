import Primitives
import Testing
import Wire

/// Outcomes of Envoy 1.40's `http_inspector` for the same bytes.
@Suite struct HTTPSnifferTests {
    private func read(_ text: String) -> HTTPSniffer { Array(text.utf8).withBytes { HTTPSniffer.read($0) } }

    @Test func firstLines() {
        for (text, outcome) in [
            ("GET / HTTP/1.1\r\n", HTTPSniffer.http11), ("GET / HTTP/1.1\n", .http11), ("get / HTTP/1.1\r\n\r\n", .http11),
            ("GET  / HTTP/1.1\r\n", .http11), ("GET / HTTP/1.1 \r\n", .http11), ("PRI * HTTP/1.1\r\n\r\n", .http11),
            ("GET / HTTP/1.1\r\nbad header\r\n\r\n", .http11), ("GET / HTTP/1.0\r\n", .http10), ("GET / HTTP/0.9\r\n", .http10),
            ("GET / HTTP/2.0\r\n", .http10), ("GET /\r\n", .http10), ("GET / FOO\r\n", .other), ("GET / HTTP/1.1x\r\n", .other),
            ("GET / http/1.1\r\n", .other), ("GET /a b HTTP/1.1\r\n", .other), ("\r\nGET / HTTP/1.1\r\n", .other),
            ("hello world this is\r\n", .other), ("SSH-2.0-OpenSSH\r\n", .other), ("A(B / HTTP/1.1\r\n", .other), ("\n", .other),
            (" / HTTP/1.1\r\n", .other), ("GET \r\n", .other), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", .http2), ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", .http10),
        ] { #expect(read(text) == outcome, "\(text.debugDescription)") }
    }

    @Test func everyPrefixWantsMore() {
        for text in ["GET / HTTP/1.1\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            for count in 0..<text.utf8.count {
                #expect(Array(text.utf8.prefix(count)).withBytes { HTTPSniffer.read($0) } == .needMore, "\(count) of \(text.debugDescription)")
            }
        }
    }

    @Test func aLineWithoutAnEndIsNoLine() {
        let long = [UInt8](repeating: 65, count: HTTPSniffer.lineMax)
        #expect(long.withBytes { HTTPSniffer.read($0) } == .other)
        #expect(Array(long.dropLast()).withBytes { HTTPSniffer.read($0) } == .needMore)
    }
}
