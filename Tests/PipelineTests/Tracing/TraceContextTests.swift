import Pipeline
import Primitives
import Testing
import Wire

/// `traceparent` (W3C Trace Context §3.2) and B3, as they come in and go out.
struct TraceContextTests {
    private let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    private func parse(_ text: String) -> SpanContext? { text.withBytes { W3CTraceContext.parse($0) } }

    private func write(_ count: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) -> String {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { room in
            let base = room.baseAddress!
            let count = unsafe body(base)
            return unsafe String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
        }
    }

    @Test func traceparentGoesOutAsItCame() throws {
        let context = try #require(parse(parent))
        #expect(context.traceHigh == 0x0af7_6519_16cd_43dd && context.traceLow == 0x8448_eb21_1c80_319c)
        #expect(context.span == 0xb7ad_6b71_6920_3331 && context.isSampled)
        let written = unsafe write(W3CTraceContext.length) { out in
            unsafe W3CTraceContext.write(context, out)
            return W3CTraceContext.length
        }
        #expect(written == parent)
    }

    /// Every byte in every place, in a number of each length, against the standard library.
    @Test func hexadecimalDigitsAreThose() {
        for count in 1...17 {
            let digits = Array("0aF98c1D7e6b5432f".utf8.prefix(count))
            for place in digits.indices {
                for byte in UInt8.min...255 {
                    var text = digits
                    text[place] = byte
                    let isDigit = (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
                    let expected = isDigit ? UInt64(String(decoding: text, as: UTF8.self), radix: 16) : nil
                    let found = unsafe text.withUnsafeBufferPointer { unsafe HexDigits.value(Bytes($0.baseAddress!, count)) }
                    #expect(found == (count > 16 ? nil : expected), "\(text)")
                }
            }
        }
    }

    @Test func onlyTheLastBitOfTheFlagsCounts() {
        #expect(parse(parent.dropLast(2) + "ff")?.isSampled == true)
        #expect(parse(parent.dropLast(2) + "fe")?.isSampled == false)
    }

    /// Each byte replaced by one that cannot stand there, and the text cut short at each byte.
    @Test func anythingElseIsRefused() {
        let bytes = Array(parent.utf8)
        for i in bytes.indices {
            var broken = bytes
            broken[i] = UInt8(ascii: "g")
            #expect(broken.withBytes { W3CTraceContext.parse($0) } == nil, "byte \(i)")
            #expect(Array(bytes[..<i]).withBytes { W3CTraceContext.parse($0) } == nil, "cut at \(i)")
        }
        #expect(parse(parent + "-") == nil)
        #expect(parse("00-00000000000000000000000000000000-b7ad6b7169203331-01") == nil)
        #expect(parse("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01") == nil)
    }

    // MARK: B3

    private func b3(_ fields: [(String, String)]) throws -> B3Context? {
        let pool = BlockPool()
        var head = try #require(MessageHead(pool: pool))
        defer { head.destroy() }
        for (name, value) in fields { name.withBytes { name in value.withBytes { head.append(name: name, value: $0) } } }
        return B3.parse(head)
    }

    @Test func severalFields() throws {
        let full = try #require(
            try b3([
                ("X-B3-TraceId", "0af7651916cd43dd8448eb211c80319c"), ("x-b3-spanid", "b7ad6b7169203331"),
                ("x-b3-parentspanid", "00ad6b7169203331"), ("x-b3-sampled", "0"),
            ]))
        #expect(full.hasIDs && full.has128Bits && !full.isSingle && full.isSampled == false && full.context.hasParent)
        #expect(full.context.traceHigh == 0x0af7_6519_16cd_43dd && full.context.parent == 0x00ad_6b71_6920_3331)
        let short = try #require(try b3([("x-b3-traceid", "0af7651916cd43dd"), ("x-b3-spanid", "b7ad6b7169203331")]))
        #expect(short.hasIDs && !short.has128Bits && short.isSampled == nil && !short.context.hasParent)
        #expect(try b3([("x-b3-traceid", "0af7651916cd43dd")])?.hasIDs == false)
        #expect(try b3([("x-b3-flags", "1")])?.isSampled == true)
        #expect(try b3([("x-b3-traceid", "0af7"), ("x-b3-spanid", "nonsense")]) == nil)
        #expect(try b3([]) == B3Context())
    }

    @Test func oneField() throws {
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
        let full = try #require(try b3([("b3", ids + "-1-00ad6b7169203331")]))
        #expect(full.isSingle && full.hasIDs && full.has128Bits && full.isSampled == true && full.context.hasParent)
        #expect(try b3([("b3", ids)])?.isSampled == nil)
        #expect(try b3([("b3", ids + "-d")])?.isSampled == true)
        #expect(try b3([("b3", "0")])?.isSampled == false)
        let text = Array((ids + "-1-00ad6b7169203331").utf8)
        for i in 1..<text.count where i != 1 {
            let cut = try b3([("b3", String(decoding: text[..<i], as: UTF8.self))])
            // Whole at its parts' ends only.
            #expect((cut != nil) == [49, 51].contains(i), "cut at \(i)")
        }
        #expect(try b3([("b3", "zz")]) == nil && (try b3([("b3", "")])) == nil)
        var context = full.context
        context.isSampled = true
        let long = unsafe write(B3.lengthMax) { unsafe B3.write(context, isShort: false, $0) }
        #expect(long == ids + "-1-00ad6b7169203331")
        context.hasParent = false
        let short = unsafe write(B3.lengthMax) { unsafe B3.write(context, isShort: true, $0) }
        #expect(short == "8448eb211c80319c-b7ad6b7169203331-1")
    }

    @Test func reasonsAreDigitsOfTheRequestID() {
        for reason: TraceReason in [.notTraceable, .sampling, .serviceForced, .clientForced] {
            #expect(TraceReason(digit: reason.digit) == reason)
        }
        #expect(TraceReason.sampling.digit == UInt8(ascii: "9") && TraceReason(digit: UInt8(ascii: "f")) == .notTraceable)
    }
}
