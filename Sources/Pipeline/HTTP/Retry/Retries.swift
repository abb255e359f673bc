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

    private func readRetryPolicy(_ stream: StreamPointer, _ policy: UnsafePointer<RetryConfig>?) {
        var on = unsafe policy?.pointee.on ?? []
        let request = unsafe stream.pointee.request
        if let words = request.value(of: .xEnvoyRetryOn) { on.formUnion(Worker.conditions(words, RetryConfig.On.names)) }
        if let words = request.value(of: .xEnvoyRetryGrpcOn) {
            on.formUnion(Worker.conditions(words, RetryConfig.On.grpcNames))
        }
        if let limiting = unsafe policy?.pointee.requestHeaders, !limiting.anyHolds(request) { on = [] }
        unsafe stream.pointee.retry.left = unsafe UInt64(policy?.pointee.retriesMax ?? 1)
        if !on.isEmpty, let most = request.value(of: .xEnvoyMaxRetries)?.trimmed.decimal { unsafe stream.pointee.retry.left = most }
        if let at = request.index(of: .xEnvoyRetriableStatusCodes) {
            unsafe stream.pointee.retry.statusCodes = request.field(at).value
        }
        if let at = request.index(of: .xEnvoyRetriableHeaderNames) {
            unsafe stream.pointee.retry.headerNames = request.field(at).value
        }
        unsafe stream.pointee.retry.backoffMs = unsafe policy?.pointee.backoffBaseMs ?? 25
        // A hedge asks for no condition, only for a policy.
        let isAsked = request.has(.xEnvoyRetryOn) || request.has(.xEnvoyRetryGrpcOn)
        if unsafe stream.pointee.retry.hedges, unsafe isAsked || policy.map({ unsafe !$0.pointee.on.isEmpty }) == true {
            on.insert(.hedged)
        }
        // A tunnel has no body that could be sent again.
        unsafe stream.pointee.retry.on = unsafe stream.pointee.isUpgrade ? [] : on
    }

    private static func conditions(_ words: Bytes, _ names: [(name: StaticString, on: RetryConfig.On)]) -> RetryConfig.On {
        var on: RetryConfig.On = []
        var list = TokenList(words)
        while let word = list.next() {
            for entry in names where word.equals(Bytes(entry.name)) { on.formUnion(entry.on) }
        }
        return on
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

    private func resetIsRetriable(_ stream: StreamPointer, _ failure: UpstreamFailure, started: Bool) -> Bool {
        let on = unsafe stream.pointee.retry.on
        var wanted = !on.isDisjoint(with: [.fiveXX, .gatewayError, .reset]) || (!started && on.contains(.resetBeforeRequest))
        switch failure {
        case .connectFailed, .connectTimedOut, .handshakeFailed: wanted = wanted || on.contains(.connectFailure)
        case .refused: wanted = wanted || on.contains(.refusedStream)
        case .overflow, .memory: wanted = false
        case .terminated, .remoteReset, .protocolError, .timedOut, .maxDuration: break
        }
        return wanted
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

    func isRetriable(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        let on = unsafe stream.pointee.retry.on
        // An Envoy behind us has limited the rate: its own condition, and no other, decides.
        if head.has(.xEnvoyRatelimited) { return on.contains(.envoyRatelimited) }
        let status = head.status
        if on.contains(.fiveXX), status >= 500, status < 600 { return true }
        if on.contains(.gatewayError), status >= 502, status <= 504 { return true }
        if on.contains(.retriable4xx), status == 409 { return true }
        if on.contains(.retriableStatusCodes), unsafe isListed(status, stream) { return true }
        if on.contains(.retriableHeaders), unsafe hasListedHeader(stream, head) { return true }
        guard !on.isDisjoint(with: .anyGRPC), let code = head.value(of: .grpcStatus)?.decimal else { return false }
        return switch code {
        case 1: on.contains(.grpcCancelled)
        case 4: on.contains(.grpcDeadlineExceeded)
        case 8: on.contains(.grpcResourceExhausted)
        case 13: on.contains(.grpcInternal)
        case 14: on.contains(.grpcUnavailable)
        default: false
        }
    }

    private func isListed(_ status: UInt16, _ stream: StreamPointer) -> Bool {
        if let policy = unsafe stream.pointee.route?.pointee.retry {
            let codes = unsafe policy.pointee.statusCodes
            for i in 0..<codes.count where codes[i] == status { return true }
        }
        var list = unsafe TokenList(stream.pointee.request.text(stream.pointee.retry.statusCodes))
        while let code = list.next() {
            if code.decimal == UInt64(status) { return true }
        }
        return false
    }

    private func hasListedHeader(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        if let matchers = unsafe stream.pointee.route?.pointee.retry?.pointee.headers, matchers.anyHolds(head) { return true }
        var list = unsafe TokenList(stream.pointee.request.text(stream.pointee.retry.headerNames))
        while let name = list.next() {
            for i in 0..<head.count where !head.field(i).removed && head.name(i).equalsIgnoringCase(name) { return true }
        }
        return false
    }

    /// `rate_limited_retry_back_off`: when the upstream says to come again.
    private func readResetInterval(_ stream: StreamPointer) {
        guard let policy = unsafe stream.pointee.route?.pointee.retry else { return }
        let headers = unsafe policy.pointee.resetHeaders
        for i in 0..<headers.count {
            guard var seconds = unsafe stream.pointee.response.value(named: headers[i].name)?.trimmed.decimal else { continue }
            if headers[i].isTimestamp {
                let now = wallNs / 1_000_000_000
                guard seconds > now else { continue }
                seconds &-= now
            }
            let (interval, overflowed) = seconds.multipliedReportingOverflow(by: 1000)
            guard !overflowed, interval > 1, unsafe interval <= policy.pointee.resetIntervalMaxMs else { continue }
            unsafe stream.pointee.retry.resetIntervalMs = interval
            return
        }
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
        if unsafe stream.pointee.route?.pointee.includeAttemptCountInRequest == true {
            var digits = unsafe DecimalText(UInt64(stream.pointee.attempt) &+ 1)
            unsafe stream.pointee.request.set(.xEnvoyAttemptCount, digits.bytes())
        }
        unsafe setExpectedTimeout(stream, elapsedMs: stream.pointee.requestEnded ? (nowNs &- stream.pointee.requestEndNs) / 1_000_000 : 0)
        guard unsafe stream.pointee.request.fits else { return unsafe resetDownstream(stream) }
        unsafe startAttempt(stream, cluster)
    }

    // HOT: per message.
    /// The host of a try; a retry avoids those that were tried where the policy says so.
    func chooseHost(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) -> UnsafeMutablePointer<Host>? {
        if let original = unsafe cluster.pointee.config.pointee.originalDst { return unsafe originalHost(stream, cluster, original) }
        var hash: UInt64?
        if let route = unsafe stream.pointee.route, unsafe !route.pointee.hashRules.isEmpty,
            unsafe cluster.pointee.config.pointee.policy.isHashing
        {
            hash = unsafe hashKey(stream, route.pointee.hashRules, makesCookies: true)
            // Without one every host that is asked for is another draw.
            if hash == nil { hash = random.next() }
        }
        let criteria = unsafe criteria(stream)
        var host = unsafe cluster.pointee.choose(slab: hosts, random: &random, hash: hash, nowMs: nowMs, criteria: criteria)
        unsafe countSubset(cluster)
        guard let policy = unsafe stream.pointee.route?.pointee.retry, unsafe policy.pointee.avoidsTriedHosts,
            unsafe !stream.pointee.retry.on.isEmpty
        else { return unsafe host }
        if unsafe stream.pointee.attempt > 1 {
            var selections = unsafe policy.pointee.hostSelectionsMax
            var refused: UInt32 = 0
            while selections > 0, let candidate = unsafe host, unsafe stream.pointee.retry.wasTried(candidate.pointee.handle) {
                refused &+= 1
                unsafe host = unsafe cluster.pointee.choose(
                    slab: hosts, random: &random, hash: hash, attempt: refused, nowMs: nowMs, criteria: criteria)
                unsafe countSubset(cluster)
                selections &-= 1
            }
        }
        if let host = unsafe host { unsafe stream.pointee.retry.remember(host.pointee.handle) }
        return unsafe host
    }

    // HOT: per message.
    /// What the route asks of hosts' metadata: its entry's own, which has the route's in it, else the route's.
    @inline(__always)
    private func criteria(_ stream: StreamPointer) -> UnsafePointer<MetadataCriteria>? {
        if let own = unsafe stream.pointee.chosen?.pointee.metadataMatch { return unsafe own }
        return unsafe stream.pointee.route?.pointee.metadataMatch
    }

    // HOT: per message.
    @inline(__always)
    func countSubset(_ cluster: UnsafeMutablePointer<Cluster>) {
        let stats = unsafe cluster.pointee.config.pointee.stats
        switch unsafe cluster.pointee.subsetOutcome {
        case .none: break
        case .selected: count(stats, .lbSubsetsSelected)
        case .fallback: count(stats, .lbSubsetsFallback)
        case .fallbackPanic: count(stats, .lbSubsetsFallbackPanic)
        }
    }
}
