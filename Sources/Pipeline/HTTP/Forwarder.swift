// The joint between downstream and upstream, written once over the stream's events: route → cluster → host →
// connection, then head, body and end in each direction, with back-pressure both ways.
//
// Life of a request here: `forwardRequestHead` → `Cluster.choose` → a connection from the host's pool, or one that is
// opened while the stream waits (`Pool`) → the codec (`H1Client`) → `upstreamResponseHead` … → `responseHead`.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: Request

    // HOT: per message.
    func forwardRequestHead(_ stream: StreamPointer, endStream: Bool) {
        unsafe stream.pointee.requestHeadForwarded = true
        unsafe stream.pointee.requestEndForwarded = unsafe endStream || (stream.pointee.isUpgrade && stream.pointee.requestEnded)
        if unsafe stream.pointee.isUpgrade, let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward,
            unsafe !isUpgradeAllowed(stream)
        {
            unsafe count(stream.pointee.http.pointee.stats, .downstreamRqWsOnNonWsRoute)
            unsafe stream.pointee.closesDownstream = true
            return unsafe reply(
                stream, status: 403, body: .empty, details: Bytes("upgrade_failed" as StaticString), flags: [])
        }
        if unsafe stream.pointee.isUpgrade, unsafe stream.pointee.requestIsChunked, let route = unsafe stream.pointee.route,
            unsafe route.pointee.action == .forward
        {
            // Envoy drops the coding's name and sends the chunks as they are behind the 101: what is content to the client
            // is the tunnel's beginning to the server (RFC 9110 §7.8: the request comes first, whole).
            unsafe stream.pointee.closesDownstream = true
            return unsafe reply(
                stream, status: 400, body: .empty, details: Bytes("upgrade_with_chunked_body" as StaticString),
                flags: .downstreamProtocolError)
        }
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqTotal.rawValue)
        guard let route = unsafe stream.pointee.route else { return unsafe noRoute(stream) }
        switch unsafe route.pointee.action {
        case .directResponse: return unsafe replyDirectly(stream, route)
        case .redirect: return unsafe redirect(stream, route)
        case .none: return unsafe noRoute(stream)
        case .forward: break
        }
        unsafe stream.pointee.isTCP = unsafe route.pointee.terminatesConnect
            && (stream.pointee.isConnect || (route.pointee.terminatesPost && stream.pointee.request.method == .post))
        if unsafe stream.pointee.isUpgrade { unsafe countUpgrade(stream) }
        guard let slot = unsafe chooseCluster(stream, route), let cluster = unsafe cluster(slot) else {
            unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.noCluster.rawValue)
            return unsafe reply(
                stream, status: route.pointee.clusterNotFoundStatus, body: .empty,
                details: Bytes("cluster_not_found" as StaticString), flags: .noClusterFound)
        }
        unsafe stream.pointee.clusterSlot = slot
        unsafe chooseVirtualCluster(stream, route)
        // Filters may have made a gRPC request of another one.
        unsafe stream.pointee.isGRPCUpstream =
            unsafe stream.pointee.request.value(of: .contentType).map { GRPCContent.isGRPC($0) } ?? false
        let hasHeaders = unsafe stream.pointee.request.hasAny(
            from: .xEnvoyMaxRetries, through: .xEnvoyHedgeOnPerTryTimeout)
        if hasHeaders, unsafe !stream.pointee.http.pointee.strictHeaders.isEmpty {
            guard unsafe checkStrictly(stream) else { return }
        }
        unsafe beginRetries(stream, route, hasHeaders: hasHeaders)
        unsafe setTimeouts(stream, route, hasHeaders: hasHeaders)
        if unsafe route.pointee.includeAttemptCountInRequest {
            unsafe stream.pointee.request.set(.xEnvoyAttemptCount, Bytes("1" as StaticString))
        }
        unsafe applyRoute(stream, route)
        if unsafe !stream.pointee.refusedField.isEmpty { return unsafe refuseField(stream) }
        guard unsafe stream.pointee.request.fits else {
            return unsafe reply(
                stream, status: 431, body: Bytes("Request Header Fields Too Large" as StaticString),
                details: Bytes("request_headers_too_large" as StaticString), flags: [])
        }
        unsafe startMirrors(stream, route)
        unsafe startAttempt(stream, cluster)
    }

    /// A value that was added has what no field can have (RFC 9110 §5.5): as by Envoy the request is not sent without it.
    private func refuseField(_ stream: StreamPointer) {
        func text(_ before: StaticString, _ after: StaticString) -> Bytes {
            formats.text.reset()
            formats.text.put(before)
            unsafe formats.text.put(stream.pointee.refusedField)
            formats.text.put(after)
            return failureTexts.intern(formats.text.bytes, else: "filter_removed_required_request_headers")
        }
        let body = text("invalid header value for: ", "")
        let details = text("filter_removed_required_request_headers{invalid_header_value_for:_", "}")
        unsafe reply(stream, status: 503, body: body, details: details, flags: .downstreamProtocolError)
    }

    /// One try on one host.
    func startAttempt(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        let stats = unsafe cluster.pointee.config.pointee.stats
        unsafe stream.pointee.attempt &+= 1
        let choice = unsafe chooseHost(stream, cluster)
        if unsafe cluster.pointee.choseInPanic { count(stats, .lbHealthyPanic) }
        guard let host = unsafe choice else {
            count(stats, .upstreamCxNoneHealthy)
            unsafe countUpstreamStatus(stream, 503, of: .none)
            return unsafe reply(
                stream, status: 503, body: Bytes("no healthy upstream" as StaticString),
                details: Bytes("no_healthy_upstream" as StaticString), flags: .noHealthyUpstream)
        }
        let isHigh = unsafe stream.pointee.route?.pointee.priority == .high
        unsafe stream.pointee.host = unsafe host.pointee.handle
        unsafe stream.pointee.upstreamStartNs = nowNs
        unsafe forgetTry(stream)
        if unsafe cluster.pointee.config.pointee.predictiveRatio > 1 { unsafe preconnectPredicted(stream, cluster) }
        unsafe beganRequest(host)
        unsafe stream.pointee.isCountedUpstream = true
        unsafe stream.pointee.upstreamIsHigh = isHigh
        if unsafe stream.pointee.route?.pointee.hostRewrite == .auto, unsafe !host.pointee.config.hostname.isEmpty,
            let route = unsafe stream.pointee.route
        {
            // A further try must not take the first one's host for the client's.
            if unsafe stream.pointee.attempt == 1, unsafe !stream.pointee.wasMoved {
                unsafe rewriteHost(stream, host.pointee.config.hostname, route)
            } else {
                unsafe setAuthority(stream, host.pointee.config.hostname)
            }
        }
        if unsafe stream.pointee.trace != .none { unsafe traceAttempt(stream) }
        unsafe lease(stream, cluster, host)
    }

    /// Added to the clock it must not wrap around: 35 years.
    static let askedTimeoutMaxMs: UInt64 = 1 << 40

    // HOT: per message.
    private func setTimeouts(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>, hasHeaders: Bool) {
        var timeout = unsafe routeTimeout(stream, route)
        if hasHeaders, let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamRqTimeoutMs) {
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
        if unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders {
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

    // HOT: per frame.
    func forwardRequestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        guard unsafe !stream.pointee.hasResponseHead || stream.pointee.upstream != .none else { return }
        // The request has ended: what a filter still adds has no place in it.
        if unsafe stream.pointee.requestEndForwarded, unsafe !stream.pointee.isUpgrade { return }
        if unsafe stream.pointee.firstMirror != .none { unsafe mirrorData(stream, part) }
        if unsafe stream.pointee.retry.keepsBody {
            guard unsafe keepForRetry(stream, part) else { return }
            if unsafe stream.pointee.retry.isWaiting {
                if endStream { unsafe forwardRequestEnd(stream) }
                return
            }
        }
        if let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe stream.pointee.waitingBody.isEmpty,
            unsafe !stream.pointee.isUpgrade || stream.pointee.isTunnel
        {
            guard unsafe takeRequestLeft(stream, part.count) else { return }
            guard unsafe queueRequestData(stream, upstream, part, buffer) else { return unsafe upstreamReset(stream, .memory) }
        } else {
            guard unsafe keep(part, buffer, in: &stream.pointee.waitingBody) else {
                unsafe downstreamOutOfMemory(stream)
                return
            }
            let limit = unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
            if unsafe stream.pointee.waitingBody.count > limit { unsafe pauseDownstream(stream) }
        }
        if endStream { unsafe forwardRequestEnd(stream) }
    }

    // HOT: per frame.
    /// Body that has passed the filters. Takes over `data`: it is empty behind the call.
    func forwardRequestQueue(_ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) {
        if unsafe stream.pointee.requestEndForwarded, unsafe !stream.pointee.isUpgrade { return data.removeAll(memory) }
        let handle = unsafe stream.pointee.handle
        let mustWait = unsafe connections.slab[stream.pointee.upstream] == nil && !stream.pointee.hasResponseHead
            || (stream.pointee.isUpgrade && !stream.pointee.isTunnel)
        if mustWait, unsafe !stream.pointee.retry.keepsBody, unsafe stream.pointee.firstMirror == .none {
            unsafe stream.pointee.waitingBody.append(moving: &data)
            if unsafe stream.pointee.waitingBody.count > bufferLimit(.request, stream) { unsafe pauseDownstream(stream) }
        } else {
            while let part = data.first, !data.isEmpty {
                unsafe forwardRequestData(stream, part, nil, endStream: false)
                data.consume(part.count, memory)
                guard unsafe streams[handle] != nil else { break }
            }
            data.removeAll(memory)
        }
        if endStream, unsafe streams[handle] != nil { unsafe forwardRequestEnd(stream) }
    }

    // HOT: per message.
    func forwardRequestEnd(_ stream: StreamPointer) {
        unsafe stream.pointee.requestEndForwarded = true
        if unsafe stream.pointee.firstMirror != .none { unsafe endMirrors(stream) }
        if unsafe stream.pointee.timeoutMs != 0, unsafe stream.pointee.timeoutAtMs == 0 {
            unsafe stream.pointee.timeoutAtMs = unsafe nowMs &+ stream.pointee.timeoutMs
            unsafe armStreamTimer(stream)
        }
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        if unsafe stream.pointee.isOnUpstream { unsafe beginTryTimeouts(stream) }
        unsafe sendRequestEnd(stream, upstream)
    }

    func upstreamLimit(_ stream: StreamPointer) -> Int {
        unsafe cluster(stream.pointee.clusterSlot)?.pointee.config.pointee.bufferLimit ?? 1 << 20
    }

    // MARK: No route, redirects

    private func noRoute(_ stream: StreamPointer) {
        if unsafe stream.pointee.routeResult?.outcome == .tlsRequired { return unsafe redirectToHTTPS(stream) }
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.noRoute.rawValue)
        if unsafe stream.pointee.isConnect { unsafe stream.pointee.closesDownstream = true }
        unsafe reply(
            stream, status: 404, body: .empty, details: Bytes("route_not_found" as StaticString), flags: .noRouteFound)
    }

    // MARK: Failures

    func routeTimedOut(_ stream: StreamPointer) {
        // Between two tries there is none that it could be told of.
        if unsafe stream.pointee.isCountedUpstream { unsafe countTimeout(stream, stream) }
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
            unsafe stream.pointee.flags.insert(.upstreamRequestTimeout)
            unsafe stream.pointee.details = details
            return unsafe resetDownstream(stream)
        }
        if unsafe retriesReset(stream, .timedOut, started: true) { return }
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
        if case .connectFailed(let error) = failure { unsafe stream.pointee.upstreamErrno = error }
        if case .handshakeFailed(let reason) = failure { unsafe stream.pointee.transportFailure = reason }
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
        let isOverflow = if case .overflow = failure { true } else { false }
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
                    ? Bytes(Worker.startedDetails(failure) ?? outcome.details) : details(failure, outcome.details),
                flags: outcome.flags
            ) { head in if isOverflow { head.append(.xEnvoyOverloaded, Bytes("true" as StaticString)) } }
        }
    }

    /// An attempt ended without an answer, and is not tried again.
    func countFailure(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        // It tells of the cluster, not of a host.
        if case .overflow = failure {} else { unsafe countHostError(stream) }
        if unsafe !stream.pointee.sawInterim { unsafe countUpstreamStatus(stream, Worker.outcome(failure).status, of: stream.pointee.host) }
    }

    private func details(_ failure: UpstreamFailure, _ outcome: StaticString) -> Bytes {
        guard case .handshakeFailed(let reason) = failure, !reason.isEmpty else { return Bytes(outcome) }
        return handshakeDetails(reason)
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
