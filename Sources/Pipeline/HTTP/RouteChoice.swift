// Which route, which cluster, and what the route makes of the request's head.

import Glibc
import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    private func setCertificateFlags(_ stream: StreamPointer, _ context: inout MatchContext) {
        guard let description = unsafe stream.pointee.downstreamTLS, description.hasPeerCertificate,
            let connection = unsafe connections.slab[stream.pointee.downstream], let tls = unsafe connection.pointee.tls
        else { return }
        context.flags.insert(.certificatePresented)
        if unsafe description.peerIsVerified && tls.pointee.config.pointee.validates { context.flags.insert(.certificateValidated) }
    }

    // HOT: per message.
    /// Sets `route`; nil when none matches.
    func chooseRoute(_ stream: StreamPointer) {
        let routes = unsafe stream.pointee.http.pointee.routes
        let before = unsafe stream.pointee.http.pointee.timesRoutes ? Clock.monotonicNs() : 0
        let result = unsafe matchRoute(stream, stream.pointee.request)
        if before != 0 { unsafe stream.pointee.routingNs &+= Clock.monotonicNs() &- before }
        unsafe stream.pointee.routeResult = result
        unsafe stream.pointee.route = unsafe result.outcome == .route ? routes.pointee.routes.pointer(Int(result.flatIndex)) : nil
        unsafe stream.pointee.chosen = nil
        unsafe stream.pointee.virtualCluster = nil
        if let route = unsafe stream.pointee.route {
            // Before the filters: an entry has configurations for them.
            if unsafe route.pointee.clusterChoice == .weighted { unsafe chooseEntry(stream, route) }
            unsafe setDuration(stream, route)
        }
        if let route = unsafe stream.pointee.route, let idle = unsafe route.pointee.idleTimeoutMs {
            unsafe stream.pointee.idleTimeoutMs = idle
            unsafe armStreamTimer(stream)
        }
    }

    // HOT: per message.
    /// The route of a head: the stream's own, or one that a redirect would give it.
    func matchRoute(_ stream: StreamPointer, _ head: MessageHead) -> RouteMatchResult {
        var context = unsafe MatchContext(random: stream.pointee.random)
        if let proto = head.value(of: .xForwardedProto), HTTPScheme(proto) == .https {
            context.flags.insert(.forwardedHTTPS)
        }
        if unsafe stream.pointee.isInternal { context.flags.insert(.internalRequest) }
        if unsafe stream.pointee.isTLS { unsafe setCertificateFlags(stream, &context) }
        return unsafe stream.pointee.http.pointee.routes.pointee.table.match(head, context)
    }

    /// How long the whole stream may take, by route: `grpc-timeout` where the route reads it, else its own limit.
    private func setDuration(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        if let most = unsafe route.pointee.grpcDurationMaxMs, let text = unsafe stream.pointee.request.value(of: .grpcTimeout),
            let asked = GRPCTimeout.milliseconds(text)
        {
            let offset = unsafe route.pointee.grpcDurationOffsetMs
            let bounded = most != 0 && asked > most ? most : asked
            // What is left of nothing has passed already.
            return unsafe limitDuration(stream, bounded > offset ? bounded &- offset : 0, tellsUpstream: stream.pointee.isGRPC)
        }
        if let limit = unsafe route.pointee.streamDurationMaxMs {
            if limit == 0 {
                unsafe stream.pointee.durationMaxAtMs = 0
            } else {
                unsafe limitDuration(stream, limit, tellsUpstream: stream.pointee.isGRPC)
            }
            return
        }
        let limit = unsafe stream.pointee.http.pointee.streamDurationMaxMs
        if limit != 0, unsafe route.pointee.usesStreamDuration {
            unsafe limitDuration(stream, limit, tellsUpstream: stream.pointee.isGRPC)
        }
    }

    private func limitDuration(_ stream: StreamPointer, _ limitMs: UInt64, tellsUpstream: Bool) {
        if tellsUpstream { unsafe setGRPCTimeout(stream, limitMs) }
        let limit = min(limitMs, Worker.askedTimeoutMaxMs)
        unsafe stream.pointee.durationMaxAtMs = max(nowMs, stream.pointee.startNs / 1_000_000 &+ limit)
        unsafe armStreamTimer(stream)
    }

    /// What the upstream is told.
    func setGRPCTimeout(_ stream: StreamPointer, _ milliseconds: UInt64) {
        let (value, unit) = GRPCTimeout.text(milliseconds)
        var digits = DecimalText(value, unit: unit)
        unsafe stream.pointee.request.set(.grpcTimeout, digits.bytes())
    }

    /// A filter has changed what routes look at: match again before the request goes on.
    package func clearRoute(_ stream: StreamPointer) { unsafe chooseRoute(stream) }

    // MARK: The route's changes to the head

    // HOT: per message.
    func applyRoute(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        if let chosen = unsafe stream.pointee.chosen {
            unsafe applyMutations(chosen.pointee.mutations.request, stream, isRequest: true)
            // Without a word of what it was, as in Envoy: the route's own rewrite, which comes after it, alone tells.
            if unsafe !chosen.pointee.hostRewrite.isEmpty { unsafe setAuthority(stream, chosen.pointee.hostRewrite) }
        }
        unsafe applyMutations(route.pointee.mutations.request, stream, isRequest: true)
        unsafe hostRewrites(stream, route)
        if unsafe stream.pointee.refusedField.isEmpty { unsafe pathRewrites(stream, route) }
    }

    private func hostRewrites(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        switch unsafe route.pointee.hostRewrite {
        case .none, .auto: break
        case .literal:
            unsafe rewriteHost(stream, route.pointee.hostRewriteText, route)
        case .header:
            if let host = unsafe stream.pointee.request.value(named: route.pointee.hostRewriteText), !host.isEmpty {
                unsafe rewriteHost(stream, host, route)
            }
        case .pathRegex:
            guard let rewrite = unsafe route.pointee.hostRewriteRegex else { return }
            let host = unsafe rewrite.pointee.replaceAll(
                RequestPath.withoutQuery(stream.pointee.request.text(stream.pointee.request.path)))
            if !host.isEmpty { unsafe rewriteHost(stream, host, route) }
        case .format:
            guard let format = unsafe route.pointee.hostFormat else { return }
            let source = unsafe formatSource(stream)
            let host = unsafe formats.write(format.pointee, source)
            guard RequestPath.mayStandInTarget(host) else {
                unsafe stream.pointee.refusedField = Bytes(":authority" as StaticString)
                return
            }
            if !host.isEmpty { unsafe rewriteHost(stream, host, route) }
        }
    }

    func rewriteHost(_ stream: StreamPointer, _ host: Bytes, _ route: UnsafePointer<RouteConfig>) {
        let old = unsafe stream.pointee.request.authority
        // `host` may lie in the head's text, which moves when it grows: named by its place from here on.
        let new = unsafe stream.pointee.request.store(host)
        if unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders {
            unsafe stream.pointee.request.set(.xEnvoyOriginalHost, stream.pointee.request.text(old))
        }
        if unsafe route.pointee.appendForwardedHost {
            unsafe append(stream, .xForwardedHost, stream.pointee.request.text(old), separator: ",")
        }
        unsafe setAuthority(stream, stream.pointee.request.text(new))
    }

    private func pathRewrites(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        let old = unsafe stream.pointee.request.path
        if let prefix = unsafe route.pointee.prefixRewrite {
            let matched = unsafe stream.pointee.routeResult?.matchedPathCount
            guard unsafe PathRewrite.prefix(&stream.pointee.request, matchedCount: matched, by: prefix) else { return }
        } else if let rewrite = unsafe route.pointee.regexRewrite {
            guard unsafe PathRewrite.regex(&stream.pointee.request, rewrite.pointee) else { return }
        } else if let format = unsafe route.pointee.pathFormat {
            let source = unsafe formatSource(stream)
            let path = unsafe formats.write(format.pointee, source, missing: .empty)
            guard RequestPath.mayStandInTarget(path) else {
                unsafe stream.pointee.refusedField = Bytes(":path" as StaticString)
                return
            }
            guard unsafe !path.isEmpty && PathRewrite.whole(&stream.pointee.request, by: path) else { return }
        } else {
            return
        }
        if unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders {
            unsafe stream.pointee.request.set(.xEnvoyOriginalPath, stream.pointee.request.text(old))
        }
    }

    // MARK: Replies that a route gives by itself

    func replyDirectly(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqDirectResponse.rawValue)
        var parts = unsafe LocalReplyParts(
            status: route.pointee.directStatus, body: route.pointee.directBody,
            contentType: Bytes("text/plain" as StaticString))
        if let format = unsafe route.pointee.directFormat {
            unsafe writeDirect(&parts, stream, format.pointee)
            parts.hasContentType = unsafe format.pointee.setsContentType
        }
        // As in Envoy the place of what was created, or where else to go, is the request's own.
        let hasLocation = unsafe route.pointee.directStatus == 201 || route.pointee.directStatus / 100 == 3
        let request = unsafe stream.pointee.request
        let proto = forwardedProto(request, isTLS: unsafe stream.pointee.isTLS)
        unsafe reply(
            stream, status: parts.status, body: parts.body, details: Bytes("direct_response" as StaticString), flags: []
        ) { head in
            if hasLocation { Worker.appendLocation(RedirectParts(), request, proto, &head) }
            // A format's own type stands before the length.
            if parts.hasContentType { head.append(.contentType, parts.contentType) }
        }
        if let block = parts.block { memory.blocks.free(block) }
    }

    func redirect(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        guard let redirect = unsafe route.pointee.redirect else { return }
        let path = unsafe stream.pointee.request.path
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqDirectResponse.rawValue)
        if let prefix = unsafe redirect.pointee.prefixRewrite {
            let matched = unsafe stream.pointee.routeResult?.matchedPathCount
            _ = unsafe PathRewrite.prefix(&stream.pointee.request, matchedCount: matched, by: prefix)
        } else if let rewrite = unsafe redirect.pointee.regexRewrite {
            _ = unsafe PathRewrite.regex(&stream.pointee.request, rewrite.pointee)
        }
        guard let parts = unsafe redirectParts(stream, redirect) else {
            unsafe stream.pointee.refusedField = Bytes("location" as StaticString)
            return unsafe refuseField(stream)
        }
        let request = unsafe stream.pointee.request
        // The request itself is as it came: logs show its path.
        unsafe stream.pointee.request.path = path
        let proto = forwardedProto(request, isTLS: unsafe stream.pointee.isTLS)
        unsafe reply(
            stream, status: redirect.pointee.status, body: .empty,
            details: Bytes("direct_response" as StaticString), flags: []
        ) { head in Worker.appendLocation(parts, request, proto, &head) }
    }

    /// With what `path_rewrite` makes for a path; nil: no field can have it, and without it the client would come back for ever.
    /// It lies in the request's head: the writer's memory is used again before the location is built.
    private func redirectParts(_ stream: StreamPointer, _ redirect: UnsafePointer<RedirectConfig>) -> RedirectParts? {
        var parts = unsafe redirect.pointee.parts
        guard let format = unsafe redirect.pointee.pathFormat else { return parts }
        let source = unsafe formatSource(stream)
        let path = unsafe formats.write(format.pointee, source, missing: .empty)
        guard FormatWriter.isFieldValue(path) else { return nil }
        let stored = unsafe stream.pointee.request.store(path)
        guard unsafe path.isEmpty || stream.pointee.request.fits else { return nil }
        parts.pathRedirect = unsafe stream.pointee.request.text(stored)
        return parts
    }

    private func forwardedProto(_ request: MessageHead, isTLS: Bool) -> Bytes {
        request.value(of: .xForwardedProto) ?? HTTPScheme(isTLS: isTLS).text
    }

    private static func appendLocation(_ parts: RedirectParts, _ request: MessageHead, _ proto: Bytes, _ head: inout MessageHead) {
        appendLocation(RedirectLocation.build(parts, request: request, scheme: proto, forwardedProto: proto, into: &head), &head)
    }

    private static func appendLocation(_ location: Span32, _ head: inout MessageHead) {
        let name = head.store(Bytes(HeaderID.location.name))
        head.append(name: name, value: location, id: .location)
    }

    func redirectToHTTPS(_ stream: StreamPointer) {
        unsafe cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqDirectResponse.rawValue)
        let request = unsafe stream.pointee.request
        unsafe reply(
            stream, status: 301, body: .empty, details: Bytes("direct_response" as StaticString), flags: []
        ) { head in Worker.appendLocation(RedirectLocation.https(request: request, into: &head), &head) }
    }

    // HOT: per message.
    func applyMutations(_ mutations: FrozenArray<HeaderMutation>, _ stream: StreamPointer, isRequest: Bool) {
        guard mutations.count > 0 else { return }
        let source = unsafe formatSource(stream)
        let isWhole = unsafe formats.apply(
            mutations, to: isRequest ? stream.requestHead : stream.responseHead, source, isRequest: isRequest)
        if isRequest && !isWhole { unsafe stream.pointee.refusedField = formats.refusedName }
    }
}

