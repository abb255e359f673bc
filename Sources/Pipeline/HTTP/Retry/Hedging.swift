// `hedge_on_per_try_timeout`: a try that lasts as long as one may is not reset. It goes on, another one begins beside it,
// and the first good answer of any of them is the client's.
//
// `hedgeTimedOut` (a try's time is over) → `retry` (after the back-off; `park` moves the try aside) → … → the head of an answer
// (`retriesResponse`, `hedgeAnswered`), or a reset (`retriesReset`, `hedgeFailed`). A bad answer and a reset are for the
// client only when no other attempt is left. Attempts begin when the whole request is here: nothing of it is shared out.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: What the request asks for

    /// The route's policy, which a trusted caller's header overrides either way.
    func readHedging(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>, hasHeaders: Bool) {
        unsafe stream.pointee.retry.hedges = unsafe route.pointee.hedgesOnTimeout
        guard hasHeaders, let value = unsafe stream.pointee.request.value(of: .xEnvoyHedgeOnPerTryTimeout) else { return }
        if value.equals(Bytes("true" as StaticString)) { unsafe stream.pointee.retry.hedges = true }
        if value.equals(Bytes("false" as StaticString)) { unsafe stream.pointee.retry.hedges = false }
    }

    // MARK: Events

    /// A try, the stream's own or one beside it, has lasted as long as one may, or said nothing for too long.
    func hedgeTimedOut(_ attempt: StreamPointer) {
        // It is too late once: the first of its two limits that is reached ends the other one (Envoy). So all
        // attempts but the newest have been late before, and none is late while the next one is due, or in a host's line.
        unsafe attempt.pointee.perTryTimeoutAtMs = 0
        unsafe attempt.pointee.retry.perTryIdleAtMs = 0
        unsafe attempt.pointee.tryFlags.insert(.upstreamRequestTimeout)
        if unsafe attempt.pointee.trace != .none { unsafe noteAttemptTimeout(attempt) }
        guard let stream = unsafe hedgedRequest(attempt), unsafe !stream.pointee.hasResponseHead,
            unsafe !stream.pointee.retry.on.isEmpty, unsafe !stream.pointee.retry.isWaiting && !stream.pointee.isPending
        else { return }
        guard unsafe hedgeCount(stream) < Worker.hedgesMax else {
            if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqRetryOverflow)
            }
            unsafe countRoute(stream, .upstreamRqRetryOverflow)
            unsafe stream.pointee.flags.insert(.upstreamOverflow)
            return
        }
        guard unsafe retries(stream, wanted: true) else { return }
        unsafe stream.pointee.retry.followsTimeout = true
        unsafe attempt.pointee.retry.isFollowed = true
        unsafe armStreamTimer(stream)
    }

    /// The head of an answer to an attempt beside the stream's own. Always true: the attempt has been dealt with.
    func hedgeAnswered(_ hedge: StreamPointer, _ facts: ResponseFacts, endStream: Bool) -> Bool {
        guard let stream = unsafe hedgedRequest(hedge) else { return true }
        if unsafe isRetriable(stream, hedge.pointee.response) {
            // Its own object, or the next try, is still there to answer better.
            unsafe countHostError(hedge)
            unsafe dropResponse(hedge, endStream: endStream)
            unsafe endHedge(hedge, stream)
        } else {
            unsafe winHedge(hedge, stream)
            unsafe upstreamResponseHead(stream, facts, endStream: endStream)
        }
        return true
    }

    /// An attempt beside the stream's own ended without an answer.
    func hedgeFailed(_ hedge: StreamPointer, status: UInt16) {
        guard let stream = unsafe hedgedRequest(hedge) else { return }
        unsafe countUpstreamStatus(stream, status, of: hedge.pointee.host)
        unsafe countHostError(hedge)
        unsafe endHedge(hedge, stream)
    }

    /// The client gets this attempt's answer: all others are reset, those that were to come are not tried.
    func winHedge(_ hedge: StreamPointer, _ stream: StreamPointer) {
        if unsafe stream.pointee.trace != .none {
            unsafe noteWinner(stream, status: hedge.pointee.response.status)
        }
        unsafe endHedges(stream, but: hedge.pointee.handle)
        if unsafe stream.pointee.trace != .none { unsafe endAttempt(stream) }
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.waitingBody.removeAll(memory)
        unsafe adoptHedge(hedge, stream)
        unsafe endRetries(stream)
    }

    /// The route's timeout, told of every attempt that has no answer.
    func countHedgeTimeouts(_ stream: StreamPointer, status: UInt16) {
        var next = unsafe stream.pointee.firstHedge
        while let hedge = unsafe streams[next] {
            next = unsafe hedge.pointee.nextHedge
            unsafe countTimeout(hedge, stream)
            unsafe countUpstreamStatus(stream, status, of: hedge.pointee.host)
            unsafe countHostError(hedge)
        }
    }

    /// Whether another attempt may still bring the answer.
    func hasOtherAttempts(_ stream: StreamPointer) -> Bool {
        unsafe stream.pointee.firstHedge != .none || stream.pointee.retry.isWaiting
    }

    func hedgedRequest(_ attempt: StreamPointer) -> StreamPointer? {
        unsafe attempt.pointee.hedgeOf == .none ? attempt : streams[attempt.pointee.hedgeOf]
    }

    func countHostError(_ attempt: StreamPointer) {
        guard let host = unsafe hosts[attempt.pointee.host] else { return }
        unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqError.rawValue)
    }
}
