// A span as Zipkin's API v2 has it: JSON, or protobuf (`zipkin.proto3.Span`).

import Primitives
import Wire

enum Zipkin {
    // MARK: JSON

    static func encodeJSON(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>, into out: inout TextBuffer) {
        let context = span.context
        out.put("{\"traceId\":\"")
        putTrace(span, &out)
        out.put("\",\"name\":\"")
        JSONString.write(span.name, into: &out)
        out.put("\",\"id\":\"")
        out.put(hex: context.span, width: 16)
        if context.hasParent {
            out.put("\",\"parentId\":\"")
            out.put(hex: context.parent, width: 16)
        }
        out.put(span.kind == .server ? "\",\"kind\":\"SERVER\",\"timestamp\":" : "\",\"kind\":\"CLIENT\",\"timestamp\":" as StaticString)
        out.put(decimal: span.startNs / 1000)
        out.put(",\"duration\":")
        out.put(decimal: duration(span))
        if unsafe isShared(span, config) { out.put(",\"shared\":true") }
        out.put(",\"localEndpoint\":{\"serviceName\":\"")
        unsafe JSONString.write(config.pointee.service, into: &out)
        unsafe out.put(config.pointee.address.family == .ipv6 ? "\",\"ipv6\":\"" : "\",\"ipv4\":\"" as StaticString)
        unsafe out.put(ip: config.pointee.address)
        out.put("\",\"port\":0},\"annotations\":[")
        for i in 0..<span.events.count {
            putAnnotation(span.events[i].name, span.events[i].timeNs, &out)
            out.put(UInt8(ascii: ","))
        }
        putAnnotation(Bytes(span.kind == .server ? "ss" : "cr" as StaticString), span.endNs, &out)
        out.put("],\"tags\":{")
        for i in 0..<span.tags.count {
            if i > 0 { out.put(UInt8(ascii: ",")) }
            out.put(UInt8(ascii: "\""))
            JSONString.write(span.tags[i].key, into: &out)
            out.put("\":\"")
            JSONString.write(span.value(span.tags[i]), into: &out)
            out.put(UInt8(ascii: "\""))
        }
        out.put("}}")
    }

    private static func putAnnotation(_ name: Bytes, _ timeNs: UInt64, _ out: inout TextBuffer) {
        out.put("{\"timestamp\":")
        out.put(decimal: timeNs / 1000)
        out.put(",\"value\":\"")
        out.put(name)
        out.put("\"}")
    }

    private static func putTrace(_ span: SpanScratch, _ out: inout TextBuffer) {
        if !span.hasShortTrace { out.put(hex: span.context.traceHigh, width: 16) }
        out.put(hex: span.context.traceLow, width: 16)
    }

    private static func duration(_ span: SpanScratch) -> UInt64 {
        let (start, end) = (span.startNs / 1000, span.endNs / 1000)
        return end > start ? end &- start : 0
    }

    private static func isShared(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>) -> Bool {
        unsafe span.kind == .server && config.pointee.sharesContext
    }

    // MARK: Protobuf

    /// The field `spans` of `ListOfSpans`.
    static func encodeProto(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>, into out: inout TextBuffer) {
        span.encoded.reset()
        unsafe body(span, config)
        out.put(field: 1, span.encoded.bytes)
    }

    private static func body(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>) {
        let context = span.context
        span.encoded.put(lengthOf: 1, span.hasShortTrace ? 8 : 16)
        if !span.hasShortTrace { span.encoded.put(bigEndian: context.traceHigh) }
        span.encoded.put(bigEndian: context.traceLow)
        if context.hasParent {
            span.encoded.put(lengthOf: 2, 8)
            span.encoded.put(bigEndian: context.parent)
        }
        span.encoded.put(lengthOf: 3, 8)
        span.encoded.put(bigEndian: context.span)
        span.encoded.put(field: 4, varint: span.kind == .server ? 2 : 1)
        span.encoded.put(field: 5, span.name)
        span.encoded.put(field: 6, fixed64: span.startNs / 1000)
        span.encoded.put(field: 7, varint: duration(span))
        unsafe endpoint(span, config)
        for i in 0..<span.events.count { annotation(span.events[i].name, span.events[i].timeNs, &span.encoded) }
        annotation(Bytes(span.kind == .server ? "ss" : "cr" as StaticString), span.endNs, &span.encoded)
        for i in 0..<span.tags.count {
            let value = span.value(span.tags[i])
            span.encoded.put(lengthOf: 11, ProtoSize.field(span.tags[i].key.count) + ProtoSize.field(value.count))
            span.encoded.put(field: 1, span.tags[i].key)
            span.encoded.put(field: 2, value)
        }
        if unsafe isShared(span, config) { span.encoded.put(field: 13, varint: 1) }
    }

    private static func endpoint(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>) {
        let service = unsafe config.pointee.service
        let address = unsafe config.pointee.address
        let isIPv6 = address.family == .ipv6
        let addressBytes = address.family == .none ? 0 : ProtoSize.field(isIPv6 ? 16 : 4)
        let serviceBytes = service.isEmpty ? 0 : ProtoSize.field(service.count)
        span.encoded.put(lengthOf: 8, serviceBytes + addressBytes)
        if !service.isEmpty { span.encoded.put(field: 1, service) }
        guard addressBytes > 0 else { return }
        span.encoded.put(lengthOf: isIPv6 ? 3 : 2, isIPv6 ? 16 : 4)
        // The words hold the address as it goes over the wire.
        if isIPv6 {
            span.encoded.put(bigEndian: address.high.byteSwapped)
            span.encoded.put(bigEndian: address.low.byteSwapped)
        } else {
            for shift: UInt64 in [0, 8, 16, 24] { span.encoded.put(UInt8(truncatingIfNeeded: address.high >> shift)) }
        }
    }

    private static func annotation(_ name: Bytes, _ timeNs: UInt64, _ out: inout TextBuffer) {
        out.put(lengthOf: 10, 9 + ProtoSize.field(name.count))
        out.put(field: 1, fixed64: timeNs / 1000)
        out.put(field: 2, name)
    }
}
