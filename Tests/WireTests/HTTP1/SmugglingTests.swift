// Families of request smuggling, each with the error that stops it.

import Primitives
import Testing
import Wire

@Suite struct SmugglingTests {
    static let post = "POST / HTTP/1.1\r\nHost: a\r\n"

    @Test(arguments: [
        // RFC 9112 §6.1, §6.3: length and coding.
        ("CL.TE", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", H1Error.contentLengthAndChunked),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", .contentLengthAndChunked),
        ("CL.TE unknown", "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc", .contentLengthAndChunked),
        ("CL CL equal", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", .duplicateContentLength),
        ("CL CL differ", "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", .duplicateContentLength),
        ("CL list", "Content-Length: 3, 3\r\n\r\nabc", .malformedContentLength),
        ("CL +", "Content-Length: +3\r\n\r\nabc", .malformedContentLength),
        ("CL -", "Content-Length: -3\r\n\r\nabc", .malformedContentLength),
        ("CL empty", "Content-Length:\r\n\r\n", .malformedContentLength),
        ("CL hex", "Content-Length: 0x3\r\n\r\nabc", .malformedContentLength),
        ("CL space", "Content-Length: 3 3\r\n\r\nabc", .malformedContentLength),
        ("CL tab", "Content-Length: 3\t3\r\n\r\nabc", .malformedContentLength),
        ("CL overflow", "Content-Length: 18446744073709551616\r\n\r\nabc", .malformedContentLength),
        ("CL long", "Content-Length: 99999999999999999999999\r\n\r\nabc", .malformedContentLength),
        ("TE gzip", "Transfer-Encoding: gzip\r\n\r\nabc", .unsupportedTransferEncoding),
        ("TE list", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE twice in one", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE TE identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", .unsupportedTransferEncoding),
        ("TE identity", "Transfer-Encoding: identity\r\n\r\nabc", .unsupportedTransferEncoding),
        ("TE empty", "Transfer-Encoding:\r\n\r\n", .unsupportedTransferEncoding),
        ("TE x", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE comma", "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE quoted", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", .unsupportedTransferEncoding),
        ("TE VT", "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", .controlCharacter),
        // RFC 9112 §5: names.
        ("space before colon", "Transfer-Encoding : chunked\r\n\r\n", .malformedFieldName),
        ("tab before colon", "Content-Length\t: 3\r\n\r\n", .malformedFieldName),
        ("name with space", "X Content-Length: 3\r\n\r\n", .malformedFieldName),
        ("name with NUL", "Content-Length\u{0}: 3\r\n\r\n", .controlCharacter),
        ("name with 0x80", "Content-Length\u{80}: 3\r\n\r\n", .malformedFieldName),
        ("name with 0xdf", "\u{df}: 3\r\n\r\n", .malformedFieldName),
        ("empty name", ": x\r\n\r\n", .malformedFieldName),
        ("no colon", "Content-Length\r\n\r\n", .malformedFieldName),
        ("name with paren", "X(: a\r\n\r\n", .malformedFieldName),
        // RFC 9112 §5.2, §2.2: lines.
        ("folding", "X: a\r\n Content-Length: 3\r\n\r\n", .obsoleteFold),
        ("folding by tab", "X: a\r\n\tb\r\n\r\n", .obsoleteFold),
        ("bare LF", "X: a\nContent-Length: 3\r\n\r\n", .bareLineFeed),
        ("bare LF at the end", "X: a\r\n\nGET / HTTP/1.1\r\n", .bareLineFeed),
        ("bare CR", "X: a\rContent-Length: 3\r\n\r\n", .bareCarriageReturn),
        ("CR CR LF", "X: a\r\r\n\r\n", .bareCarriageReturn),
        ("CR at the end", "X: a\r\n\rGET", .bareCarriageReturn),
        // RFC 9110 §5.5: values.
        ("NUL in value", "X: a\u{0}b\r\n\r\n", .controlCharacter),
        ("control in value", "X: a\u{1}b\r\n\r\n", .controlCharacter),
        ("DEL in value", "X: a\u{7f}b\r\n\r\n", .controlCharacter),
        // RFC 9112 §3.2: Host.
        ("Host twice", "Host: b\r\n\r\n", .duplicateHost),
        ("Host twice, equal", "host: a\r\n\r\n", .duplicateHost),
    ])
    func heads(_ name: String, _ rest: String, _ error: H1Error) {
        #expect(decodeRequest(SmugglingTests.post + rest).log == ["failed \(error)"], "\(name)")
    }

    @Test(arguments: [
        ("space before the size", " 3\r\nabc\r\n0\r\n\r\n", H1Error.malformedChunkSize),
        ("0x", "0x3\r\nabc\r\n0\r\n\r\n", .malformedChunkSize), ("sign", "+3\r\nabc\r\n0\r\n\r\n", .malformedChunkSize),
        ("minus", "-3\r\nabc\r\n0\r\n\r\n", .malformedChunkSize), ("empty", "\r\nabc\r\n", .malformedChunkSize),
        ("not hex", "g\r\n", .malformedChunkSize), ("underscore", "1_0\r\n", .malformedChunkSize),
        ("overflow", "10000000000000003\r\nabc", .chunkSizeOverflow),
        ("overflow by one digit", "1000000000000000\r\n", .chunkSizeOverflow),
        ("zeros without end", String(repeating: "0", count: 100_000) + "\r\n", .chunkExtensionTooLarge),
        ("LF after size", "3\nabc\r\n0\r\n\r\n", .malformedChunkSize),
        ("CR without LF after size", "3\rabc\r\n0\r\n\r\n", .malformedChunkSize),
        ("LF in extension", "3;a\nabc\r\n0\r\n\r\n", .malformedChunkExtension),
        ("CR in extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", .malformedChunkSize),
        ("NUL in extension", "3;a\u{0}b\r\nabc\r\n0\r\n\r\n", .malformedChunkExtension),
        ("word after space", "3 4\r\nabc\r\n0\r\n\r\n", .malformedChunkSize),
    ])
    func chunkSizes(_ name: String, _ rest: String, _ error: H1Error) {
        let probe = decodeRequest(SmugglingTests.post + "Transfer-Encoding: chunked\r\n\r\n" + rest)
        #expect(probe.log.dropFirst() == ["failed \(error)"], "\(name)")
    }

    @Test(arguments: [
        ("LF after data", "3\r\nabc\n0\r\n\r\n", H1Error.malformedChunkEnd),
        ("bytes after data", "3\r\nabcd\r\n0\r\n\r\n", .malformedChunkEnd),
        ("no end after data", "3\r\nabc0\r\n\r\n", .malformedChunkEnd),
        ("CR without LF after data", "3\r\nabc\rX\r\n", .malformedChunkEnd),
        ("trailer without colon", "3\r\nabc\r\n0\r\nX y\r\n\r\n", .malformedTrailer),
        ("trailer, space before colon", "3\r\nabc\r\n0\r\nX : y\r\n\r\n", .malformedTrailer),
        ("trailer, empty name", "3\r\nabc\r\n0\r\n: y\r\n\r\n", .malformedTrailer),
        ("trailer, bare LF", "3\r\nabc\r\n0\r\nX: y\n\r\n", .bareLineFeed),
        ("trailer, bare CR", "3\r\nabc\r\n0\r\nX: y\rz\r\n", .bareCarriageReturn),
        ("trailer, folded", "3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n", .obsoleteFold),
        ("trailer, control", "3\r\nabc\r\n0\r\nX: \u{2}\r\n\r\n", .controlCharacter),
        ("LF at the end", "3\r\nabc\r\n0\r\n\n", .malformedTrailer),
        ("CR without LF at the end", "3\r\nabc\r\n0\r\n\rX", .bareCarriageReturn),
    ])
    func afterData(_ name: String, _ rest: String, _ error: H1Error) {
        var keep = H1Options()
        keep.enableTrailers = true
        for options in [H1Options(), keep] {
            let probe = decodeRequest(SmugglingTests.post + "Transfer-Encoding: chunked\r\n\r\n" + rest, options)
            #expect(probe.log.contains("body abc"), "\(name)")
            #expect(probe.log.last == "failed \(error)", "\(name)")
        }
    }

    @Test(arguments: ["a b", "a/b", "u@b", "a:1:2", "a:x", "a:65536", "[::1", "[::1]x", "[xyz]", "[]", "a%4", "a\\b", "é", ":", ":80"])
    func hosts(_ host: String) {
        #expect(
            decodeRequest("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").log == ["failed invalidAuthority"])
    }

