// A span as `opentelemetry.proto.trace.v1.Span`.

import Primitives
import Transport

package enum OTLP {
    /// Writes the field `spans` of `ScopeSpans` to `scratch.encoded`.
    static func encode(_ scratch: SpanScratch, into out: inout TextBuffer) {
        scratch.encoded.reset()
        body(scratch)
        out.put(field: 2, scratch.encoded.bytes)
    }

    private static func body(_ span: SpanScratch) {
        let context = span.context
        span.encoded.put(lengthOf: 1, 16)
        span.encoded.put(bigEndian: context.traceHigh)
        span.encoded.put(bigEndian: context.traceLow)
        span.encoded.put(lengthOf: 2, 8)
        span.encoded.put(bigEndian: context.span)
        if !span.tracestate.isEmpty { span.encoded.put(field: 3, span.tracestate) }
        if context.hasParent {
            span.encoded.put(lengthOf: 4, 8)
            span.encoded.put(bigEndian: context.parent)
        }
        span.encoded.put(field: 5, span.name)
        span.encoded.put(field: 6, varint: UInt64(span.kind.rawValue))
        span.encoded.put(field: 7, fixed64: span.startNs)
        span.encoded.put(field: 8, fixed64: span.endNs)
        for i in 0..<span.tags.count {
            let tag = span.tags[i]
            put(attribute: tag.key, span.value(tag), number: 9, &span.encoded)
        }
        for i in 0..<span.events.count {
            let event = span.events[i]
            span.encoded.put(lengthOf: 11, 9 + ProtoSize.field(event.name.count))
            span.encoded.put(field: 1, fixed64: event.timeNs)
            span.encoded.put(field: 2, event.name)
        }
        if span.isError {
            span.encoded.put(lengthOf: 15, 2)
            span.encoded.put(field: 3, varint: 2)
        }
    }

    /// `KeyValue` with a text, as field `number`.
    package static func put(attribute key: Bytes, _ value: Bytes, number: UInt8, _ out: inout TextBuffer) {
        let any = ProtoSize.field(value.count)
        out.put(lengthOf: number, ProtoSize.field(key.count) + ProtoSize.field(any))
        out.put(field: 1, key)
        out.put(lengthOf: 2, any)
        out.put(field: 1, value)
    }
}
