// What is SkyWalking's own about a trace: `sw8` in and out, and ids that belong to a segment, not to a span.

import Primitives
import Routing
import Transport
import Upstream
import Wire

extension Worker {
    static let sw8: StaticString = "sw8"

    // HOT: per message.
    /// A caller's trace is recorded always; a new one where the request is traced. False: no span.
    func startSkyWalking(_ stream: StreamPointer, _ trace: inout TraceState) -> Bool {
        let caller = unsafe stream.pointee.request.value(named: Bytes(Worker.sw8)).flatMap { SW8Context.parse($0) }
        guard unsafe caller != nil || stream.pointee.traceReason != .notTraceable else { return false }
        trace.held = openHeldSpans()
        guard let held = tracing.held[trace.held] else { return false }
        trace.context.isSampled = true
        held.traceID = held.keep { text in
            if let caller { SW8Context.decode(caller.trace, into: &text) } else { putUUID(&text) }
        }
        held.segmentID = held.keep { putUUID(&$0) }
        held.endpoint = held.keep { unsafe $0.put(stream.pointee.request.text(stream.pointee.request.path)) }
        guard let caller else { return true }
        held.reference = held.keep { SkyWalking.encode(caller, into: &$0) }
        return true
    }

    private func putUUID(_ text: inout TextBuffer) {
        guard let room = unsafe text.room(36) else { return }
        unsafe UUIDText.write(random.next(), random.next(), room)
        text.wrote(36)
    }

    // HOT: per message.
    /// Only the span of a try is told: that of the request is no exit, and then the caller's field stays (Envoy).
    func injectSW8(_ context: SpanContext, _ trace: UnsafeMutablePointer<TraceState>, _ stream: StreamPointer) {
        guard context.isChild, let held = unsafe tracing.held[trace.pointee.held] else { return }
        let tracer = unsafe trace.pointee.tracer
        let scratch = spanScratch
        scratch.encoded.reset()
        scratch.encoded.put("1-")
        SW8Context.encode(held.text(held.traceID), into: &scratch.encoded)
        scratch.encoded.put(UInt8(ascii: "-"))
        SW8Context.encode(held.text(held.segmentID), into: &scratch.encoded)
        scratch.encoded.put(UInt8(ascii: "-"))
        scratch.encoded.put(decimal: context.span)
        scratch.encoded.put(UInt8(ascii: "-"))
        unsafe SW8Context.encode(tracer.pointee.service, into: &scratch.encoded)
        scratch.encoded.put(UInt8(ascii: "-"))
        unsafe SW8Context.encode(tracer.pointee.instance, into: &scratch.encoded)
        scratch.encoded.put(UInt8(ascii: "-"))
        SW8Context.encode(held.text(held.endpoint), into: &scratch.encoded)
        scratch.encoded.put(UInt8(ascii: "-"))
        scratch.text.reset()
        // Of a mirror the host is not known yet.
        if unsafe !trace.pointee.isMirror, let host = unsafe hosts[stream.pointee.host] {
            unsafe scratch.text.put(host.pointee.config.address)
        } else {
            unsafe scratch.text.put(stream.pointee.request.text(stream.pointee.request.authority))
        }
        SW8Context.encode(scratch.text.bytes, into: &scratch.encoded)
        guard !scratch.encoded.isTruncated else { return }
        unsafe setText(Bytes(Worker.sw8), stream.pointee.request.store(scratch.encoded.bytes), stream)
    }
}
