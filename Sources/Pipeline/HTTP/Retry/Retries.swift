// Whether and when a request is tried again: `retry_policy`, and the `x-envoy-retry-…` headers of trusted callers.
//
// A try that failed is given up here (`retriesResponse`, `retriesReset`); the stream then waits for its back-off on the
// stream's timer and `retry` starts the next try with the head as it is and the body that `RetryState` kept. Nothing is
// ever started in the event that ended the try before.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: What the request asks for

    // HOT: per message.
    /// Reads policy and headers; the headers are consumed. `hasHeaders`: some of the `x-envoy-…` headers are there.
    func beginRetries(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>, hasHeaders: Bool) {
        let policy = unsafe route.pointee.retry
        unsafe stream.pointee.retry.keepsForRedirect = unsafe route.pointee.internalRedirect != nil && !stream.pointee.isUpgrade
        if let policy = unsafe policy {
            unsafe stream.pointee.retry.perTryIdleMs = unsafe policy.pointee.perTryIdleTimeoutMs
            unsafe readHedging(stream, route, hasHeaders: hasHeaders)
            if unsafe !policy.pointee.on.isEmpty || hasHeaders { unsafe readRetryPolicy(stream, policy) }
        } else if hasHeaders {
            unsafe readHedging(stream, route, hasHeaders: true)
            unsafe readRetryPolicy(stream, nil)
        }
        guard hasHeaders else { return }
        for id: HeaderID in [
            .xEnvoyRetryOn, .xEnvoyRetryGrpcOn, .xEnvoyMaxRetries, .xEnvoyRetriableStatusCodes,
            .xEnvoyRetriableHeaderNames, .xEnvoyHedgeOnPerTryTimeout,
        ] where unsafe stream.pointee.request.has(id) { unsafe stream.pointee.request.remove(id) }
    }

    // MARK: The body

    // HOT: per frame.
    /// Keeps a part for a further try. False when the stream has been answered: what came is more than the buffer holds,
    /// and there is no try under way that could go on without it.
    func keepForRetry(_ stream: StreamPointer, _ part: Bytes) -> Bool {
        let limit = unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
        if unsafe stream.pointee.retry.body.count &+ part.count <= limit,
            unsafe stream.pointee.retry.body.append(copying: part, memory)
        {
            return true
        }
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .retryOrShadowAbandoned)
        }
        let wasWaiting = unsafe stream.pointee.retry.isWaiting
        unsafe stream.pointee.retry.keepsForRedirect = false
        unsafe stream.pointee.retry.body.removeAll(memory)
        unsafe endRetries(stream)
        guard wasWaiting else { return true }
        unsafe reply(
            stream, status: 507, body: Bytes("exceeded request buffer limit while retrying upstream" as StaticString),
            details: Bytes("request_payload_exceeded_retry_buffer_limit" as StaticString), flags: [])
        return false
    }

    /// No further try: what was kept for one goes, and so do the attempts beside the stream's own.
    func endRetries(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.retry.on.isEmpty || stream.pointee.retry.isCounted else { return }
        if unsafe stream.pointee.firstHedge != .none { unsafe endHedges(stream) }
        unsafe stream.pointee.retry.on = []
        unsafe stream.pointee.retry.isWaiting = false
        unsafe stream.pointee.retry.wasGranted = false
        unsafe stream.pointee.retry.atMs = 0
        if unsafe !stream.pointee.retry.keepsForRedirect { unsafe stream.pointee.retry.body.removeAll(memory) }
        unsafe uncountRetry(stream)
    }

    func uncountRetry(_ stream: StreamPointer) {
        guard unsafe stream.pointee.retry.isCounted else { return }
        unsafe stream.pointee.retry.isCounted = false
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot),
            unsafe cluster.pointee.config.pointee.part == stream.pointee.retryClusterPart
        else { return }
        unsafe cluster.pointee.config.pointee.breakers?.give(.retries, priority(stream), thread: index)
    }

    @inline(__always)
    func priority(_ stream: StreamPointer) -> Priority { unsafe stream.pointee.route?.pointee.priority ?? .normal }

    // MARK: What came back

    /// A response's head: true when the request is tried again and the response is dropped.
    func retriesResponse(_ stream: StreamPointer, _ facts: ResponseFacts, endStream: Bool) -> Bool {
        guard unsafe !stream.pointee.retry.on.isEmpty else { return false }
        if unsafe stream.pointee.hedgeOf != .none { return unsafe hedgeAnswered(stream, facts, endStream: endStream) }
        let wanted = unsafe isRetriable(stream, stream.pointee.response)
        let isFollowed = unsafe stream.pointee.retry.isFollowed
        if wanted, !isFollowed { unsafe readResetInterval(stream) }
        guard unsafe !isFollowed && retries(stream, wanted: wanted) else {
            guard unsafe wanted && hasOtherAttempts(stream) else {
                if unsafe stream.pointee.firstHedge != .none && stream.pointee.trace != .none {
                    unsafe noteWinner(stream, status: stream.pointee.response.status)
                }
                unsafe endRetries(stream)
                return false
            }
            unsafe countHostError(stream)
            unsafe dropResponse(stream, endStream: endStream)
            unsafe giveUpTry(stream)
            unsafe promoteHedge(stream)
            return true
        }
        let status = unsafe stream.pointee.response.status
        unsafe countHostError(stream)
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe cells.count(
                cluster.pointee.config.pointee.stats &+ ClusterStat.retryResponseCodes.rawValue, responseCode: status)
        }
        unsafe dropResponse(stream, endStream: endStream)
        unsafe giveUpTry(stream)
        return true
    }

    /// The try ended without a response: true when another one follows. `started`: bytes of the request were sent.
    func retriesReset(_ stream: StreamPointer, _ failure: UpstreamFailure, started: Bool) -> Bool {
        guard unsafe !stream.pointee.retry.on.isEmpty else { return false }
        if unsafe !stream.pointee.retry.isFollowed && retries(stream, wanted: resetIsRetriable(stream, failure, started: started)) {
            if case .timedOut = failure { unsafe stream.pointee.retry.followsTimeout = true }
            unsafe countHostError(stream)
            unsafe giveUpTry(stream)
            return true
        }
        guard unsafe hasOtherAttempts(stream) else {
            unsafe endRetries(stream)
            return false
        }
        unsafe countFailure(stream, failure)
        unsafe giveUpTry(stream)
        unsafe promoteHedge(stream)
        return true
    }

    private func giveUpTry(_ stream: StreamPointer) {
        unsafe stream.pointee.perTryTimeoutAtMs = 0
        unsafe stream.pointee.retry.perTryIdleAtMs = 0
        unsafe stream.pointee.retry.durationAtMs = 0
        unsafe stream.pointee.retry.isFollowed = false
        if unsafe stream.pointee.trace != .none { unsafe endAttempt(stream) }
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.response.reset()
        unsafe stream.pointee.responseTrailers?.destroy()
        unsafe stream.pointee.responseTrailers = nil
        unsafe stream.pointee.waitingBody.removeAll(memory)
        // An answer that was here in full had stopped the clock.
        let timeout = unsafe stream.pointee.timeoutMs
        if timeout != 0, unsafe stream.pointee.timeoutAtMs == 0 && stream.pointee.requestEndForwarded {
            unsafe stream.pointee.timeoutAtMs = unsafe max(1, stream.pointee.requestEndNs / 1_000_000 &+ timeout)
        }
        unsafe armStreamTimer(stream)
    }

    // MARK: Again

    /// Counts, and arms the pause. False: what came back is final.
    func retries(_ stream: StreamPointer, wanted: Bool) -> Bool {
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot) else { return false }
        let config = unsafe cluster.pointee.config
        let stats = unsafe config.pointee.stats
        if unsafe stream.pointee.retry.wasGranted, !wanted {
            count(stats, .upstreamRqRetrySuccess)
            unsafe countRoute(stream, .upstreamRqRetrySuccess)
        }
        unsafe uncountRetry(stream)
        guard wanted else { return false }
        guard unsafe stream.pointee.retry.left > 0 else {
            count(stats, .upstreamRqRetryLimitExceeded)
            unsafe countRoute(stream, .upstreamRqRetryLimitExceeded)
            unsafe stream.pointee.flags.insert(.upstreamRetryLimitExceeded)
            return false
        }
        unsafe stream.pointee.retry.left &-= 1
        guard unsafe takeRetry(config, priority(stream)) else {
            count(stats, .upstreamRqRetryOverflow)
            unsafe countRoute(stream, .upstreamRqRetryOverflow)
            unsafe stream.pointee.flags.insert(.upstreamOverflow)
            return false
        }
        unsafe stream.pointee.retry.isCounted = true
        unsafe stream.pointee.retry.wasGranted = true
        unsafe stream.pointee.retry.followsTimeout = false
        unsafe stream.pointee.retryClusterPart = unsafe config.pointee.part
        unsafe stream.pointee.retry.isWaiting = true
        unsafe stream.pointee.retry.atMs = unsafe nowMs &+ max(1, pause(stream))
        return true
    }

    /// `max_retries`, or the budget: a share of what is active and waits, or of what has begun within its interval, and no
    /// less than its floor.
    private func takeRetry(_ config: UnsafePointer<ClusterConfig>, _ priority: Priority) -> Bool {
        guard let breakers = unsafe config.pointee.breakers else { return true }
        let limits = unsafe priority == .normal ? config.pointee.defaultLimits : config.pointee.highLimits
        guard let budget = limits.retryBudget else { return breakers.take(.retries, priority, thread: index) }
        let requests: Int64
        if let begun = unsafe config.pointee.retryWindow?.count(priority, nowMs: nowMs) {
            requests = begun
        } else {
            let active = Int64(limits.requests) &- breakers.left(.requests, priority)
            requests = active &+ Int64(limits.pendingRequests) &- breakers.left(.pendingRequests, priority)
        }
        let allowed = max(Int64(budget.percent / 100 * Double(max(0, requests))), Int64(budget.concurrencyMin))
        guard Int64(limits.retries) &- breakers.left(.retries, priority) < allowed else { return false }
        breakers.takeBeyond(.retries, priority)
        return true
    }

    private func pause(_ stream: StreamPointer) -> UInt64 {
        let asked = unsafe stream.pointee.retry.resetIntervalMs
        unsafe stream.pointee.retry.waitsAsTold = asked != 0
        if asked != 0 {
            unsafe stream.pointee.retry.resetIntervalMs = 0
            return asked &+ random.below(max(1, asked >> 1))
        }
        let bound = unsafe stream.pointee.retry.backoffMs
        let most = unsafe stream.pointee.route?.pointee.retry?.pointee.backoffMaxMs ?? 250
        unsafe stream.pointee.retry.backoffMs = bound < most / 2 ? bound &* 2 : most
        return random.below(bound)
    }

    /// The pause is over.
    func retry(_ stream: StreamPointer) {
        guard unsafe stream.pointee.retry.isWaiting else { return }
        unsafe stream.pointee.retry.isWaiting = false
        if unsafe stream.pointee.isCountedUpstream, unsafe !park(stream) {
            // No memory for another: this one goes on alone.
            unsafe stream.pointee.retry.isFollowed = false
            return unsafe uncountRetry(stream)
        }
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot) else {
            return unsafe reply(
                stream, status: 503, body: Bytes("no healthy upstream" as StaticString),
                details: Bytes("no_healthy_upstream" as StaticString), flags: .noHealthyUpstream)
        }
        // A try that the end of the request's time leaves no room for is in no statistic (Envoy).
        let stats = unsafe cluster.pointee.config.pointee.stats
        count(stats, .upstreamRqRetry)
        unsafe countRoute(stream, .upstreamRqRetry)
        unsafe count(stats, stream.pointee.retry.waitsAsTold ? .upstreamRqRetryBackoffRatelimited : .upstreamRqRetryBackoffExponential)
        unsafe stream.pointee.requestHeadSent = false
        unsafe stream.pointee.upstreamBodySent = 0
        unsafe stream.pointee.wasMoved = false
        // What is sent may still lie in a closed connection's queue when the try after this one begins: each gets a copy.
        var fits = true
        unsafe stream.pointee.retry.body.forEach { part in
            fits = unsafe fits && stream.pointee.waitingBody.append(copying: part, memory)
        }
        guard fits else { return unsafe resetDownstream(stream) }
        unsafe stream.pointee.attempt &+= 1
        if unsafe stream.pointee.route?.pointee.includeAttemptCountInRequest == true {
            var digits = unsafe DecimalText(UInt64(stream.pointee.attempt))
            unsafe stream.pointee.request.set(.xEnvoyAttemptCount, digits.bytes())
        }
        if unsafe stream.pointee.route?.pointee.includesIsTimeoutRetry == true {
            unsafe stream.pointee.request.set(
                .xEnvoyIsTimeoutRetry, Bytes(stream.pointee.retry.followsTimeout ? "true" : "false" as StaticString))
        }
        unsafe setExpectedTimeout(stream, elapsedMs: stream.pointee.requestEnded ? (nowNs &- stream.pointee.requestEndNs) / 1_000_000 : 0)
        guard unsafe stream.pointee.request.fits else { return unsafe resetDownstream(stream) }
        unsafe startAttempt(stream, cluster)
    }
}
