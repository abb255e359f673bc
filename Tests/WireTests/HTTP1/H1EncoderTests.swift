import Primitives
import Testing
import Wire

@Suite struct H1EncoderTests {
    @Test func requestWithHostFirst() {
        _ = withHead { head in
            head.setRequest("GET", "/a?b", "example.com")
            head.add("X-Two", "v")
            head.add("empty", "")
            #expect(encodedRequest(head) == "GET /a?b HTTP/1.1\r\nhost: example.com\r\nx-two: v\r\nempty: \r\n\r\n")
        }
    }

    @Test func response() {
        _ = withHead { head in
            head.status = 200
            head.add("a", "1")
            #expect(encodedResponse(head, .contentLength(2)) == "HTTP/1.1 200 OK\r\na: 1\r\ncontent-length: 2\r\n\r\n")
            #expect(encodedResponse(head, .closeDelimited, version: .http10) == "HTTP/1.0 200 OK\r\na: 1\r\n\r\n")
            head.status = 404
            #expect(encodedResponse(head) == "HTTP/1.1 404 Not Found\r\na: 1\r\n\r\n")
            head.status = 299
            #expect(encodedResponse(head).hasPrefix("HTTP/1.1 299 Unknown\r\n"))
            head.status = 65535
            #expect(encodedResponse(head).hasPrefix("HTTP/1.1 65535 Unknown\r\n"))
        }
    }

    // Lengths and codings are the caller's, whatever the head still says.
    @Test func framingIsWrittenAnew() {
        _ = withHead { head in
            head.setRequest("POST", "/", "a")
            head.add("content-length", "003")
            head.add("x", "y")
            head.add("content-length", "4")
            head.add("transfer-encoding", "chunked")
            let start = "POST / HTTP/1.1\r\nhost: a\r\n"
            #expect(encodedRequest(head, .contentLength(3)) == start + "content-length: 3\r\nx: y\r\n\r\n")
            #expect(encodedRequest(head, .chunked) == start + "x: y\r\ntransfer-encoding: chunked\r\n\r\n")
            #expect(encodedRequest(head, .none) == start + "x: y\r\n\r\n")
            #expect(
                encodedRequest(head, .contentLength(.max)) == start + "content-length: 18446744073709551615\r\nx: y\r\n\r\n")
        }
    }

    @Test func removedFieldsAreNotWritten() {
        _ = withHead { head in
            head.setRequest("GET", "/", "")
            head.add("a", "1")
            head.add("b", "2")
            head.removeAll(named: Bytes("a"))
            #expect(encodedRequest(head) == "GET / HTTP/1.1\r\nhost: \r\nb: 2\r\n\r\n")
        }
    }

    @Test func connectAndAbsoluteForm() {
        _ = withHead { head in
            head.setRequest("CONNECT", "", "a:1")
            #expect(encodedRequest(head) == "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n")
            head.setRequest("GET", "/x", "a")
            var options = H1EncoderOptions()
            options.absoluteForm = true
            #expect(encodedRequest(head, .none, options) == "GET http://a/x HTTP/1.1\r\nhost: a\r\n\r\n")
            head.scheme = head.store(Bytes("https"))
            #expect(encodedRequest(head, .none, options) == "GET https://a/x HTTP/1.1\r\nhost: a\r\n\r\n")
        }
    }

    // Envoy's documentation of proper_case_words: foo-bar_$*baz becomes Foo-Bar_$*Baz.
    @Test func properCase() {
        _ = withHead { head in
            var options = H1EncoderOptions()
            options.properCaseWords = true
            head.setRequest("POST", "/", "a")
            head.add("foo-bar_$*baz", "v")
            head.add("x-1a", "v")
            let fields = "Host: a\r\nFoo-Bar_$*Baz: v\r\nX-1a: v\r\n"
            #expect(encodedRequest(head, .contentLength(0), options) == "POST / HTTP/1.1\r\n\(fields)Content-Length: 0\r\n\r\n")
            #expect(encodedRequest(head, .chunked, options) == "POST / HTTP/1.1\r\n\(fields)Transfer-Encoding: chunked\r\n\r\n")
        }
    }

    @Test func valuesOfEveryLength() {
        _ = withHead { head in
            head.setRequest("GET", "/", "a")
            var expected = "GET / HTTP/1.1\r\nhost: a\r\n"
            for count in 0..<150 {
                let value = String(repeating: "v", count: count)
                head.add("n\(count)", value)
                expected += "n\(count): \(value)\r\n"
            }
            #expect(encodedRequest(head) == expected + "\r\n")
        }
    }

    @Test func trailers() {
        _ = withHead { head in
            head.add("grpc-status", "0")
            let text = unsafe written(H1Encoder.trailersBound(head)) {
                unsafe H1Encoder.trailers(head, H1EncoderOptions(), into: $0, capacity: $1)
            }
            #expect(text == "0\r\ngrpc-status: 0\r\n\r\n")
        }
    }

    @Test(arguments: [(1, "1"), (15, "f"), (16, "10"), (4096, "1000"), (0xdead_beef, "deadbeef"), (Int.max, "7fffffffffffffff")])
    func chunkPrefixes(_ size: Int, _ text: String) {
        #expect(unsafe written(H1Chunks.prefixBytesMax) { memory, _ in unsafe H1Chunks.prefix(size, into: memory) } == text + "\r\n")
        #expect(String(H1Chunks.suffix) + String(H1Chunks.last) == "\r\n0\r\n\r\n")
    }

    @Test func reasonPhrasesFitTheirBound() {
        _ = withHead { head in
            for status in UInt16(100)..<1000 {
                head.status = status
                let text = encodedResponse(head)
                #expect(text == "HTTP/1.1 \(status) \(ReasonPhrases.phrase(status))\r\n\r\n")
            }
        }
    }
}
