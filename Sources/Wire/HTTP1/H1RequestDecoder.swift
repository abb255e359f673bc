// Bytes of a client → events of requests (RFC 9112). Pure and trivial: it lives in the connection's slab entry, on its
// worker; what it keeps of a head in pieces lies in the MessageHead that the caller hands in.
//
// Use: `next` until `needMore`; after `complete`, `reset` before the next request (pipelined bytes stay in the input).
// On `head`, these tell what the message asks for: `endsHere`, `shouldClose`, `upgradeRequested`, `hasHost`.

import Primitives

package struct H1RequestDecoder {
    private enum Phase: UInt8 { case idle, idleReturn, idleLine, startLine, fields, body, failed }

    package let options: H1Options
    private var phase = Phase.idle
    private var isFresh = true
    private var lines = H1LineReader()
    private var fields = H1Fields(isRequest: true)
    private var body = H1Body()
    private var version = HTTPVersion.http11
    private var method = Method.get

    package init(options: H1Options) { self.options = options }

    /// For the next request on the connection.
    package mutating func reset() { self = H1RequestDecoder(options: options) }

    // MARK: About the request, from `head` on

    /// No body and no trailers follow; after a `body`, that it was the last.
    package var endsHere: Bool { phase == .body && (body.isEnded || body.isDone) }
    /// The connection must not carry another request after this one (RFC 9112 §9.3).
    package var shouldClose: Bool { fields.shouldClose(version) }
    /// `Connection: upgrade` with an `Upgrade` other than h2c (RFC 9110 §7.8). With a body the caller must refuse to
    /// switch: where the body ends and the new protocol begins would be anybody's guess (`H1Error.bodyDisallowed`).
    package var upgradeRequested: Bool { fields.upgradeRequested && version == .http11 }
    /// Any Host field or authority in the target. Without one HTTP/1.1 requires 400.
    package var hasHost: Bool { fields.seen.contains(.host) || fields.seen.contains(.targetAuthority) }
    /// What is still to come of a body of known length: how large a receive would pay.
    package var remainingLength: UInt64? { phase == .body ? body.remainingLength : nil }
    package var isChunked: Bool { fields.seen.contains(.chunked) }
    package var contentLength: UInt64? { fields.seen.contains(.contentLength) ? fields.contentLength : nil }
    /// Fields dropped by `headers_with_underscores_action: DROP_HEADER`.
    package var droppedUnderscores: Int { Int(fields.droppedUnderscores) }

    /// No byte of a request was seen: closing now loses nothing.
    package var isIdle: Bool { phase == .idle || phase == .idleReturn || phase == .idleLine || phase == .body && body.isDone }
    package var isInHead: Bool { phase == .startLine || phase == .fields }

    /// From now on every byte is a `body` part, until `finish`: the upgrade or CONNECT was accepted.
    package mutating func becomeTunnel() {
        phase = .body
        body = .tunnel
    }

    // MARK: Bytes

    // HOT: per message, per body part.
    /// Reads on at `cursor` and moves it. `head` is reset by the caller before each request.
    package mutating func next(_ input: Bytes, _ cursor: inout Int, head: inout MessageHead) -> H1Event {
        switch phase {
        case .body: return body.next(input, &cursor, &head, options)
        case .idle, .idleReturn, .idleLine:
            if let error = begin(input, &cursor, head) { return fail(error) }
            return phase == .startLine ? readHead(input, &cursor, &head) : .needMore
        case .startLine, .fields: return readHead(input, &cursor, &head)
        case .failed: return .needMore
        }
    }

    /// The client closed its side. `needMore`: between requests, nothing is lost.
    package mutating func finish() -> H1Event {
        if phase == .failed || isIdle { return .needMore }
        if phase == .body, body.isEnded || body.endsAtClose {
            body = H1Body()
            return .complete
        }
        return fail(.truncated)
    }

    /// RFC 9112 §2.2: empty lines before a request line are skipped (old clients add one after a body), any number as in
    /// Envoy: they are not kept. Envoy skips a CR or LF alone as well.
    @inline(__always)
    private mutating func begin(_ input: Bytes, _ cursor: inout Int, _ head: MessageHead) -> H1Error? {
        while cursor < input.count {
            let byte = input[cursor]
            switch phase {
            case .idle where byte == 0x0d, .idleLine where byte == 0x0d: phase = .idleReturn
            case .idleReturn:
                guard byte == 0x0a else { return .bareCarriageReturn }
                phase = .idleLine
            default:
                lines.begin(at: head.textBytes)
                phase = .startLine
                return nil
            }
            cursor &+= 1
        }
        return nil
    }

    @inline(__always)
    private mutating func readHead(_ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead) -> H1Event {
        if phase == .startLine {
            switch lines.resume(
                input, &cursor, &head, lineMax: options.maxStartLineBytes, headMax: options.maxHeadBytes)
            {
            case .incomplete: return .needMore
            case .failed(let error): return fail(startLineError(error, head))
            case .complete(let end):
                var line = H1RequestLine(options)
                if let error = line.parse(Int(lines.lineStart), end, &head) { return fail(error) }
                if line.hasAuthority { fields.seen.insert(.targetAuthority) }
                version = head.version
                method = head.method
                phase = .fields
                isFresh = true
            }
        }
        while true {
            let line =
                isFresh
                ? lines.next(input, &cursor, &head, lineMax: UInt32.max, headMax: options.maxHeadBytes)
                : lines.resume(input, &cursor, &head, lineMax: UInt32.max, headMax: options.maxHeadBytes)
            isFresh = true
            switch line {
            case .complete(let end):
                let start = Int(lines.lineStart)
                if start == end {
                    lines.finish(&cursor, &head)
                    return finishHead(head)
                }
                if let error = fields.parse(start, end, &head, options) { return fail(error) }
            case .incomplete:
                isFresh = false
                return .needMore
            case .failed(let error): return fail(error)
            }
        }
    }

    /// A control behind the method has a name of its own in Envoy.
    private func startLineError(_ error: H1Error, _ head: MessageHead) -> H1Error {
        guard error == .controlCharacter else { return error }
        let before = Span32(offset: lines.lineStart, count: lines.scanned &- lines.lineStart)
        return head.text(before).firstIndex(of: 0x20) == nil ? .malformedStartLine : .invalidTargetCharacter
    }

    /// RFC 9112 §6.3: how long the body is.
    private mutating func finishHead(_ head: MessageHead) -> H1Event {
        if !head.fits { return fail(.headersTooLarge) }
        if let error = fields.codingError(version, options) { return fail(error) }
        if method == .connect {
            // RFC 9110 §9.3.6: CONNECT has no content; what follows is the tunnel's.
            if isChunked { return fail(.unsupportedTransferEncoding) }
            if fields.contentLength > 0 { return fail(.bodyDisallowed) }
        }
        body = isChunked ? .chunked : .length(fields.contentLength)
        phase = .body
        return .head
    }

    private mutating func fail(_ error: H1Error) -> H1Event {
        phase = .failed
        return .failed(error)
    }
}

extension H1Fields {
    /// RFC 9112 §9.3: 1.1 persists unless `close`, 1.0 only with `keep-alive`.
    func shouldClose(_ version: HTTPVersion) -> Bool {
        seen.contains(.close) || version == .http10 && !seen.contains(.keepAlive)
    }

    var upgradeRequested: Bool { seen.contains(.connectionUpgrade) && seen.contains(.upgrade) }
}
