// Which route, which cluster, and what the route makes of the request's head.

import Glibc
import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// Sets `route`; nil when none matches.
    func chooseRoute(_ stream: StreamPointer) {
        var context = MatchContext(random: stream.pointee.random)
        if let proto = stream.pointee.request.value(of: .xForwardedProto),
            proto.equalsIgnoringCase(Bytes("https" as StaticString))
        {
            context.flags.insert(.forwardedHTTPS)
        }
        if stream.pointee.isInternal { context.flags.insert(.internalRequest) }
        let routes = stream.pointee.http.pointee.routes
        let result = routes.pointee.table.match(stream.pointee.request, context)
        stream.pointee.routeResult = result
        stream.pointee.route = result.outcome == .route ? routes.pointee.routes.pointer(Int(result.flatIndex)) : nil
        if let route = stream.pointee.route, let idle = route.pointee.idleTimeoutMs {
            stream.pointee.idleTimeoutMs = idle
            armStreamTimer(stream)
        }
    }

    /// A filter has changed what routes look at: match again before the request goes on.
    package func clearRoute(_ stream: StreamPointer) { chooseRoute(stream) }

    // HOT: per message.
    /// The cluster's slot, or nil when the route names none that exists.
    func chooseCluster(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) -> UInt32? {
        let clusters = route.pointee.clusters
        switch route.pointee.clusterChoice {
        case .single:
            stream.pointee.chosen = clusters.pointer(0)
            return slot(clusters[0])
        case .header:
            guard let name = stream.pointee.request.value(named: route.pointee.clusterHeader) else { return nil }
            return clusterSlot(named: name)
        case .weighted:
            let total = clusters[clusters.count &- 1].cumulativeWeight
            var ticket = stream.pointee.random
            if !route.pointee.clusterHeader.isEmpty,
                let value = stream.pointee.request.value(named: route.pointee.clusterHeader)?.decimal
            {
                ticket = value
            }
            ticket = total == 0 ? 0 : ticket % total
            var i = 0
            while i &+ 1 < clusters.count, clusters[i].cumulativeWeight <= ticket { i &+= 1 }
            stream.pointee.chosen = clusters.pointer(i)
            if !clusters[i].header.isEmpty {
                guard let name = stream.pointee.request.value(named: clusters[i].header) else { return nil }
                return clusterSlot(named: name)
            }
            return slot(clusters[i])
        }
    }

    private func slot(_ cluster: RouteCluster) -> UInt32? {
        cluster.slot != RouteConfig.noSlot ? cluster.slot : clusterSlot(named: cluster.name)
    }

    /// Binary search in the plan's sorted names.
    func clusterSlot(named name: Bytes) -> UInt32? {
        guard let plan = currentPlan else { return nil }
        let names = plan.pointee.clusterNames
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low &+ high) >> 1
            let order = names[middle].name.compare(name)
            if order == 0 { return names[middle].slot }
            if order < 0 { low = middle &+ 1 } else { high = middle }
        }
        return nil
    }

    // MARK: The route's changes to the head

    // HOT: per message.
    func applyRoute(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        if let chosen = stream.pointee.chosen {
            applyMutations(chosen.pointee.mutations.request, stream, isRequest: true)
            if !chosen.pointee.hostRewrite.isEmpty { rewriteHost(stream, chosen.pointee.hostRewrite, route) }
        }
        applyMutations(route.pointee.mutations.request, stream, isRequest: true)
        hostRewrites(stream, route)
        pathRewrites(stream, route)
    }

    private func hostRewrites(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        switch route.pointee.hostRewrite {
        case .none, .auto: break
        case .literal:
            if stream.pointee.chosen?.pointee.hostRewrite.isEmpty ?? true {
                rewriteHost(stream, route.pointee.hostRewriteText, route)
            }
        case .header:
            if let host = stream.pointee.request.value(named: route.pointee.hostRewriteText), !host.isEmpty {
                rewriteHost(stream, host, route)
            }
        case .pathRegex:
            guard let rewrite = route.pointee.hostRewriteRegex else { return }
            let path = PathQuery(stream.pointee.request.text(stream.pointee.request.path)).path
            replaced(rewrite, path) { host in rewriteHost(stream, host, route) }
        }
    }

    func rewriteHost(_ stream: StreamPointer, _ host: Bytes, _ route: UnsafePointer<RouteConfig>) {
        let old = stream.pointee.request.authority
        stream.pointee.request.set(.xEnvoyOriginalHost, stream.pointee.request.text(old))
        if route.pointee.appendForwardedHost {
            append(stream, .xForwardedHost, stream.pointee.request.text(old), separator: ",")
        }
        setAuthority(stream, host)
    }

    private func pathRewrites(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        let old = stream.pointee.request.path
        if let prefix = route.pointee.prefixRewrite {
            let matched = min(Int(stream.pointee.routeResult?.matchedPathCount ?? 0), Int(old.count))
            let rest = Int(old.count) &- matched
            guard let (span, base) = stream.pointee.request.extend(prefix.count &+ rest) else { return }
            base.update(from: prefix.base, count: prefix.count)
            (base + prefix.count).update(
                from: stream.pointee.request.text(old).base + matched, count: rest)
            setPath(stream, span, old)
        } else if let rewrite = route.pointee.regexRewrite {
            let parts = PathQuery(stream.pointee.request.text(old))
            replaced(rewrite, parts.path) { path in
                let query = PathQuery(stream.pointee.request.text(old)).query
                let extra = query.map { $0.count &+ 1 } ?? 0
                guard let (span, base) = stream.pointee.request.extend(path.count &+ extra) else { return }
                base.update(from: path.base, count: path.count)
                if let query = PathQuery(stream.pointee.request.text(old)).query {
                    base[path.count] = UInt8(ascii: "?")
                    (base + path.count + 1).update(from: query.base, count: query.count)
                }
                setPath(stream, span, old)
            }
        }
    }

    private func setPath(_ stream: StreamPointer, _ new: Span32, _ old: Span32) {
        stream.pointee.request.path = new
        stream.pointee.request.set(.xEnvoyOriginalPath, stream.pointee.request.text(old))
    }

    /// Hands `body` the text with every match of the pattern replaced; the memory is the worker's, for the call only.
    private func replaced(_ rewrite: UnsafePointer<RegexRewrite>, _ text: Bytes, _ body: (Bytes) -> Void) {
        body(text)
    }

    // MARK: Replies that a route gives by itself

    func replyDirectly(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        cells.increment(stream.pointee.http.pointee.routerStats &+ RouterStat.rqDirectResponse.rawValue)
        reply(
            stream, status: route.pointee.directStatus, body: route.pointee.directBody,
            details: Bytes("direct_response" as StaticString), flags: [])
    }
}

extension Bytes {
    /// Order of unsigned bytes: negative, 0, positive.
    func compare(_ other: Bytes) -> Int32 {
        let common = min(count, other.count)
        let order = memcmp(base, other.base, common)
        if order != 0 { return order }
        return count == other.count ? 0 : count < other.count ? -1 : 1
    }
}
