// What a stream's trace is while the stream lives: ids, the decision, and the span of the try under way.
//
// Owner: the stream's worker, in a slab of its own; a stream of a listener without tracing has none. Trivial.

import Primitives
import Wire

/// Why a request is traced; the digit of its request id says so to the hops behind.
package enum TraceReason: UInt8, BitwiseCopyable {
    case notTraceable, sampling, serviceForced, clientForced

    /// `xxxxxxxx-xxxx-Vxxx-…`: what stands at V.
    package var digit: UInt8 {
        switch self {
        case .notTraceable: UInt8(ascii: "4")
        case .sampling: UInt8(ascii: "9")
        case .serviceForced: UInt8(ascii: "a")
        case .clientForced: UInt8(ascii: "b")
        }
    }

    package init(digit: UInt8) {
        switch digit {
        case UInt8(ascii: "9"): self = .sampling
        case UInt8(ascii: "a"): self = .serviceForced
        case UInt8(ascii: "b"): self = .clientForced
        default: self = .notTraceable
        }
    }
}

/// The ids of one span, and whether it is recorded.
package struct SpanContext: BitwiseCopyable, Equatable {
    package var traceHigh: UInt64 = 0
    package var traceLow: UInt64 = 0
    package var span: UInt64 = 0
    package var parent: UInt64 = 0
    package var hasParent = false
    package var isSampled = false
    /// Of a try or of a mirror, where spans wait for each other (`HeldSpans`).
    package var isChild = false
    package init() {}
}

@safe
package struct TraceState {
    let config: UnsafePointer<TracingConfig>
    let tracer: UnsafePointer<TracerConfig>
    /// The part that both lie in.
    let part: UInt32
    package var context: SpanContext
    /// The trace's id has 64 bits (Zipkin).
    var isShort = false
    /// No span is made of it, and no one is told of one.
    private(set) var isSilent = false
    /// Of a mirrored request: its one span is the try's.
    var isMirror = false
    /// Where the request's spans wait for each other (`HeldSpans`); `.max`: nowhere.
    var held = UInt32.max
    /// The caller's `tracestate`, in the request head's text.
    var tracestate = Span32()
    /// Name of the span where it is not the default: the decorator's, or, in the request head's text, a neighbour's.
    var operation = Bytes.empty
    var toldOperation = Span32()
    /// The host that was asked, whatever a route makes of it.
    var host = Span32()
    /// The decorator's operation, to be told to the neighbour; empty: none, or not told.
    var decorated = Bytes.empty

    // The try under way; `hasAttempt` false: none, or it has no span.
    var hasAttempt = false
    var attempt = SpanContext()
    var attemptStartNs: UInt64 = 0
    var attemptNumber: UInt16 = 0
    var attemptStatus: UInt16 = 0
    var attemptFlags: ResponseFlags = []
    /// Why the try was reset; empty: it was not.
    var attemptFailure = Bytes.empty
    /// Code of the answer by which another attempt has won; 0: none has. Formats of the losers' tags read it.
    var answeredStatus: UInt16 = 0

    init(
        config: UnsafePointer<TracingConfig>, tracer: UnsafePointer<TracerConfig>, part: UInt32, context: SpanContext
    ) {
        unsafe self.config = unsafe config
        unsafe self.tracer = unsafe tracer
        self.part = part
        self.context = context
    }

    mutating func silence() {
        isSilent = true
        context = SpanContext()
        held = .max
    }
}

extension TraceState {
    /// The request's span is the server's side of a call: the proxy is a hop of its own, or the call comes in.
    var isServer: Bool {
        unsafe config.pointee.spawnsUpstream || tracer.pointee.splitsSpans || !config.pointee.isEgress
    }

    /// Whether a span with these ids goes to the collector.
    func isRecorded(_ context: SpanContext) -> Bool {
        unsafe tracer.pointee.export != nil && (context.isSampled || held != .max)
    }
}

/// What a worker keeps for tracing.
struct TracingWorker {
    var traces = Slab<TraceState>(capacity: 1 << 20)
    /// The span that is being put together; made with the first one.
    var scratch: SpanScratch?
    var held = HeldSpansTable()
}