extension Worker {
    // HOT: per message.
    /// Mutations of a filter's own, on a head of the stream's or on its trailers.
    package func applyMutations(
        _ mutations: FrozenArray<HeaderMutation>, to head: UnsafeMutablePointer<MessageHead>, _ stream: StreamPointer,
        isRequest: Bool
    ) {
        let source = unsafe formatSource(stream)
        let isWhole = unsafe formats.apply(mutations, to: head, source, isRequest: isRequest)
        if unsafe !isWhole && head == stream.requestHead { unsafe stream.pointee.refusedField = formats.refusedName }
    }

    /// The cluster that the stream's route leads to, by name, before it is chosen for good.
    package func routeClusterName(_ stream: StreamPointer) -> Bytes? {
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward else { return nil }
        if unsafe route.pointee.clusterChoice == .header {
            return unsafe stream.pointee.request.value(named: route.pointee.clusterHeader)
        }
        _ = unsafe chooseCluster(stream, route)
        return unsafe stream.pointee.chosen?.pointee.name
    }

    /// `cluster.<name>.` of the cluster that the stream's route leads to; nil where there is none.
    package func routeClusterStatPrefix(_ stream: StreamPointer) -> Bytes? {
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward,
            let slot = unsafe chooseCluster(stream, route), let cluster = unsafe cluster(slot)
        else { return nil }
        return unsafe cluster.pointee.config.pointee.statPrefix
    }

