import Primitives
import Testing
import Wire

struct H2HeadReaderTests {
    private let pool = BlockPool()

    private func read(
        _ fields: [(StaticString, StaticString)], kind: H2HeadReader.Kind = .request, options: H2Options = H2Options()
    ) throws -> (H2HeadReader, MessageHead) {
        var head = try #require(MessageHead(pool: pool, bytes: 512))
        var reader = H2HeadReader()
        reader.begin(kind)
        for (name, value) in fields { reader.field(Bytes(name), Bytes(value), into: &head, options) }
        reader.finish(&head)
        return (reader, head)
    }

    @Test func aRequest() throws {
        let (reader, head) = try read([
            (":method", "POST"), (":scheme", "https"), (":path", "/a?b"), (":authority", "h:1"), ("content-length", "12"), ("x-a", "1"),
        ])
        defer { head.destroy() }
        #expect(reader.verdict == .accepted)
        #expect(reader.contentLength == 12)
        #expect(head.method == .post)
        #expect(head.version == .http2)
        #expect(String(head.text(head.path)) == "/a?b")
        #expect(String(head.text(head.authority)) == "h:1")
        #expect(String(head.text(head.scheme)) == "https")
        #expect(head.value(named: Bytes("x-a")).map { String($0) } == "1")
        #expect(head.count == 2)
    }

    /// RFC 9113 §8.3.1.
    @Test func hostIsTheAuthorityWhereThereIsNone() throws {
        let (_, only) = try read([(":method", "GET"), ("host", "a")])
        #expect(String(only.text(only.authority)) == "a")
        #expect(!only.has(.host))
        let (_, both) = try read([(":method", "GET"), (":authority", "b"), ("host", "a")])
        #expect(String(both.text(both.authority)) == "b")
        #expect(!both.has(.host))
        only.destroy()
        both.destroy()
    }

    /// RFC 9113 §8.2.3.
    @Test func crumbsBecomeOneCookie() throws {
        let (_, head) = try read([("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")])
        defer { head.destroy() }
        #expect(head.value(of: .cookie).map { String($0) } == "a=1; b=2; c=3")
        #expect((0..<head.count).count { !head.field($0).removed } == 2)
    }

    /// What the histograms get: each cookie counts as a field, all of them as one value without its name.
    @Test func aHeadIsMeasured() throws {
        let (plain, first) = try read([(":method", "GET"), ("x", "y")])
        #expect(plain.count == 2 && plain.measuredBytes == 12 && plain.cookies == 0 && plain.cookieBytes == 0)
        let (crumbs, second) = try read([(":method", "GET"), ("cookie", "a=1"), ("x", "y"), ("cookie", "bb=22"), ("cookie", "c")])
        #expect(crumbs.count == 5 && crumbs.cookies == 3 && crumbs.cookieBytes == 13 && crumbs.measuredBytes == 12 + 13)
        first.destroy()
        second.destroy()
    }

    /// `http2_max_cookies_size_in_kb`: of all cookies together.
    @Test func cookiesHaveALimitOfTheirOwn() throws {
        let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        defer { unsafe word.deallocate() }
        let cell = unsafe RuntimeCell(word)
        var options = H2Options()
        options.cookieKilobytesMax = cell
        var long = [UInt8](repeating: UInt8(ascii: "x"), count: 600)
        for (limit, count, verdict) in [(0, 3, H2HeadReader.Verdict.accepted), (1, 1, .accepted), (1, 2, .cookies), (2, 3, .accepted), (2, 4, .cookies)] {
            cell.set(.integer(UInt64(limit)))
            let head = try #require(MessageHead(pool: pool, bytes: 512))
            var kept = head
            var reader = H2HeadReader()
            reader.begin(.request)
            for _ in 0..<count {
                unsafe long.withUnsafeMutableBytes {
                    unsafe reader.field(Bytes("cookie"), Bytes(UnsafeRawPointer($0.baseAddress!), $0.count), into: &kept, options)
                }
            }
            #expect(reader.verdict == verdict, "\(limit) KB, \(count) cookies")
            kept.destroy()
        }
    }

    @Test func aResponse() throws {
        let (reader, head) = try read([(":status", "204"), ("server", "s")], kind: .response)
        defer { head.destroy() }
        #expect(reader.verdict == .accepted)
        #expect(head.status == 204)
    }

    @Test(arguments: ["20", "2000", "abc", "", "000", "099"]) func aStatusThatIsNone(status: String) throws {
        var head = try #require(MessageHead(pool: pool, bytes: 512))
        defer { head.destroy() }
        var reader = H2HeadReader()
        reader.begin(.response)
        status.withBytes { reader.field(Bytes(":status"), $0, into: &head, H2Options()) }
        #expect(reader.verdict == .malformed)
    }

    @Test func limits() throws {
        var options = H2Options()
        options.headersMax = 2
        let (many, first) = try read([("a", "1"), ("b", "2"), ("c", "3")], options: options)
        #expect(many.verdict == .tooMany)
        options = H2Options()
        options.headBytesMax = 10
        let (exact, second) = try read([("abcde", "12345")], options: options)
        #expect(exact.verdict == .accepted)
        let (large, third) = try read([("abcde", "123456")], options: options)
        #expect(large.verdict == .tooLarge)
        for head in [first, second, third] { head.destroy() }
    }

    @Test func underscores() throws {
        var options = H2Options()
        options.underscores = .rejectRequest
        let (rejected, first) = try read([("a_b", "1")], options: options)
        #expect(rejected.verdict == .underscore)
        options.underscores = .dropHeader
        let (dropped, second) = try read([("a_b", "1"), ("c", "2")], options: options)
        #expect(dropped.verdict == .accepted)
        #expect(dropped.droppedUnderscores == 1)
        #expect(second.count == 1)
        first.destroy()
        second.destroy()
    }

    /// RFC 9113 §8.3.1.
    @Test func userInformationIsRefused() throws {
        let (reader, head) = try read([(":method", "GET"), (":authority", "user@host")])
        #expect(reader.verdict == .malformed)
        head.destroy()
    }

    @Test func whatComesBehindARefusalIsDropped() throws {
        let (reader, head) = try read([(":authority", "a@b"), ("x", "y")])
        #expect(reader.verdict == .malformed)
        #expect(head.count == 0)
        head.destroy()
    }
}
