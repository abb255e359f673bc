// Field lines of a head, and what they say about the message: length, coding, connection, authority.
//
// Shared by requests and responses. Fields go into the head as they come; a request's `host` does not: it is the head's
// authority (one source for routing, rewriting and the encoder).

import CMartlet
import Primitives

struct H1Fields {
    private let isRequest: Bool
    private(set) var count: UInt16 = 0
    private(set) var droppedUnderscores: UInt16 = 0
    var seen = Seen()
    private(set) var contentLength: UInt64 = 0

    init(isRequest: Bool) { self.isRequest = isRequest }

    struct Seen: OptionSet {
        var rawValue: UInt16
        static let host = Seen(rawValue: 1)
        static let contentLength = Seen(rawValue: 2)
        static let transferEncoding = Seen(rawValue: 4)
        /// `Transfer-Encoding: chunked`, and nothing else.
        static let chunked = Seen(rawValue: 8)
        static let close = Seen(rawValue: 16)
        static let keepAlive = Seen(rawValue: 32)
        static let connectionUpgrade = Seen(rawValue: 64)
        /// An `Upgrade` field other than h2c alone.
        static let upgrade = Seen(rawValue: 128)
        /// The target had an authority, which replaces Host.
        static let targetAuthority = Seen(rawValue: 256)
    }

    // HOT: per header field.
    /// One field line, `start ..< end` of the head's text.
    @inline(__always)
    mutating func parse(_ start: Int, _ end: Int, _ head: inout MessageHead, _ options: H1Options) -> H1Error? {
        let base = unsafe head.textBase
        let nameCount = unsafe martlet_scan_name(base + start, base + end, head.textLimit)
        if nameCount == 0 {
            // RFC 9112 §5.2: a line that begins with a space continues the one before: obsolete, refused.
            return unsafe base[start] == 0x20 || base[start] == 0x09 ? .obsoleteFold : .malformedFieldName
        }
        if count >= options.maxHeaders { return .tooManyHeaders }
        count &+= 1
        // RFC 9110 §5.5: spaces and tabs around the value are not part of it.
        var valueStart = start &+ nameCount &+ 1
        var valueEnd = end
        while valueStart < valueEnd, unsafe base[valueStart] == 0x20 || base[valueStart] == 0x09 { valueStart &+= 1 }
        while valueEnd > valueStart, unsafe base[valueEnd &- 1] == 0x20 || base[valueEnd &- 1] == 0x09 { valueEnd &-= 1 }
        let name = Span32(offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: nameCount))
        let value = Span32(
            offset: UInt32(truncatingIfNeeded: valueStart), count: UInt32(truncatingIfNeeded: valueEnd &- valueStart))
        if options.underscores != .allow, head.text(name).firstIndex(of: 0x5f) != nil {
            if options.underscores == .rejectRequest { return .underscoreInFieldName }
            droppedUnderscores &+= 1
            return nil
        }
        let id = HeaderNames.id(of: head.text(name))
        // The ids that frame a message or belong to the hop come first in HeaderID.
        if id.rawValue &- 1 < HeaderID.upgrade.rawValue {
            if let error = note(id, value, &head) { return error }
            if id == .host, isRequest { return nil }
        }
        head.append(name: name, value: value, id: id)
        return nil
    }

    private mutating func note(_ id: HeaderID, _ span: Span32, _ head: inout MessageHead) -> H1Error? {
        let value = head.text(span)
        switch id {
        case .host where isRequest:
            // RFC 9112 §3.2: more than one Host, or an invalid one, is refused. Envoy joins two by a comma.
            if seen.contains(.host) { return .duplicateHost }
            seen.insert(.host)
            // RFC 9110 §4.2.1: a port without a host names nobody. An empty value is right when there is no authority.
            guard let parts = HostPort(value), value.isEmpty || !parts.host.isEmpty else { return .invalidAuthority }
            // RFC 9112 §3.2.2: an absolute-form target's authority replaces Host.
            if !seen.contains(.targetAuthority) { head.authority = span }
        case .contentLength:
            // RFC 9112 §6.3: one decimal number. Lists and repetitions are refused even when all are equal, as in Envoy.
            if seen.contains(.contentLength) { return .duplicateContentLength }
            guard let length = H1Fields.length(value) else { return .malformedContentLength }
            seen.insert(.contentLength)
            contentLength = length
        case .transferEncoding:
            // RFC 9112 §6.1: we know one coding; a second field makes a list, which we do not know.
            if seen.contains(.transferEncoding) || !value.equalsIgnoringCase(Bytes("chunked")) {
                seen.remove(.chunked)
            } else {
                seen.insert(.chunked)
            }
            seen.insert(.transferEncoding)
        case .connection:
            var list = TokenList(value)
            while let token = list.next() {
                if token.equalsIgnoringCase(Bytes("close")) {
                    seen.insert(.close)
                } else if token.equalsIgnoringCase(Bytes("keep-alive")) {
                    seen.insert(.keepAlive)
                } else if token.equalsIgnoringCase(Bytes("upgrade")) {
                    seen.insert(.connectionUpgrade)
                }
            }
        case .upgrade:
            // RFC 7540's h2c upgrade is ignored (RFC 9113 §3.1 withdrew it), as Envoy does. A list of none is one that nobody
            // allows.
            if !value.equalsIgnoringCase(Bytes("h2c")) { seen.insert(.upgrade) }
        default: break
        }
        return nil
    }

    /// RFC 9112 §6.1, §6.3: what forbids to believe the coding field, when there is one.
    func codingError(_ version: HTTPVersion, _ options: H1Options) -> H1Error? {
        guard seen.contains(.transferEncoding) else { return nil }
        // Both together is an attempt to smuggle.
        if seen.contains(.contentLength), !options.allowChunkedLength || !seen.contains(.chunked) {
            return .contentLengthAndChunked
        }
        if !seen.contains(.chunked) { return .unsupportedTransferEncoding }
        // HTTP/1.0 has no codings: such framing is faulty. Envoy ignores the version.
        return version == .http10 ? .transferEncodingInHTTP10 : nil
    }

    /// RFC 9110 §8.6: digits only, and what a signed 64-bit integer holds: a larger one wraps in some parser. Leading
    /// zeros are a number like any other; the encoder writes it anew.
    private static func length(_ value: Bytes) -> UInt64? {
        var start = 0
        while start &+ 1 < value.count, value[start] == 0x30 { start &+= 1 }
        guard let length = value.from(start).decimal, length <= UInt64(Int64.max) else { return nil }
        return length
    }
}
