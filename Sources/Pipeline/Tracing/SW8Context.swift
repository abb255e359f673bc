// `sw8`, SkyWalking's cross process propagation header (protocol version 3): reading and writing. Pure.
// https://skywalking.apache.org/docs/main/latest/en/api/x-process-propagation-headers-v3/
//
// Eight fields with dashes between them: a flag, trace, segment, number of the span, service, instance, endpoint, address.
// Texts are in Base64, with or without padding.

import Primitives
import Wire

/// What a caller says. The texts are as they came, in Base64.
package struct SW8Context: BitwiseCopyable {
    package var trace = Bytes.empty
    package var segment = Bytes.empty
    package var span: Int32 = 0
    package var service = Bytes.empty
    package var instance = Bytes.empty
    package var endpoint = Bytes.empty
    package var address = Bytes.empty

    /// Nil: not well formed. The flag is 0 or 1, and whichever it is, the trace is recorded (Envoy).
    package static func parse(_ text: Bytes) -> SW8Context? {
        var context = SW8Context()
        var field = 0
        var start = 0
        while true {
            let end = text.firstIndex(of: UInt8(ascii: "-"), from: start) ?? text.count
            let part = text.part(start, end)
            switch field {
            case 0:
                guard part.equals(Bytes("0" as StaticString)) || part.equals(Bytes("1" as StaticString)) else { return nil }
            case 1: context.trace = part
            case 2: context.segment = part
            case 3:
                guard let number = part.decimal, let span = Int32(exactly: number) else { return nil }
                context.span = span
            case 4: context.service = part
            case 5: context.instance = part
            case 6: context.endpoint = part
            default: context.address = part
            }
            field += 1
            if end == text.count { return field == 8 ? context : nil }
            if field == 8 { return nil }
            start = end + 1
        }
    }

    /// What a field's text stands for; nothing for one that is not Base64.
    package static func decode(_ text: Bytes, into out: inout TextBuffer) {
        guard let room = unsafe out.room(text.count) else { return }
        var decoder = Base64Decoder()
        let padding = Bytes("==" as StaticString)
        guard let n = unsafe decoder.decode(text, into: room) else { return }
        var count = n
        if decoder.openCount > 0 {
            guard let more = unsafe decoder.decode(padding.prefix(4 - decoder.openCount), into: room + n) else { return }
            count += more
        }
        if decoder.openCount == 0 { out.wrote(count) }
    }

    package static func encode(_ text: Bytes, into out: inout TextBuffer) {
        guard let room = unsafe out.room(Base64Encoder.bytesMax(text.count)) else { return }
        var encoder = Base64Encoder()
        let n = unsafe encoder.encode(text, into: room)
        out.wrote(unsafe n + encoder.finish(into: room + n))
    }
}
