// The PROXY header that a balancer in front of us writes ahead of a connection's own bytes: who the client is, and where
// it wanted to go. Versions 1 and 2 of HAProxy's proxy-protocol.txt (2020), read as Envoy 1.40 reads them.
//
// A pure function of the bytes so far: no state, nothing kept, no more than `bytesMax` of them looked at.

import Primitives

@safe
package enum ProxyHeader {
    /// Nothing can be said before there are this many bytes.
    case needMore(Int)
    /// Something else begins here.
    case absent
    /// A version that is not allowed.
    case disallowed(version: UInt8)
    /// It says that it is a header, and is none.
    case malformed(version: UInt8)
    case found(ProxyFacts)

    /// proxy-protocol.txt §2.1 has 107 with CR LF; Envoy takes one more.
    package static let version1Max = 108
    /// §2.2: 16 bytes, and as many as their length says.
    package static let bytesMax = 16 + 65_535
    static let prefix2 = 16
    package static var signature2: Bytes { Bytes("\r\n\r\n\u{0}\r\nQUIT\n" as StaticString) }
    static var signature1: Bytes { Bytes("PROXY " as StaticString) }

    /// Which versions are read, and whether a connection may do without.
    package struct Options: BitwiseCopyable, Sendable {
        package var allowsVersion1 = true
        package var allowsVersion2 = true
        package var mayBeAbsent = false
        package init() {}
    }

    package static func read(_ bytes: Bytes, _ options: Options) -> ProxyHeader {
        if options.mayBeAbsent {
            // Decided by the first byte that differs: a client that waits for us to speak would wait for ever.
            let may1 = options.allowsVersion1 && agrees(bytes, signature1)
            let may2 = options.allowsVersion2 && agrees(bytes, signature2)
            if !may1, !may2 { return .absent }
        }
        if bytes.count >= prefix2, bytes.hasPrefix(signature2) { return version2(bytes, options) }
        if bytes.hasPrefix(signature1) { return version1(bytes, options) }
        // As Envoy: what is shorter than the shortest header of version 2 may still become one.
        return bytes.count < prefix2 ? .needMore(bytes.count &+ 1) : .absent
    }

    /// As far as both go.
    private static func agrees(_ bytes: Bytes, _ signature: Bytes) -> Bool {
        let count = min(bytes.count, signature.count)
        return bytes.prefix(count).equals(signature.prefix(count))
    }

    // MARK: Version 1, a line of text

    private static func version1(_ bytes: Bytes, _ options: Options) -> ProxyHeader {
        let seen = bytes.prefix(version1Max)
        var end = signature1.count
        while end < seen.count, !(seen[end] == 10 && seen[end &- 1] == 13) { end &+= 1 }
        guard end < seen.count else {
            return bytes.count < version1Max ? .needMore(bytes.count &+ 1) : .malformed(version: 1)
        }
        guard options.allowsVersion1 else { return .disallowed(version: 1) }
        var facts = ProxyFacts(version: 1, length: end &+ 1)
        guard let parts = ProxyLine(trimmed(seen.prefix(end))) else { return .malformed(version: 1) }
        // §2.1: after UNKNOWN the rest of the line is ignored, and the connection's own addresses stand.
        if parts.family.equals(Bytes("UNKNOWN" as StaticString)) { return .found(facts) }
        let isIPv6 = parts.family.equals(Bytes("TCP6" as StaticString))
        guard isIPv6 || parts.family.equals(Bytes("TCP4" as StaticString)), parts.isWhole,
            let sourcePort = port(parts.sourcePort), let destinationPort = port(parts.destinationPort),
            var source = SocketAddress(numeric: parts.source), var destination = SocketAddress(numeric: parts.destination),
            source.family == (isIPv6 ? .ipv6 : .ipv4), destination.family == source.family, source.isUnicast,
            destination.isUnicast
        else { return .malformed(version: 1) }
        source.port = sourcePort
        destination.port = destinationPort
        facts.source = source
        facts.destination = destination
        return .found(facts)
    }

    private static func trimmed(_ line: Bytes) -> Bytes {
        var count = line.count
        while count > 0, line[count &- 1] == 32 || (line[count &- 1] >= 9 && line[count &- 1] <= 13) { count &-= 1 }
        return line.prefix(count)
    }

    /// Digits, and the plus sign that Envoy's reader lets pass.
    private static func port(_ text: Bytes) -> UInt16? {
        let digits = text.count > 1 && text[0] == UInt8(ascii: "+") ? text.from(1) : text
        guard !digits.isEmpty else { return nil }
        var value: UInt32 = 0
        for i in 0..<digits.count {
            let digit = digits[i] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value &* 10 &+ UInt32(digit)
            guard value <= 65_535 else { return nil }
        }
        return UInt16(truncatingIfNeeded: value)
    }

    // MARK: Version 2, binary

    private static func version2(_ bytes: Bytes, _ options: Options) -> ProxyHeader {
        guard options.allowsVersion2 else { return .disallowed(version: 2) }
        let length = prefix2 &+ (Int(bytes[14]) &<< 8 | Int(bytes[15]))
        guard bytes[12] &>> 4 == 2 else { return .malformed(version: 2) }
        var facts = ProxyFacts(version: 2, length: length)
        switch bytes[12] & 0x0F {
        case 0:
            // §2.2, LOCAL: the balancer's own connection; all that it encodes is skipped.
            return bytes.count < length ? .needMore(length) : .found(facts)
        case 1: break
        default: return .malformed(version: 2)
        }
        let width: Int
        switch bytes[13] {
        case 0x11, 0x12: width = 4
        case 0x21, 0x22: width = 16
        default: return .malformed(version: 2)
        }
        let addresses = prefix2 &+ 2 &* width &+ 4
        guard length >= addresses else { return .malformed(version: 2) }
        guard bytes.count >= length else { return .needMore(length) }
        let ports = prefix2 &+ 2 &* width
        facts.source = SocketAddress(
            network: bytes.part(prefix2, prefix2 &+ width), port: UInt16(bytes[ports]) &<< 8 | UInt16(bytes[ports &+ 1]))
        facts.destination = SocketAddress(
            network: bytes.part(prefix2 &+ width, ports), port: UInt16(bytes[ports &+ 2]) &<< 8 | UInt16(bytes[ports &+ 3]))
        guard facts.source.isUnicast, facts.destination.isUnicast else { return .malformed(version: 2) }
        facts.tlvs = bytes.part(addresses, length)
        return ProxyTLVs.areWhole(facts.tlvs) ? .found(facts) : .malformed(version: 2)
    }
}

/// What a header says.
@safe
package struct ProxyFacts {
    package let version: UInt8
    /// Of the header, in bytes.
    package let length: Int
    /// Both of family `none`: the connection's own addresses stand (UNKNOWN, LOCAL).
    package var source = SocketAddress()
    package var destination = SocketAddress()
    /// Type, length and value of each, as on the wire; lies in the input.
    package var tlvs = Bytes.empty

    package init(version: UInt8, length: Int) {
        self.version = version
        self.length = length
    }
}
