// MessageHead → bytes of an HTTP/1 head, written anew: nothing of the received line structure gets through.
//
// Use: `…Bound` bytes of memory, then `…Head` into it, which returns how many it used. How the body is framed is the
// caller's to say; the encoder writes exactly that, whatever length or coding fields the head still has. Connection
// fields are the caller's too (`HopByHop.strip`, then what this hop needs).

import CMartlet
import Primitives

package enum H1Framing {
    /// No body: neither field.
    case none
    /// RFC 9110 §8.6. Also for an answer to HEAD and a 304: the length of what is not sent.
    case contentLength(UInt64)
    /// RFC 9112 §7.1.
    case chunked
    /// RFC 9112 §6.3: the end of the connection is the end of the body. Responses only.
    case closeDelimited
}

package struct H1EncoderOptions {
    /// `header_key_format.proper_case_words`.
    package var properCaseWords = false
    /// `send_fully_qualified_url`: absolute-form targets.
    package var absoluteForm = false
    package init() {}
}

package enum H1Encoder {
    /// Room for `requestHead` (RFC 9112 §3).
    package static func requestBound(_ head: MessageHead) -> Int {
        // "METHOD https://authority/path HTTP/1.1", "host: authority"
        Int(head.methodText.count) &+ Int(head.path.count) &+ 2 &* Int(head.authority.count)
            &+ Int(head.scheme.count) &+ 64 &+ fieldsBound(head)
    }

    // HOT: per message.
    package static func requestHead(
        _ head: MessageHead, _ framing: H1Framing, _ options: H1EncoderOptions, into memory: UnsafeMutableRawPointer,
        capacity: Int
    ) -> Int {
        var output = unsafe OutputCursor(memory, capacity: capacity)
        let limit = unsafe head.textLimit
        unsafe output.put(head.text(head.methodText), readableTo: limit)
        output.put(0x20)
        if head.method == .connect {
            unsafe output.put(head.text(head.authority), readableTo: limit)
        } else {
            if options.absoluteForm {
                output.put(head.schemeText)
                output.put("://")
                output.put(head.text(head.authority))
            }
            unsafe output.put(head.text(head.path), readableTo: limit)
        }
        // RFC 9112 §3.2: Host first, whatever its place was; empty when there is no authority.
        output.put(options.properCaseWords ? " HTTP/1.1\r\nHost: " : " HTTP/1.1\r\nhost: ")
        unsafe output.put(head.text(head.authority), readableTo: limit)
        output.putLineEnd()
        fields(head, framing, options, &output)
        return output.count
    }

    /// Room for `responseHead` (RFC 9112 §4).
    package static func responseBound(_ head: MessageHead) -> Int {
        "HTTP/1.1 65535 ".utf8.count &+ ReasonPhrases.bytesMax &+ 2 &+ fieldsBound(head)
    }

    // HOT: per message.
    /// `version` is the client's: HTTP/1.0 is answered as such.
    package static func responseHead(
        _ head: MessageHead, _ framing: H1Framing, _ options: H1EncoderOptions, version: HTTPVersion = .http11,
        into memory: UnsafeMutableRawPointer, capacity: Int
    ) -> Int {
        var output = unsafe OutputCursor(memory, capacity: capacity)
        if head.status == 200, version != .http10 {
            output.put("HTTP/1.1 200 OK\r\n")
        } else {
            output.put(version == .http10 ? "HTTP/1.0 " : "HTTP/1.1 ")
            output.putDecimal(UInt64(head.status))
            output.put(0x20)
            output.put(ReasonPhrases.phrase(head.status))
            output.putLineEnd()
        }
        fields(head, framing, options, &output)
        return output.count
    }

    /// Room for `trailers`.
    package static func trailersBound(_ head: MessageHead) -> Int { 3 &+ fieldsBound(head) }

    /// The last chunk, the trailer fields, the end (RFC 9112 §7.1.2).
    package static func trailers(
        _ head: MessageHead, _ options: H1EncoderOptions, into memory: UnsafeMutableRawPointer, capacity: Int
    ) -> Int {
        var output = unsafe OutputCursor(memory, capacity: capacity)
        output.put("0\r\n")
        fields(head, .none, options, &output)
        return output.count
    }

    private static func fieldsBound(_ head: MessageHead) -> Int {
        // "transfer-encoding: chunked" or "content-length: " and 20 digits, the empty line.
        var bytes = 48 &+ OutputCursor.spareBytes
        var i = 0
        while i < head.count {
            let field = head.field(i)
            bytes &+= Int(field.name.count) &+ Int(field.value.count) &+ 4
            i &+= 1
        }
        // A content-length in place is rewritten with up to 20 digits.
        return bytes &+ 20
    }

    // HOT: per header field.
    @inline(__always)
    private static func fields(
        _ head: MessageHead, _ framing: H1Framing, _ options: H1EncoderOptions, _ output: inout OutputCursor
    ) {
        var framingIsDue = true
        let limit = unsafe head.textLimit
        var i = 0
        let count = head.count
        while i < count {
            let field = head.field(i)
            i &+= 1
            if field.removed { continue }
            // Lengths and codings are this hop's alone: one, in the place of the old one.
            if field.id == .contentLength || field.id == .transferEncoding {
                if framingIsDue, isField(framing, field.id) {
                    putFraming(framing, options, &output)
                    framingIsDue = false
                }
                continue
            }
            let name = head.text(field.name)
            if options.properCaseWords { putProperCase(name, &output) } else { unsafe output.put(name, readableTo: limit) }
            output.putColon()
            unsafe output.put(head.text(field.value), readableTo: limit)
            output.putLineEnd()
        }
        if framingIsDue { putFraming(framing, options, &output) }
        output.putLineEnd()
    }

    @inline(__always)
    private static func isField(_ framing: H1Framing, _ id: HeaderID) -> Bool {
        switch framing {
        case .contentLength: id == .contentLength
        case .chunked: id == .transferEncoding
        case .none, .closeDelimited: false
        }
    }

    private static func putFraming(_ framing: H1Framing, _ options: H1EncoderOptions, _ output: inout OutputCursor) {
        switch framing {
        case .none, .closeDelimited: return
        case .chunked:
            output.put(options.properCaseWords ? "Transfer-Encoding: chunked\r\n" : "transfer-encoding: chunked\r\n")
        case .contentLength(let length):
            output.put(options.properCaseWords ? "Content-Length: " : "content-length: ")
            output.putDecimal(length)
            output.putLineEnd()
        }
    }

    /// Envoy's proper case: the first letter, and every letter behind a byte that is neither letter nor digit.
    private static func putProperCase(_ name: Bytes, _ output: inout OutputCursor) {
        var isWordStart = true
        var i = 0
        while i < name.count {
            let byte = name[i]
            let isLetter = byte &- 0x61 < 26
            output.put(isWordStart && isLetter ? byte & 0xdf : byte)
            isWordStart = !isLetter && byte &- 0x30 >= 10
            i &+= 1
        }
    }
}
