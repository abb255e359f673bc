import Primitives
import Testing
import Wire

// RFC 9110 §5.6.1
@Suite struct TokenListTests {
    @Test(arguments: [
        ("", []), ("a", ["a"]), ("a, b ,\tc", ["a", "b", "c"]), (",, a ,,", ["a"]), (" ", []), ("a b,c", ["a b", "c"]),
    ] as [(String, [String])])
    func elements(_ list: String, _ expected: [String]) {
        let found = list.withBytes { bytes in
            var tokens = TokenList(bytes)
            var found: [String] = []
            while let token = tokens.next() { found.append(String(token)) }
            return found
        }
        #expect(found == expected)
    }

    @Test func contains() {
        #expect(TokenList.contains(Bytes("a, Close"), Bytes("close")))
        #expect(!TokenList.contains(Bytes("a, closed"), Bytes("close")))
    }
}

// RFC 9110 §4.2
@Suite struct HTTPSchemeTests {
    @Test func schemes() {
        #expect(HTTPScheme(Bytes("http")) == .http && HTTPScheme(Bytes("hTTp")) == .http)
        #expect(HTTPScheme(Bytes("https")) == .https && HTTPScheme(Bytes("HTTPS")) == .https)
        #expect(HTTPScheme(.empty) == nil && HTTPScheme(Bytes("httpss")) == nil && HTTPScheme(Bytes("ftp")) == nil)
        #expect(HTTPScheme(isTLS: true).text.equals(Bytes("https")) && HTTPScheme(isTLS: false).text.equals(Bytes("http")))
    }
}

@Suite struct PathQueryTests {
    @Test func splits() {
        #expect(PathQuery(Bytes("/a?b?c")).query?.equals(Bytes("b?c")) == true)
        #expect(PathQuery(Bytes("/a")).query == nil)
        #expect(PathQuery(Bytes("/a?")).query?.isEmpty == true)
        #expect(PathQuery(Bytes("/a?b")).path.equals(Bytes("/a")))
    }

    @Test func parameters() {
        var found: [String] = []
        var parameters = QueryParameters(Bytes("a=1&&b&c==x&=y&a=2&"))
        while let pair = parameters.next() { found.append(String(pair.name) + ">" + String(pair.value)) }
        #expect(found == ["a>1", "b>", "c>=x", ">y", "a>2"])
        #expect(QueryParameters.value(of: Bytes("a"), in: Bytes("b=0&a=1&a=2"))?.equals(Bytes("1")) == true)
        #expect(QueryParameters.value(of: Bytes("z"), in: Bytes("b=0")) == nil)
    }
}

@Suite struct PercentCodingTests {
    static func decoded(_ text: String) -> String {
        text.withBytes { bytes in
            unsafe written(bytes.count + OutputCursor.spareBytes) { memory, capacity in
                var output = unsafe OutputCursor(memory, capacity: capacity)
                PercentCoding.decode(bytes, into: &output)
                return output.count
            }
        }
    }

    @Test(arguments: [("a%20b", "a b"), ("%41%zz%4", "A%zz%4"), ("", ""), ("%", "%"), ("%2f%2F", "//"), ("%00", "\u{0}")])
    func decodes(_ text: String, _ expected: String) { #expect(PercentCodingTests.decoded(text) == expected) }

    @Test func encodesAndBack() {
        let all = [UInt8](0...255)
        let text = all.withBytes { bytes in
            unsafe written(3 * bytes.count + OutputCursor.spareBytes) { memory, capacity in
                var output = unsafe OutputCursor(memory, capacity: capacity)
                PercentCoding.encode(bytes, into: &output)
                return output.count
            }
        }
        #expect(text.hasPrefix("%00%01"))
        #expect(text.contains("-.%2F0123456789%3A"))
        #expect(text.contains("_%60abc"))
        #expect(PercentCodingTests.decoded(text).latin1 == all)
    }
}

@Suite struct CookiesTests {
    @Test func readsLeniently() {
        _ = withHead { head in
            head.add("cookie", "a=1; b=\"q v\" ;c ; =x;d=;a=2")
            head.add("cookie", "e=5")
            func value(_ name: StaticString) -> String? { Cookies.value(of: Bytes(name), in: head).map { String($0) } }
            #expect(value("a") == "1")
            #expect(value("b") == "q v")
            #expect(value("c") == nil)
            #expect(value("d") == "")
            #expect(value("e") == "5")
            #expect(value("f") == nil)
        }
    }
}

@Suite struct MediaTypeTests {
    @Test func matches() {
        #expect(MediaType.matches(Bytes("Text/HTML ; charset=x"), Bytes("text/html")))
        #expect(!MediaType.matches(Bytes("text/htmlx"), Bytes("text/html")))
        #expect(MediaType.isGRPC(Bytes("application/grpc")))
        #expect(MediaType.isGRPC(Bytes("application/grpc+proto;x")))
        #expect(!MediaType.isGRPC(Bytes("application/grpc-web")))
        #expect(!MediaType.isGRPC(Bytes("application/json")))
    }
}

// RFC 9110 §5.6.7
@Suite struct HTTPDateTests {
    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (Int64.min, "Sat, 01 Jan 0000 00:00:00 GMT"), (1_704_067_199, "Sun, 31 Dec 2023 23:59:59 GMT"),
    ] as [(Int64, String)])
    func dates(_ seconds: Int64, _ expected: String) {
        var cache = DateCache()
        defer { cache.destroy() }
        #expect(String(cache.text(seconds)) == expected)
        #expect(String(cache.text(seconds)) == expected)
        #expect(String(cache.text(784_111_777)) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}

@Suite struct OutputCursorTests {
    @Test(arguments: [0, 9, 10, 99, 12345, UInt64.max])
    func decimal(_ value: UInt64) {
        let text = unsafe written(20 + OutputCursor.spareBytes) { memory, capacity in
            var output = unsafe OutputCursor(memory, capacity: capacity)
            output.putDecimal(value)
            return output.count
        }
        #expect(text == String(value))
    }

    @Test(arguments: [0, 1, 15, 16, 255, 256, UInt64.max])
    func hex(_ value: UInt64) {
        let text = unsafe written(16 + OutputCursor.spareBytes) { memory, capacity in
            var output = unsafe OutputCursor(memory, capacity: capacity)
            output.putHex(value)
            return output.count
        }
        #expect(text == String(value, radix: 16))
    }
}
