// The lines behind the last chunk, checked byte by byte; kept only when the options ask for trailers.
//
// No line needs to be whole: bytes that are kept go straight into the head given for trailers.

import CMartlet
import Primitives

struct H1Trailers {
    private enum Phase: UInt8 { case lineStart, name, value, lineFeed, endLineFeed }

    private var phase = Phase.lineStart
    private(set) var begun = false
    private var count: UInt32 = 0
    private var bytes: UInt32 = 0
    private var nameStart: UInt32 = 0
    private var nameCount: UInt32 = 0

    /// `needMore`, `trailersBegin`, `trailers` (when kept, with the end reached), `complete` or `failed`.
    mutating func next(
        _ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead, _ options: H1Options
    ) -> H1Event {
        while cursor < input.count {
            let byte = input[cursor]
            if phase == .lineStart, byte != 0x0d, options.enableTrailers, !begun {
                begun = true
                return .trailersBegin
            }
            cursor &+= 1
            bytes &+= 1
            if bytes > options.maxTrailerBytes { return .failed(.trailersTooLarge) }
            switch phase {
            case .lineStart:
                if byte == 0x0d {
                    phase = .endLineFeed
                    continue
                }
                if byte == 0x20 || byte == 0x09 { return .failed(.obsoleteFold) }
                // Those that are dropped cost nothing but their bytes.
                if options.enableTrailers, count >= options.maxHeaders { return .failed(.tooManyHeaders) }
                count &+= 1
                nameStart = UInt32(truncatingIfNeeded: head.textBytes)
                nameCount = 0
                phase = .name
                if let error = name(byte, &head, options) { return .failed(error) }
            case .name:
                if let error = name(byte, &head, options) { return .failed(error) }
            case .value:
                if byte == 0x0d {
                    phase = .lineFeed
                } else if byte == 0x0a {
                    return .failed(.bareLineFeed)
                } else if byte < 0x20 && byte != 0x09 || byte == 0x7f {
                    return .failed(.controlCharacter)
                } else if options.enableTrailers, !keep(byte, &head) {
                    return .failed(.trailersTooLarge)
                }
            case .lineFeed:
                guard byte == 0x0a else { return .failed(.bareCarriageReturn) }
                phase = .lineStart
                if options.enableTrailers, let error = append(&head, options) { return .failed(error) }
            case .endLineFeed:
                guard byte == 0x0a else { return .failed(.bareCarriageReturn) }
                return begun ? .trailers : .complete
            }
        }
        return .needMore
    }

    private mutating func name(_ byte: UInt8, _ head: inout MessageHead, _ options: H1Options) -> H1Error? {
        if byte == 0x3a, nameCount > 0 {
            phase = .value
            return nil
        }
        let token = martlet_token_byte(byte)
        if token == 0 { return .malformedTrailer }
        if token == 0x5f, options.underscores == .rejectRequest { return .underscoreInFieldName }
        nameCount &+= 1
        if options.enableTrailers, !keep(token, &head) { return .trailersTooLarge }
        return nil
    }

    private func keep(_ byte: UInt8, _ head: inout MessageHead) -> Bool {
        guard let room = unsafe head.extend(1) else { return false }
        unsafe room.base[0] = byte
        return true
    }

    private func append(_ head: inout MessageHead, _ options: H1Options) -> H1Error? {
        let name = Span32(offset: nameStart, count: nameCount)
        let valueStart = Int(nameStart &+ nameCount)
        let raw = Span32(
            offset: UInt32(truncatingIfNeeded: valueStart),
            count: UInt32(truncatingIfNeeded: head.textBytes &- valueStart))
        var start = 0
        let text = head.text(raw)
        while start < text.count, text[start] == 0x20 || text[start] == 0x09 { start &+= 1 }
        let trimmed = text.trimmed
        let value = Span32(
            offset: raw.offset &+ UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: trimmed.count))
        let id = HeaderNames.id(of: head.text(name))
        if H1Trailers.isForbidden(id) { return nil }
        if options.underscores == .dropHeader, head.text(name).firstIndex(of: 0x5f) != nil { return nil }
        head.append(name: name, value: value, id: id)
        return head.fits ? nil : .trailersTooLarge
    }

    /// RFC 9110 §6.5.1: fields that frame, route, authenticate or describe the content mean nothing in a trailer, and
    /// may mean too much to who merges them: dropped.
    private static func isForbidden(_ id: HeaderID) -> Bool {
        switch id {
        case .host, .connection, .contentLength, .transferEncoding, .te, .trailer, .upgrade, .expect, .keepAlive,
            .proxyConnection, .contentType, .contentEncoding, .cookie, .setCookie, .authorization, .proxyAuthenticate,
            .proxyAuthorization, .cacheControl, .range, .vary, .location, .date, .http2Settings:
            true
        default: false
        }
    }
}
