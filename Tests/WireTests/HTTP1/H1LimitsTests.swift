import Primitives
import Testing
import Wire

@Suite struct H1LimitsTests {
    static func get(_ bytes: Int) -> String {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nx: \r\n\r\n"
        return "GET / HTTP/1.1\r\nHost: a\r\nx: \(String(repeating: "v", count: bytes - frame.utf8.count))\r\n\r\n"
    }

    @Test func headBytes() {
        #expect(decodeRequest(H1LimitsTests.get(61440)).log.last == "complete")
        #expect(decodeRequest(H1LimitsTests.get(61441)).log == ["failed headersTooLarge"])
        var options = H1Options()
        options.maxHeadBytes = 100
        #expect(decodeRequest(H1LimitsTests.get(100), options).log.last == "complete")
        #expect(decodeRequest(H1LimitsTests.get(100) + H1LimitsTests.get(101), options).log.last == "failed headersTooLarge")
        // A line without end is refused at the limit, not remembered.
        #expect(decodeRequest("GET /" + String(repeating: "a", count: 200), options).log == ["failed headersTooLarge"])
    }

    @Test func startLineBytes() {
        var options = H1Options()
        options.maxStartLineBytes = 20
        #expect(decodeRequest("GET /123456 HTTP/1.1\r\nHost: a\r\n\r\n", options).log.last == "complete")
        #expect(decodeRequest("GET /1234567 HTTP/1.1\r\nHost: a\r\n\r\n", options).log == ["failed headersTooLarge"])
    }

    @Test func headerCount() {
        func head(_ count: Int) -> String {
            "GET / HTTP/1.1\r\nHost: a\r\n" + (1..<count).map { "x\($0): y\r\n" }.joined() + "\r\n"
        }
        #expect(decodeRequest(head(100)).log.last == "complete")
        #expect(decodeRequest(head(101)).log == ["failed tooManyHeaders"])
    }

    @Test func longestLength() {
        let probe = decodeRequest("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nabc")
        #expect(probe.log.last == "body abc")
        #expect(
            decodeRequest("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\nabc").log
                == ["failed malformedContentLength"])
        #expect(
            decodeRequest("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0000000000000000000000003\r\n\r\nabc").log.last
                == "complete")
    }

    static let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test func chunkSizes() {
        let zeros = String(repeating: "0", count: 400)
        #expect(decodeRequest(H1LimitsTests.chunked + zeros + "3\r\nabc\r\n0\r\n\r\n").log.last == "complete")
        // Sixteen digits are free, each one more counts like an extension's byte.
        var options = H1Options()
        options.maxChunkExtensionBytes = 4
        let free = String(repeating: "0", count: 19)
        #expect(decodeRequest(H1LimitsTests.chunked + free + "3\r\nabc\r\n0\r\n\r\n", options).log.last == "complete")
        #expect(
            decodeRequest(H1LimitsTests.chunked + free + "03\r\nabc\r\n", options).log.last == "failed chunkExtensionTooLarge")
        #expect(decodeRequest(H1LimitsTests.chunked + "fffffffffffffff\r\nabc").log.last == "body abc")
        #expect(decodeRequest(H1LimitsTests.chunked + "3 \t\r\nabc\r\n0 ;x\r\n\r\n").log.last == "complete")
    }

    @Test func chunkExtensions() {
        var options = H1Options()
        options.maxChunkExtensionBytes = 10
        // Ten bytes ahead of the data at the most; data gives room again.
        let fine = "1;12345678\r\na\r\n"
        #expect(
            decodeRequest(H1LimitsTests.chunked + fine + "1;\r\nb\r\n8;123456789\r\n12345678\r\n0\r\n\r\n", options).log.last
                == "failed chunkExtensionTooLarge")
        #expect(
            decodeRequest(H1LimitsTests.chunked + fine + "8;\r\n12345678\r\n8;12345678\r\n12345678\r\n0\r\n\r\n", options)
                .log.last == "complete")
        #expect(
            decodeRequest(H1LimitsTests.chunked + "1;1234567890\r\na", options).log.last == "failed chunkExtensionTooLarge")
        #expect(
            decodeRequest(H1LimitsTests.chunked + "1" + String(repeating: " ", count: 11), options).log.last
                == "failed chunkExtensionTooLarge")
    }

    @Test func trailerBytes() {
        var options = H1Options()
        options.maxTrailerBytes = 10
        #expect(decodeRequest(H1LimitsTests.chunked + "0\r\na: 3456\r\n\r\n", options).log.last == "failed trailersTooLarge")
        #expect(decodeRequest(H1LimitsTests.chunked + "0\r\na: 345\r\n\r\n", options).log.last == "complete")
        options.maxHeaders = 2
        options.maxTrailerBytes = 1000
        #expect(decodeRequest(H1LimitsTests.chunked + "0\r\na:1\r\nb:2\r\nc:3\r\n\r\n", options).log.last == "complete")
        options.enableTrailers = true
        #expect(decodeRequest(H1LimitsTests.chunked + "0\r\na:1\r\nb:2\r\nc:3\r\n\r\n", options).log.last == "failed tooManyHeaders")
    }

    @Test func underscores() {
        var options = H1Options()
        let text = "GET / HTTP/1.1\r\nHost: a\r\nx_y: 1\r\nz: 2\r\n\r\n"
        #expect(decodeRequest(text, options).log.first == "head GET [a] / http11 {x_y=1|z=2} ends")
        options.underscores = .dropHeader
        #expect(decodeRequest(text, options).log.first == "head GET [a] / http11 {z=2} ends")
        options.underscores = .rejectRequest
        #expect(decodeRequest(text, options).log == ["failed underscoreInFieldName"])
    }
}
