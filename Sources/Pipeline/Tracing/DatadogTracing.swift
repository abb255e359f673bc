// What is Datadog's own about a trace: `x-datadog-…` and W3C Trace Context in and out, and who decides whether it is kept.
// The agent gets every trace, with the decision in it.

import Primitives
import Routing
import Transport
import Wire

extension Worker {
    // HOT: per message.
    func startDatadog(_ stream: StreamPointer, _ trace: inout TraceState) -> Bool {
        trace.held = openHeldSpans()
        guard let held = tracing.held[trace.held] else { return false }
        trace.context.isSampled = true
        var isDecided = false
        switch unsafe DatadogContext.read(stream.pointee.request) {
        case .found(let caller): isDecided = unsafe follow(caller, held, &trace.context, stream)
        case .nothing:
            if let parent = unsafe datadogParent(stream) {
                unsafe follow(parent, held, &trace.context, stream)
                isDecided = true
            } else {
                begin(held, &trace.context)
            }
        // What the caller says cannot be read: a trace of its own (Envoy).
        case .wrong: begin(held, &trace.context)
        }
        if isDecided {
            held.datadog.verdict.decision = .caller
        } else if unsafe stream.pointee.traceReason == .notTraceable {
            held.decide(false)
        } else {
            unsafe sample(held, trace.context, trace.tracer)
        }
        return true
    }

    /// 63 bits, as some of Datadog's libraries have signed ids.
    func datadogSpanID() -> UInt64 { random.next() >> 1 }

    private func begin(_ held: HeldSpans, _ context: inout SpanContext) {
        // The upper half is the time in seconds, and zeros.
        context.traceHigh = (wallNs / 1_000_000_000) << 32
        context.traceLow = random.next()
        // The first span has the trace's own id.
        context.span = context.traceLow
        let high = context.traceHigh
        held.datadog.tags = held.keep { text in
            text.put(DatadogTrace.highKey)
            text.put(UInt8(ascii: "="))
            text.put(hex: high, width: 16)
        }
    }

    private func sample(_ held: HeldSpans, _ context: SpanContext, _ tracer: UnsafePointer<TracerConfig>) {
        guard let export = unsafe tracer.pointee.export else { return }
        let rates = unsafe exportBuffer(export).rates
        held.datadog.verdict.decision = rates.isKnown ? .agent : .standard
        held.datadog.rate = rates.rate
        held.datadog.verdict.priority = DatadogTrace.keeps(context.traceLow, rate: rates.rate) ? 1 : 0
        if rates.isKnown { held.datadog.share = held.keep { rates.write(&$0) } }
    }

    // MARK: A caller

    /// Of Datadog's own fields. True: the caller has decided.
    private func follow(_ caller: DatadogContext, _ held: HeldSpans, _ context: inout SpanContext, _ stream: StreamPointer) -> Bool {
        context.traceLow = caller.trace
        context.parent = caller.parent
        context.hasParent = caller.parent != 0
        context.span = datadogSpanID()
        held.datadog.origin = held.keep { $0.put(caller.origin) }
        keepTags(caller.tags, held, &context)
        if let priority = caller.priority { held.datadog.verdict.priority = priority }
        // The same trace in W3C's fields: they tell of members that are others', and of the span that really called.
        if let parent = unsafe datadogParent(stream), parent.traceLow == context.traceLow, parent.traceHigh == context.traceHigh {
            let state = unsafe DatadogState.parse(stream.pointee.request.value(of: .tracestate) ?? .empty)
            keepOthers(state, held)
            if parent.span != context.parent {
                let last = context.parent
                held.datadog.lastParent = held.keep { text in
                    if state.parent.isEmpty { text.put(hex: last, width: 16) } else { text.put(state.parent) }
                }
                context.parent = parent.span
                context.hasParent = true
            }
        }
        return caller.priority != nil
    }

    /// Of W3C's alone.
    private func follow(_ parent: SpanContext, _ held: HeldSpans, _ context: inout SpanContext, _ stream: StreamPointer) {
        let state = unsafe DatadogState.parse(stream.pointee.request.value(of: .tracestate) ?? .empty)
        context.traceHigh = parent.traceHigh
        context.traceLow = parent.traceLow
        context.parent = parent.span
        context.hasParent = true
        context.span = datadogSpanID()
        // The flag holds; the member says more exactly what it says too.
        let said = state.priority ?? (parent.isSampled ? 1 : 0)
        held.datadog.verdict.priority = (said > 0) == parent.isSampled ? said : parent.isSampled ? 1 : 0
        held.datadog.origin = held.keep { Worker.put(state.origin, into: &$0) }
        held.datadog.lastParent = held.keep { text in
            if state.parent.isEmpty { text.put(hex: 0, width: 16) } else { text.put(state.parent) }
        }
        held.datadog.tags = held.keep { text in
            let start = text.count
            state.forEachField { key, value in
                guard DatadogState.kind(key) == .tag else { return }
                if text.count > start { text.put(UInt8(ascii: ",")) }
                text.put(DatadogTrace.tagPrefix)
                text.put(key.from(2))
                text.put(UInt8(ascii: "="))
                Worker.put(value, into: &text)
            }
            if parent.traceHigh != 0 {
                if text.count > start { text.put(UInt8(ascii: ",")) }
                text.put(DatadogTrace.highKey)
                text.put(UInt8(ascii: "="))
                text.put(hex: parent.traceHigh, width: 16)
            }
        }
        keepOthers(state, held)
    }

