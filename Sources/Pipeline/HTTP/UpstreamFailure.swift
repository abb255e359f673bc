// A request that ends without its response: why, and what becomes of it. Another try (`retriesReset`), a reply of ours in
// Envoy's words, or, behind the response's head, the end of the client's stream.

import Glibc
import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// Why an upstream request ended without its response.
    enum UpstreamFailure {
        case connectFailed(Int32), connectTimedOut, handshakeFailed(Bytes), terminated, remoteReset, refused, protocolError, memory, overflow
        case timedOut, maxDuration
    }

    /// The upstream failed: another try, a reply of ours, or, behind the response's head, the end of the client's
    /// connection.
    func upstreamReset(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        guard unsafe !stream.pointee.isDestroyed else { return }
        if unsafe isTunnelled(stream) { return unsafe tunnelFailed(stream, failure) }
        if unsafe stream.pointee.trace != .none {
            let outcome = Worker.outcome(failure)
            unsafe noteAttempt(stream, failure: outcome.reason, flags: outcome.flags)
        }
        unsafe stream.pointee.tryFlags.formUnion(Worker.outcome(failure).flags)
        switch failure {
        case .connectFailed(let error):
            unsafe stream.pointee.upstreamErrno = error
            unsafe stream.pointee.upstreamTimes.readyNs = nowNs
        case .handshakeFailed(let reason):
            unsafe stream.pointee.transportFailure = reason
            unsafe stream.pointee.upstreamTimes.readyNs = nowNs
        case .connectTimedOut: unsafe stream.pointee.upstreamTimes.readyNs = nowNs
        default: break
        }
        if unsafe stream.pointee.hedgeOf != .none { return unsafe hedgeFailed(stream, status: Worker.outcome(failure).status) }
        if unsafe !stream.pointee.hasResponseHead, unsafe retriesReset(stream, failure, started: stream.pointee.requestHeadSent) {
            return
        }
        let outcome = Worker.outcome(failure)
        unsafe stream.pointee.flags.formUnion(outcome.flags)
        if unsafe stream.pointee.hasResponseHead {
            unsafe hostVerdictIsError(stream)
            if let details = Worker.startedDetails(failure) { unsafe stream.pointee.details = Bytes(details) }
            return unsafe resetDownstream(stream)
        }
        let tellsOverload = if case .overflow = failure { unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders } else { false }
        unsafe countFailure(stream, failure)
        let prefix = unsafe Bytes(
            stream.pointee.attempt > 1
                ? "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: "
                : "upstream connect error or disconnect/reset before headers. reset reason: " as StaticString)
        let reason = Bytes(outcome.reason)
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: prefix.count &+ reason.count) { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe base.update(from: prefix.base, count: prefix.count)
            unsafe (base + prefix.count).update(from: reason.base, count: reason.count)
            unsafe reply(
                stream, status: outcome.status, body: Bytes(UnsafeRawPointer(base), prefix.count &+ reason.count),
                details: stream.pointee.sawInterim
                    ? Bytes(Worker.startedDetails(failure) ?? outcome.details) : details(stream, failure, outcome.details),
                flags: outcome.flags
            ) { head in if tellsOverload { head.append(.xEnvoyOverloaded, Bytes("true" as StaticString)) } }
        }
    }

    /// An attempt ended without an answer, and is not tried again.
    func countFailure(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        unsafe countHostError(stream)
        if unsafe !stream.pointee.sawInterim { unsafe countUpstreamStatus(stream, Worker.outcome(failure).status, of: stream.pointee.host) }
    }

    private func details(_ stream: StreamPointer, _ failure: UpstreamFailure, _ outcome: StaticString) -> Bytes {
        switch failure {
        case .handshakeFailed(let reason) where !reason.isEmpty: return connectDetails(reason)
        case .connectFailed(let error) where error != 0:
            let address = unsafe hosts[stream.pointee.host]?.pointee.config.address
            if error == ECONNREFUSED, address?.family != .unix { return Bytes(outcome) }
            formats.text.reset()
            UpstreamErrors.write(error, at: address, into: &formats.text)
            return connectDetails(formats.text.bytes)
        default: return Bytes(outcome)
        }
    }

    private static func outcome(_ failure: UpstreamFailure)
        -> (flags: ResponseFlags, status: UInt16, reason: StaticString, details: StaticString)
    {
        switch failure {
        // Nothing was asked of the host: no descriptor, or no address of ours to bind to.
        case .connectFailed(0):
            (
                .upstreamConnectionFailure, 503, "local connection failure",
                "upstream_reset_before_response_started{local_connection_failure}"
            )
        case .connectFailed:
            (
                .upstreamConnectionFailure, 503, "remote connection failure",
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
            )
        case .handshakeFailed:
            (
                .upstreamConnectionFailure, 503, "remote connection failure",
                "upstream_reset_before_response_started{remote_connection_failure}"
            )
        case .connectTimedOut:
            (
                .upstreamConnectionFailure, 503, "connection timeout",
                "upstream_reset_before_response_started{connection_timeout}"
            )
        case .terminated, .memory:
            (
                .upstreamConnectionTermination, 503, "connection termination",
                "upstream_reset_before_response_started{connection_termination}"
            )
        case .remoteReset:
            (.upstreamRemoteReset, 503, "remote reset", "upstream_reset_before_response_started{remote_reset}")
        case .refused:
            (
                .upstreamRemoteReset, 503, "remote refused stream reset",
                "upstream_reset_before_response_started{remote_refused_stream_reset}"
            )
        case .protocolError:
            (.upstreamProtocolError, 502, "protocol error", "upstream_reset_before_response_started{protocol_error}")
        case .overflow:
            (.upstreamOverflow, 503, "overflow", "upstream_reset_before_response_started{overflow}")
        case .timedOut:
            (.upstreamRequestTimeout, 504, "local reset", "upstream_per_try_timeout")
        case .maxDuration:
            (.upstreamMaxStreamDurationReached, 504, "local reset", "upstream_max_stream_duration_reached")
        }
    }

    private static func startedDetails(_ failure: UpstreamFailure) -> StaticString? {
        switch failure {
        case .terminated, .memory: "upstream_reset_after_response_started{connection_termination}"
        case .protocolError: "upstream_reset_after_response_started{protocol_error}"
        case .remoteReset: "upstream_reset_after_response_started{remote_reset}"
        case .refused: "upstream_reset_after_response_started{remote_refused_stream_reset}"
        case .connectFailed, .connectTimedOut, .handshakeFailed, .overflow, .timedOut, .maxDuration: nil
        }
    }
}
