// A segment as `skywalking.v3.SegmentObject` (apache/skywalking-data-collect-protocol, language-agent/Tracing.proto), each
// in a gRPC message of its own.

import Primitives

enum SkyWalking {
    /// "Envoy" in SkyWalking's list of components.
    private static let component: UInt64 = 9000
    private static let layerHTTP: UInt64 = 3

    // MARK: Spans

    /// `spans` of a segment, to `span.encoded`.
    static func encode(_ span: SpanScratch, _ held: HeldSpans) {
        let start = span.encoded.open(3)
        let isChild = span.context.isChild
        span.encoded.put(1, number: span.context.span)
        // An entry's parent is -1; a try's is the entry, 0.
        if !isChild { span.encoded.put(field: 2, varint: UInt64(bitPattern: -1)) }
        span.encoded.put(3, number: span.startNs / 1_000_000)
        span.encoded.put(4, number: span.endNs / 1_000_000)
        if !isChild { span.encoded.put(5, text: held.text(held.reference)) }
        span.encoded.put(6, text: isChild ? span.name : held.text(held.endpoint))
        if let peer = span.value(of: "peer.address") { span.encoded.put(7, text: peer) }
        span.encoded.put(8, number: isChild ? 1 : 0)
        span.encoded.put(9, number: layerHTTP)
        span.encoded.put(10, number: component)
        span.encoded.put(11, number: span.value(of: "error") != nil ? 1 : 0)
        for i in 0..<span.tags.count {
            let tag = span.tags[i]
            if tag.key.equals(Bytes("peer.address" as StaticString)) { continue }
            put(12, name(tag.key), span.value(tag), &span.encoded)
        }
        for i in 0..<span.events.count {
            let event = span.events[i]
            let log = span.encoded.open(13)
            span.encoded.put(1, number: event.timeNs / 1_000_000)
            put(2, .empty, event.name, &span.encoded)
            span.encoded.close(log)
        }
        // The upstream is to be told, and the collector need not look at it.
        if !span.context.isSampled { span.encoded.put(14, number: 1) }
        span.encoded.close(start)
    }

    private static func name(_ key: Bytes) -> Bytes {
        if key.equals(Bytes("http.url" as StaticString)) { return Bytes("url" as StaticString) }
        return key.equals(Bytes("http.status_code" as StaticString)) ? Bytes("status_code" as StaticString) : key
    }

    private static func put(_ number: Int, _ key: Bytes, _ value: Bytes, _ out: inout TextBuffer) {
        let pair = out.open(number)
        out.put(1, text: key)
        out.put(2, text: value)
        out.close(pair)
    }

    /// `SegmentReference`: the caller's span.
    static func encode(_ caller: SW8Context, into out: inout TextBuffer) {
        put(2, caller.trace, &out)
        put(3, caller.segment, &out)
        out.put(4, number: UInt64(caller.span))
        put(5, caller.service, &out)
        put(6, caller.instance, &out)
        put(7, caller.endpoint, &out)
        put(8, caller.address, &out)
    }

    private static func put(_ number: Int, _ base64: Bytes, _ out: inout TextBuffer) {
        let text = out.open(number)
        SW8Context.decode(base64, into: &out)
        out.close(text)
    }

    // MARK: The segment

    static func encode(_ held: HeldSpans, _ tracer: UnsafePointer<TracerConfig>, into out: inout TextBuffer) {
        // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: not compressed, length.
        for _ in 0..<5 { out.put(UInt8(0)) }
        let start = out.count
        out.put(1, text: held.text(held.traceID))
        out.put(2, text: held.text(held.segmentID))
        out.put(held.spans)
        unsafe out.put(4, text: tracer.pointee.service)
        unsafe out.put(5, text: tracer.pointee.instance)
        guard !out.isTruncated else { return }
        let length = UInt32(truncatingIfNeeded: out.count &- start)
        for i in 1...4 { out.overwrite(at: start &- i, UInt8(truncatingIfNeeded: length >> UInt32(8 &* (i &- 1)))) }
    }
}
