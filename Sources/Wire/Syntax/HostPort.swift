// `uri-host [":" port]` (RFC 9110 §7.2, RFC 3986 §3.2), split strictly: what two parsers could split differently is none.

import Primitives

package struct HostPort {
    /// As written: a name, an IPv4 address, or an IPv6 address in brackets. May be empty.
    package let host: Bytes
    /// Nil when absent or empty.
    package let port: UInt16?

    /// Nil when `authority` is malformed. User information is not accepted (RFC 9110 §4.2.4).
    package init?(_ authority: Bytes) {
        var end = 0
        if !authority.isEmpty, authority[0] == 0x5b {
            // RFC 3986 §3.2.2: IP-literal. No zone, no future version.
            guard let close = authority.firstIndex(of: 0x5d), close >= 3 else { return nil }
            var i = 1
            while i < close {
                let byte = authority[i]
                guard HostPort.isHexDigit(byte) || byte == 0x3a || byte == 0x2e else { return nil }
                i &+= 1
            }
            end = close &+ 1
        } else {
            while end < authority.count, HostPort.isNameByte(authority[end]) {
                if authority[end] == 0x25 {
                    guard end &+ 2 < authority.count, HostPort.isHexDigit(authority[end &+ 1]),
                        HostPort.isHexDigit(authority[end &+ 2])
                    else { return nil }
                }
                end &+= 1
            }
        }
        host = authority.prefix(end)
        if end == authority.count {
            port = nil
            return
        }
        guard authority[end] == 0x3a else { return nil }
        let digits = authority.from(end &+ 1)
        if digits.isEmpty {
            port = nil
            return
        }
        guard digits.count <= 5, let number = digits.decimal, number <= 65535 else { return nil }
        port = UInt16(truncatingIfNeeded: number)
    }

    /// The address within the brackets of an IPv6 literal, or the host itself.
    package var address: Bytes {
        !host.isEmpty && host[0] == 0x5b ? host.part(1, host.count &- 1) : host
    }

    /// unreserved / sub-delims / "%"
    @inline(__always)
    private static func isNameByte(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x2bff_7ff2_0000_0000  // ! $ % & ' ( ) * + , - . 0-9 ; =
        let high: UInt64 = 0x47ff_fffe_87ff_fffe  // A-Z _ a-z ~
        let bits = byte < 64 ? low : high
        return byte < 128 && (bits >> UInt64(byte & 63)) & 1 == 1
    }

    @inline(__always)
    private static func isHexDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6 }
}
