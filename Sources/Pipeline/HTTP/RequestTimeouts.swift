// How long a request, one try of it, and a try on its connection may take: what the route, the cluster and trusted callers
// say, what upstreams are told of it, and what happens when it is over.
//
// The times lie in the stream; its one timer fires at the nearest of them (`armStreamTimer`).

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: What they are

    /// Added to the clock it must not wrap around: 35 years.
    static let askedTimeoutMaxMs: UInt64 = 1 << 40

    // HOT: per message.
    func setTimeouts(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>, hasHeaders: Bool) {
        var timeout = unsafe routeTimeout(stream, route)
        if unsafe stream.pointee.router.pointee.respectExpectedTimeout,
            let asked = unsafe stream.pointee.request.value(of: .xEnvoyExpectedRqTimeoutMs)
        {
            // The caller's own proxy has made it of the field that is read otherwise.
            if let ms = asked.decimal { timeout = min(ms, Worker.askedTimeoutMaxMs) }
        } else if hasHeaders, let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamRqTimeoutMs) {
            if let ms = asked.decimal { timeout = min(ms, Worker.askedTimeoutMaxMs) }
            unsafe stream.pointee.request.remove(.xEnvoyUpstreamRqTimeoutMs)
        }
        if let retry = unsafe route.pointee.retry { unsafe stream.pointee.perTryTimeoutMs = unsafe retry.pointee.perTryTimeoutMs }
        if hasHeaders, let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamRqPerTryTimeoutMs) {
            if let ms = asked.decimal { unsafe stream.pointee.perTryTimeoutMs = min(ms, Worker.askedTimeoutMaxMs) }
            unsafe stream.pointee.request.remove(.xEnvoyUpstreamRqPerTryTimeoutMs)
        }
        if hasHeaders {
            if unsafe stream.pointee.request.has(.xEnvoyUpstreamRqTimeoutAltResponse) {
                unsafe stream.pointee.timeoutIsNoContent = true
                unsafe stream.pointee.request.remove(.xEnvoyUpstreamRqTimeoutAltResponse)
            }
            unsafe stream.pointee.request.remove(.xEnvoyUpstreamAltStatName)
            if let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamStreamDurationMs) {
                if let ms = asked.decimal { unsafe stream.pointee.retry.durationMs = min(ms, Worker.askedTimeoutMaxMs) }
                unsafe stream.pointee.request.remove(.xEnvoyUpstreamStreamDurationMs)
            }
        }
        // A try that may last longer than all of them has no limit of its own.
        if timeout != 0, unsafe stream.pointee.perTryTimeoutMs >= timeout { unsafe stream.pointee.perTryTimeoutMs = 0 }
        unsafe stream.pointee.timeoutMs = timeout
        if timeout != 0 {
            // The clock of the route's timeout starts when the whole request is here.
            if unsafe stream.pointee.requestEndForwarded { unsafe stream.pointee.timeoutAtMs = nowMs &+ timeout }
        }
        unsafe setExpectedTimeout(stream, elapsedMs: 0)
        unsafe armStreamTimer(stream)
    }

    // HOT: per message.
    /// The route's own, or the caller's `grpc-timeout` where the route looks at it. 0: none.
    private func routeTimeout(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) -> UInt64 {
        if unsafe route.pointee.usesStreamDuration { return 0 }
        guard unsafe stream.pointee.isGRPCUpstream, let most = unsafe route.pointee.grpcTimeoutMaxMs else {
            return unsafe route.pointee.timeoutMs
        }
        var timeout = unsafe stream.pointee.request.value(of: .grpcTimeout).flatMap { GRPCTimeout.milliseconds($0) } ?? 0
        timeout = min(timeout, Worker.askedTimeoutMaxMs)
        // An offset that would leave nothing, which means "no limit", does not count.
        let offset = unsafe route.pointee.grpcTimeoutOffsetMs
        if offset < timeout { timeout &-= offset }
        return most != 0 && (timeout == 0 || timeout > most) ? most : timeout
    }

    // HOT: per message.
    /// What is left for the try, as the upstream is told.
    func setExpectedTimeout(_ stream: StreamPointer, elapsedMs: UInt64) {
        let timeout = unsafe stream.pointee.timeoutMs
        // A hedged try goes on beyond its own.
        var expected = unsafe stream.pointee.retry.hedges ? 0 : stream.pointee.perTryTimeoutMs
        if timeout != 0 {
            // At 0 the upstream would take it for "no limit".
            let left = timeout > elapsedMs ? timeout &- elapsedMs : 1
            expected = expected == 0 ? left : min(expected, left)
        }
        guard expected != 0 else { return }
        if unsafe !stream.pointee.router.pointee.suppressEnvoyHeaders {
            var digits = DecimalText(expected)
            unsafe stream.pointee.request.set(.xEnvoyExpectedRqTimeoutMs, digits.bytes())
        }
        // The server's own deadline is to be no later than the try's.
        if unsafe stream.pointee.isGRPCUpstream, let route = unsafe stream.pointee.route, unsafe route.pointee.grpcTimeoutMaxMs != nil {
            unsafe setGRPCTimeout(stream, expected)
        }
    }

    // HOT: per message.
    /// The clocks of one try start when the whole request is here and a connection carries it.
    func beginTryTimeouts(_ stream: StreamPointer) {
        let idle = unsafe stream.pointee.retry.perTryIdleMs
        guard unsafe stream.pointee.perTryTimeoutMs != 0 || idle != 0 else { return }
        if unsafe stream.pointee.perTryTimeoutMs != 0 {
            unsafe stream.pointee.perTryTimeoutAtMs = unsafe nowMs &+ stream.pointee.perTryTimeoutMs
        }
        if idle != 0 { unsafe stream.pointee.retry.perTryIdleAtMs = nowMs &+ idle }
        unsafe armStreamTimer(stream)
    }

    // HOT: per message.
    /// A connection carries the try from now on.
    func beginTryDuration(_ stream: StreamPointer, _ config: UnsafePointer<ClusterConfig>) {
        let most = unsafe stream.pointee.retry.durationMs ?? config.pointee.streamDurationMaxMs
        guard most != 0 else { return }
        unsafe stream.pointee.retry.durationAtMs = nowMs &+ most
        unsafe armStreamTimer(stream)
    }

    /// From 0 to `mostMs`.
    func chance(_ mostMs: UInt64) -> UInt64 { mostMs == 0 ? 0 : random.below(mostMs &+ 1) }

    // MARK: When they are over

    func routeTimedOut(_ stream: StreamPointer) {
        // Between two tries there is none that it could be told of.
        if unsafe stream.pointee.isCountedUpstream { unsafe countTimeout(stream, stream) }
        if unsafe stream.pointee.tracksTries {
            unsafe stream.pointee.ranOutOfTime = true
            unsafe trackBudget(stream)
        }
        unsafe stream.pointee.flags.insert(.upstreamRequestTimeout)
        if unsafe stream.pointee.hasResponseHead {
            unsafe hostVerdictIsError(stream)
            unsafe stream.pointee.details = Bytes("response_timeout" as StaticString)
            return unsafe resetDownstream(stream)
        }
        unsafe replyTimeout(stream, Bytes("response_timeout" as StaticString))
    }

    /// One attempt of a request whose time is over.
    func countTimeout(_ attempt: StreamPointer, _ stream: StreamPointer) {
        unsafe countRoute(stream, .upstreamRqTimeout)
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTimeout)
        }
        if let host = unsafe hosts[attempt.pointee.host] {
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqTimeout.rawValue)
        }
    }

    private func replyTimeout(_ stream: StreamPointer, _ details: Bytes) {
        let isNoContent = unsafe stream.pointee.timeoutIsNoContent
        let status: UInt16 = isNoContent ? 204 : 504
        if unsafe stream.pointee.isCountedUpstream && !stream.pointee.sawInterim {
            unsafe countUpstreamStatus(stream, status, of: stream.pointee.host)
            unsafe countHostError(stream)
        }
        unsafe countHedgeTimeouts(stream, status: status)
        unsafe reply(
            stream, status: status, body: Bytes(isNoContent ? "" : "upstream request timeout" as StaticString),
            details: details, flags: .upstreamRequestTimeout)
    }

    /// The try lasted too long, or nothing came for too long.
    func perTryTimedOut(_ stream: StreamPointer, isIdle: Bool) {
        if unsafe stream.pointee.retry.hedges { return unsafe hedgeTimedOut(stream) }
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(
                cluster.pointee.config.pointee.stats, isIdle ? .upstreamRqPerTryIdleTimeout : .upstreamRqPerTryTimeout)
        }
        if let host = unsafe hosts[stream.pointee.host] {
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqTimeout.rawValue)
        }
        unsafe stream.pointee.tryFlags = .upstreamRequestTimeout
        let details = Bytes(isIdle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout" as StaticString)
        if unsafe stream.pointee.hasResponseHead {
            if unsafe stream.pointee.tracksTries { unsafe trackBudget(stream) }
            unsafe stream.pointee.flags.insert(.upstreamRequestTimeout)
            unsafe stream.pointee.details = details
            return unsafe resetDownstream(stream)
        }
        if unsafe retriesReset(stream, .timedOut, started: true) { return }
        if unsafe stream.pointee.tracksTries { unsafe trackBudget(stream) }
        unsafe replyTimeout(stream, details)
    }

    /// A try, the stream's own or one beside it, has been on its connection for as long as one may.
    func tryDurationReached(_ attempt: StreamPointer) {
        guard unsafe attempt.pointee.isOnUpstream, unsafe attempt.pointee.upstreamEndNs == 0,
            let stream = unsafe hedgedRequest(attempt)
        else { return }
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqMaxDurationReached)
        }
        if unsafe attempt == stream && !stream.pointee.hasResponseHead, unsafe retriesReset(stream, .maxDuration, started: true) { return }
        let details = Bytes("upstream_max_stream_duration_reached" as StaticString)
        if unsafe stream.pointee.hasResponseHead {
            unsafe stream.pointee.flags.insert(.upstreamMaxStreamDurationReached)
            unsafe stream.pointee.details = details
            return unsafe resetDownstream(stream)
        }
        unsafe reply(
            stream, status: stream.pointee.requestEnded ? 504 : 408,
            body: Bytes("upstream max stream duration reached" as StaticString), details: details,
            flags: .upstreamMaxStreamDurationReached)
    }

    /// The deadline moves with every byte of the response and is looked at when the timer fires.
    func perTryIdle(_ stream: StreamPointer) {
        unsafe stream.pointee.retry.perTryIdleAtMs = 0
        unsafe perTryTimedOut(stream, isIdle: true)
    }
}
