// Redirects that are followed here: a response whose `location` names another URL never reaches the client; the request
// goes through filters and routes again with that URL (`internal_redirect_policy`).
//
// Everything is tried on a copy of the request's head. Only when policy, target route and predicates agree does the copy
// take the head's place and the stream begin anew; until then nothing has happened, and the response is passed on.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// An upstream's head: true when the redirect is followed and the response is dropped.
    func followsRedirect(_ stream: StreamPointer) -> Bool {
        guard let route = unsafe stream.pointee.route, let policy = unsafe route.pointee.internalRedirect,
            unsafe policy.pointee.follows(stream.pointee.response.status)
        else { return false }
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot) else { return false }
        let stats = unsafe cluster.pointee.config.pointee.stats
        guard unsafe redirect(stream, policy.pointee) else {
            count(stats, .upstreamInternalRedirectFailedTotal)
            return false
        }
        count(stats, .upstreamInternalRedirectSucceededTotal)
        unsafe beginRedirected(stream)
        return true
    }

    /// Puts the target's head in the place of the request's. False: nothing has happened.
    private func redirect(_ stream: StreamPointer, _ policy: InternalRedirectConfig) -> Bool {
        // What is not here in full, or not kept, cannot be sent again.
        guard unsafe stream.pointee.requestEnded, unsafe stream.pointee.retry.keepsBody, unsafe !stream.pointee.isCall,
            let location = unsafe stream.pointee.response.value(of: .location)
        else { return false }
        let stats = unsafe stream.pointee.http.pointee.routerStats
        guard let target = RedirectTarget(location) else {
            cells.increment(stats &+ RouterStat.passthroughInternalRedirectBadLocation.rawValue)
            return false
        }
        let wasHTTPS = unsafe isHTTPS(stream)
        guard let scheme = target.scheme, policy.allowsCrossScheme || wasHTTPS == (scheme == .https) else {
            cells.increment(stats &+ RouterStat.passthroughInternalRedirectUnsafeScheme.rawValue)
            return false
        }
        guard unsafe stream.pointee.redirects.count < policy.redirectsMax else {
            cells.increment(stats &+ RouterStat.passthroughInternalRedirectTooManyRedirects.rawValue)
            return false
        }
        guard var head = unsafe stream.pointee.request.copied() else { return false }
        unsafe write(target, stream, policy, wasHTTPS: wasHTTPS, into: &head)
        let result = unsafe matchRoute(stream, head)
        guard result.outcome == .route, head.fits else {
            cells.increment(stats &+ RouterStat.passthroughInternalRedirectNoRoute.rawValue)
            head.destroy()
            return false
        }
        guard unsafe accepts(policy, stream, result, wasHTTPS: wasHTTPS, isHTTPS: scheme == .https) else {
            cells.increment(stats &+ RouterStat.passthroughInternalRedirectPredicate.rawValue)
            head.destroy()
            return false
        }
        // RFC 9110 §15.4.4: 303 is answered by asking for the other resource.
        if unsafe stream.pointee.response.status == 303, head.method != .get, head.method != .head {
            head.method = .get
            head.methodText = head.store(Bytes("GET" as StaticString))
            head.remove(.contentLength)
            unsafe stream.pointee.retry.body.removeAll(memory)
            unsafe stream.pointee.requestLength = nil
            unsafe stream.pointee.requestIsChunked = false
        }
        unsafe stream.pointee.redirects.count &+= 1
        let requestID = unsafe stream.pointee.requestID
        unsafe stream.pointee.request.destroy()
        unsafe stream.pointee.request = head
        // The text was copied as it was: spans of the old head are good in the new one.
        unsafe stream.pointee.requestID = requestID
        return true
    }

    private func isHTTPS(_ stream: StreamPointer) -> Bool {
        // Over a connection without TLS nothing is, whatever `x-forwarded-proto` says.
        guard unsafe stream.pointee.isTLS else { return false }
        let request = unsafe stream.pointee.request
        return HTTPScheme(request.text(request.scheme)) == .https
    }

    private func write(
        _ target: RedirectTarget, _ stream: StreamPointer, _ policy: InternalRedirectConfig, wasHTTPS: Bool,
        into head: inout MessageHead
    ) {
        for i in 0..<policy.copiedHeaders.count {
            let name = policy.copiedHeaders[i]
            head.removeAll(named: name)
            var from = 0
            while let at = unsafe stream.pointee.response.index(named: name, from: from) {
                unsafe head.append(name: name, value: stream.pointee.response.value(at))
                from = at &+ 1
            }
        }
        let (host, path) = (head.authority, head.path)
        let prefix = Bytes(wasHTTPS ? "https://" : "http://" as StaticString)
        let length = prefix.count &+ Int(host.count) &+ Int(path.count)
        if let (span, base) = unsafe head.extend(length) {
            var out = unsafe base
            for part in [prefix, head.text(host), head.text(path)] {
                unsafe out.update(from: part.base, count: part.count)
                unsafe out += part.count
            }
            head.set(.xEnvoyOriginalURL, head.text(span))
        }
        head.scheme = head.store((target.scheme ?? .http).text)
        head.authority = head.store(target.authority)
        // A query right behind the host stays what it is, and matches no route (Envoy).
        head.path = head.store(target.path.isEmpty ? Bytes("/" as StaticString) : target.path)
    }

    // MARK: Predicates

    private func accepts(
        _ policy: InternalRedirectConfig, _ stream: StreamPointer, _ target: RouteMatchResult, wasHTTPS: Bool, isHTTPS: Bool
    ) -> Bool {
        let routes = unsafe stream.pointee.http.pointee.routes.pointee.routes
        let name = unsafe routes.pointer(Int(target.flatIndex)).pointee.name
        for i in 0..<policy.predicates.count {
            let predicate = policy.predicates[i]
            switch predicate.kind {
            case .safeCrossScheme: if isHTTPS, !wasHTTPS { return false }
            case .allowListedRoutes:
                var isListed = false
                for j in 0..<predicate.names.count where predicate.names[j].equals(name) { isListed = true }
                if !isListed { return false }
            case .previousRoutes:
                guard let from = unsafe stream.pointee.routeResult?.flatIndex else { return false }
                let fromName = unsafe routes.pointer(Int(from)).pointee.name
                let isKnown = unsafe stream.pointee.redirects.has { a, b in
                    unsafe routes.pointer(Int(a)).pointee.name.equals(fromName)
                        && routes.pointer(Int(b)).pointee.name.equals(name)
                }
                guard !isKnown, unsafe stream.pointee.redirects.note(from: from, to: target.flatIndex, memory.blocks) else {
                    return false
                }
            }
        }
        return true
    }

    // MARK: Anew

    /// The hop ends like a request that was answered, and the next one begins like a request that has come.
    private func beginRedirected(_ stream: StreamPointer) {
        let stats = unsafe stream.pointee.http.pointee.stats
        unsafe stream.pointee.hasResponseHead = true
        unsafe stream.pointee.details = Bytes("internal_redirect" as StaticString)
        unsafe stream.pointee.endNs = nowNs
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe destroyFilters(stream)
        // The hop's line names the target's route already, and no client was answered: as in Envoy.
        unsafe chooseRoute(stream)
        if let route = unsafe stream.pointee.route {
            let slot = unsafe route.pointee.action == .forward ? chooseCluster(stream, route) : nil
            unsafe stream.pointee.clusterSlot = slot ?? RouteConfig.noSlot
        }
        gauge(stats, .downstreamRqActive, -1)
        unsafe countTracing(stream, isRedirected: stream.pointee.redirects.count > 1)
        unsafe log(stream, .downstreamEnd)
        if unsafe stream.pointee.trace != .none { unsafe endTrace(stream) }
        unsafe stream.pointee.isCounted = false
        unsafe countRequest(stream)
        unsafe stream.pointee.startNs = nowNs
        unsafe stream.pointee.startWallNs = wallNs
        unsafe stream.pointee.requestEndNs = nowNs
        unsafe stream.pointee.responseBodyBytes = 0
        unsafe stream.pointee.downstreamMeter.sent = 0
        unsafe stream.pointee.downstreamMeter.headSent = 0
        unsafe stream.pointee.downstreamMeter.plainSent = 0
        unsafe stream.pointee.upstreamMeter = WireMeter()
        unsafe stream.pointee.otherTries = WireMeter()
        unsafe stream.pointee.upstreamFirstByteNs = 0
        unsafe stream.pointee.upstreamEndNs = 0
        unsafe stream.pointee.upstreamBodySent = 0
        unsafe stream.pointee.requestTrailers?.destroy()
        unsafe stream.pointee.requestTrailers = nil
        unsafe stream.pointee.responseTrailers?.destroy()
        unsafe stream.pointee.responseTrailers = nil
        unsafe stream.pointee.isHead = unsafe stream.pointee.request.method == .head
        var body = unsafe stream.pointee.retry.body
        unsafe stream.pointee.retry.body = ByteQueue()
        unsafe stream.pointee.waitingBody.removeAll(memory)
        // It is read a second time.
        unsafe stream.pointee.requestBodyBytes &+= UInt64(truncatingIfNeeded: body.count)
        if let tracing = unsafe stream.pointee.http.pointee.tracing { unsafe startTrace(stream, tracing) }
        unsafe runAgain(stream, &body)
    }
}
