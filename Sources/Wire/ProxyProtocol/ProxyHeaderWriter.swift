// The PROXY header that goes ahead of a connection to an upstream (proxy-protocol.txt §2.1 and §2.2), as Envoy writes it.

import Primitives

@safe
package enum ProxyHeaderWriter {
    /// Room that a header needs at most; `tlvs` bytes behind the addresses.
    package static func bound(tlvs: Int) -> Int { max(version1Max, 16 + 36 + tlvs) }
    /// Two IPv6 addresses with a mapped IPv4 one in each.
    private static let version1Max = 128

    /// Addresses of two families, or of none: `UNKNOWN`.
    package static func version1(
        from source: SocketAddress, to destination: SocketAddress, into out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let isIPv4 = source.family == .ipv4 && destination.family == .ipv4
        guard isIPv4 || (source.family == .ipv6 && destination.family == .ipv6) else {
            return unsafe put(Bytes("PROXY UNKNOWN\r\n" as StaticString), out)
        }
        var n = unsafe put(isIPv4 ? Bytes("PROXY TCP4 " as StaticString) : Bytes("PROXY TCP6 " as StaticString), out)
        n &+= unsafe source.writeIP(out + n)
        unsafe out[n] = 32
        n &+= 1
        n &+= unsafe destination.writeIP(out + n)
        unsafe out[n] = 32
        n &+= 1
        n &+= unsafe number(source.port, out + n)
        unsafe out[n] = 32
        n &+= 1
        n &+= unsafe number(destination.port, out + n)
        return unsafe n &+ put(Bytes("\r\n" as StaticString), out + n)
    }

    /// The fixed part and the addresses; `tlvs` bytes are to follow. Nil: two families, or none.
    package static func version2(
        from source: SocketAddress, to destination: SocketAddress, tlvs: Int, into out: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        let isIPv4 = source.family == .ipv4 && destination.family == .ipv4
        guard isIPv4 || (source.family == .ipv6 && destination.family == .ipv6) else { return nil }
        let addresses = isIPv4 ? 12 : 36
        guard tlvs >= 0, tlvs <= 65_535 - addresses else { return nil }
        var n = unsafe prefix(command: 1, family: isIPv4 ? 0x11 : 0x21, length: addresses &+ tlvs, out)
        n &+= unsafe source.writeNetwork(out + n)
        n &+= unsafe destination.writeNetwork(out + n)
        for end in 0..<2 {
            let port = end == 0 ? source.port : destination.port
            unsafe out[n] = UInt8(truncatingIfNeeded: port &>> 8)
            unsafe out[n &+ 1] = UInt8(truncatingIfNeeded: port)
            n &+= 2
        }
        return n
    }

    /// Somebody's connection whose addresses a header has no place for; `tlvs` bytes are to follow.
    package static func version2Unspecified(tlvs: Int, into out: UnsafeMutablePointer<UInt8>) -> Int? {
        guard tlvs >= 0, tlvs <= 65_535 else { return nil }
        return unsafe prefix(command: 1, family: 0, length: tlvs, out)
    }

    /// A connection of our own (`LOCAL`), or one whose addresses are of no sort that a header has a place for.
    package static func version2Local(into out: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe prefix(command: 0, family: 0, length: 0, out)
    }

    private static func prefix(command: UInt8, family: UInt8, length: Int, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        let n = unsafe put(ProxyHeader.signature2, out)
        unsafe out[n] = 0x20 | command
        unsafe out[n &+ 1] = family
        unsafe out[n &+ 2] = UInt8(truncatingIfNeeded: length &>> 8)
        unsafe out[n &+ 3] = UInt8(truncatingIfNeeded: length)
        return n &+ 4
    }

    private static func put(_ bytes: Bytes, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe out.update(from: bytes.base, count: bytes.count)
        return bytes.count
    }

    private static func number(_ value: UInt16, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        var width = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            width &+= 1
        }
        rest = value
        for i in stride(from: width &- 1, through: 0, by: -1) {
            unsafe out[i] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return width
    }
}
