// Fields of HEADERS and CONTINUATION, as nghttp2 decodes them one by one → MessageHead.
//
// nghttp2 has checked what RFC 9113 §8.2 and §8.3 demand (pseudo-fields, lower case, connection fields, lengths); here
// is what Envoy adds: limits, underscores, one authority, one `cookie`. Pure: the head is the caller's.

import Primitives

package struct H2HeadReader {
    package enum Verdict: UInt8 { case accepted, tooLarge, tooMany, underscore, malformed, cookies }
    package enum Kind: UInt8 { case request, response, trailers }

    package private(set) var kind = Kind.request
    /// The first refusal; everything behind it is dropped.
    package private(set) var verdict = Verdict.accepted
    package private(set) var contentLength: UInt64?
    /// `:protocol` of an extended CONNECT (RFC 8441 §4).
    package private(set) var connectProtocol = Span32()
    package private(set) var droppedUnderscores: UInt32 = 0
    /// Name and value bytes so far.
    package private(set) var bytes: UInt32 = 0
    package private(set) var count: UInt32 = 0
    package private(set) var cookies: UInt16 = 0
    /// Of the one field that they become.
    package private(set) var cookieBytes: UInt32 = 0

    /// What Envoy measures of a head: cookies without their names.
    package var measuredBytes: UInt32 {
        guard cookies > 0 else { return bytes }
        return bytes &- 6 &* UInt32(cookies) &+ 2 &* UInt32(cookies &- 1)
    }

    package init() {}

    package mutating func begin(_ kind: Kind) {
        self = H2HeadReader()
        self.kind = kind
    }

    // HOT: per header field.
    package mutating func field(_ name: Bytes, _ value: Bytes, into head: inout MessageHead, _ options: H2Options) {
        guard verdict == .accepted else { return }
        bytes &+= UInt32(truncatingIfNeeded: name.count &+ value.count)
        count &+= 1
        if bytes > options.headBytesMax { return refuse(.tooLarge) }
        if count > UInt32(options.headersMax) { return refuse(.tooMany) }
        if name.count > 0, name[0] == UInt8(ascii: ":") {
            pseudo(name, value, &head)
            if !head.fits { refuse(.tooLarge) }
            return
        }
        if options.underscores != .allow, name.firstIndex(of: UInt8(ascii: "_")) != nil {
            if options.underscores == .rejectRequest { return refuse(.underscore) }
            droppedUnderscores &+= 1
            return
        }
        let id = HeaderNames.id(of: name)
        if id != .other, special(id, value, &head, options) { return }
        if verdict != .accepted { return }
        // Both parts may move the head's block: the spans are offsets.
        let nameSpan = head.store(name)
        let valueSpan = head.store(value)
        head.append(name: nameSpan, value: valueSpan, id: id)
        if !head.fits { refuse(.tooLarge) }
    }

    private mutating func refuse(_ why: Verdict) { verdict = why }

    /// True: the field is not kept as it is.
    private mutating func special(_ id: HeaderID, _ value: Bytes, _ head: inout MessageHead, _ options: H2Options) -> Bool {
        switch id {
        case .host where kind == .request:
            // RFC 9113 §8.3.1: `:authority` is what counts; without it, Host.
            if head.authority.isEmpty { head.authority = head.store(value) }
            return true
        case .contentLength where kind != .trailers: contentLength = value.decimal
        case .cookie where kind == .request:
            cookieBytes &+= UInt32(truncatingIfNeeded: value.count) &+ (cookies > 0 ? 2 : 0)
            cookies &+= 1
            if let most = options.cookieKilobytesMax?.integer(default: 0), most > 0, UInt64(cookieBytes) > most << 10 { refuse(.cookies) }
        default: break
        }
        return false
    }

    // HOT: per header field.
    private mutating func pseudo(_ name: Bytes, _ value: Bytes, _ head: inout MessageHead) {
        if name.equals(Bytes(":method" as StaticString)) {
            head.methodText = head.store(value)
            head.method = Methods.method(head.text(head.methodText))
        } else if name.equals(Bytes(":path" as StaticString)) {
            head.path = head.store(value)
        } else if name.equals(Bytes(":authority" as StaticString)) {
            // RFC 9113 §8.3.1: no user information.
            if value.firstIndex(of: UInt8(ascii: "@")) != nil { return refuse(.malformed) }
            head.authority = head.store(value)
        } else if name.equals(Bytes(":scheme" as StaticString)) {
            head.scheme = head.store(value)
        } else if name.equals(Bytes(":protocol" as StaticString)) {
            connectProtocol = head.store(value)
        } else if name.equals(Bytes(":status" as StaticString)) {
            // nghttp2 takes 000 to 099 for a final response; here whatever is below 200 is none.
            guard value.count == 3, let status = value.decimal, status >= 100 else { return refuse(.malformed) }
            head.status = UInt16(truncatingIfNeeded: status)
        } else {
            refuse(.malformed)
        }
    }

    /// The block is complete.
    package mutating func finish(_ head: inout MessageHead) {
        guard verdict == .accepted else { return }
        head.version = .http2
        if cookies > 1 { joinCookies(&head) }
        if !head.fits { refuse(.tooLarge) }
    }

    /// RFC 9113 §8.2.3: crumbs become one field again before anything else reads them.
    private func joinCookies(_ head: inout MessageHead) {
        guard let first = head.index(of: .cookie) else { return }
        var total = 0
        var at: Int? = first
        while let index = at {
            total &+= head.value(index).count &+ 2
            at = head.index(of: .cookie, from: index &+ 1)
        }
        guard let (span, base) = unsafe head.extend(total &- 2) else { return }
        var written = 0
        at = first
        while let index = at {
            if index != first {
                unsafe base[written] = UInt8(ascii: ";")
                unsafe base[written &+ 1] = 0x20
                written &+= 2
            }
            // Taken after `extend`, which may have moved the text.
            let value = head.value(index)
            unsafe (base + written).update(from: value.base, count: value.count)
            written &+= value.count
            at = head.index(of: .cookie, from: index &+ 1)
            head.remove(at: index)
        }
        // Behind the others, as Envoy has it.
        let name = head.store(Bytes("cookie" as StaticString))
        head.append(name: name, value: span, id: .cookie)
    }
}
