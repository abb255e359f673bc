// A span as Datadog's agent takes it (`/v0.4/traces`): a map of MessagePack.

import Primitives

enum Datadog {
    // HOT: per message.
    /// To `span.encoded`.
    static func encode(_ span: SpanScratch, _ held: HeldSpans, _ tracer: UnsafePointer<TracerConfig>) {
        let context = span.context
        span.encoded.put(mapOf: 12)
        span.encoded.put(key: "service")
        unsafe span.encoded.put(string: tracer.pointee.service)
        span.encoded.put(key: "name")
        span.encoded.put(key: "envoy.proxy")
        span.encoded.put(key: "resource")
        span.encoded.put(string: span.value(of: "resource.name") ?? span.name)
        span.encoded.put(key: "trace_id")
        span.encoded.put(integer: context.traceLow)
        span.encoded.put(key: "span_id")
        span.encoded.put(integer: context.span)
        span.encoded.put(key: "parent_id")
        span.encoded.put(integer: context.hasParent ? context.parent : 0)
        span.encoded.put(key: "start")
        span.encoded.put(integer: span.startNs)
        span.encoded.put(key: "duration")
        span.encoded.put(integer: span.endNs > span.startNs ? span.endNs &- span.startNs : 0)
        span.encoded.put(key: "error")
        span.encoded.put(integer: span.value(of: "error")?.equals(Bytes("true" as StaticString)) == true ? 1 : 0)
        span.encoded.put(key: "meta")
        unsafe texts(span, held, tracer)
        span.encoded.put(key: "metrics")
        unsafe numbers(span, held, tracer)
        span.encoded.put(key: "type")
        span.encoded.put(key: "web")
    }

    /// What stands in fields of its own.
    private static func isField(_ key: Bytes) -> Bool {
        key.equals(Bytes("error" as StaticString)) || key.equals(Bytes("resource.name" as StaticString))
    }

    private static func texts(_ span: SpanScratch, _ held: HeldSpans, _ tracer: UnsafePointer<TracerConfig>) {
        let start = span.encoded.openMap()
        var count = 0
        func put(_ key: Bytes, _ value: Bytes) {
            span.encoded.put(string: key)
            span.encoded.put(string: value)
            count &+= 1
        }
        for i in 0..<span.tags.count where !isField(span.tags[i].key) { put(span.tags[i].key, span.value(span.tags[i])) }
        if let reason = span.value(of: "error.reason") { put(Bytes("error.message" as StaticString), reason) }
        put(Bytes("language" as StaticString), Bytes("swift" as StaticString))
        unsafe put(Bytes("version" as StaticString), tracer.pointee.version)
        unsafe put(Bytes("runtime-id" as StaticString), tracer.pointee.runtimeID)
        let origin = held.text(held.datadog.origin)
        if !origin.isEmpty { put(Bytes("_dd.origin" as StaticString), origin) }
        if !span.context.isChild {
            held.forEachTag(put)
            let problem = held.text(held.datadog.problem)
            if held.datadog.isUntold {
                put(Bytes("_dd.propagation_error" as StaticString), Bytes("inject_max_size" as StaticString))
            } else if !problem.isEmpty {
                put(Bytes("_dd.propagation_error" as StaticString), problem)
            }
            let parent = held.text(held.datadog.lastParent)
            if !parent.isEmpty { put(Bytes("_dd.parent_id" as StaticString), parent) }
        }
        span.encoded.closeMap(start, count)
    }

    private static func numbers(_ span: SpanScratch, _ held: HeldSpans, _ tracer: UnsafePointer<TracerConfig>) {
        let trace = held.datadog
        let isSampler = trace.verdict.decision == .standard || trace.verdict.decision == .agent
        span.encoded.put(mapOf: span.context.isChild ? 1 : isSampler ? 3 : 2)
        span.encoded.put(key: "process_id")
        unsafe span.encoded.put(double: Double(tracer.pointee.process))
        if span.context.isChild { return }
        if isSampler {
            span.encoded.put(key: "_dd.agent_psr")
            span.encoded.put(double: trace.rate)
        }
        span.encoded.put(key: "_sampling_priority_v1")
        span.encoded.put(double: Double(trace.verdict.priority))
    }
}

extension TextBuffer {
    fileprivate mutating func put(key: StaticString) { put(string: Bytes(key)) }

    /// A map whose count is known at its end.
    fileprivate mutating func openMap() -> Int {
        put(UInt8(0xde))
        put(UInt8(0))
        put(UInt8(0))
        return count
    }

    fileprivate mutating func closeMap(_ start: Int, _ pairs: Int) {
        guard !isTruncated else { return }
        overwrite(at: start &- 2, UInt8(truncatingIfNeeded: pairs >> 8))
        overwrite(at: start &- 1, UInt8(truncatingIfNeeded: pairs))
    }
}
