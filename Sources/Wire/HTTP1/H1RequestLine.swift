// `method SP request-target SP HTTP-version` (RFC 9112 §3), strictly: one SP each, nothing else.

import CMartlet
import Primitives

struct H1RequestLine {
    private let options: H1Options
    /// The target had an authority: absolute-form, or CONNECT.
    private(set) var hasAuthority = false

    init(_ options: H1Options) { self.options = options }

    // HOT: per message.
    /// `start ..< end` of the head's text.
    mutating func parse(_ start: Int, _ end: Int, _ head: inout MessageHead) -> H1Error? {
        let base = unsafe head.textBase
        var methodEnd = start
        while methodEnd < end, unsafe base[methodEnd] != 0x20 { methodEnd &+= 1 }
        let method = span(start, methodEnd)
        head.methodText = method
        if let error = parseMethod(&head, head.text(method)) { return error }
        guard methodEnd < end else { return .malformedStartLine }

        let target = methodEnd &+ 1
        let targetEnd = unsafe target &+ martlet_scan_visible(base + target, base + end, head.textLimit)
        if targetEnd < end, unsafe base[targetEnd] != 0x20 {
            return unsafe base[targetEnd] < 0x80 ? .invalidTargetCharacter : .malformedTarget
        }
        guard targetEnd > target else { return .malformedStartLine }

        // RFC 9112 §2.3. Without a version it is HTTP/0.9; where HTTP/1.0 is accepted Envoy takes it for that, with fields.
        guard targetEnd < end else {
            head.version = .http10
            return options.acceptHTTP10 ? parseTarget(target, targetEnd, &head) : .lowVersion
        }
        let versionStart = targetEnd &+ 1
        guard end &- versionStart == 8 else { return .malformedVersion }
        let version = unsafe UnsafeRawPointer(base + versionStart).loadUnaligned(as: UInt64.self).littleEndian
        if version == 0x312e_312f_5054_5448 {  // "HTTP/1.1"
            head.version = .http11
        } else if version == 0x302e_312f_5054_5448 {  // "HTTP/1.0"
            guard options.acceptHTTP10 else { return .lowVersion }
            head.version = .http10
        } else {
            // "HTTP/" DIGIT "." DIGIT
            let isVersion =
                unsafe version & 0x00ff_00ff_ffff_ffff == 0x002e_002f_5054_5448
                && base[versionStart &+ 5] &- 0x30 < 10 && base[versionStart &+ 7] &- 0x30 < 10
            return isVersion ? .lowVersion : .malformedVersion
        }
        return parseTarget(target, targetEnd, &head)
    }

    @inline(__always)
    private func parseMethod(_ head: inout MessageHead, _ text: Bytes) -> H1Error? {
        head.method = Methods.method(text)
        if head.method != .other { return nil }
        if options.allowCustomMethods { return Methods.isToken(text) ? nil : .unsupportedMethod }
        return Methods.isRegistered(text) ? nil : .unsupportedMethod
    }

    /// RFC 9112 §3.2: origin, absolute, authority (CONNECT only) or asterisk (OPTIONS only, where absolute targets are read) form.
    private mutating func parseTarget(_ start: Int, _ end: Int, _ head: inout MessageHead) -> H1Error? {
        let base = unsafe head.textBase
        if head.method == .connect { return parseAuthorityForm(start, end, &head) }
        if unsafe base[start] == 0x2f {
            head.path = span(start, end)
        } else if unsafe base[start] == 0x2a {
            // Where no absolute form is taken none is looked for: a path that is none, as below.
            guard !options.allowAbsoluteURL || head.method == .options && end &- start == 1 else { return .invalidURL }
            head.path = span(start, end)
        } else {
            return parseAbsoluteForm(start, end, &head)
        }
        return nil
    }

    /// RFC 9112 §3.2.3: host and port, both.
    private mutating func parseAuthorityForm(_ start: Int, _ end: Int, _ head: inout MessageHead) -> H1Error? {
        let authority = span(start, end)
        guard let parts = HostPort(head.text(authority)), parts.port != nil, !parts.host.isEmpty else {
            return .invalidURL
        }
        head.authority = authority
        hasAuthority = true
        return nil
    }

    /// RFC 9112 §3.2.2: scheme "://" authority path-abempty [ "?" query ].
    private mutating func parseAbsoluteForm(_ start: Int, _ end: Int, _ head: inout MessageHead) -> H1Error? {
        let target = head.text(span(start, end))
        guard let colon = target.firstIndex(of: Bytes("://")), colon > 0 else { return .malformedTarget }
        if !options.allowAbsoluteURL {
            // A path that is none: the connection manager says so.
            head.path = span(start, end)
            return nil
        }
        let scheme = target.prefix(colon)
        guard let known = HTTPScheme(scheme) else { return .unsupportedScheme }
        let from = colon &+ 3
        var pathStart = from
        while pathStart < target.count, target[pathStart] != 0x2f, target[pathStart] != 0x3f { pathStart &+= 1 }
        // User information is refused: RFC 9110 §4.2.4; Envoy strips it.
        let text = target.part(from, pathStart)
        guard let parts = HostPort(text), !parts.host.isEmpty, text[text.count &- 1] != 0x3a else {
            return text.firstIndex(of: 0x40) == nil && text.firstIndex(of: 0x23) == nil ? .invalidURL : .malformedTarget
        }
        if options.refusesHTTPS, known == .https { return .httpsInPlaintext }
        hasAuthority = true
        head.scheme = span(start, start &+ colon)
        let base = unsafe head.textBase
        if pathStart < target.count {
            // A query without a path stays without one, as in Envoy: the connection manager has no answer for it.
            head.authority = span(start &+ from, start &+ pathStart)
            head.path = span(start &+ pathStart, end)
        } else {
            // An empty path is "/" (RFC 9110 §4.2.3), for OPTIONS too: RFC 9112 §3.2.4 would have the last proxy say "*",
            // but Envoy's routes know only paths. The authority moves one to the left, over a slash, to make room.
            var i = start &+ from
            while i < start &+ pathStart {
                unsafe base[i &- 1] = unsafe base[i]
                i &+= 1
            }
            unsafe base[start &+ pathStart &- 1] = 0x2f
            head.authority = span(start &+ from &- 1, start &+ pathStart &- 1)
            head.path = span(start &+ pathStart &- 1, end)
        }
        return nil
    }

    @inline(__always)
    private func span(_ start: Int, _ end: Int) -> Span32 {
        Span32(offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: end &- start))
    }
}
