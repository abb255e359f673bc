// A span that is complete joins those that wait for its tracer's collector (`Exporting`).

import Primitives
import Routing

extension Worker {
    package static let flushIntervalMs: UInt64 = 5000
    package static let flushSpansMin: UInt64 = 5

    func export(_ span: SpanScratch, _ trace: UnsafeMutablePointer<TraceState>) {
        let config = unsafe trace.pointee.tracer
        if unsafe trace.pointee.held != .max { return unsafe hold(span, trace) }
        guard let export = unsafe config.pointee.export, let buffer = unsafe beginItem(export) else { return }
        let start = buffer.items.count
        unsafe encode(span, config, &buffer.items)
        unsafe endItem(
            buffer, from: start, weight: buffer.items.count &- start, part: trace.pointee.part,
            isCut: span.text.isTruncated || span.encoded.isTruncated)
    }

    private func encode(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>, _ out: inout TextBuffer) {
        switch unsafe config.pointee.payload {
        case .otlpGRPC, .otlpHTTP: OTLP.encode(span, into: &out)
        case .zipkinJSON: unsafe Zipkin.encodeJSON(span, config, into: &out)
        case .zipkinProto: unsafe Zipkin.encodeProto(span, config, into: &out)
        // They wait for each other (`HeldSpans`).
        case .skyWalking, .datadog: break
        }
    }
}