    /// W3C Trace Context §2.2.2: later versions may say more behind what this one says, and ff is none.
    private func datadogParent(_ stream: StreamPointer) -> SpanContext? {
        guard let text = unsafe stream.pointee.request.value(of: .traceparent)?.trimmed else { return nil }
        let version = text.prefix(2)
        if version.equalsIgnoringCase(Bytes("ff" as StaticString)) { return nil }
        let isLonger =
            text.count > W3CTraceContext.length && text[W3CTraceContext.length] == UInt8(ascii: "-")
            && !version.equals(Bytes("00" as StaticString))
        return W3CTraceContext.parse(isLonger ? text.prefix(W3CTraceContext.length) : text)
    }

    /// `=` is written as `~` there.
    private static func put(_ text: Bytes, into out: inout TextBuffer) {
        for i in 0..<text.count { out.put(text[i] == UInt8(ascii: "~") ? UInt8(ascii: "=") : text[i]) }
    }

    private func keepOthers(_ state: DatadogState, _ held: HeldSpans) {
        held.datadog.otherFields = held.keep { text in
            let start = text.count
            state.forEachField { key, value in
                guard DatadogState.kind(key) == .other else { return }
                if text.count > start { text.put(UInt8(ascii: ";")) }
                text.put(key)
                text.put(UInt8(ascii: ":"))
                text.put(value)
            }
        }
        held.datadog.otherMembers = held.keep { text in
            text.put(state.before)
            if !state.before.isEmpty, !state.after.isEmpty { text.put(UInt8(ascii: ",")) }
            text.put(state.after)
        }
    }

    /// Only those that are meant to be passed on; one that is wrong spoils all.
    private func keepTags(_ tags: Bytes, _ held: HeldSpans, _ context: inout SpanContext) {
        guard tags.count <= DatadogContext.tagsMax else {
            return held.datadog.problem = held.keep { $0.put("extract_max_size") }
        }
        guard DatadogContext.forEachTag(tags, { _, _ in }) else {
            return held.datadog.problem = held.keep { $0.put("decoding_error") }
        }
        var high: UInt64 = 0
        var wrong: Bytes?
        held.datadog.tags = held.keep { text in
            let start = text.count
            _ = DatadogContext.forEachTag(tags) { key, value in
                guard key.hasPrefix(Bytes(DatadogTrace.tagPrefix)) else { return }
                if key.equals(Bytes(DatadogTrace.highKey)) {
                    guard value.count == 16, let number = HexDigits.value(value) else { return wrong = value }
                    high = number
                }
                if text.count > start { text.put(UInt8(ascii: ",")) }
                text.put(key)
                text.put(UInt8(ascii: "="))
                text.put(value)
            }
        }
        context.traceHigh = high
        guard let wrong else { return }
        held.datadog.problem = held.keep { text in
            text.put("malformed_tid ")
            text.put(wrong)
        }
    }

    // MARK: Telling

    // HOT: per message.
    func injectDatadog(_ context: SpanContext, _ trace: UnsafeMutablePointer<TraceState>, _ stream: StreamPointer) {
        guard let held = unsafe tracing.held[trace.pointee.held] else { return }
        // Envoy tells the upstream before it begins with mirrors.
        let final = held.datadog.verdict
        if unsafe !trace.pointee.isMirror, let first = held.datadog.first { held.datadog.verdict = first }
        defer {
            if unsafe !trace.pointee.isMirror {
                held.datadog.verdict = final
                held.datadog.first = nil
                held.datadog.isTold = true
            }
        }
        unsafe tell(DatadogContext.traceField, stream) { $0.put(decimal: context.traceLow) }
        unsafe tell(DatadogContext.parentField, stream) { $0.put(decimal: context.span) }
        let priority = held.datadog.verdict.priority
        unsafe tell(DatadogContext.priorityField, stream) { text in
            if priority < 0 { text.put(UInt8(ascii: "-")) }
            text.put(decimal: priority.magnitude)
        }
        if !held.datadog.origin.isEmpty {
            unsafe tell(DatadogContext.originField, stream) { $0.put(held.text(held.datadog.origin)) }
        }
        unsafe tell(DatadogContext.tagsField, stream) { text in
            held.forEachTag { key, value in
                if text.count > 0 { text.put(UInt8(ascii: ",")) }
                text.put(key)
                text.put(UInt8(ascii: "="))
                text.put(value)
            }
            guard text.count > DatadogContext.tagsMax else { return }
            held.datadog.isUntold = true
            text.reset()
        }
        var told = context
        told.isSampled = priority > 0
        guard let (span, base) = unsafe stream.pointee.request.extend(W3CTraceContext.length) else { return }
        unsafe W3CTraceContext.write(told, base)
        unsafe setText(.traceparent, span, stream)
        let scratch = spanScratch
        scratch.encoded.reset()
        held.writeState(context.span, into: &scratch.encoded)
        unsafe setText(.tracestate, stream.pointee.request.store(scratch.encoded.bytes), stream)
    }

    /// Nothing where `write` writes nothing: the caller's field stays then (Envoy).
    private func tell(_ name: StaticString, _ stream: StreamPointer, _ write: (inout TextBuffer) -> Void) {
        let scratch = spanScratch
        scratch.encoded.reset()
        write(&scratch.encoded)
        guard scratch.encoded.count > 0 else { return }
        unsafe setText(Bytes(name), stream.pointee.request.store(scratch.encoded.bytes), stream)
    }
}
