// What is Zipkin's own about a trace: B3 in and out, and a server's span that shares the ids of its client's.

import Primitives
import Routing
import Wire

extension Worker {
    // HOT: per message.
    /// Nil: what the caller says of its trace cannot be read, and the request has no span (Envoy).
    func startZipkin(_ stream: StreamPointer, _ trace: inout TraceState) -> Bool {
        let tracer = unsafe trace.tracer
        let isTraced = unsafe stream.pointee.traceReason != .notTraceable
        guard var caller = unsafe B3.parse(stream.pointee.request) else { return false }
        if unsafe !caller.hasIDs && tracer.pointee.usesW3C, let text = unsafe stream.pointee.request.value(of: .traceparent),
            let w3c = W3CTraceContext.parse(text)
        {
            caller.context = w3c
            caller.hasIDs = true
            caller.has128Bits = true
            if caller.isSampled == nil { caller.isSampled = w3c.isSampled }
        }
        trace.context.isSampled = caller.isSampled ?? isTraced
        guard caller.hasIDs else {
            unsafe rootZipkin(&trace.context, tracer)
            trace.isShort = unsafe !tracer.pointee.has128BitIDs
            return true
        }
        trace.isShort = !caller.has128Bits
        trace.context.traceHigh = caller.context.traceHigh
        trace.context.traceLow = caller.context.traceLow
        if unsafe trace.isServer && tracer.pointee.sharesContext {
            trace.context.span = caller.context.span
            trace.context.parent = caller.context.parent
            trace.context.hasParent = caller.context.hasParent
        } else {
            trace.context.span = random.next()
            trace.context.parent = caller.context.span
            trace.context.hasParent = true
        }
        return true
    }

    /// The first span has the trace's own id, or the half of it in which there is no time.
    private func rootZipkin(_ context: inout SpanContext, _ tracer: UnsafePointer<TracerConfig>) {
        let has128Bits = unsafe tracer.pointee.has128BitIDs
        let isDated = unsafe tracer.pointee.datesIDs
        context.span = random.next()
        context.traceLow = isDated && !has128Bits ? datedID() : context.span
        context.traceHigh = has128Bits ? (isDated ? datedID() : random.next()) : 0
    }

    /// Seconds since 1970 in front of 32 random bits.
    private func datedID() -> UInt64 { (wallNs / 1_000_000_000) &<< 32 | random.next() & 0xffff_ffff }

    // HOT: per message.
    /// In the form in which the caller said it.
    func injectB3(_ context: SpanContext, _ trace: UnsafeMutablePointer<TraceState>, _ stream: StreamPointer) {
        let isShort = unsafe trace.pointee.isShort
        if unsafe stream.pointee.request.index(named: B3.single) != nil {
            guard let (room, base) = unsafe stream.pointee.request.extend(B3.lengthMax) else { return }
            let count = unsafe B3.write(context, isShort: isShort, base)
            let span = Span32(offset: room.offset, count: UInt32(truncatingIfNeeded: count))
            unsafe setText(B3.single, span, stream)
        } else {
            guard let (room, base) = unsafe stream.pointee.request.extend(32) else { return }
            let count = unsafe B3.write(trace: context, isShort: isShort, base)
            let span = Span32(offset: room.offset, count: UInt32(truncatingIfNeeded: count))
            unsafe setText(.xB3Traceid, span, stream)
            unsafe setID(B3.span, context.span, stream)
            if context.hasParent { unsafe setID(B3.parent, context.parent, stream) }
            unsafe setText(
                B3.sampled, stream.pointee.request.store(Bytes(context.isSampled ? "1" : "0" as StaticString)), stream)
        }
        guard unsafe trace.pointee.tracer.pointee.usesW3C else { return }
        guard let (span, base) = unsafe stream.pointee.request.extend(W3CTraceContext.length) else { return }
        unsafe W3CTraceContext.write(context, base)
        unsafe setText(.traceparent, span, stream)
    }

    private func setID(_ name: Bytes, _ id: UInt64, _ stream: StreamPointer) {
        guard let (span, base) = unsafe stream.pointee.request.extend(16) else { return }
        unsafe HexDigits.write(id, base)
        unsafe setText(name, span, stream)
    }

    func setText(_ name: Bytes, _ value: Span32, _ stream: StreamPointer) {
        unsafe stream.pointee.request.removeAll(named: name)
        let stored = unsafe stream.pointee.request.store(name)
        guard unsafe stream.pointee.request.fits else { return }
        unsafe stream.pointee.request.append(name: stored, value: value, id: .other)
    }
}
