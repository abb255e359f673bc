import Primitives
import Testing
import Wire

@Suite struct H1RequestDecoderTests {
    // MARK: The plain case

    @Test func getWithoutBody() {
        let probe = decodeRequest("GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Two:  v w\t\r\nEmpty:\r\n\r\n")
        #expect(probe.log == ["head GET [example.com] /a?b=c http11 {x-two=v w|empty=} ends", "complete"])
        #expect(probe.end == "needMore")
    }

    @Test func pipelinedRequestsComeOneByOne() {
        let probe = decodeRequest(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(
            probe.log == [
                "head POST [a] / http11 {content-length=3} ", "body abc", "complete", "head GET [b] /2 http11 {} ends",
                "complete",
            ])
    }

    @Test func chunkedBodyIsUnframed() {
        let probe = decodeRequest(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y z\"\r\n0123456789\r\n00\r\n\r\n")
        #expect(
            probe.log == ["head POST [a] / http11 {transfer-encoding=Chunked} ", "body abc0123456789", "complete"])
    }

    @Test func fieldNamesAreLowerCaseAndKeepTheirOrder() {
        let probe = decodeRequest(
            "GET / HTTP/1.1\r\nA: 1\r\nHOST: a\r\nContent-LENGTH: 0\r\nX-A-Very-Long-Name_With.Other~Token!Bytes: V\r\na: 2\r\n\r\n")
        #expect(
            probe.log.first
                == "head GET [a] / http11 {a=1|content-length=0|x-a-very-long-name_with.other~token!bytes=V|a=2} ends")
    }

    @Test(arguments: [
        ("close", "close"), ("Close", "close"), ("x, close", "close"), ("keep-alive", ""), ("closed", ""), ("", ""),
    ])
    func persistence(_ value: String, _ flag: String) {
        let probe = decodeRequest("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(value)\r\n\r\n")
        #expect(probe.log.first?.hasSuffix("} ends" + (flag.isEmpty ? "" : "," + flag)) == true)
    }

    // MARK: Request targets (RFC 9112 §3.2)

    @Test(arguments: [
        ("GET http://b:80/x?y HTTP/1.1", "GET http [b:80] /x?y"),
        ("GET HTTPS://b HTTP/1.1", "GET HTTPS [b] /"),
        ("GET http://b?x=1 HTTP/1.1", "GET http [b] ?x=1"),
        ("GET http://[::1]:8080 HTTP/1.1", "GET http [[::1]:8080] /"),
        ("OPTIONS http://b HTTP/1.1", "OPTIONS http [b] /"),
        ("OPTIONS * HTTP/1.1", "OPTIONS [h] *"),
        ("CONNECT b:443 HTTP/1.1", "CONNECT [b:443] "),
        ("CONNECT [::1]:443 HTTP/1.1", "CONNECT [[::1]:443] "),
        ("GET //x HTTP/1.1", "GET [h] //x"),
        ("GET /\"<>\\^`{|} HTTP/1.1", "GET [h] /\"<>\\^`{|}"),
    ])
    func targetForms(_ line: String, _ expected: String) {
        let probe = decodeRequest(line + "\r\nHost: h\r\n\r\n")
        #expect(probe.log.first?.hasPrefix("head \(expected) http11 {}") == true, "\(probe.log)")
    }

    @Test(arguments: [
        ("GET * HTTP/1.1", H1Error.invalidURL), ("OPTIONS *a HTTP/1.1", .invalidURL), ("GET a/b HTTP/1.1", .malformedTarget),
        ("GET ?x HTTP/1.1", .malformedTarget), ("GET b:443 HTTP/1.1", .malformedTarget),
        ("GET ftp://b/x HTTP/1.1", .unsupportedScheme), ("GET ://b/x HTTP/1.1", .malformedTarget),
        ("GET http:///x HTTP/1.1", .invalidURL), ("GET http://u@b/x HTTP/1.1", .malformedTarget),
        ("GET http://b:99999/x HTTP/1.1", .invalidURL), ("GET http://b:1:2/x HTTP/1.1", .invalidURL),
        ("CONNECT b HTTP/1.1", .invalidURL), ("CONNECT /x HTTP/1.1", .invalidURL),
        ("CONNECT b: HTTP/1.1", .invalidURL), ("CONNECT :1 HTTP/1.1", .invalidURL),
        ("CONNECT http://b:1/ HTTP/1.1", .invalidURL),
        ("GET /a\u{1}b HTTP/1.1", .invalidTargetCharacter), ("GET /a\u{7f}b HTTP/1.1", .invalidTargetCharacter),
        ("GET /a\u{80}b HTTP/1.1", .malformedTarget), ("GET /a\tb HTTP/1.1", .invalidTargetCharacter),
        ("GET /a\u{0}b HTTP/1.1", .invalidTargetCharacter),
    ])
    func refusedTargets(_ line: String, _ error: H1Error) {
        #expect(decodeRequest(line + "\r\nHost: h\r\n\r\n").log == ["failed \(error)"])
    }

    // RFC 9112 §2.3: before HTTP/1.0 there were neither versions nor fields.
    @Test func aRequestWithoutAVersionIsHTTP10WhereThatIsAccepted() {
        var options = H1Options()
        options.acceptHTTP10 = true
        let log = decodeRequest("GET /a\r\nx: 1\r\n\r\n", options).log
        #expect(log.first?.contains("http10") == true && log.last == "complete", "\(log)")
        #expect(decodeRequest("GET a\r\n\r\n", options).log == ["failed malformedTarget"])
    }

    // MARK: Start lines (RFC 9112 §3)

    @Test(arguments: [
        ("GET /a b HTTP/1.1", H1Error.malformedVersion), ("GET  / HTTP/1.1", .malformedStartLine),
        ("GET /  HTTP/1.1", .malformedVersion), ("GET / HTTP/1.1 ", .malformedVersion),
        (" GET / HTTP/1.1", .unsupportedMethod), ("GET\t/ HTTP/1.1", .unsupportedMethod),
        ("GET", .malformedStartLine), ("GET ", .malformedStartLine), ("", .unsupportedMethod),
        ("GET /", .lowVersion), ("GET / HTTP/1.0", .lowVersion), ("GET / HTTP/0.9", .lowVersion),
        ("GET / HTTP/1.2", .lowVersion), ("GET / HTTP/2.0", .lowVersion), ("GET / http/1.1", .malformedVersion),
        ("GET / HTTP/11.1", .malformedVersion), ("GET / HTTP/1.", .malformedVersion),
        ("GET / HTTP/a.b", .malformedVersion), ("GET / HTTP/1x1", .malformedVersion),
        ("GET / FTP/1.1!", .malformedVersion), ("FOO / HTTP/1.1", .unsupportedMethod),
        ("get / HTTP/1.1", .unsupportedMethod), ("PRI / HTTP/1.1", .unsupportedMethod),
        ("G(T / HTTP/1.1", .unsupportedMethod), ("G\u{1}T / HTTP/1.1", .malformedStartLine),
        ("GETGETGETGET / HTTP/1.1", .unsupportedMethod), ("POSX / HTTP/1.1", .unsupportedMethod),
    ])
    func refusedStartLines(_ line: String, _ error: H1Error) {
        #expect(decodeRequest("\(line)\r\nHost: h\r\n\r\n").log == ["failed \(error)"])
    }

    @Test(arguments: [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PURGE", "MSEARCH",
        "UNSUBSCRIBE", "ACL",
    ])
    func methodsThatEnvoyKnows(_ method: String) {
        let target = method == "CONNECT" ? "a:1" : "/"
        #expect(decodeRequest("\(method) \(target) HTTP/1.1\r\nHost: h\r\n\r\n").log.last == "complete")
    }

    @Test func customMethodsAreTokens() {
        var options = H1Options()
        options.allowCustomMethods = true
        #expect(decodeRequest("X-Y / HTTP/1.1\r\nHost: h\r\n\r\n", options).log.last == "complete")
        #expect(decodeRequest("X/Y / HTTP/1.1\r\nHost: h\r\n\r\n", options).log == ["failed unsupportedMethod"])
    }

    @Test func absoluteFormCanBeOff() {
        var options = H1Options()
        options.allowAbsoluteURL = false
        // A path like any other: whoever routes it refuses it.
        let log = decodeRequest("GET http://b/ HTTP/1.1\r\nHost: h\r\n\r\n", options).log
        #expect(log.first?.contains("http://b/") == true && log.last == "complete", "\(log)")
        #expect(decodeRequest("GET * HTTP/1.1\r\nHost: h\r\n\r\n", options).log.last == "complete")
        #expect(decodeRequest("GET * HTTP/1.1\r\nHost: h\r\n\r\n").log == ["failed invalidURL"])
    }

    // RFC 9112 §2.2
    @Test func emptyLinesBeforeTheRequestAreSkipped() {
        #expect(decodeRequest("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").log.last == "complete")
        #expect(decodeRequest(String(repeating: "\r\n", count: 50) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n").log.last == "complete")
        #expect(decodeRequest("\r\n\rGET / HTTP/1.1\r\n").log == ["failed bareCarriageReturn"])
        #expect(decodeRequest("\nGET / HTTP/1.1\r\n").log == ["failed bareLineFeed"])
        #expect(decodeRequest("\rGET / HTTP/1.1\r\n").log == ["failed bareCarriageReturn"])
        #expect(decodeRequest("\r\n").end == "needMore")
    }

    @Test func http10WhenAccepted() {
        var options = H1Options()
        options.acceptHTTP10 = true
        #expect(
            decodeRequest("GET / HTTP/1.0\r\n\r\n", options).log == ["head GET [] / http10 {} ends,close,nohost", "complete"])
        #expect(
            decodeRequest("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a\r\n\r\n", options).log.first
                == "head GET [a] / http10 {connection=Keep-Alive} ends")
        #expect(
            decodeRequest("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", options).log
                == ["failed transferEncodingInHTTP10"])
        #expect(decodeRequest("GET / HTTP/1.2\r\n\r\n", options).log == ["failed lowVersion"])
    }

    // MARK: Upgrades (RFC 9110 §7.8)

    @Test(arguments: [
        ("Upgrade", "websocket", true), ("keep-alive, Upgrade", "websocket", true), ("upgrade", "h2c", false),
        ("keep-alive", "websocket", false), ("Upgrade, HTTP2-Settings", "h2c", false), ("upgrade", "h2c, foo", true),
        ("upgrade", "", true), ("upgrade", ",", true), ("keep-alive", "", false), ("upgrade", "H2C", false),
    ])
    func upgrades(_ connection: String, _ upgrade: String, _ requested: Bool) {
        let probe = decodeRequest("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(connection)\r\nUpgrade: \(upgrade)\r\n\r\n")
        #expect(probe.log.first?.hasSuffix("} ends" + (requested ? ",upgrade" : "")) == true)
    }

    @Test func tunnelBytesAreBody() {
        let pool = BlockPool()
        guard var head = MessageHead(pool: pool) else { return }
        var decoder = H1RequestDecoder(options: H1Options())
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nraw\r\n".withBytes { input in
            var cursor = 0
            guard case .head = decoder.next(input, &cursor, head: &head) else { Issue.record("no head"); return }
            decoder.becomeTunnel()
            guard case .body(let part) = decoder.next(input, &cursor, head: &head) else { Issue.record("no body"); return }
            #expect(part.equals(Bytes("raw\r\n")))
        }
        guard case .complete = decoder.finish() else { Issue.record("not complete"); return }
        #expect(decoder.isIdle)
        head.destroy()
        pool.destroy()
    }

    // MARK: Ends

    @Test func closingEarlyIsTruncation() {
        #expect(decodeRequest("").end == "needMore")
        #expect(decodeRequest("G").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeRequest("GET / HTTP/1.1\r\n").end == "failed(Wire.H1Error.truncated)")
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
        #expect(decodeRequest(post).end == "failed(Wire.H1Error.truncated)")
        #expect(decodeRequest(post + "ab").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeRequest(post + "abc").end == "needMore")
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(decodeRequest(chunked + "0\r\n").end == "failed(Wire.H1Error.truncated)")
        #expect(decodeRequest("GET / HTTP/1.1\nx").end == "needMore")
    }
}
