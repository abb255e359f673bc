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
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqTotal.rawValue)
        guard let route = unsafe stream.pointee.route else { return unsafe noRoute(stream) }
        switch unsafe route.pointee.action {
        case .directResponse: return unsafe replyDirectly(stream, route)
        case .redirect: return unsafe redirect(stream, route)
        case .none: return unsafe noRoute(stream)
        case .forward: break
        }
        if unsafe stream.pointee.isConnect { return unsafe noRoute(stream) }
        if unsafe stream.pointee.isUpgrade, unsafe !isUpgradeAllowed(stream) {
            unsafe count(stream.pointee.http.pointee.stats, .downstreamRqWsOnNonWsRoute)
            unsafe stream.pointee.closesDownstream = true
            return unsafe reply(
                stream, status: 403, body: .empty, details: Bytes("upgrade_failed" as StaticString), flags: [])
        }
        guard let slot = unsafe chooseCluster(stream, route), let cluster = unsafe cluster(slot) else {
            unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.noCluster.rawValue)
            return unsafe reply(
                stream, status: route.pointee.clusterNotFoundStatus, body: .empty,
                details: Bytes("cluster_not_found" as StaticString), flags: .noClusterFound)
        }
        unsafe stream.pointee.clusterSlot = slot
        unsafe setTimeouts(stream, route)
        if unsafe route.pointee.includeAttemptCountInRequest {
            unsafe stream.pointee.request.set(.xEnvoyAttemptCount, Bytes("1" as StaticString))
        }
        unsafe applyRoute(stream, route)
        guard unsafe stream.pointee.request.fits else {
            return unsafe reply(
                stream, status: 431, body: Bytes("Request Header Fields Too Large" as StaticString),
                details: Bytes("request_headers_too_large" as StaticString), flags: [])
        }
        unsafe startAttempt(stream, cluster)
    }

    /// One try on one host.
    func startAttempt(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        let config = unsafe cluster.pointee.config
        let stats = unsafe config.pointee.stats
        unsafe stream.pointee.attempt &+= 1
        guard let host = unsafe cluster.pointee.choose(slab: hosts, random: &random) else {
            count(stats, .upstreamCxNoneHealthy)
            return unsafe reply(
                stream, status: 503, body: Bytes("no healthy upstream" as StaticString),
                details: Bytes("no_healthy_upstream" as StaticString), flags: .noHealthyUpstream)
        }
        let isHigh = unsafe stream.pointee.route?.pointee.priority == .high
        let limits = unsafe cluster.pointee.limits(isHigh ? .high : .normal)
        let active = unsafe isHigh ? cluster.pointee.activeRequests.1 : cluster.pointee.activeRequests.0
        guard active < limits.requests else {
            count(stats, .upstreamRqActiveOverflow)
            count(stats, .upstreamRqPendingOverflow)
            return unsafe overflow(stream)
        }
        unsafe stream.pointee.host = unsafe host.pointee.handle
        unsafe stream.pointee.upstreamRemoteAddress = unsafe host.pointee.config.address
        unsafe stream.pointee.upstreamStartNs = nowNs
        if isHigh { unsafe cluster.pointee.activeRequests.1 &+= 1 } else { unsafe cluster.pointee.activeRequests.0 &+= 1 }
        unsafe host.pointee.activeRequests &+= 1
        unsafe stream.pointee.isCountedUpstream = true
        unsafe stream.pointee.upstreamIsHigh = isHigh
        if unsafe stream.pointee.route?.pointee.hostRewrite == .auto, unsafe !host.pointee.config.hostname.isEmpty,
            let route = unsafe stream.pointee.route
        {
            unsafe rewriteHost(stream, host.pointee.config.hostname, route)
        }
        unsafe lease(stream, cluster, host, limits)
    }

    func overflow(_ stream: StreamPointer) {
        unsafe reply(
            stream, status: 503,
            body: Bytes(
                "upstream connect error or disconnect/reset before headers. reset reason: overflow" as StaticString),
            details: Bytes("upstream_reset_before_response_started{overflow}" as StaticString), flags: .upstreamOverflow
        ) { head in head.append(.xEnvoyOverloaded, Bytes("true" as StaticString)) }
    }

    // HOT: per message.
    private func setTimeouts(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        var timeout = unsafe route.pointee.timeoutMs
        if let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamRqTimeoutMs) {
            if let ms = asked.decimal { timeout = ms }
            unsafe stream.pointee.request.remove(.xEnvoyUpstreamRqTimeoutMs)
        }
        if let retry = unsafe route.pointee.retry { unsafe stream.pointee.perTryTimeoutMs = unsafe retry.pointee.perTryTimeoutMs }
        if let asked = unsafe stream.pointee.request.value(of: .xEnvoyUpstreamRqPerTryTimeoutMs) {
            if let ms = asked.decimal { unsafe stream.pointee.perTryTimeoutMs = ms }
            unsafe stream.pointee.request.remove(.xEnvoyUpstreamRqPerTryTimeoutMs)
        }
        unsafe stream.pointee.timeoutMs = timeout
        if timeout != 0 {
            // The clock of the route's timeout starts when the whole request is here.
            if unsafe stream.pointee.requestEndForwarded { unsafe stream.pointee.timeoutAtMs = nowMs &+ timeout }
        }
        var expected = unsafe stream.pointee.perTryTimeoutMs != 0 && stream.pointee.perTryTimeoutMs < max(timeout, 1)
            ? stream.pointee.perTryTimeoutMs : timeout
        if timeout == 0 { expected = unsafe stream.pointee.perTryTimeoutMs }
        if expected != 0, unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders {
            var digits = DecimalText(expected)
            unsafe stream.pointee.request.set(.xEnvoyExpectedRqTimeoutMs, digits.bytes())
        }
        unsafe armStreamTimer(stream)
    }

    // HOT: per frame.
    func forwardRequestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        guard unsafe !stream.pointee.hasResponseHead || stream.pointee.upstream != .none else { return }
        if let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe stream.pointee.requestBody.isEmpty,
            unsafe !stream.pointee.isUpgrade || stream.pointee.isTunnel
        {
            guard unsafe queue(part, buffer, on: upstream, chunked: stream.pointee.requestIsChunked && !stream.pointee.isTunnel)
            else { return unsafe upstreamReset(stream, .memory) }
            unsafe countUpstreamBody(stream, part.count)
            if unsafe upstream.pointee.out.count > upstreamLimit(stream) { unsafe pauseDownstream(stream) }
        } else {
            guard unsafe keep(part, buffer, in: &stream.pointee.requestBody) else { return unsafe resetDownstream(stream) }
            let limit = unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
            if unsafe stream.pointee.requestBody.count > limit { unsafe pauseDownstream(stream) }
        }
        if endStream { unsafe forwardRequestEnd(stream) }
    }

    // HOT: per frame.
    /// Body that has passed the filters. Takes over `data`: it is empty behind the call.
    func forwardRequestQueue(_ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) {
        let handle = unsafe stream.pointee.handle
        if unsafe stream.pointee.hasResponseHead, unsafe connections.slab[stream.pointee.upstream] == nil {
            data.removeAll(memory)
        } else if let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe stream.pointee.requestBody.isEmpty,
            unsafe !stream.pointee.isUpgrade || stream.pointee.isTunnel
        {
            let isChunked = unsafe stream.pointee.requestIsChunked && !stream.pointee.isTunnel
            while let part = data.first, !data.isEmpty {
                guard unsafe queue(part, nil, on: upstream, chunked: isChunked) else {
                    data.removeAll(memory)
                    return unsafe upstreamReset(stream, .memory)
                }
                unsafe countUpstreamBody(stream, part.count)
                data.consume(part.count, memory)
            }
            data.removeAll(memory)
            if unsafe upstream.pointee.out.count > upstreamLimit(stream) { unsafe pauseDownstream(stream) }
        } else {
            unsafe stream.pointee.requestBody.append(moving: &data)
            let limit = unsafe bufferLimit(.request, stream)
            if unsafe stream.pointee.requestBody.count > limit { unsafe pauseDownstream(stream) }
        }
        if endStream, unsafe streams[handle] != nil { unsafe forwardRequestEnd(stream) }
    }

    // HOT: per message.
    func forwardRequestEnd(_ stream: StreamPointer) {
        unsafe stream.pointee.requestEndForwarded = true
        if unsafe stream.pointee.timeoutMs != 0, unsafe stream.pointee.timeoutAtMs == 0 {
            unsafe stream.pointee.timeoutAtMs = unsafe nowMs &+ stream.pointee.timeoutMs
            unsafe armStreamTimer(stream)
        }
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        unsafe sendRequestEnd(stream, upstream)
    }

    private func upstreamLimit(_ stream: StreamPointer) -> Int {
        unsafe cluster(stream.pointee.clusterSlot)?.pointee.config.pointee.bufferLimit ?? 1 << 20
    }

    // MARK: Back-pressure

    func pauseDownstream(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream], unsafe !connection.pointee.isPaused else { return }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamFlowControlPausedReadingTotal)
        unsafe connections.pause(connection)
    }

    func resumeDownstreamReading(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream], unsafe connection.pointee.isPaused,
            unsafe !stream.pointee.requestIsHeldBack
        else { return }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamFlowControlResumedReadingTotal)
        unsafe connections.receive(connection)
    }

    // HOT: per frame.
    /// The client reads more slowly than the upstream answers: stop reading the upstream.
    func watchDownstreamQueue(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            unsafe connection.pointee.out.count > stream.pointee.http.pointee.bufferLimit
        else { return }
        unsafe connection.pointee.isAboveHigh = true
        unsafe pauseUpstream(stream)
    }

    func pauseUpstream(_ stream: StreamPointer) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe !upstream.pointee.isPaused else { return }
        unsafe upstreamCounted(upstream, .upstreamFlowControlPausedReadingTotal, 1)
        unsafe connections.pause(upstream)
    }

    func resumeUpstreamReading(_ stream: StreamPointer) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe upstream.pointee.isPaused,
            unsafe !stream.pointee.responseIsHeldBack
        else { return }
        unsafe upstreamCounted(upstream, .upstreamFlowControlResumedReadingTotal, 1)
        unsafe connections.receive(upstream)
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
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTimeout)
        }
        if let host = unsafe hosts[stream.pointee.host] {
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqTimeout.rawValue)
        }
        unsafe stream.pointee.flags.insert(.upstreamRequestTimeout)
        if unsafe stream.pointee.hasResponseHead {
            unsafe stream.pointee.details = Bytes("response_timeout" as StaticString)
            return unsafe resetDownstream(stream)
        }
        unsafe countUpstreamStatus(stream, 504)
        unsafe reply(
            stream, status: 504, body: Bytes("upstream request timeout" as StaticString),
            details: Bytes("response_timeout" as StaticString), flags: .upstreamRequestTimeout)
    }

    func perTryTimedOut(_ stream: StreamPointer) {
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqPerTryTimeout)
        }
        if unsafe stream.pointee.hasResponseHead { return }
        unsafe countUpstreamStatus(stream, 504)
        unsafe reply(
            stream, status: 504, body: Bytes("upstream request timeout" as StaticString),
            details: Bytes("response_timeout" as StaticString), flags: .upstreamRequestTimeout)
    }

    /// Why an upstream request ended without its response.
    enum UpstreamFailure {
        case connectFailed(Int32), connectTimedOut, terminated, remoteReset, protocolError, memory
    }

    /// The upstream failed: a reply of ours, or, behind the response's head, the end of the client's connection.
    func upstreamReset(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        guard unsafe !stream.pointee.isDestroyed else { return }
        let (flags, status, reason) = Worker.outcome(failure)
        if case .connectFailed(let error) = failure { unsafe stream.pointee.upstreamErrno = error }
        unsafe stream.pointee.flags.formUnion(flags)
        if unsafe stream.pointee.hasResponseHead {
            if let details = Worker.startedDetails(failure) { unsafe stream.pointee.details = Bytes(details) }
            unsafe cells.increment(
                stream.pointee.http.pointee.routerStats
                    &+ RouterStat.rqResetAfterDownstreamResponseStarted.rawValue)
            return unsafe resetDownstream(stream)
        }
        if let host = unsafe hosts[stream.pointee.host] {
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqError.rawValue)
        }
        unsafe countUpstreamStatus(stream, status)
        unsafe reply(
            stream, status: status, body: Bytes(reason.body), details: Bytes(reason.details), flags: flags)
    }

    private static func outcome(_ failure: UpstreamFailure)
        -> (ResponseFlags, UInt16, (body: StaticString, details: StaticString))
    {
        switch failure {
        case .connectFailed:
            (
                .upstreamConnectionFailure, 503,
                (
                    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
                    "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
                )
            )
        case .connectTimedOut:
            (
                .upstreamConnectionFailure, 503,
                (
                    "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                    "upstream_reset_before_response_started{connection_timeout}"
                )
            )
        case .terminated, .memory:
            (
                .upstreamConnectionTermination, 503,
                (
                    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                    "upstream_reset_before_response_started{connection_termination}"
                )
            )
        case .remoteReset:
            (
                .upstreamRemoteReset, 503,
                (
                    "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
                    "upstream_reset_before_response_started{remote_reset}"
                )
            )
        case .protocolError:
            (
                .upstreamProtocolError, 502,
                (
                    "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
                    "upstream_reset_before_response_started{protocol_error}"
                )
            )
        }
    }

    private static func startedDetails(_ failure: UpstreamFailure) -> StaticString? {
        switch failure {
        case .terminated, .memory: "upstream_reset_after_response_started{connection_termination}"
        case .protocolError: "upstream_reset_after_response_started{protocol_error}"
        case .remoteReset: "upstream_reset_after_response_started{remote_reset}"
        case .connectFailed, .connectTimedOut: nil
        }
    }
}
