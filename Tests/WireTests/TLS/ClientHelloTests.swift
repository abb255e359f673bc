import Primitives
import Testing
import Wire

/// RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301 §3.1.
@Suite struct ClientHelloTests {
    private enum Outcome: Equatable {
        case needMore, notTLS, tooLarge, malformed
        case found(String, [UInt8])
    }

    private func read(_ bytes: [UInt8], max: Int = 16_384) -> Outcome {
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: max)
        defer { unsafe scratch.deallocate() }
        return bytes.withBytes { bytes in
            switch unsafe ClientHello.read(bytes, max: max, scratch: scratch) {
            case .needMore: .needMore
            case .notTLS: .notTLS
            case .tooLarge: .tooLarge
            case .malformed: .malformed
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

    @Test func otherThingsAreNoTLS() {
        #expect(read(Array("GET / HTTP/1.1\r\n".utf8)) == .notTLS)
        #expect(read([22, 2]) == .notTLS)
        #expect(read([21, 3, 1, 0, 2, 1, 0]) == .notTLS)
        #expect(read([22, 3, 1, 0, 5] + Array("hello".utf8)) == .malformed)
        #expect(read([22, 3, 1, 0, 0]) == .malformed)
        #expect(read([22, 3, 1, 0xff, 0xff]) == .malformed)
    }

    @Test func whatDoesNotAddUpIsMalformed() {
        let whole = message(name("server.test") + alpn)
        // Each byte of the body changed: never a trap, and never more than the hello says.
        for place in 4..<whole.count {
            for value in [UInt8(0), 1, 0x7f, 0xff] {
                var hello = whole
                hello[place] = value
                switch read(record(hello)) {
                case .needMore, .notTLS, .tooLarge: Issue.record("\(place) \(value)")
                case .malformed, .found: break
                }
            }
        }
        #expect(read(record(message(name("a\u{0}b")))) == .malformed)
        #expect(read(record(message([0, 16, 0, 3, 0, 1, 0]))) == .malformed)
    }

    @Test func aHelloHasABound() {
        let hello = record(message(name("server.test")))
        #expect(read(hello, max: hello.count) == .found("server.test", []))
        #expect(read(hello, max: hello.count - 6) == .tooLarge)
        #expect(read([22, 3, 1, 0x40, 0x00, 1, 0xff, 0xff, 0xff]) == .tooLarge)
    }
}
