// Bytes of an upstream → events of responses (RFC 9112). Pure and trivial like H1RequestDecoder.
//
// Use: `reset(requestMethod:)` for every request that was sent, then `next` until `needMore`. A 1xx head is an event of
// its own: pass it on or drop it, reset the head, go on with `next`.

import Primitives

package struct H1ResponseDecoder {
    private enum Phase: UInt8 { case idle, startLine, fields, body, failed }

    package let options: H1Options
    private var phase = Phase.idle
    private var isFresh = true
    private var requestMethod = Method.get
    private var upgradeWasAsked = false
    private var lines = H1LineReader()
    private var fields = H1Fields(isRequest: false)
    private var body = H1Body()
    private var version = HTTPVersion.http11
    /// 1.2 or higher: what keeps such a connection open, nobody knows.
    private var isHigher = false

    package init(options: H1Options, requestMethod: Method, upgradeWasAsked: Bool = false) {
        self.options = options
        self.requestMethod = requestMethod
        self.upgradeWasAsked = upgradeWasAsked
    }

    /// For the response to the next request on the connection.
    package mutating func reset(requestMethod: Method, upgradeWasAsked: Bool = false) {
        self = H1ResponseDecoder(
            options: options, requestMethod: requestMethod, upgradeWasAsked: upgradeWasAsked)
    }

    // MARK: About the response, from `head` on

    /// No body and no trailers follow; after a `body`, that it was the last.
    package var endsHere: Bool { phase == .body && (body.isEnded || body.isDone) }
    /// The connection must not be used again (RFC 9112 §9.3), be it because its end is the body's end.
    package var shouldClose: Bool { announcesClose || body.endsAtClose }
    /// The head says that the connection closes, or does not say that it stays (HTTP/1.0, and what is higher than 1.1).
    package var announcesClose: Bool { fields.shouldClose(isHigher ? .http10 : version) }
    /// Every byte after this head belongs to the tunnel: 101, or 2xx to CONNECT.
    package private(set) var isTunnel = false
    /// What is still to come of a body of known length: how large a receive would pay.
    package var remainingLength: UInt64? { phase == .body ? body.remainingLength : nil }
    package var isChunked: Bool { fields.seen.contains(.chunked) }
    package var contentLength: UInt64? { fields.seen.contains(.contentLength) ? fields.contentLength : nil }

    /// No byte of a response was seen.
    package var isIdle: Bool { phase == .idle }
    /// The response is over. Bytes that come now were not asked for: the connection must be closed.
    package var isDone: Bool { phase == .body && body.isDone }

    // MARK: Bytes

    // HOT: per message, per body part.
    /// Reads on at `cursor` and moves it. `head` is reset by the caller before each head.
    package mutating func next(_ input: Bytes, _ cursor: inout Int, head: inout MessageHead) -> H1Event {
        switch phase {
        case .body: return body.next(input, &cursor, &head, options)
        case .idle:
            if cursor >= input.count { return .needMore }
            // What does not begin like HTTP may never have a line's end to wait for.
            if input[cursor] != 0x48 { return fail(.malformedStartLine) }
            lines.begin(at: head.textBytes)
            phase = .startLine
            return readHead(input, &cursor, &head)
        case .startLine, .fields: return readHead(input, &cursor, &head)
        case .failed: return .needMore
        }
    }

    /// From now on every byte is a `body` part: the connection carries no HTTP, but what a CONNECT asked for.
    package mutating func becomeTunnel() {
        phase = .body
        body = .tunnel
        isTunnel = true
    }

    /// The upstream closed. `complete` ends a close-delimited body; `needMore`: no response had begun, or it was over.
    package mutating func finish() -> H1Event {
        if phase == .failed || phase == .idle || isDone { return .needMore }
        if phase == .body, body.isEnded || body.endsAtClose {
            body = H1Body()
            return .complete
        }
        return fail(.truncated)
    }

    @inline(__always)
    private mutating func readHead(_ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead) -> H1Event {
        if phase == .startLine {
            switch lines.resume(
                input, &cursor, &head, lineMax: options.maxStartLineBytes, headMax: options.maxHeadBytes)
            {
            case .incomplete: return .needMore
            case .failed(let error): return fail(error)
            case .complete(let end):
                if let error = parseStatusLine(Int(lines.lineStart), end, &head) { return fail(error) }
                version = head.version
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

    /// RFC 9112 §4: `HTTP-version SP 3DIGIT SP [ reason ]`. The reason, and the SP before it, may be missing: servers
    /// do that, Envoy takes it, and nobody reads it differently.
    private mutating func parseStatusLine(_ start: Int, _ end: Int, _ head: inout MessageHead) -> H1Error? {
        let line = head.text(
            Span32(offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: end &- start)))
        guard line.count >= 12, line.hasPrefix(Bytes("HTTP/1.")) else { return .malformedStartLine }
        switch line[7] {
        case 0x30: head.version = .http10
        // RFC 9110 §2.5: a higher minor version is read as the highest that is known.
        case 0x31...0x39: head.version = .http11
        default: return .malformedVersion
        }
        isHigher = line[7] > 0x31
        guard line[8] == 0x20, line.count == 12 || line[12] == 0x20 else { return .malformedStatus }
        guard let status = line.part(9, 12).decimal, status >= 100 else { return .malformedStatus }
        head.status = UInt16(truncatingIfNeeded: status)
        return nil
    }

    /// RFC 9112 §6.3: how long the body is.
    private mutating func finishHead(_ head: MessageHead) -> H1Event {
        if !head.fits { return fail(.headersTooLarge) }
        let seen = fields.seen
        let isInterim = head.status < 200
        if isInterim || head.status == 204 {
            // RFC 9110 §8.6, RFC 9112 §6.1: neither field may stand here; who believes it reads a body that is none.
            if seen.contains(.transferEncoding) || fields.contentLength > 0 { return fail(.bodyDisallowed) }
        }
        if isInterim, head.status != 101 {
            phase = .idle
            fields = H1Fields(isRequest: false)
            return .head
        }
        let isTunnelHead = head.status == 101 || requestMethod == .connect && head.status < 300
        if isTunnelHead {
            if head.status == 101, !upgradeWasAsked { return fail(.unexpectedUpgrade) }
            // RFC 9110 §9.3.6: a length or coding in a 2xx to CONNECT is ignored.
            isTunnel = true
            body = .tunnel
        } else if seen.contains(.transferEncoding), let error = fields.codingError(version, options) {
            // Of an answer without a body, too: it tells what the host is like.
            return fail(error)
        } else if requestMethod == .head || head.status == 204 || head.status == 304 {
            body = .none
        } else if seen.contains(.transferEncoding) {
            body = .chunked
        } else if seen.contains(.contentLength) {
            body = .length(fields.contentLength)
        } else {
            body = .untilClose
        }
        phase = .body
        return .head
    }

    private mutating func fail(_ error: H1Error) -> H1Event {
        phase = .failed
        return .failed(error)
    }
}
