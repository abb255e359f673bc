// The joint between downstream and upstream, written once over the stream's events: route → cluster → host →
// connection, then head, body and end in each direction, with back-pressure both ways.
//
// Life of a request here: `forwardRequestHead` → `Cluster.choose` → a connection from the host's pool, or one that is
// opened while the stream waits (`Pool`) → the codec (`H1Client`) → `upstreamResponseHead` … → `responseHead`.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // MARK: Request

    // HOT: per message.
    func forwardRequestHead(_ stream: StreamPointer, endStream: Bool) {
        stream.pointee.requestHeadForwarded = true
        cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqTotal.rawValue)
        guard let route = stream.pointee.route else { return noRoute(stream) }
        switch route.pointee.action {
        case .directResponse: return replyDirectly(stream, route)
        case .redirect: return redirect(stream, route)
        case .none: return noRoute(stream)
        case .forward: break
        }
        if stream.pointee.isConnect { return noRoute(stream) }
        if stream.pointee.isUpgrade, !isUpgradeAllowed(stream) {
            count(stream.pointee.http.pointee.stats, .downstreamRqWsOnNonWsRoute)
            stream.pointee.closesDownstream = true
            return reply(
                stream, status: 403, body: .empty, details: Bytes("upgrade_failed" as StaticString), flags: [])
        }
        guard let slot = chooseCluster(stream, route), let cluster = cluster(slot) else {
            cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.noCluster.rawValue)
            return reply(
                stream, status: route.pointee.clusterNotFoundStatus, body: .empty,
                details: Bytes("cluster_not_found" as StaticString), flags: .noClusterFound)
        }
        stream.pointee.clusterSlot = slot
        setTimeouts(stream, route)
        if route.pointee.includeAttemptCountInRequest {
            stream.pointee.request.set(.xEnvoyAttemptCount, Bytes("1" as StaticString))
        }
        applyRoute(stream, route)
        guard stream.pointee.request.fits else {
            return reply(
                stream, status: 431, body: Bytes("Request Header Fields Too Large" as StaticString),
                details: Bytes("request_headers_too_large" as StaticString), flags: [])
        }
        startAttempt(stream, cluster)
    }

    /// One try on one host.
    func startAttempt(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        let config = cluster.pointee.config
        let stats = config.pointee.stats
        stream.pointee.attempt &+= 1
        guard let host = cluster.pointee.choose(slab: hosts, random: &random) else {
            count(stats, .upstreamCxNoneHealthy)
            return reply(
                stream, status: 503, body: Bytes("no healthy upstream" as StaticString),
                details: Bytes("no_healthy_upstream" as StaticString), flags: .noHealthyUpstream)
        }
        let isHigh = stream.pointee.route?.pointee.priority == .high
        let limits = cluster.pointee.limits(isHigh ? .high : .normal)
        let active = isHigh ? cluster.pointee.activeRequests.1 : cluster.pointee.activeRequests.0
        guard active < limits.requests else {
            count(stats, .upstreamRqActiveOverflow)
            count(stats, .upstreamRqPendingOverflow)
            return overflow(stream)
        }
        stream.pointee.host = host.pointee.handle
        stream.pointee.upstreamRemoteAddress = host.pointee.config.address
        stream.pointee.upstreamStartNs = nowNs
        if isHigh { cluster.pointee.activeRequests.1 &+= 1 } else { cluster.pointee.activeRequests.0 &+= 1 }
        host.pointee.activeRequests &+= 1
        stream.pointee.isCountedUpstream = true
        stream.pointee.upstreamIsHigh = isHigh
        if stream.pointee.route?.pointee.hostRewrite == .auto, !host.pointee.config.hostname.isEmpty,
            let route = stream.pointee.route
        {
            rewriteHost(stream, host.pointee.config.hostname, route)
        }
        lease(stream, cluster, host, limits)
    }

    func overflow(_ stream: StreamPointer) {
        reply(
            stream, status: 503,
            body: Bytes(
                "upstream connect error or disconnect/reset before headers. reset reason: overflow" as StaticString),
            details: Bytes("upstream_reset_before_response_started{overflow}" as StaticString), flags: .upstreamOverflow
        ) { head in head.append(.xEnvoyOverloaded, Bytes("true" as StaticString)) }
    }

    // HOT: per message.
    private func setTimeouts(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        var timeout = route.pointee.timeoutMs
        if let asked = stream.pointee.request.value(of: .xEnvoyUpstreamRqTimeoutMs) {
            if let ms = asked.decimal { timeout = ms }
            stream.pointee.request.remove(.xEnvoyUpstreamRqTimeoutMs)
        }
        if let retry = route.pointee.retry { stream.pointee.perTryTimeoutMs = retry.pointee.perTryTimeoutMs }
        if let asked = stream.pointee.request.value(of: .xEnvoyUpstreamRqPerTryTimeoutMs) {
            if let ms = asked.decimal { stream.pointee.perTryTimeoutMs = ms }
            stream.pointee.request.remove(.xEnvoyUpstreamRqPerTryTimeoutMs)
        }
        stream.pointee.timeoutMs = timeout
        if timeout != 0 {
            // The clock of the route's timeout starts when the whole request is here.
            if stream.pointee.requestEnded { stream.pointee.timeoutAtMs = nowMs &+ timeout }
        }
        var expected = stream.pointee.perTryTimeoutMs != 0 && stream.pointee.perTryTimeoutMs < max(timeout, 1)
            ? stream.pointee.perTryTimeoutMs : timeout
        if timeout == 0 { expected = stream.pointee.perTryTimeoutMs }
        if expected != 0, !stream.pointee.http.pointee.suppressEnvoyHeaders {
            var digits = DecimalText(expected)
            stream.pointee.request.set(.xEnvoyExpectedRqTimeoutMs, digits.bytes())
        }
        armStreamTimer(stream)
    }

    // HOT: per frame.
    func forwardRequestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        guard !stream.pointee.hasResponseHead || stream.pointee.upstream != .none else { return }
        if let upstream = connections.slab[stream.pointee.upstream], stream.pointee.requestBody.isEmpty,
            !stream.pointee.isUpgrade || stream.pointee.isTunnel
        {
            guard queue(part, buffer, on: upstream, chunked: stream.pointee.requestIsChunked && !stream.pointee.isTunnel)
            else { return upstreamReset(stream, .memory) }
            countUpstreamBody(stream, part.count)
            if upstream.pointee.out.count > upstreamLimit(stream) { pauseDownstream(stream) }
        } else {
            guard keep(part, buffer, in: &stream.pointee.requestBody) else { return resetDownstream(stream) }
            let limit = stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
            if stream.pointee.requestBody.count > limit { pauseDownstream(stream) }
        }
        if endStream { forwardRequestEnd(stream) }
    }

    func forwardRequestQueue(_ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) {
        if connections.slab[stream.pointee.upstream] == nil || (stream.pointee.isUpgrade && !stream.pointee.isTunnel) {
            stream.pointee.requestBody.append(moving: &data)
        } else {
            while let part = data.first, !data.isEmpty {
                forwardRequestData(stream, part, nil, endStream: false)
                data.consume(part.count, memory)
            }
            data.removeAll(memory)
        }
        if endStream { forwardRequestEnd(stream) }
    }

    // HOT: per message.
    func forwardRequestEnd(_ stream: StreamPointer) {
        stream.pointee.requestEnded = true
        if stream.pointee.timeoutMs != 0, stream.pointee.timeoutAtMs == 0 {
            stream.pointee.timeoutAtMs = nowMs &+ stream.pointee.timeoutMs
            armStreamTimer(stream)
        }
        guard let upstream = connections.slab[stream.pointee.upstream] else { return }
        sendRequestEnd(stream, upstream)
    }

    private func upstreamLimit(_ stream: StreamPointer) -> Int {
        cluster(stream.pointee.clusterSlot)?.pointee.config.pointee.bufferLimit ?? 1 << 20
    }

    // MARK: Back-pressure

    func pauseDownstream(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream], !connection.pointee.isPaused else { return }
        count(stream.pointee.http.pointee.stats, .downstreamFlowControlPausedReadingTotal)
        connections.pause(connection)
    }

    func resumeDownstreamReading(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream], connection.pointee.isPaused else { return }
        count(stream.pointee.http.pointee.stats, .downstreamFlowControlResumedReadingTotal)
        connections.receive(connection)
    }

    // HOT: per frame.
    /// The client reads more slowly than the upstream answers: stop reading the upstream.
    func watchDownstreamQueue(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream],
            connection.pointee.out.count > stream.pointee.http.pointee.bufferLimit
        else { return }
        connection.pointee.isAboveHigh = true
        pauseUpstream(stream)
    }

    func pauseUpstream(_ stream: StreamPointer) {
        guard let upstream = connections.slab[stream.pointee.upstream], !upstream.pointee.isPaused else { return }
        upstreamCounted(upstream, .upstreamFlowControlPausedReadingTotal, 1)
        connections.pause(upstream)
    }

    func resumeUpstreamReading(_ stream: StreamPointer) {
        guard let upstream = connections.slab[stream.pointee.upstream], upstream.pointee.isPaused else { return }
        upstreamCounted(upstream, .upstreamFlowControlResumedReadingTotal, 1)
        connections.receive(upstream)
    }

    // MARK: No route, redirects

    private func noRoute(_ stream: StreamPointer) {
        if stream.pointee.routeResult?.outcome == .requireTLS { return redirectToHTTPS(stream) }
        cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.noRoute.rawValue)
        if stream.pointee.isConnect { stream.pointee.closesDownstream = true }
        reply(
            stream, status: 404, body: .empty, details: Bytes("route_not_found" as StaticString), flags: .noRouteFound)
    }

    // MARK: Failures

    func routeTimedOut(_ stream: StreamPointer) {
        if let cluster = cluster(stream.pointee.clusterSlot) {
            count(cluster.pointee.config.pointee.stats, .upstreamRqTimeout)
        }
        if let host = hosts[stream.pointee.host] {
            cells.increment(host.pointee.config.stats &+ HostStat.rqTimeout.rawValue)
        }
        stream.pointee.flags.insert(.upstreamRequestTimeout)
        if stream.pointee.hasResponseHead {
            stream.pointee.details = Bytes("response_timeout" as StaticString)
            return resetDownstream(stream)
        }
        countUpstreamStatus(stream, 504)
        reply(
            stream, status: 504, body: Bytes("upstream request timeout" as StaticString),
            details: Bytes("response_timeout" as StaticString), flags: .upstreamRequestTimeout)
    }

    func perTryTimedOut(_ stream: StreamPointer) {
        if let cluster = cluster(stream.pointee.clusterSlot) {
            count(cluster.pointee.config.pointee.stats, .upstreamRqPerTryTimeout)
        }
        if stream.pointee.hasResponseHead { return }
        countUpstreamStatus(stream, 504)
        reply(
            stream, status: 504, body: Bytes("upstream request timeout" as StaticString),
            details: Bytes("response_timeout" as StaticString), flags: .upstreamRequestTimeout)
    }

    /// Why an upstream request ended without its response.
    enum UpstreamFailure {
        case connectFailed(Int32), connectTimedOut, terminated, remoteReset, protocolError, memory
    }

    /// The upstream failed: a reply of ours, or, behind the response's head, the end of the client's connection.
    func upstreamReset(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        guard !stream.pointee.isDestroyed else { return }
        let (flags, status, reason) = Worker.outcome(failure)
        if case .connectFailed(let error) = failure { stream.pointee.upstreamErrno = error }
        stream.pointee.flags.formUnion(flags)
        if stream.pointee.hasResponseHead {
            if let details = Worker.startedDetails(failure) { stream.pointee.details = Bytes(details) }
            cells.increment(
                stream.pointee.http.pointee.routerStats
                    &+ RouterStat.rqResetAfterDownstreamResponseStarted.rawValue)
            return resetDownstream(stream)
        }
        if let host = hosts[stream.pointee.host] {
            cells.increment(host.pointee.config.stats &+ HostStat.rqError.rawValue)
        }
        countUpstreamStatus(stream, status)
        reply(
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
