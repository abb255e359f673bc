import Primitives
import Testing
import Wire

@Suite struct H1ResponseDecoderTests {
    // MARK: The plain case

    @Test func lengthDelimited() {
        let probe = decodeResponse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        #expect(probe.log == ["head 200 http11 {content-length=2} ", "body ok", "complete"])
        #expect(probe.end == "needMore")
    }

    @Test func chunked() {
        let probe = decodeResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n")
        #expect(probe.log == ["head 200 http11 {transfer-encoding=chunked} ", "body ok", "complete"])
    }

    // RFC 9112 §6.3
    @Test func theEndOfTheConnectionEndsTheBody() {
        let probe = decodeResponse("HTTP/1.1 200 OK\r\n\r\nany\r\n")
        #expect(probe.log == ["head 200 http11 {} close", "body any\r\n"])
        #expect(probe.end == "complete")
    }

    @Test(arguments: [
        ("HTTP/1.1 200", "200 http11"), ("HTTP/1.1 200 ", "200 http11"), ("HTTP/1.1 200 Any \u{80}reason", "200 http11"),
        ("HTTP/1.0 404 Not Found", "404 http10"), ("HTTP/1.1 999 X", "999 http11"),
        ("HTTP/1.2 200 OK", "200 http11"), ("HTTP/1.9 200 OK", "200 http11"),
    ])
    func statusLines(_ line: String, _ expected: String) {
        #expect(decodeResponse(line + "\r\nContent-Length: 0\r\n\r\n").log.first?.hasPrefix("head " + expected) == true)
    }

    @Test(arguments: [
        ("ICY 200 OK", H1Error.malformedStartLine), ("HTTP/1.1  200 OK", .malformedStatus),
        ("HTTP/1.1 99 OK", .malformedStatus), ("HTTP/1.1 099 OK", .malformedStatus), ("HTTP/1.1 1000 OK", .malformedStatus),
        ("HTTP/1.1 2x0 OK", .malformedStatus), ("HTTP/1.1 +20 OK", .malformedStatus), ("HTTP/1.1 20", .malformedStartLine),
        ("HTTP/1.x 200 OK", .malformedVersion), ("HTTP/1.12 200 OK", .malformedStatus), ("HTTP/2.0 200 OK", .malformedStartLine), ("", .malformedStartLine),
        ("HTTP/1.1-200 OK", .malformedStatus), ("HTTP/1.1 200-OK", .malformedStatus),
        ("HTTP/1.1 200 O\u{1}K", .controlCharacter), (" HTTP/1.1 200 OK", .malformedStartLine),
    ])
    func refusedStatusLines(_ line: String, _ error: H1Error) {
        #expect(decodeResponse(line + "\r\nContent-Length: 0\r\n\r\n").log == ["failed \(error)"])
    }

    // RFC 9110 §2.5
    @Test func higherMinorVersionsAreReadAsTheHighestKnown() {
        #expect(
            decodeResponse("HTTP/1.2 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").log
                == ["head 200 http11 {transfer-encoding=chunked} close", "body ok", "complete"])
        #expect(
            decodeResponse("HTTP/1.2 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok").log.first
                == "head 200 http11 {connection=keep-alive|content-length=2} ")
        #expect(
            decodeResponse("HTTP/1.2 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").log.dropFirst().first
                == "head 200 http11 {content-length=2} ")
    }

    // MARK: Bodies that there are not (RFC 9112 §6.3)

    @Test func headAndStatusesWithoutBody() {
        let head = decodeResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method: .head)
        #expect(head.log == ["head 200 http11 {content-length=5} ends", "complete"])
        #expect(decodeResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method: .head).log.last == "complete")
        #expect(decodeResponse("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").log.last == "complete")
        #expect(decodeResponse("HTTP/1.1 204 No Content\r\n\r\n").log.last == "complete")
        #expect(decodeResponse("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").log.last == "complete")
    }

    // RFC 9110 §8.6, RFC 9112 §6.1
    @Test(arguments: [
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n",
    ])
    func bodiesWhereNoneMayBe(_ text: String) {
        #expect(decodeResponse(text).log == ["failed bodyDisallowed"])
    }

    @Test func interimResponses() {
        let probe = decodeResponse(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        #expect(
            probe.log == [
                "head 100 http11 {} ", "head 103 http11 {link=x} ", "head 200 http11 {content-length=2} ", "body ok",
                "complete",
            ])
    }

    // MARK: Tunnels

    @Test func upgradeAndConnect() {
        let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nabc"
        #expect(decodeResponse(switching, upgrade: true).log.last == "body abc")
        #expect(decodeResponse(switching, upgrade: true).end == "complete")
        #expect(decodeResponse(switching).log == ["failed unexpectedUpgrade"])
        let connected = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"
        #expect(decodeResponse(connected, method: .connect).log == ["head 200 http11 {content-length=1} close,tunnel", "body abc"])
        #expect(decodeResponse("HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx", method: .connect).log.last == "complete")
    }

    // MARK: Malice

    @Test(arguments: [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", H1Error.contentLengthAndChunked),
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\n", .duplicateContentLength),
        ("Content-Length: x\r\n\r\n", .malformedContentLength), ("Transfer-Encoding: gzip\r\n\r\n", .unsupportedTransferEncoding),
        ("X: a\r\n b\r\n\r\n", .obsoleteFold), ("X : a\r\n\r\n", .malformedFieldName), ("X: a\nY: b\r\n\r\n", .bareLineFeed),
        ("X: a\u{0}\r\n\r\n", .controlCharacter),
    ])
    func refusedFields(_ rest: String, _ error: H1Error) {
        #expect(decodeResponse("HTTP/1.1 200 OK\r\n" + rest).log == ["failed \(error)"])
    }

    @Test func chunkedInHTTP10() {
        #expect(
            decodeResponse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").log
                == ["failed transferEncodingInHTTP10"])
    }

    @Test func bytesBehindTheResponseStay() {
        #expect(decodeResponse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").log.last == "complete")
        let probe = Probe.response(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore".latin1], .response, .get, false)
        #expect(probe.log.suffix(2) == ["complete", "left 4"])
    }

    @Test func truncation() {
        #expect(decodeResponse("").end == "needMore")
        #expect(decodeResponse("HTTP").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeResponse("HTTP/1.1 100 Continue\r\n\r\n").end == "needMore")
    }

    @Test func connectionPersistence() {
        #expect(decodeResponse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").log.first?.hasSuffix("ends,close") == true)
        #expect(decodeResponse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").log.first?.hasSuffix("ends,close") == true)
        #expect(decodeResponse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").log.first?.hasSuffix("ends") == true)
    }

    // Found by the fuzzer: `Host` in a response became its authority and was lost.
    @Test func hostInAResponseIsAField() {
        #expect(
            decodeResponse("HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n").log.first
                == "head 200 http11 {host=a|host=b|content-length=0} ends")
    }

    @Test func headLimit() {
        let frame = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx: \r\n\r\n".utf8.count
        func text(_ bytes: Int) -> String {
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx: \(String(repeating: "v", count: bytes - frame))\r\n\r\n"
        }
        #expect(decodeResponse(text(80 << 10)).log.last == "complete")
        #expect(decodeResponse(text((80 << 10) + 1)).log == ["failed headersTooLarge"])
    }
}
