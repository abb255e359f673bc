// B3 propagation: `x-b3-…`, or all of it in one `b3` field. Reading and writing, pure.

import Primitives
import Wire

/// What a request's head says.
package struct B3Context: BitwiseCopyable, Equatable {
    /// Of one field, or of several.
    package var isSingle = false
    package var has128Bits = false
    /// There are ids.
    package var hasIDs = false
    package var isSampled: Bool?
    package var context = SpanContext()
    package init() {}
}

package enum B3 {
    package static var single: Bytes { Bytes("b3" as StaticString) }
    package static var span: Bytes { Bytes("x-b3-spanid" as StaticString) }
    package static var parent: Bytes { Bytes("x-b3-parentspanid" as StaticString) }
    package static var sampled: Bytes { Bytes("x-b3-sampled" as StaticString) }
    package static var flags: Bytes { Bytes("x-b3-flags" as StaticString) }
    /// `trace-span-1-parent` with a trace id of 128 bits.
    package static let lengthMax = 32 + 1 + 16 + 1 + 1 + 1 + 16

    /// Nil: not well formed.
    package static func parse(_ head: MessageHead) -> B3Context? {
        if let text = head.value(named: single) { return parse(single: text) }
        var result = B3Context()
        if let flags = head.value(named: flags), flags.equals(Bytes("1" as StaticString)) {
            result.isSampled = true
        } else if let sampled = head.value(named: sampled) {
            result.isSampled = sampled.equals(Bytes("1" as StaticString)) || sampled.equalsIgnoringCase(Bytes("true" as StaticString))
        }
        guard let trace = head.value(of: .xB3Traceid), let span = head.value(named: span), !trace.isEmpty, !span.isEmpty else {
            return result
        }
        guard read(trace: trace, into: &result), let id = HexDigits.value(span) else { return nil }
        result.context.span = id
        if let parent = head.value(named: parent), !parent.isEmpty {
            guard let id = HexDigits.value(parent) else { return nil }
            result.context.parent = id
            result.context.hasParent = id != 0
        }
        result.hasIDs = true
        return result
    }

    /// `{trace}-{span}[-{sampled}[-{parent}]]`, or the decision alone.
    static func parse(single text: Bytes) -> B3Context? {
        var result = B3Context()
        result.isSingle = true
        if text.count == 1 {
            guard let decision = decision(text[0]) else { return nil }
            result.isSampled = decision
            return result
        }
        guard let cut = text.firstIndex(of: UInt8(ascii: "-")), cut == 16 || cut == 32, text.count >= cut + 17,
            read(trace: text.prefix(cut), into: &result), let span = HexDigits.value(text.part(cut + 1, cut + 17))
        else { return nil }
        result.context.span = span
        result.hasIDs = true
        var at = cut + 17
        guard at < text.count else { return result }
        guard text[at] == UInt8(ascii: "-") else { return nil }
        at += 1
        if text.count - at == 1 || text.count > at + 1 && text[at + 1] == UInt8(ascii: "-") {
            guard let decision = decision(text[at]) else { return nil }
            result.isSampled = decision
            at += 1
            if at == text.count { return result }
            at += 1
        }
        guard text.count - at == 16, let parent = HexDigits.value(text.from(at)) else { return nil }
        result.context.parent = parent
        result.context.hasParent = true
        return result
    }

    private static func decision(_ byte: UInt8) -> Bool? {
        switch byte {
        case UInt8(ascii: "0"): false
        // `d`: debug, which is sampled.
        case UInt8(ascii: "1"), UInt8(ascii: "d"): true
        default: nil
        }
    }

    private static func read(trace: Bytes, into result: inout B3Context) -> Bool {
        if trace.count == 32 {
            guard let high = HexDigits.value(trace.prefix(16)), let low = HexDigits.value(trace.from(16)) else { return false }
            result.context.traceHigh = high
            result.context.traceLow = low
            result.has128Bits = true
            return true
        }
        guard let low = HexDigits.value(trace) else { return false }
        result.context.traceLow = low
        return true
    }

    /// The one field's text; its length.
    package static func write(_ context: SpanContext, isShort: Bool, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        var at = unsafe write(trace: context, isShort: isShort, out)
        let dash = UInt8(ascii: "-")
        unsafe out[at] = dash
        unsafe HexDigits.write(context.span, out + at + 1)
        unsafe out[at + 17] = dash
        unsafe out[at + 18] = context.isSampled ? UInt8(ascii: "1") : UInt8(ascii: "0")
        at += 19
        guard context.hasParent else { return at }
        unsafe out[at] = dash
        unsafe HexDigits.write(context.parent, out + at + 1)
        return at + 17
    }

    /// The trace id's digits; how many.
    package static func write(trace context: SpanContext, isShort: Bool, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        if isShort {
            unsafe HexDigits.write(context.traceLow, out)
            return 16
        }
        unsafe HexDigits.write(context.traceHigh, out)
        unsafe HexDigits.write(context.traceLow, out + 16)
        return 32
    }
}
