// Which HTTP a connection's first bytes begin, as Envoy's `http_inspector` tells it: a pure function of the bytes so far.

import Primitives

package enum HTTPSniffer: Equatable {
    case needMore
    /// HTTP/1.0, and every version but 1.1, one of HTTP/0.9 among them.
    case http10
    case http11
    /// The preface of a client that knows (RFC 9113 §3.3).
    case http2
    case other

    /// A first line that is longer is nobody's.
    package static let lineMax = 65_536 - 16

    package static func read(_ bytes: Bytes) -> HTTPSniffer {
        let preface = Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" as StaticString)
        let common = min(bytes.count, preface.count)
        if bytes.prefix(common).equals(preface.prefix(common)) { return common == preface.count ? .http2 : .needMore }
        guard let end = bytes.prefix(lineMax).firstIndex(of: 10) else { return bytes.count < lineMax ? .needMore : .other }
        var line = bytes.prefix(end)
        while line.count > 0, isSpace(line[line.count &- 1]) { line = line.prefix(line.count &- 1) }
        guard let method = line.firstIndex(of: 32), method > 0 else { return .other }
        // RFC 9110 §9.1: a method is a token.
        for i in 0..<method where !isToken(line[i]) { return .other }
        var rest = line.from(method)
        while rest.count > 0, rest[0] == 32 { rest = rest.from(1) }
        guard let target = rest.firstIndex(of: 32) else { return rest.isEmpty ? .other : .http10 }
        var version = rest.from(target)
        while version.count > 0, version[0] == 32 { version = version.from(1) }
        guard version.count == 8, version.hasPrefix(Bytes("HTTP/" as StaticString)), version[6] == UInt8(ascii: "."),
            version[5] &- 48 < 10, version[7] &- 48 < 10
        else { return .other }
        return version[5] == UInt8(ascii: "1") && version[7] == UInt8(ascii: "1") ? .http11 : .http10
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (byte >= 9 && byte <= 13) }

    /// RFC 9110 §5.6.2
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
