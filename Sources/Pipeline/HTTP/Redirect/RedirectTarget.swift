// An absolute URL, taken apart: what a response's `location` must be to be followed here.

import Primitives
import Wire

struct RedirectTarget {
    /// Nil: another one, which nobody here speaks.
    let scheme: HTTPScheme?
    /// Host and port as written.
    let authority: Bytes
    /// Path and query; empty when the URL has neither.
    let path: Bytes

    /// Nil for everything else: relative references, hosts that cannot be one.
    init?(_ url: Bytes) {
        guard let colon = url.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            url.from(colon).hasPrefix(Bytes("://" as StaticString))
        else { return nil }
        let scheme = url.prefix(colon)
        for i in 0..<scheme.count where !RedirectTarget.isSchemeByte(scheme[i]) { return nil }
        self.scheme = HTTPScheme(scheme)
        let rest = url.from(colon &+ 3)
        var end = 0
        while end < rest.count, rest[end] != UInt8(ascii: "/"), rest[end] != UInt8(ascii: "?"), rest[end] != UInt8(ascii: "#") {
            end &+= 1
        }
        authority = rest.prefix(end)
        guard let parts = HostPort(authority), !parts.host.isEmpty else { return nil }
        // A fragment is the client's own (RFC 9110 §4.2.5), and no request target has one.
        let target = rest.from(end)
        path = target.prefix(target.firstIndex(of: UInt8(ascii: "#")) ?? target.count)
        for i in 0..<path.count where path[i] <= 0x20 || path[i] == 0x7f { return nil }
    }

    /// RFC 3986 §3.1.
    private static func isSchemeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
