// Addresses as they stand in binary headers, and what a TCP connection's address may be.

extension SocketAddress {
    /// From 4 or 16 bytes in network order; anything else gives `none`.
    public init(network bytes: Bytes, port: UInt16) {
        self.init()
        guard bytes.count == 4 || bytes.count == 16 else { return }
        family = bytes.count == 4 ? .ipv4 : .ipv6
        self.port = port
        if family == .ipv4 {
            high = unsafe UInt64(UnsafeRawPointer(bytes.base).loadUnaligned(as: UInt32.self))
        } else {
            high = unsafe UnsafeRawPointer(bytes.base).loadUnaligned(as: UInt64.self)
            low = unsafe UnsafeRawPointer(bytes.base).loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        }
    }

    /// Writes the address alone to `out`, in network order: 4 or 16 bytes; how many.
    public func writeNetwork(_ out: UnsafeMutablePointer<UInt8>) -> Int {
        let raw = UnsafeMutableRawPointer(out)
        switch family {
        case .ipv4:
            unsafe raw.storeBytes(of: UInt32(truncatingIfNeeded: high), as: UInt32.self)
            return 4
        case .ipv6:
            unsafe raw.storeBytes(of: high, as: UInt64.self)
            unsafe raw.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
            return 16
        case .unix, .none: return 0
        }
    }

    /// Not the unspecified address, no broadcast, no multicast: what may be an end of a TCP connection.
    public var isUnicast: Bool {
        switch family {
        case .ipv4:
            let address = UInt32(truncatingIfNeeded: high)
            // RFC 1122 §3.2.1.3, RFC 5771 §3: the first byte of 224.0.0.0/4 in network order is the lowest here.
            return address != 0 && address != .max && address & 0xF0 != 0xE0
        case .ipv6:
            // RFC 4291 §2.7
            return !(high == 0 && low == 0) && high & 0xFF != 0xFF
        case .unix, .none: return false
        }
    }
}

extension SocketAddress {
    /// `1.2.3.4:80`, `[::1]:80`, in text of unknown origin; nil when it is none.
    public init?(hostAndPort text: Bytes) {
        var colon = text.count &- 1
        while colon >= 0, text[colon] != UInt8(ascii: ":") { colon &-= 1 }
        guard colon > 0, colon &+ 1 < text.count, text.count &- colon <= 6 else { return nil }
        var port: UInt32 = 0
        for i in (colon &+ 1)..<text.count {
            let digit = text[i] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            port = port &* 10 &+ UInt32(digit)
        }
        guard port <= 65_535 else { return nil }
        var host = text.prefix(colon)
        let isBracketed = host.count > 2 && host[0] == UInt8(ascii: "[") && host[host.count &- 1] == UInt8(ascii: "]")
        if isBracketed { host = host.part(1, host.count &- 1) }
        guard var address = SocketAddress(numeric: host), (address.family == .ipv6) == isBracketed else { return nil }
        address.port = UInt16(truncatingIfNeeded: port)
        self = address
    }
}
