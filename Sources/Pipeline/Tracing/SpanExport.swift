// Spans on their way to the collector: encoded on the worker, kept until there are enough of them or the interval is
// over, and sent as one request over a cluster of the configuration.
//
// The request is a call without an owner, like a mirror (`AsyncClient`): nobody waits for it. Bounds: `spansMax` and
// `SpanBuffer.bytesMax` of waiting spans, `SpanBuffer.requestsMax` requests under way; what is more is dropped and counted
// (docs/limits.md §tracing).

import Primitives
import Routing
import Stats
import Transport
import Wire

/// One worker's spans of one tracer.
@safe
final class SpanBuffer {
    /// Bytes of encoded spans that wait.
    static let bytesMax = TextBuffer.bytesMax
    /// Requests to the collector under way.
    static let requestsMax = 64

    let config: UnsafePointer<TracerConfig>
    let serial: UInt64
    var spans: TextBuffer
    var count = 0
    /// Pinned while spans wait.
    var part = PartID.max
    var requests = 0
    let timer: UnsafeMutablePointer<TimerNode>

    init(_ config: UnsafePointer<TracerConfig>, pool: BlockPool) {
        unsafe self.config = unsafe config
        serial = unsafe config.pointee.serial
        spans = TextBuffer(pool: pool)
        unsafe timer = .allocate(capacity: 1)
        let token = unsafe Operation.traceTimer.token(Handle(raw: UInt64(config.pointee.number)))
        unsafe timer.initialize(to: TimerNode(token: token))
    }

    /// The timer is not armed: it is only while spans wait, and they pin the part whose number this is.
    deinit {
        spans.destroy()
        unsafe timer.deallocate()
    }
}

extension Worker {
    static let flushIntervalMs: UInt64 = 5000
    static let flushSpansMin: UInt64 = 5
    static let exportTimeoutMs: UInt64 = 5000

    private func spanBuffer(_ config: UnsafePointer<TracerConfig>) -> SpanBuffer {
        let number = unsafe Int(config.pointee.number)
        if number < tracing.tracers.count, let buffer = tracing.tracers[number], unsafe buffer.serial == config.pointee.serial {
            return buffer
        }
        while tracing.tracers.count <= number { tracing.tracers.append(nil) }
        let buffer = unsafe SpanBuffer(config, pool: memory.blocks)
        tracing.tracers[number] = buffer
        return buffer
    }

    /// The span is complete.
    func export(_ span: SpanScratch, _ trace: UnsafeMutablePointer<TraceState>) {
        let config = unsafe trace.pointee.tracer
        let buffer = unsafe spanBuffer(config)
        let before = buffer.spans.count
        guard unsafe buffer.count < config.pointee.spansMax else { return unsafe drop(config, 1) }
        unsafe encode(span, config, &buffer.spans, isFirst: buffer.count == 0)
        if buffer.spans.isTruncated || span.text.isTruncated || span.encoded.isTruncated {
            if !buffer.spans.isTruncated { buffer.spans.truncate(to: before) } else { cut(buffer, to: before) }
            return unsafe drop(config, 1)
        }
        buffer.count += 1
        if buffer.count == 1 {
            buffer.part = unsafe trace.pointee.part
            pins.pin(buffer.part)
            let interval = unsafe config.pointee.flushInterval?.integer(default: Worker.flushIntervalMs) ?? Worker.flushIntervalMs
            unsafe timers.arm(buffer.timer, at: nowMs &+ min(max(interval, 1), Worker.askedTimeoutMaxMs))
        }
        let enough = unsafe config.pointee.flushSpansMin?.integer(default: Worker.flushSpansMin) ?? Worker.flushSpansMin
        if UInt64(buffer.count) >= enough { flush(buffer) }
    }

    /// The last span did not fit: those before it go at once.
    private func cut(_ buffer: SpanBuffer, to length: Int) {
        buffer.spans.truncate(to: length)
        if buffer.count > 0 { flush(buffer) } else { buffer.spans.reset() }
    }

    private func encode(_ span: SpanScratch, _ config: UnsafePointer<TracerConfig>, _ out: inout TextBuffer, isFirst: Bool) {
        switch unsafe config.pointee.payload {
        case .otlpGRPC, .otlpHTTP: OTLP.encode(span, into: &out)
        case .zipkinJSON:
            if !isFirst { out.put(UInt8(ascii: ",")) }
            unsafe Zipkin.encodeJSON(span, config, into: &out)
        case .zipkinProto: unsafe Zipkin.encodeProto(span, config, into: &out)
        }
    }

    private func drop(_ config: UnsafePointer<TracerConfig>, _ spans: UInt64) {
        unsafe count(config, .spansDropped, .spansDropped, spans)
    }

