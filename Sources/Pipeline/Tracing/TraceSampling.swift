// Which requests are traced: what the caller, the route and chance say, and how the request id carries it on.

import Primitives
import Routing
import Stats
import Wire

extension Worker {
    // HOT: per message.
    /// Call when the route is known.
    func decideTracing(_ stream: StreamPointer, _ config: UnsafePointer<TracingConfig>) {
        unsafe stream.pointee.tellsOfTrace = unsafe stream.pointee.request.hasAny(from: .xClientTraceId, through: .xEnvoyDecoratorOperation)
        unsafe stream.pointee.traceReason = unsafe traceReason(stream, config)
    }

    // HOT: per message.
    /// The request has got its answer. As in Envoy a health check is not traceable, nor is a request behind an internal
    /// redirect, which keeps the trace that it began with; what never got an answer is in no count.
    func countTracing(_ stream: StreamPointer, isRedirected: Bool) {
        guard let config = unsafe stream.pointee.http.pointee.tracing else { return }
        let isKnown = unsafe !stream.pointee.isHealthCheck && !isRedirected
        let reason = unsafe isKnown ? stream.pointee.traceReason : .notTraceable
        let stat: HTTPTracingStat =
            switch reason {
            case .notTraceable: .notTraceable
            case .sampling: .randomSampling
            case .serviceForced: .serviceForced
            case .clientForced: .clientEnabled
            }
        unsafe cells.increment(config.pointee.stats &+ stat.rawValue)
    }

    // HOT: per message.
    private func traceReason(_ stream: StreamPointer, _ config: UnsafePointer<TracingConfig>) -> TraceReason {
        // A request id that is no number takes no part.
        guard let id = unsafe stream.pointee.request.value(of: .xRequestId), id.count >= 8,
            let number = HexDigits.value(id.prefix(8))
        else { return .notTraceable }
        let byID = unsafe config.pointee.samplesByRequestID
        let ticket = number % 10_000
        let route = unsafe stream.pointee.route?.pointee.tracing
        let before = unsafe packedReason(stream, id)
        var reason = before
        if before == .notTraceable {
            if unsafe stream.pointee.tellsOfTrace && stream.pointee.request.has(.xClientTraceId),
                unsafe (route?.pointee.client ?? config.pointee.client).holds(random.next())
            {
                reason = .clientForced
            } else if unsafe stream.pointee.tellsOfTrace && stream.pointee.request.has(.xEnvoyForceTrace) {
                reason = .serviceForced
            } else if unsafe (route?.pointee.random ?? config.pointee.random).holds(byID ? ticket : random.next()) {
                reason = .sampling
            }
        }
        if reason != .notTraceable,
            unsafe !(route?.pointee.overall ?? config.pointee.overall).holds(byID ? ticket : random.next())
        {
            reason = .notTraceable
        }
        if reason != before { unsafe pack(reason, stream) }
        return reason
    }

    private func packedReason(_ stream: StreamPointer, _ id: Bytes) -> TraceReason {
        guard unsafe stream.pointee.http.pointee.packTraceReason, id.count == 36 else { return .notTraceable }
        return TraceReason(digit: id[14])
    }

    /// The decision, for the hops behind.
    func pack(_ reason: TraceReason, _ stream: StreamPointer) {
        guard unsafe stream.pointee.http.pointee.packTraceReason,
            let at = unsafe stream.pointee.request.index(of: .xRequestId)
        else { return }
        let value = unsafe stream.pointee.request.field(at).value
        guard value.count == 36 else { return }
        unsafe stream.pointee.request.textBase[Int(value.offset) &+ 14] = reason.digit
    }
}
