// The client's connection preface (RFC 9113 §3.4), and whether a connection begins with it.

import Primitives

package enum H2Preface {
    package static var bytes: Bytes { Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" as StaticString) }

    /// As many bytes as it takes to know: what begins so can be nothing else, and is refused when it goes on otherwise.
    private static var beginning: Bytes { Bytes("PRI * HTTP/2" as StaticString) }

    package enum Verdict { case http1, http2, needMore }

    /// What the first bytes of a connection without ALPN speak. No request line of HTTP/1 that we accept begins like the
    /// preface, so a single byte that differs decides.
    /// `seen`: bytes before these that were the preface's so far.
    package static func sniff(_ next: Bytes, after seen: Int = 0) -> Verdict {
        let wanted = beginning.from(min(seen, beginning.count))
        let count = min(next.count, wanted.count)
        guard next.prefix(count).equals(wanted.prefix(count)) else { return .http1 }
        return count == wanted.count ? .http2 : .needMore
    }
}