    private func count(_ config: UnsafePointer<TracerConfig>, _ otel: OpenTelemetryStat, _ zipkin: ZipkinStat, _ n: UInt64 = 1) {
        unsafe cells.add(config.pointee.stats &+ (config.pointee.isZipkin ? zipkin.rawValue : otel.rawValue), n)
    }

    func traceTimerFired(_ handle: Handle) {
        let number = Int(truncatingIfNeeded: handle.raw)
        guard number < tracing.tracers.count, let buffer = tracing.tracers[number], buffer.count > 0 else { return }
        unsafe count(buffer.config, .timerFlushed, .timerFlushed)
        flush(buffer)
    }

    /// Sends what waits.
    private func flush(_ buffer: SpanBuffer) {
        let config = unsafe buffer.config
        unsafe timers.cancel(buffer.timer)
        let count = UInt64(buffer.count)
        if unsafe send(buffer, config) {
            unsafe self.count(config, .spansSent, .spansSent, count)
        } else {
            unsafe drop(config, count)
        }
        buffer.spans.reset()
        buffer.count = 0
        pins.unpin(buffer.part)
    }

    private func send(_ buffer: SpanBuffer, _ config: UnsafePointer<TracerConfig>) -> Bool {
        guard buffer.requests < SpanBuffer.requestsMax, let target = unsafe config.pointee.target,
            let request = MessageHead(pool: memory.blocks), let call = unsafe makeCall(request, target)
        else { return false }
        guard let state = unsafe callState(call) else { return false }
        unsafe state.initialize(to: CallState(owner: .none, place: 0))
        unsafe state.pointee.part = buffer.part
        unsafe state.pointee.tracer = unsafe config.pointee.number &+ 1
        pins.pin(buffer.part)
        // However the call ends, `exportFinished` is told.
        buffer.requests += 1
        var body = ByteQueue()
        guard unsafe write(buffer, config, &body) else {
            body.removeAll(memory)
            unsafe endCall(call)
            return false
        }
        unsafe exportHead(call, config)
        unsafe startCall(call, body: &body)
        return true
    }

    private func write(_ buffer: SpanBuffer, _ config: UnsafePointer<TracerConfig>, _ body: inout ByteQueue) -> Bool {
        guard let scratch = tracing.scratch else { return false }
        switch unsafe config.pointee.payload {
        case .otlpGRPC, .otlpHTTP: break
        case .zipkinProto: return body.append(copying: buffer.spans.bytes, memory)
        case .zipkinJSON:
            return body.append(copying: Bytes("[" as StaticString), memory)
                && body.append(copying: buffer.spans.bytes, memory) && body.append(copying: Bytes("]" as StaticString), memory)
        }
        unsafe OTLP.request(
            resource: config.pointee.resource, scope: config.pointee.scope, spans: buffer.spans.bytes,
            framed: config.pointee.payload == .otlpGRPC, &scratch.encoded)
        return body.append(copying: scratch.encoded.bytes, memory) && body.append(copying: buffer.spans.bytes, memory)
    }

    private func exportHead(_ call: StreamPointer, _ config: UnsafePointer<TracerConfig>) {
        unsafe setCallTarget(call, .post, Bytes("POST" as StaticString), path: config.pointee.path, host: config.pointee.host)
        switch unsafe config.pointee.payload {
        case .otlpGRPC:
            unsafe call.pointee.request.append(.te, Bytes("trailers" as StaticString))
            unsafe call.pointee.request.append(.contentType, Bytes("application/grpc" as StaticString))
        case .otlpHTTP, .zipkinProto:
            unsafe call.pointee.request.append(.contentType, Bytes("application/x-protobuf" as StaticString))
        case .zipkinJSON:
            unsafe call.pointee.request.append(.contentType, Bytes("application/json" as StaticString))
        }
        if let timeout = unsafe config.pointee.requestTimeout?.value.integer {
            var digits = DecimalText(timeout)
            unsafe call.pointee.request.append(.xEnvoyUpstreamRqTimeoutMs, digits.bytes())
        }
        if unsafe !config.pointee.userAgent.isEmpty { unsafe call.pointee.request.append(.userAgent, config.pointee.userAgent) }
        unsafe applyMutations(config.pointee.headers, to: call.requestHead, call, isRequest: true)
        unsafe append(call, .xForwardedFor, text(ip: config.pointee.address, bits: nil), separator: ",")
    }

    /// The collector has answered, or the request failed. `status` 0: no answer.
    func exportFinished(_ tracer: UInt32, status: UInt16) {
        let number = Int(tracer) - 1
        guard number >= 0, number < tracing.tracers.count, let buffer = tracing.tracers[number] else { return }
        buffer.requests -= 1
        guard unsafe buffer.config.pointee.isZipkin else { return }
        let stat: ZipkinStat = status == 0 ? .reportsFailed : status == 202 ? .reportsSent : .reportsDropped
        unsafe cells.increment(buffer.config.pointee.stats &+ stat.rawValue)
    }
}