    @Test func connectHasNoBody() {
        let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n"
        #expect(decodeRequest(connect + "Content-Length: 3\r\n\r\nabc").log == ["failed bodyDisallowed"])
        #expect(
            decodeRequest(connect + "Transfer-Encoding: chunked\r\n\r\n").log == ["failed unsupportedTransferEncoding"])
        #expect(decodeRequest(connect + "Content-Length: 0\r\n\r\n").log.last == "complete")
    }

    @Test func lengthBesideChunkedWhenAllowed() {
        var options = H1Options()
        options.allowChunkedLength = true
        let probe = decodeRequest(
            SmugglingTests.post + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", options)
        #expect(probe.log.suffix(2) == ["body abc", "complete"])
        #expect(
            decodeRequest(SmugglingTests.post + "Content-Length: 9\r\nTransfer-Encoding: gzip\r\n\r\n", options).log
                == ["failed contentLengthAndChunked"])
    }

    // Envoy's words for the log, its status and text.
    @Test func repliesAreEnvoys() {
        #expect(H1Error.contentLengthAndChunked.details.description == "http1.content_length_and_chunked_not_allowed")
        #expect(H1Error.unsupportedTransferEncoding.status == 501)
        #expect(H1Error.lowVersion.status == 426)
        #expect(H1Error.lowVersion.body.description == "Upgrade Required")
        #expect(H1Error.headersTooLarge.status == 431)
        #expect(H1Error.malformedFieldName.details.description == "http1.codec_error")
        for error in H1Error.allCases {
            #expect([400, 403, 426, 431, 501].contains(error.status))
            #expect(!error.details.description.isEmpty)
            #expect(!error.body.description.isEmpty)
        }
    }
}
