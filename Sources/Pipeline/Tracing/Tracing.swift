// The spans of a stream: begun with the request, told to the upstream with each try, recorded at the end.
//
// `startTrace` (the head is here) → `traceAttempt` (a host was chosen) → `endAttempt` (the try is over) … → `endTrace`.
// A stream whose listener does not trace takes one branch at the beginning and one at the end.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: The request's span

    // HOT: per message.
    func startTrace(_ stream: StreamPointer, _ config: UnsafePointer<TracingConfig>) {
        guard let tracer = unsafe config.pointee.tracer, unsafe connections.slab[stream.pointee.downstream] != nil else { return }
        var state = unsafe TraceState(config: config, tracer: tracer, part: part(of: stream), context: SpanContext())
        // What the caller says of its trace cannot be read: the request has no span, and its fields of a trace stay as
        // they are; what the neighbours tell each other of the operation goes on (Envoy).
        if unsafe !start(stream, &state) { state.silence() }
        guard let (handle, trace) = unsafe tracing.traces.allocate() else { return tracing.held.close(state.held) }
        unsafe trace.initialize(to: state)
        unsafe stream.pointee.trace = handle
        unsafe nameOperation(stream, trace)
    }

    private func start(_ stream: StreamPointer, _ trace: inout TraceState) -> Bool {
        switch unsafe trace.tracer.pointee.payload {
        case .otlpGRPC, .otlpHTTP: unsafe startW3C(stream, &trace)
        case .zipkinJSON, .zipkinProto: unsafe startZipkin(stream, &trace)
        case .skyWalking: unsafe startSkyWalking(stream, &trace)
        case .datadog: unsafe startDatadog(stream, &trace)
        }
    }

    private func startW3C(_ stream: StreamPointer, _ trace: inout TraceState) -> Bool {
        let tracer = unsafe trace.tracer
        let isTraced = unsafe stream.pointee.traceReason != .notTraceable
        guard let text = unsafe stream.pointee.tellsOfTrace ? stream.pointee.request.value(of: .traceparent) : nil else {
            trace.context = unsafe freshContext(stream, tracer, isTraced: isTraced)
            return true
        }
        guard let caller = W3CTraceContext.parse(text) else { return false }
        trace.context = caller
        trace.context.parent = caller.span
        trace.context.hasParent = true
        trace.context.span = random.next()
        trace.context.isSampled = unsafe isTraced && samples(tracer.pointee.sampler, trace.context, parent: caller, stream)
        trace.tracestate = unsafe tracestate(stream, joins: trace.config.pointee.tellsHosts)
        return true
    }

    private func freshContext(_ stream: StreamPointer, _ tracer: UnsafePointer<TracerConfig>, isTraced: Bool) -> SpanContext {
        var context = SpanContext()
        context.traceHigh = random.next()
        context.traceLow = random.next()
        context.span = random.next()
        context.isSampled = unsafe isTraced && samples(tracer.pointee.sampler, context, parent: nil, stream)
        return context
    }

    /// Whether a span is recorded, as far as the sampler and the parent say. The request's own span has to be traced too;
    /// those below it ask the sampler again, and nobody else (Envoy).
    private func samples(_ sampler: TraceSampler, _ context: SpanContext, parent: SpanContext?, _ stream: StreamPointer, isChild: Bool = false) -> Bool {
        if sampler.kind == .none || sampler.followsParent, let parent { return parent.isSampled }
        switch sampler.kind {
        case .none, .alwaysOn: return true
        // The first eight bytes of the id, as a little-endian number (Envoy).
        case .ratio: return sampler.fraction.holds(context.traceHigh.byteSwapped)
        case .expression:
            guard let program = sampler.program else { return false }
            var source = unsafe formatSource(stream)
            source.isHeadless = isChild
            return formats.holds(program, source)
        }
    }

    /// Fields of one name are one list (W3C Trace Context §3.3.1). `joins`: in the head, too; else the request goes on as it came.
    private func tracestate(_ stream: StreamPointer, joins: Bool) -> Span32 {
        guard let first = unsafe stream.pointee.request.index(of: .tracestate) else { return Span32() }
        var joined = unsafe stream.pointee.request.field(first).value
        var next = unsafe stream.pointee.request.index(of: .tracestate, from: first + 1)
        while let at = next {
            joined = unsafe Worker.joined(joined, stream.pointee.request.field(at).value, separator: ",", in: &stream.pointee.request) ?? joined
            next = unsafe stream.pointee.request.index(of: .tracestate, from: at + 1)
            if joins { unsafe stream.pointee.request.remove(at: at) }
        }
        if joins { unsafe stream.pointee.request.setValue(at: first, joined) }
        return joined
    }

    /// What the span is called: the neighbour in front of us says so, or the route's decorator. A configured format goes
    /// before both, is evaluated at the end, and leaves the field alone.
    private func nameOperation(_ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>) {
        unsafe trace.pointee.host = unsafe stream.pointee.request.authority
        let route = unsafe stream.pointee.route?.pointee.tracing
        guard unsafe (route?.pointee.operation ?? trace.pointee.config.pointee.operation) == nil else { return }
        if let decorator = unsafe stream.pointee.route?.pointee.decorator {
            unsafe trace.pointee.operation = unsafe decorator.pointee.operation
            if unsafe decorator.pointee.propagates { unsafe trace.pointee.decorated = unsafe decorator.pointee.operation }
        }
        if unsafe trace.pointee.config.pointee.isEgress {
            if unsafe !trace.pointee.decorated.isEmpty {
                unsafe stream.pointee.request.set(.xEnvoyDecoratorOperation, trace.pointee.decorated)
            }
        } else if unsafe stream.pointee.tellsOfTrace, let at = unsafe stream.pointee.request.index(of: .xEnvoyDecoratorOperation) {
            let told = unsafe stream.pointee.request.field(at).value
            if !told.isEmpty {
                unsafe trace.pointee.toldOperation = told
                unsafe trace.pointee.decorated = .empty
            }
            unsafe stream.pointee.request.remove(.xEnvoyDecoratorOperation)
        }
    }

    // HOT: per message.
    /// The response's head goes out: which operation it was is told to the client, or by the server.
    func traceResponse(_ stream: StreamPointer) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace] else { return }
        if unsafe trace.pointee.config.pointee.isEgress {
            guard let told = unsafe stream.pointee.response.value(of: .xEnvoyDecoratorOperation) else { return }
            if !told.isEmpty { unsafe trace.pointee.toldOperation = unsafe stream.pointee.request.store(told) }
            unsafe stream.pointee.response.remove(.xEnvoyDecoratorOperation)
        } else if unsafe !trace.pointee.decorated.isEmpty {
            unsafe stream.pointee.response.set(.xEnvoyDecoratorOperation, trace.pointee.decorated)
        }
    }

    // HOT: per message.
    /// The stream is over.
    func endTrace(_ stream: StreamPointer) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace] else { return }
        unsafe endAttempt(stream)
        if unsafe trace.pointee.isMirror {
            // One that found no host has no span.
            if unsafe trace.pointee.held != .max { unsafe leave(trace) }
        } else if unsafe trace.pointee.isRecorded(trace.pointee.context) {
            unsafe recordRequest(stream, trace)
        }
        if unsafe trace.pointee.isMirror { unsafe pins.unpin(trace.pointee.part) }
        unsafe tracing.traces.free(stream.pointee.trace)
        unsafe stream.pointee.trace = .none
    }

    // MARK: The span of a try

    // HOT: per message.
    /// A host was chosen: the head says which span is the parent of what the server does.
    func traceAttempt(_ stream: StreamPointer) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace], unsafe !trace.pointee.isSilent else { return }
        var context = unsafe trace.pointee.context
        if unsafe trace.pointee.hasAttempt {
            // The same try on another connection, after a keep-alive race.
            context = unsafe trace.pointee.attempt
        } else if unsafe trace.pointee.config.pointee.spawnsUpstream || trace.pointee.isMirror {
            if unsafe !trace.pointee.isMirror { unsafe adopt(&context, trace, stream) }
            unsafe trace.pointee.hasAttempt = true
            unsafe trace.pointee.attempt = context
            unsafe trace.pointee.attemptStartNs = nowNs
            unsafe trace.pointee.attemptNumber = unsafe stream.pointee.attempt
            unsafe trace.pointee.attemptStatus = 0
            unsafe trace.pointee.attemptFlags = []
            unsafe trace.pointee.attemptFailure = .empty
        }
        // Mirrors are told whatever is configured (Envoy).
        if unsafe !trace.pointee.isMirror && trace.pointee.config.pointee.tellsHosts { unsafe tell(context, trace, stream) }
    }

    /// The context of a child.
    private func adopt(_ context: inout SpanContext, _ trace: UnsafeMutablePointer<TraceState>, _ stream: StreamPointer, isMirror: Bool = false) {
        context.parent = context.span
        context.hasParent = true
        if let held = unsafe tracing.held[trace.pointee.held] {
            held.open &+= 1
            context.isChild = true
            return context.span = unsafe trace.pointee.tracer.pointee.payload == .datadog ? datadogSpanID() : held.number(isMirror: isMirror, hasTries: trace.pointee.config.pointee.spawnsUpstream)
        }
        unsafe context.isSampled = samples(trace.pointee.tracer.pointee.sampler, context, parent: context, stream, isChild: true)
        context.span = random.next()
    }

    /// A mirrored request has a span of its own below the request's.
    func traceMirror(_ stream: StreamPointer, _ copy: StreamPointer, isSampled: Bool?) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace], unsafe !trace.pointee.isSilent else { return }
        var state = unsafe TraceState(
            config: trace.pointee.config, tracer: trace.pointee.tracer, part: trace.pointee.part,
            context: trace.pointee.context)
        guard let (handle, place) = unsafe tracing.traces.allocate() else { return }
        state.held = unsafe trace.pointee.held
        unsafe adopt(&state.context, trace, stream, isMirror: true)
        if let isSampled {
            state.context.isSampled = isSampled
            tracing.held[state.held]?.decideOfMirror(isSampled)
        }
        state.tracestate = unsafe trace.pointee.tracestate
        state.isShort = unsafe trace.pointee.isShort
        state.isMirror = true
        unsafe place.initialize(to: state)
        // The copy may outlive the request.
        pins.pin(state.part)
        unsafe copy.pointee.trace = handle
        unsafe tell(state.context, place, copy)
    }

    /// The head says whose child the server's span is.
    private func tell(_ context: SpanContext, _ trace: UnsafeMutablePointer<TraceState>, _ stream: StreamPointer) {
        switch unsafe trace.pointee.tracer.pointee.payload {
        case .otlpGRPC, .otlpHTTP: unsafe inject(context, trace.pointee.tracestate, stream)
        case .zipkinJSON, .zipkinProto: unsafe injectB3(context, trace, stream)
        case .skyWalking: unsafe injectSW8(context, trace, stream)
        case .datadog: unsafe injectDatadog(context, trace, stream)
        }
    }

    // HOT: per message.
    private func inject(_ context: SpanContext, _ tracestate: Span32, _ stream: StreamPointer) {
        if unsafe stream.pointee.request.hasAny(from: .traceparent, through: .tracestate) {
            unsafe stream.pointee.request.remove(.traceparent)
            unsafe stream.pointee.request.remove(.tracestate)
        }
        // Of another try, or after a redirect of ours, they are the caller's.
        unsafe stream.pointee.tellsOfTrace = true
        guard let (text, base) = unsafe stream.pointee.request.extend(W3CTraceContext.length &+ W3CTraceContext.names.utf8CodeUnitCount)
        else { return }
        unsafe W3CTraceContext.write(context, base)
        unsafe (base + W3CTraceContext.length).update(
            from: W3CTraceContext.names.utf8Start, count: W3CTraceContext.names.utf8CodeUnitCount)
        func part(_ offset: Int, _ count: Int) -> Span32 {
            Span32(offset: text.offset &+ UInt32(truncatingIfNeeded: offset), count: UInt32(truncatingIfNeeded: count))
        }
        let parent = HeaderID.traceparent.name.utf8CodeUnitCount
        unsafe stream.pointee.request.append(
            name: part(W3CTraceContext.length, parent), value: part(0, W3CTraceContext.length), id: .traceparent)
        // Envoy sends the field without a value too.
        unsafe stream.pointee.request.append(
            name: part(W3CTraceContext.length &+ parent, HeaderID.tracestate.name.utf8CodeUnitCount), value: tracestate, id: .tracestate)
    }

    /// The field goes to the end of the head, where Envoy puts it.
    func setText(_ id: HeaderID, _ value: Span32, _ stream: StreamPointer) {
        unsafe stream.pointee.request.remove(id)
        let name = unsafe stream.pointee.request.store(Bytes(id.name))
        guard unsafe stream.pointee.request.fits else { return }
        unsafe stream.pointee.request.append(name: name, value: value, id: id)
    }

    /// The server has answered the try.
    func noteAttempt(_ stream: StreamPointer, status: UInt16) {
        if let trace = unsafe tracing.traces[stream.pointee.trace] { unsafe trace.pointee.attemptStatus = status }
    }

    /// The try was reset.
    func noteAttempt(_ stream: StreamPointer, failure: StaticString, flags: ResponseFlags) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace] else { return }
        unsafe trace.pointee.attemptFailure = Bytes(failure)
        unsafe trace.pointee.attemptFlags = flags
    }

    /// The try takes too long, and goes on.
    func noteAttemptTimeout(_ stream: StreamPointer) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace] else { return }
        unsafe trace.pointee.attemptFlags.insert(.upstreamRequestTimeout)
    }

    /// One of several attempts has won.
    func noteWinner(_ stream: StreamPointer, status: UInt16) {
        if let trace = unsafe tracing.traces[stream.pointee.trace] { unsafe trace.pointee.answeredStatus = status }
    }

    /// The try is over, whatever came of it.
    func endAttempt(_ stream: StreamPointer) {
        guard let trace = unsafe tracing.traces[stream.pointee.trace], unsafe trace.pointee.hasAttempt else { return }
        unsafe trace.pointee.hasAttempt = false
        if unsafe trace.pointee.isRecorded(trace.pointee.attempt) { unsafe recordAttempt(stream, trace) }
    }
}
