import Primitives
import Testing
import Wire

@Suite struct H1TrailersTests {
    static let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    static var keep: H1Options {
        var options = H1Options()
        options.enableTrailers = true
        return options
    }

    @Test func keptWhenEnabled() {
        let probe = decodeRequest(H1TrailersTests.chunked + "0\r\nX-A: \t v w \r\nGrpc-Status: 0\r\nE:\r\n\r\n", H1TrailersTests.keep)
        #expect(
            probe.log.dropFirst() == ["body ab", "trailers begin", "trailers x-a=v w|grpc-status=0|e=", "complete"])
    }

    @Test func droppedByDefault() {
        #expect(
            decodeRequest(H1TrailersTests.chunked + "0\r\nX-A: v\r\n\r\n").log.dropFirst() == ["body ab", "complete"])
    }

    @Test func noneAtAll() {
        #expect(
            decodeRequest(H1TrailersTests.chunked + "0\r\n\r\n", H1TrailersTests.keep).log.dropFirst()
                == ["body ab", "complete"])
    }

    // RFC 9110 §6.5.1
    @Test(arguments: ["Content-Length: 3", "Transfer-Encoding: chunked", "Host: b", "Authorization: x", "TE: y", "Cookie: z"])
    func framingAndRoutingFieldsAreDropped(_ field: String) {
        let probe = decodeRequest(H1TrailersTests.chunked + "0\r\nA: 1\r\n\(field)\r\n\r\n", H1TrailersTests.keep)
        #expect(probe.log.suffix(2) == ["trailers a=1", "complete"])
    }

    @Test func underscoreActions() {
        var options = H1TrailersTests.keep
        options.underscores = .dropHeader
        #expect(
            decodeRequest(H1TrailersTests.chunked + "0\r\na_b: 1\r\nc: 2\r\n\r\n", options).log.suffix(2)
                == ["trailers c=2", "complete"])
        options.underscores = .rejectRequest
        #expect(
            decodeRequest(H1TrailersTests.chunked + "0\r\na_b: 1\r\n\r\n", options).log.last == "failed underscoreInFieldName")
    }

    @Test func pipelinedBehindTrailers() {
        let probe = decodeRequest(
            H1TrailersTests.chunked + "0\r\nA: 1\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", H1TrailersTests.keep)
        #expect(probe.log.suffix(3) == ["complete", "head GET [b] / http11 {} ends", "complete"])
    }
}