    /// What configuration says of the cluster that the stream's route leads to.
    func routeClusterMetadata(_ stream: StreamPointer) -> FrozenMetadata? {
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward,
            let slot = unsafe chooseCluster(stream, route), let cluster = unsafe cluster(slot)
        else { return nil }
        return unsafe cluster.pointee.config.pointee.metadata
    }

    /// An address without its port, or the network that it is in with this many bits; good until the next format.
    package func text(ip address: SocketAddress, bits: UInt8?) -> Bytes {
        formats.text.reset()
        formats.text.put(ip: bits.map { address.masked(bits: $0) } ?? address)
        if let bits {
            formats.text.put(UInt8(ascii: "/"))
            formats.text.put(decimal: UInt64(bits))
        }
        return formats.text.bytes
    }

    /// What an expression gives over the stream, as a text; nil: an error. Good until the next format or expression.
    func shown(_ program: CELProgram, _ stream: StreamPointer) -> Bytes? {
        let source = unsafe formatSource(stream)
        return formats.shown(program, source)
    }

    /// A format's text over the stream; good until the next format is written.
    package func formatted(_ format: Format, _ stream: StreamPointer) -> Bytes {
        let source = unsafe formatSource(stream)
        return formats.write(format, source, missing: .empty)
    }
}

extension Bytes {
    /// Order of unsigned bytes: negative, 0, positive.
    func compare(_ other: Bytes) -> Int32 {
        let common = min(count, other.count)
        let order = unsafe memcmp(base, other.base, common)
        if order != 0 { return order }
        return count == other.count ? 0 : count < other.count ? -1 : 1
    }
}
