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
        if hasHeaders, unsafe !stream.pointee.router.pointee.strictHeaders.isEmpty {
            guard unsafe checkStrictly(stream) else { return }
        }
        unsafe beginRetries(stream, route, hasHeaders: hasHeaders)
        unsafe setTimeouts(stream, route, hasHeaders: hasHeaders)
        if unsafe route.pointee.includeAttemptCountInRequest {
            unsafe stream.pointee.request.set(.xEnvoyAttemptCount, Bytes("1" as StaticString))
        }
        // Of the first attempt, for formats in added headers.
        unsafe stream.pointee.attempt = 1
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
    func refuseField(_ stream: StreamPointer) {
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

    /// One try on one host; `attempt` is its number.
    func startAttempt(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        let stats = unsafe cluster.pointee.config.pointee.stats
        let choice = unsafe chooseHost(stream, cluster)
        if unsafe cluster.pointee.choseInPanic { count(stats, .lbHealthyPanic) }
        guard let host = unsafe choice else {
            count(stats, .upstreamCxNoneHealthy)
            return unsafe noHealthyUpstream(stream)
        }
        let isHigh = unsafe stream.pointee.route?.pointee.priority == .high
        if let pools = unsafe cluster.pointee.config.pointee.poolBreakers, unsafe !takePool(host, isHigh ? .high : .normal, pools) {
            count(stats, .upstreamCxPoolOverflow)
            return unsafe noHealthyUpstream(stream)
        }
        unsafe stream.pointee.host = unsafe host.pointee.handle
        unsafe stream.pointee.upstreamStartNs = nowNs
        unsafe stream.pointee.upstreamTimes = UpstreamTimes(askedNs: nowNs)
        unsafe forgetTry(stream)
        unsafe stream.pointee.tracksTries = unsafe cluster.pointee.config.pointee.tracksTries
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

    private func noHealthyUpstream(_ stream: StreamPointer) {
        unsafe countUpstreamStatus(stream, 503, of: .none)
        unsafe reply(
            stream, status: 503, body: Bytes("no healthy upstream" as StaticString),
            details: Bytes("no_healthy_upstream" as StaticString), flags: .noHealthyUpstream)
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
            unsafe watchWaitingBody(stream)
        }
        if endStream { unsafe forwardRequestEnd(stream) }
    }

    /// What waits for a connection is no more than the listener's limit, or a filter's own. A route's limit is for what is kept.
    private func watchWaitingBody(_ stream: StreamPointer) {
        let limit = unsafe stream.pointee.requestBufferMax ?? stream.pointee.http.pointee.bufferLimit
        if unsafe stream.pointee.waitingBody.count > limit { unsafe pauseDownstream(stream) }
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
            unsafe watchWaitingBody(stream)
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
        if unsafe stream.pointee.isConnect && !isHTTP2(stream) { unsafe stream.pointee.closesDownstream = true }
        unsafe reply(
            stream, status: 404, body: .empty, details: Bytes("route_not_found" as StaticString), flags: .noRouteFound)
    }
}
