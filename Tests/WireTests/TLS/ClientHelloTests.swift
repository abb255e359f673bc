import Primitives
import Testing
import Wire

/// RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301 §3.1.
@Suite struct ClientHelloTests {
    private enum Outcome: Equatable {
        case needMore, notTLS, tooLarge
        case found(String, [UInt8])
    }

    private func read(_ bytes: [UInt8], max: Int = 16_384) -> Outcome {
        var count = 0
        return read(bytes, max: max, count: &count)
    }

    /// How much had to be looked at for an answer.
    private func looked(_ bytes: [UInt8], max: Int = 16_384) -> Int {
        var count = 0
        _ = read(bytes, max: max, count: &count)
        return count
    }

    private func read(_ bytes: [UInt8], max: Int, count: inout Int) -> Outcome {
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: max)
        defer { unsafe scratch.deallocate() }
        return bytes.withBytes { bytes in
            switch unsafe ClientHello.read(bytes, max: max, scratch: scratch, read: &count) {
            case .needMore: .needMore
            case .notTLS: .notTLS
            case .tooLarge: .tooLarge
            case .found(let name, let protocols): unsafe .found(String(decoding: UnsafeBufferPointer(start: name.base, count: name.count), as: UTF8.self), Array(UnsafeBufferPointer(start: protocols.base, count: protocols.count)))
            }
        }
    }

    private func vector(_ width: Int, _ body: [UInt8]) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }

    private func message(_ extensions: [UInt8]?) -> [UInt8] {
        let random = [UInt8](repeating: 7, count: 32)
        var body: [UInt8] = [3, 3] + random
        body += vector(1, [1, 2, 3]) + vector(2, [0x13, 0x01]) + vector(1, [0])
        if let extensions { body += vector(2, extensions) }
        return [1] + vector(3, body)
    }

    private func record(_ message: [UInt8]) -> [UInt8] { [22, 3, 1] + vector(2, message) }

    private func name(_ text: String) -> [UInt8] { [0, 0] + vector(2, vector(2, [0] + vector(2, Array(text.utf8)))) }
    private let alpn: [UInt8] = [0, 16, 0, 5, 0, 3, 2, 0x68, 0x32]
    private let other: [UInt8] = [0xff, 0x01, 0, 1, 0]

    @Test func nameAndProtocolsAreFound() {
        let hello = record(message(other + name("server.test") + alpn))
        #expect(read(hello) == .found("server.test", [2, 0x68, 0x32]))
        // What comes behind is not looked at.
        #expect(read(hello + [1, 2, 3]) == .found("server.test", [2, 0x68, 0x32]))
        #expect(read(record(message(nil))) == .found("", []))
        #expect(read(record(message([]))) == .found("", []))
    }

    @Test func everyPrefixWantsMore() {
        let hello = record(message(name("server.test") + alpn))
        for count in 0..<hello.count { #expect(read(Array(hello.prefix(count))) == .needMore, "\(count)") }
    }

    /// So many records that their headers alone are too much: no more is made of them when they come at once.
    @Test func piecesChangeNothing() {
        let hello = message(name("server.test") + alpn).flatMap { record([$0]) }
        for count in 300..<hello.count { #expect(read(Array(hello.prefix(count)), max: 200) == .tooLarge, "\(count)") }
        #expect(read(hello, max: 200) == .tooLarge)
    }

    /// One handshake message in records of every size.
    @Test func aHelloMayComeInManyRecords() {
        let hello = message(name("server.test") + alpn)
        for size in 1...hello.count {
            var wire: [UInt8] = []
            for start in stride(from: 0, to: hello.count, by: size) { wire += record(Array(hello[start..<min(hello.count, start + size)])) }
            #expect(read(wire) == .found("server.test", [2, 0x68, 0x32]), "\(size)")
            #expect(read(Array(wire.dropLast())) == .needMore, "\(size)")
        }
    }

    /// As Envoy: five bytes decide on a record's header, everything else only when the record is whole.
    @Test func otherThingsAreNoTLS() {
        #expect(read(Array("GET / HTTP/1.1\r\n".utf8)) == .notTLS)
        #expect(read(Array("GET ".utf8)) == .needMore)
        #expect(read([22, 2, 1, 0, 5]) == .notTLS)
        #expect(read([22, 3, 1, 0x41, 0x41]) == .notTLS)
        #expect(read([22, 3, 1, 0x40, 0xff]) == .needMore)
        let other: [UInt8] = [22, 3, 1, 0, 5] + Array("hello".utf8)
        #expect(read(Array(other.dropLast())) == .needMore)
        #expect(read(other) == .notTLS)
        // Another message of the handshake, an answer of the wrong kind, application data.
        #expect(read([22, 3, 1, 0, 4, 2, 0, 0, 0]) == .notTLS)
        #expect(read([22, 3, 1, 0, 4, 2, 0, 1, 0]) == .needMore)
        #expect(read([22, 3, 1, 0, 4, 1, 0, 0x40, 1]) == .notTLS)
        #expect(read([20, 3, 1, 0, 1, 1]) == .notTLS)
        #expect(read([23, 3, 3, 0, 2, 1]) == .needMore)
        #expect(read([23, 3, 3, 0, 2, 1, 1]) == .notTLS)
    }

    @Test func warningsAndEmptyRecordsMayStandBefore() {
        let hello = record(message(name("server.test")))
        let empty: [UInt8] = [22, 3, 1, 0, 0]
        let warning: [UInt8] = [21, 3, 1, 0, 2, 1, 100]
        func times(_ count: Int, _ bytes: [UInt8]) -> [UInt8] { Array(repeatElement(bytes, count: count).joined()) }
        #expect(read(empty) == .needMore)
        #expect(read(times(32, empty) + hello) == .found("server.test", []))
        #expect(read(times(33, empty)) == .notTLS)
        #expect(read(warning) == .needMore)
        #expect(read(times(4, warning) + hello) == .found("server.test", []))
        #expect(read(times(5, warning)) == .notTLS)
        // An end, and a fatal one.
        #expect(read([21, 3, 1, 0, 2, 1, 0]) == .notTLS)
        #expect(read([21, 3, 1, 0, 2, 2, 40]) == .notTLS)
        #expect(read([21, 3, 1, 0, 1, 1]) == .notTLS)
    }

    /// Envoy's numbers for the same bytes (`tls_inspector.bytes_processed`).
    @Test func whatWasLookedAtIsCountedByRecords() {
        let hello = record(message(name("server.test")))
        #expect(looked(hello) == hello.count)
        #expect(looked(hello + [1, 2, 3]) == hello.count)
        #expect(looked(Array("GET / HTTP/1.1\r\n".utf8)) == 5)
        #expect(looked([22, 3, 1, 0xff, 0xff, 1]) == 5)
        #expect(looked([22, 3, 1, 0, 0] + Array("GET / ".utf8)) == 10)
        #expect(looked([22, 3, 1, 0, 5] + Array("hello, you".utf8)) == 10)
        #expect(looked([22, 3, 1, 0, 2, 1, 0, 23, 3, 1, 0, 5] + Array("hello, you".utf8)) == 17)
        #expect(looked([22, 3, 1, 0x40, 0] + [UInt8](repeating: 1, count: 20_000)) == 16_384)
    }

    /// RFC 8446 §5.1.
    @Test func nothingStandsBehindAHelloInItsRecord() {
        let hello = message(name("server.test"))
        #expect(read(record(hello + [1])) == .notTLS)
        #expect(read(record(Array(hello.prefix(9))) + record(Array(hello.dropFirst(9)) + [1])) == .notTLS)
        #expect(read(record(hello) + record([1])) == .found("server.test", []))
    }

    @Test func whatDoesNotAddUpIsNoTLS() {
        let whole = message(name("server.test") + alpn)
        // Each byte of the body changed: never a trap, and never more than the hello says.
        for place in 4..<whole.count {
            for value in [UInt8(0), 1, 0x7f, 0xff] {
                var hello = whole
                hello[place] = value
                switch read(record(hello)) {
                case .needMore, .tooLarge: Issue.record("\(place) \(value)")
                case .notTLS, .found: break
                }
            }
        }
        #expect(read(record(message(name("a\u{0}b")))) == .notTLS)
        #expect(read(record(message([0, 16, 0, 3, 0, 1, 0]))) == .notTLS)
    }

    @Test func aHelloHasABound() {
        let hello = record(message(name("server.test")))
        #expect(read(hello, max: hello.count) == .found("server.test", []))
        #expect(read(hello, max: hello.count - 1) == .tooLarge)
        #expect(read(Array(hello.prefix(hello.count - 2)), max: hello.count - 1) == .needMore)
        #expect(read([22, 3, 1, 0x40, 0x00, 1, 0, 0x3f, 0xf0]) == .needMore)
        #expect(read([22, 3, 1, 0x3f, 0xfb, 1, 0, 0x3f, 0xf7] + [UInt8](repeating: 0, count: 16_375)) == .notTLS)
        #expect(read([22, 3, 1, 0x3f, 0xfc, 1, 0, 0x3f, 0xf8] + [UInt8](repeating: 0, count: 16_376)) == .tooLarge)
    }
}
