// The body of an HTTP/1 message: where it ends, and its parts in place (RFC 9112 §6, §7).

import Primitives

struct H1Body {
    private enum Phase: UInt8 {
        case done, length, untilClose, tunnel
        case sizeFirst, size, sizeSpace, extension_, sizeLineFeed, data, dataReturn, dataLineFeed
        case trailers, ended, failed
    }

    private var phase = Phase.done
    private var sizeDigits: UInt8 = 0
    /// Bytes of chunk extension ahead of the data.
    private var extensionBytes: UInt32 = 0
    private var remaining: UInt64 = 0
    private var trailers = H1Trailers()

    init() {}
    static var none: H1Body { H1Body(.ended) }
    static var untilClose: H1Body { H1Body(.untilClose) }
    static var tunnel: H1Body { H1Body(.tunnel) }
    static var chunked: H1Body { H1Body(.sizeFirst) }
    static func length(_ count: UInt64) -> H1Body {
        var body = H1Body(count == 0 ? .ended : .length)
        body.remaining = count
        return body
    }
    private init(_ phase: Phase) { self.phase = phase }

    /// The message needs no further byte of input: the next event is `complete`.
    var isEnded: Bool { phase == .ended }
    /// `complete` was told, or nothing was begun.
    var isDone: Bool { phase == .done }
    var endsAtClose: Bool { phase == .untilClose || phase == .tunnel }
    /// What is still to come of a length-delimited body.
    var remainingLength: UInt64? { phase == .length ? remaining : nil }

    // HOT: per body part.
    mutating func next(
        _ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead, _ options: H1Options
    ) -> H1Event {
        while true {
            switch phase {
            case .ended:
                phase = .done
                return .complete
            case .done, .failed: return .needMore
            case .length, .data:
                if cursor >= input.count { return .needMore }
                let part = take(input, &cursor, remaining)
                remaining &-= UInt64(truncatingIfNeeded: part.count)
                if phase == .data {
                    let credit = UInt32(truncatingIfNeeded: min(part.count, Int(UInt32.max)))
                    extensionBytes = extensionBytes > credit ? extensionBytes &- credit : 0
                    if remaining == 0 { phase = .dataReturn }
                } else if remaining == 0 {
                    phase = .ended
                }
                return .body(part)
            case .untilClose, .tunnel:
                if cursor >= input.count { return .needMore }
                return .body(take(input, &cursor, UInt64.max))
            case .trailers:
                let event = trailers.next(input, &cursor, &head, options)
                switch event {
                case .trailers: phase = .ended
                case .complete: phase = .done
                case .failed: phase = .failed
                default: break
                }
                return event
            default:
                if cursor >= input.count { return .needMore }
                let byte = input[cursor]
                cursor &+= 1
                if let error = frame(byte, options) {
                    phase = .failed
                    return .failed(error)
                }
            }
        }
    }

    @inline(__always)
    private func take(_ input: Bytes, _ cursor: inout Int, _ limit: UInt64) -> Bytes {
        let available = UInt64(truncatingIfNeeded: input.count &- cursor)
        let count = Int(truncatingIfNeeded: min(available, limit))
        let part = input.part(cursor, cursor &+ count)
        cursor &+= count
        return part
    }

    // HOT: per byte of chunk framing.
    /// RFC 9112 §7.1: chunk-size [ chunk-ext ] CRLF, data, CRLF. Each CRLF exactly: Envoy's parser takes a bare LF
    /// after the data and skips bytes before it, which another parser would read as the next chunk.
    private mutating func frame(_ byte: UInt8, _ options: H1Options) -> H1Error? {
        switch phase {
        case .sizeFirst:
            guard let digit = H1Body.hexDigit(byte) else { return .malformedChunkSize }
            remaining = digit
            sizeDigits = 1
            phase = .size
        case .size:
            if let digit = H1Body.hexDigit(byte) {
                // RFC 9112 §7.1: an overflow is prevented: the size fits 60 bits. Zeros in front are harmless but not
                // without end: beyond 16 digits they count like an extension.
                if remaining >> 56 != 0 { return .chunkSizeOverflow }
                remaining = remaining << 4 | digit
                if sizeDigits == 16 { return charge(options) }
                sizeDigits &+= 1
                return nil
            }
            return afterSize(byte, options)
        case .sizeSpace: return afterSize(byte, options)
        case .extension_:
            // RFC 9112 §7.1.1: extensions are ignored, but bounded.
            if byte == 0x0d {
                phase = .sizeLineFeed
                return nil
            }
            if byte < 0x20 && byte != 0x09 || byte == 0x7f { return .malformedChunkExtension }
            return charge(options)
        case .sizeLineFeed:
            guard byte == 0x0a else { return .malformedChunkSize }
            phase = remaining == 0 ? .trailers : .data
        case .dataReturn:
            guard byte == 0x0d else { return .malformedChunkEnd }
            phase = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0a else { return .malformedChunkEnd }
            phase = .sizeFirst
        default: assertionFailure("not a framing phase")
        }
        return nil
    }

    private mutating func afterSize(_ byte: UInt8, _ options: H1Options) -> H1Error? {
        switch byte {
        case 0x0d: phase = .sizeLineFeed
        case 0x3b:
            phase = .extension_
            return charge(options)
        case 0x20, 0x09:
            // Bad whitespace, which some old servers pad the size with, as in Envoy.
            phase = .sizeSpace
            return charge(options)
        default: return .malformedChunkSize
        }
        return nil
    }

    private mutating func charge(_ options: H1Options) -> H1Error? {
        extensionBytes &+= 1
        return extensionBytes > options.maxChunkExtensionBytes ? .chunkExtensionTooLarge : nil
    }

    @inline(__always)
    private static func hexDigit(_ byte: UInt8) -> UInt64? {
        if byte &- 0x30 < 10 { return UInt64(byte &- 0x30) }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? UInt64(letter &+ 10) : nil
    }
}
