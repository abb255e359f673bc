import Primitives
import Testing
import Wire

/// HAProxy's proxy-protocol.txt §2, and what Envoy 1.40 makes of the cases that it leaves open.
@Suite struct ProxyHeaderTests {
    enum Outcome: Equatable {
        case needMore(Int), absent, disallowed(UInt8), malformed(UInt8)
        case found(UInt8, Int, String, String, [UInt8])
    }

    static func read(_ bytes: [UInt8], _ change: (inout ProxyHeader.Options) -> Void = { _ in }) -> Outcome {
        var options = ProxyHeader.Options()
        change(&options)
        return bytes.withBytes { bytes in
            switch ProxyHeader.read(bytes, options) {
            case .needMore(let count): .needMore(count)
            case .absent: .absent
            case .disallowed(let version): .disallowed(version)
            case .malformed(let version): .malformed(version)
            case .found(let facts):
                .found(
                    facts.version, facts.length, "\(facts.source)", "\(facts.destination)",
                    (0..<facts.tlvs.count).map { facts.tlvs[$0] })
            }
        }
    }

    static func line(_ text: String) -> [UInt8] { Array("PROXY \(text)\r\n".utf8) }

    static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
    static let addresses4: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 4, 87, 8, 174]
    static let addresses6: [UInt8] =
        [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11)
        + [2, 4, 87, 8, 174]

    static func binary(command: UInt8 = 0x21, family: UInt8 = 0x11, _ body: [UInt8] = addresses4, length: Int? = nil) -> [UInt8] {
        let count = length ?? body.count
        return signature + [command, family, UInt8(count >> 8), UInt8(count & 255)] + body
    }

    static func tlv(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count >> 8), UInt8(value.count & 255)] + value }

    @Test func bothVersionsAndFamilies() {
        let read = ProxyHeaderTests.read
        let line = ProxyHeaderTests.line
        #expect(read(line("TCP4 1.2.3.4 5.6.7.8 1111 2222") + [1, 2], { _ in }) == .found(1, 38, "1.2.3.4:1111", "5.6.7.8:2222", []))
        #expect(
            read(line("TCP6 2001:db8::1 2001:db8::2 1111 2222"), { _ in })
                == .found(1, 46, "[2001:db8::1]:1111", "[2001:db8::2]:2222", []))
        #expect(read(ProxyHeaderTests.binary() + [9], { _ in }) == .found(2, 28, "1.2.3.4:1111", "5.6.7.8:2222", []))
        for family: UInt8 in [0x21, 0x22] {
            #expect(
                read(ProxyHeaderTests.binary(family: family, ProxyHeaderTests.addresses6), { _ in })
                    == .found(2, 52, "[2001:db8::1]:1111", "[2001:db8::2]:2222", []))
        }
    }

    /// The connection's own addresses stand.
    @Test func whatNamesNoAddresses() {
        #expect(ProxyHeaderTests.read(ProxyHeaderTests.line("UNKNOWN")) == .found(1, 15, "", "", []))
        #expect(ProxyHeaderTests.read(ProxyHeaderTests.line("UNKNOWN some thing else")) == .found(1, 31, "", "", []))
        #expect(ProxyHeaderTests.read(ProxyHeaderTests.binary(command: 0x20, family: 0, [])) == .found(2, 16, "", "", []))
        // What a LOCAL header encodes is skipped, sense or not.
        for family: UInt8 in [0x00, 0x11, 0x31, 0xff] {
            #expect(
                ProxyHeaderTests.read(ProxyHeaderTests.binary(command: 0x20, family: family, [1, 2, 3, 4, 5])) == .found(2, 21, "", "", []))
        }
    }

    @Test func valuesBehindTheAddresses() {
        let tlvs = ProxyHeaderTests.tlv(2, Array("host".utf8)) + ProxyHeaderTests.tlv(0xEA, [1]) + ProxyHeaderTests.tlv(2, [])
        let header = ProxyHeaderTests.binary(ProxyHeaderTests.addresses4 + tlvs)
        #expect(ProxyHeaderTests.read(header) == .found(2, header.count, "1.2.3.4:1111", "5.6.7.8:2222", tlvs))
        tlvs.withBytes { bytes in
            #expect(ProxyTLVs.find(2, in: bytes, last: false)?.count == 4)
            #expect(ProxyTLVs.find(2, in: bytes, last: true)?.count == 0)
            #expect(ProxyTLVs.find(3, in: bytes, last: true) == nil)
        }
    }

    /// Cut short at each byte: more is wanted, and no more than the header has.
    @Test func everyPrefixWantsMore() {
        let whole = ProxyHeaderTests.binary(ProxyHeaderTests.addresses6 + ProxyHeaderTests.tlv(4, [UInt8](repeating: 7, count: 300)))
        for header in [ProxyHeaderTests.line("TCP4 1.2.3.4 5.6.7.8 1 2"), ProxyHeaderTests.line("UNKNOWN"), whole.replacing([0x21, 0x11], with: [0x21, 0x21])] {
            for count in 0..<header.count {
                guard case .needMore(let wanted) = ProxyHeaderTests.read(Array(header.prefix(count))) else {
                    Issue.record("\(count) of \(header)")
                    continue
                }
                #expect(wanted > count && wanted <= header.count)
            }
        }
    }

    @Test func linesThatAreNone() {
        for text in [
            "TCP4 1.2.3.4 5.6.7.8 65536 2", "TCP4 1.2.3.4 5.6.7.8 -1 2", "TCP4 1.2.3.4 5.6.7.8 0x1 2", "TCP4 1.2.3.4 5.6.7.8 + 2",
            "TCP4 1.2.3.4 5.6.7.8 1", "TCP4 1.2.3.4 5.6.7.8 1 2 3", "TCP4  1.2.3.4 5.6.7.8 1 2", " TCP4 1.2.3.4 5.6.7.8 1 2",
            "TCP4 01.2.3.4 5.6.7.8 1 2", "TCP4 1.2.3 5.6.7.8 1 2", "TCP4 ::1 ::2 1 2", "TCP6 1.2.3.4 5.6.7.8 1 2",
            "TCP4 224.0.0.1 5.6.7.8 1 2", "TCP4 255.255.255.255 5.6.7.8 1 2", "TCP4 0.0.0.0 5.6.7.8 1 2", "TCP4 1.2.3.4 0.0.0.0 1 2",
            "TCP6 :: ::1 1 2", "TCP6 ff02::1 ::1 1 2", "tcp4 1.2.3.4 5.6.7.8 1 2", "TCP5 1.2.3.4 5.6.7.8 1 2", "unknown", "",
            "TCP4 1.2.3.4\r 5.6.7.8 1 2", "TCP4 1.2.3.4 5.6.7.8 1 99999999999999999999999999", "TCP4",
        ] { #expect(ProxyHeaderTests.read(ProxyHeaderTests.line(text)) == .malformed(1), "\(text)") }
        for text in ["TCP4 1.2.3.4 5.6.7.8 01111 2222 ", "TCP4 1.2.3.4 5.6.7.8 +1111 2222\t"] {
            guard case .found(1, _, "1.2.3.4:1111", "5.6.7.8:2222", _) = ProxyHeaderTests.read(ProxyHeaderTests.line(text)) else {
                Issue.record("\(text)")
                continue
            }
        }
    }

    /// §2.1 says 107; Envoy takes 108.
    @Test func aLineEndsSomewhere() {
        let fill = { (count: Int) in ProxyHeaderTests.line("UNKNOWN " + String(repeating: "x", count: count - 16)) }
        #expect(ProxyHeaderTests.read(fill(108)) == .found(1, 108, "", "", []))
        #expect(ProxyHeaderTests.read(fill(109)) == .malformed(1))
        #expect(ProxyHeaderTests.read(Array(fill(200).prefix(107))) == .needMore(108))
        #expect(ProxyHeaderTests.read(Array("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n".utf8) + [UInt8](repeating: 65, count: 100)) == .malformed(1))
    }

    @Test func binaryHeadersThatAreNone() {
        let short = ProxyHeaderTests.addresses4
        for (name, bytes) in [
            ("version 1", ProxyHeaderTests.binary(command: 0x11)), ("version 3", ProxyHeaderTests.binary(command: 0x31)),
            ("command 2", ProxyHeaderTests.binary(command: 0x22)), ("unspecified", ProxyHeaderTests.binary(family: 0, [])),
            ("UNIX", ProxyHeaderTests.binary(family: 0x31, [UInt8](repeating: 0, count: 216))),
            ("family 4", ProxyHeaderTests.binary(family: 0x41)), ("protocol 3", ProxyHeaderTests.binary(family: 0x13)),
            ("protocol 0", ProxyHeaderTests.binary(family: 0x10)), ("length 11", ProxyHeaderTests.binary(length: 11)),
            ("length 0", ProxyHeaderTests.binary(length: 0)), ("IPv6 in 35 bytes", ProxyHeaderTests.binary(family: 0x21, length: 35)),
            ("multicast", ProxyHeaderTests.binary([224] + short.dropFirst())), ("unspecified source", ProxyHeaderTests.binary([0, 0, 0, 0] + short.dropFirst(4))),
            ("half a TLV", ProxyHeaderTests.binary(short + [2, 0, 9, 1])), ("a TLV without length", ProxyHeaderTests.binary(short + [2, 0])),
            ("a second TLV that is cut", ProxyHeaderTests.binary(short + ProxyHeaderTests.tlv(1, [1]) + [2, 255, 255])),
        ] { #expect(ProxyHeaderTests.read(bytes) == .malformed(2), "\(name)") }
    }

    @Test func connectionsWithoutAHeader() {
        let request = Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8)
        #expect(ProxyHeaderTests.read(request) == .absent)
        #expect(ProxyHeaderTests.read(Array(request.prefix(15))) == .needMore(16))
        #expect(ProxyHeaderTests.read(Array("PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n".utf8)) == .absent)
        #expect(ProxyHeaderTests.read([13, 10] + ProxyHeaderTests.line("UNKNOWN")) == .absent)
        // Where it may be missing, the first byte that differs decides.
        for count in 1..<request.count { #expect(ProxyHeaderTests.read(Array(request.prefix(count))) { $0.mayBeAbsent = true } == .absent) }
        #expect(ProxyHeaderTests.read(Array("PRO".utf8)) { $0.mayBeAbsent = true } == .needMore(4))
        #expect(ProxyHeaderTests.read([13, 10, 13]) { $0.mayBeAbsent = true } == .needMore(4))
        #expect(ProxyHeaderTests.read([]) { $0.mayBeAbsent = true } == .needMore(1))
    }

    @Test func versionsThatAreNotAllowed() {
        let line = ProxyHeaderTests.line("TCP4 what ever")
        #expect(ProxyHeaderTests.read(line) { $0.allowsVersion1 = false } == .disallowed(1))
        #expect(ProxyHeaderTests.read(ProxyHeaderTests.binary()) { $0.allowsVersion2 = false } == .disallowed(2))
        // Together with leave to do without it is no header at all.
        let change = { (options: inout ProxyHeader.Options) in
            options.allowsVersion1 = false
            options.mayBeAbsent = true
        }
        #expect(ProxyHeaderTests.read(line, change) == .absent)
    }

    /// Whatever comes, reading ends, and what is found lies inside.
    @Test func noiseIsRead() {
        var random = Random(seed: 7)
        for round in 0..<20_000 {
            var bytes: [UInt8] = round % 3 == 0 ? ProxyHeaderTests.signature : round % 3 == 1 ? Array("PROXY TCP4 1.2.3.4 ".utf8) : []
            let count = Int(random.below(160))
            for _ in 0..<count { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
            if round % 2 == 0, bytes.count > 14 { bytes[12] = 0x21; bytes[13] = 0x11; bytes[14] = 0 }
            switch ProxyHeaderTests.read(bytes, { $0.mayBeAbsent = round % 5 == 0 }) {
            case .found(_, let length, _, _, let tlvs): #expect(length <= bytes.count && tlvs.count < length)
            case .needMore(let wanted): #expect(wanted > bytes.count && wanted <= ProxyHeader.bytesMax)
            case .absent, .disallowed, .malformed: break
            }
        }
    }

    /// What is written reads back.
    @Test func headersThatWeWrite() throws {
        let pairs = [("1.2.3.4", "5.6.7.8"), ("2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")]
        for (i, pair) in pairs.enumerated() {
            var source = try #require(SocketAddress(ip: pair.0, port: 1))
            var destination = try #require(SocketAddress(ip: pair.1, port: 65_535))
            if i == 1 { destination.high = source.high; source.port = 65_535 }
            let out = UnsafeMutablePointer<UInt8>.allocate(capacity: ProxyHeaderWriter.bound(tlvs: 5))
            defer { unsafe out.deallocate() }
            let first = unsafe ProxyHeaderWriter.version1(from: source, to: destination, into: out)
            #expect(unsafe ProxyHeaderTests.read(Array(UnsafeBufferPointer(start: out, count: first))) == .found(1, first, "\(source)", "\(destination)", []))
            let second = try #require(unsafe ProxyHeaderWriter.version2(from: source, to: destination, tlvs: 5, into: out))
            let header = unsafe Array(UnsafeBufferPointer(start: out, count: second)) + ProxyHeaderTests.tlv(9, [1, 2])
            #expect(ProxyHeaderTests.read(header) == .found(2, header.count, "\(source)", "\(destination)", ProxyHeaderTests.tlv(9, [1, 2])))
            // Two families have no header of version 2, and UNKNOWN of version 1.
            let mixed = unsafe ProxyHeaderWriter.version1(from: source, to: SocketAddress(), into: out)
            #expect(unsafe ProxyHeaderTests.read(Array(UnsafeBufferPointer(start: out, count: mixed))) == .found(1, 15, "", "", []))
            #expect(unsafe ProxyHeaderWriter.version2(from: source, to: SocketAddress(), tlvs: 0, into: out) == nil)
            #expect(unsafe ProxyHeaderWriter.version2(from: source, to: destination, tlvs: 65_535, into: out) == nil)
            let local = unsafe ProxyHeaderWriter.version2Local(into: out)
            #expect(unsafe ProxyHeaderTests.read(Array(UnsafeBufferPointer(start: out, count: local))) == .found(2, 16, "", "", []))
        }
    }
}
