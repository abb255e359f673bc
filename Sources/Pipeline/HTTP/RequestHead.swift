// What the connection manager does with a request's head before any filter sees it: refuse what may not pass, normalise,
// and say who asked (`x-forwarded-*`, `x-request-id`). The order of the steps is Envoy's; peers can see it.

import Primitives
import Routing
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per message.
    func requestHeadReceived(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        let http = stream.pointee.http
        let connection = connections.slab.unchecked(server.pointee.connection.slot)
        stream.pointee.requestHeadDone = true
        server.pointee.headersDeadlineMs = 0
        server.pointee.requests &+= 1
        countRequest(stream)
        stream.pointee.requestHeadBytes = UInt64(truncatingIfNeeded: stream.pointee.request.textBytes)
        stream.pointee.startWallNs = wallNs
        stream.pointee.isHead = stream.pointee.request.method == .head
        stream.pointee.isConnect = stream.pointee.request.method == .connect
        stream.pointee.requestIsChunked = server.pointee.decoder.isChunked
        stream.pointee.requestLength = server.pointee.decoder.contentLength
        let endStream = server.pointee.decoder.endsHere
        if endStream {
            stream.pointee.requestEnded = true
            stream.pointee.requestEndNs = nowNs
        }
        stream.pointee.idleTimeoutMs = http.pointee.streamIdleTimeoutMs
        if http.pointee.requestTimeoutMs != 0, !endStream {
            stream.pointee.requestTimeoutAtMs = nowMs &+ http.pointee.requestTimeoutMs
        }
        if http.pointee.streamDurationMaxMs != 0 {
            stream.pointee.durationMaxAtMs = nowMs &+ http.pointee.streamDurationMaxMs
        }
        armStreamTimer(stream)
        if server.pointee.decoder.droppedUnderscores > 0 {
            cells.add(
                http.pointee.codecStats &+ HTTP1CodecStat.droppedHeadersWithUnderscores.rawValue,
                UInt64(server.pointee.decoder.droppedUnderscores))
        }
        if server.pointee.decoder.shouldClose || drain != .none || server.pointee.isDraining {
            stream.pointee.closesDownstream = true
            if drain != .none { count(http.pointee.stats, .downstreamCxDrainClose) }
        }
        let requestsMax = http.pointee.requestsPerConnectionMax
        if requestsMax != 0, server.pointee.requests >= requestsMax {
            stream.pointee.closesDownstream = true
            count(http.pointee.stats, .downstreamCxMaxRequestsReached)
        }
        if hasProxyConnectionClose(stream) { stream.pointee.closesDownstream = true }
        setAddresses(stream, connection)
        if stream.pointee.request.version == .http10, !server.pointee.decoder.hasHost,
            !http.pointee.defaultHost10.isEmpty
        {
            stream.pointee.request.authority = stream.pointee.request.store(http.pointee.defaultHost10)
            stream.pointee.request.append(.host, http.pointee.defaultHost10)
        } else if !server.pointee.decoder.hasHost {
            stream.pointee.closesDownstream = true
            reply(
                stream, status: 400, body: .empty, details: Bytes("missing_host_header" as StaticString), flags: [])
            return
        }
        guard upgradeAndHops(server, stream), checkPath(stream), normalise(stream) else { return }
        expectations(stream)
        forwardedHeaders(stream)
        stream.pointee.random = random.next()
        requestID(stream)
        stream.pointee.isGRPC =
            stream.pointee.request.value(of: .contentType).map { isGRPCType($0) } ?? false
        beginFilters(stream)
        if http.pointee.filterChain == 0 { chooseRoute(stream) } else { chooseRoute(stream) }
        runRequestHead(stream, endStream: endStream && !stream.pointee.isTunnelRequest)
    }

    private func isGRPCType(_ type: Bytes) -> Bool {
        let grpc = Bytes("application/grpc" as StaticString)
        guard type.hasPrefixIgnoringCase(grpc) else { return false }
        return type.count == grpc.count || type[grpc.count] == UInt8(ascii: "+") || type[grpc.count] == UInt8(ascii: ";")
    }

    private func hasProxyConnectionClose(_ stream: StreamPointer) -> Bool {
        guard let value = stream.pointee.request.value(of: .proxyConnection) else { return false }
        return TokenList.contains(value, Bytes("close" as StaticString))
    }

    // MARK: Upgrades and hop-by-hop fields

    private func upgradeAndHops(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) -> Bool {
        let isUpgrade = server.pointee.decoder.upgradeRequested
        if isUpgrade {
            stream.pointee.isUpgrade = true
        }
        guard HopByHop.strip(&stream.pointee.request, keepUpgrade: isUpgrade) else {
            stream.pointee.closesDownstream = true
            reply(
                stream, status: 400, body: .empty, details: Bytes("missing_host_header" as StaticString), flags: [])
            return false
        }
        return true
    }

    /// Whether the connection manager and the route let this upgrade pass.
    func isUpgradeAllowed(_ stream: StreamPointer) -> Bool {
        guard let type = stream.pointee.isConnect
            ? Bytes("connect" as StaticString) : stream.pointee.request.value(of: .upgrade)
        else { return false }
        if let route = stream.pointee.route {
            if contains(route.pointee.upgradesOff, type) { return false }
            if contains(route.pointee.upgradesOn, type) { return true }
        }
        return contains(stream.pointee.http.pointee.upgrades, type)
    }

    private func contains(_ names: FrozenArray<Bytes>, _ name: Bytes) -> Bool {
        for i in 0..<names.count where names[i].equalsIgnoringCase(name) { return true }
        return false
    }

    // MARK: Path and host

    private func checkPath(_ stream: StreamPointer) -> Bool {
        if stream.pointee.isConnect { return true }
        let path = stream.pointee.request.text(stream.pointee.request.path)
        guard path.isEmpty || path[0] != UInt8(ascii: "/") else { return true }
        count(stream.pointee.http.pointee.stats, .downstreamRqNonRelativePath)
        reply(
            stream, status: 404, body: .empty, details: Bytes("absolute_path_rejected" as StaticString), flags: [])
        return false
    }

    private func normalise(_ stream: StreamPointer) -> Bool {
        let http = stream.pointee.http
        if http.pointee.stripTrailingHostDot || http.pointee.stripPort != .none { stripHost(stream) }
        guard http.pointee.normalizePath || http.pointee.mergeSlashes || http.pointee.escapedSlashes != .keep else {
            return true
        }
        var options = PathOptions()
        options.normalize = http.pointee.normalizePath
        options.mergeSlashes = http.pointee.mergeSlashes
        switch http.pointee.escapedSlashes {
        case .keep: options.escapedSlashes = .keepUnchanged
        case .reject: options.escapedSlashes = .rejectRequest
        case .unescapeAndRedirect: options.escapedSlashes = .unescapeAndRedirect
        case .unescapeAndForward: options.escapedSlashes = .unescapeAndForward
        }
        switch PathNormalizer.apply(options, to: &stream.pointee.request) {
        case .forward: return true
        case .reject:
            count(http.pointee.stats, .downstreamRqFailedPathNormalization)
            reply(
                stream, status: 400, body: .empty, details: Bytes("path_normalization_failed" as StaticString),
                flags: [])
            return false
        case .redirect:
            count(http.pointee.stats, .downstreamRqRedirectedWithNormalizedPath)
            let path = stream.pointee.request.text(stream.pointee.request.path)
            reply(
                stream, status: 307, body: .empty, details: Bytes("path_normalization_failed" as StaticString),
                flags: []) { head in head.append(.location, path) }
            return false
        }
    }

    private func stripHost(_ stream: StreamPointer) {
        let http = stream.pointee.http
        var host = stream.pointee.request.text(stream.pointee.request.authority)
        let before = host.count
        if http.pointee.stripTrailingHostDot, host.count > 1, host[host.count &- 1] == UInt8(ascii: ".") {
            host = host.part(0, host.count &- 1)
        }
        if http.pointee.stripPort != .none, let parsed = HostPort(host), let port = parsed.port {
            let isMatching = port == stream.pointee.localAddress.port
            if http.pointee.stripPort == .any || isMatching { host = parsed.host }
        }
        guard host.count != before else { return }
        setAuthority(stream, host)
    }

    /// The authority and the `host` field are one thing.
    func setAuthority(_ stream: StreamPointer, _ host: Bytes) {
        let span = stream.pointee.request.store(host)
        stream.pointee.request.authority = span
        stream.pointee.request.set(.host, stream.pointee.request.text(span))
    }

    private func expectations(_ stream: StreamPointer) {
        guard stream.pointee.request.version != .http10,
            let expect = stream.pointee.request.value(of: .expect),
            expect.equalsIgnoringCase(Bytes("100-continue" as StaticString))
        else { return }
        if stream.pointee.http.pointee.proxy100Continue {
            stream.pointee.expectsContinue = true
            return
        }
        stream.pointee.request.remove(.expect)
        count(stream.pointee.http.pointee.stats, .downstreamRq1xx)
        if let connection = connections.slab[stream.pointee.downstream] {
            _ = connection.pointee.out.append(
                copying: Bytes("HTTP/1.1 100 Continue\r\n\r\n" as StaticString), memory)
            connections.markDirty(connection)
        }
    }

    // MARK: Who asked

    private func setAddresses(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.remote.family == .none { learnAddresses(connection) }
        stream.pointee.directRemoteAddress = connection.pointee.remote
        stream.pointee.remoteAddress = connection.pointee.remote
        stream.pointee.localAddress = connection.pointee.local
    }

    // HOT: per message.
    private func requestID(_ stream: StreamPointer) {
        let http = stream.pointee.http
        let old = stream.pointee.request.index(of: .xRequestId)
        if let old, !http.pointee.useRemoteAddress || http.pointee.preserveExternalRequestID || stream.pointee.isInternal {
            stream.pointee.requestID = stream.pointee.request.field(old).value
            return
        }
        guard http.pointee.generateRequestID else { return }
        guard let (span, base) = stream.pointee.request.extend(36) else { return }
        UUIDText.write(random.next(), random.next(), base)
        let name = stream.pointee.request.store(Bytes(HeaderID.xRequestId.name))
        if old != nil { stream.pointee.request.remove(.xRequestId) }
        stream.pointee.request.append(name: name, value: span, id: .xRequestId)
        stream.pointee.requestID = span
    }
}

/// A random (version 4) UUID as text; the version digit is where Envoy packs the trace reason (none: 4).
enum UUIDText {
    // HOT: per message.
    static func write(_ a: UInt64, _ b: UInt64, _ out: UnsafeMutablePointer<UInt8>) {
        var high = (a & 0xffff_ffff_ffff_0fff) | 0x4000
        var low = (b & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000
        var i = 36
        // From the last digit on: 12 of `low`, dash, 4 of `low`, dash, 4, dash, 4, dash, 8 of `high`.
        while i > 0 {
            i &-= 1
            if i == 23 || i == 18 || i == 13 || i == 8 {
                out[i] = UInt8(ascii: "-")
                continue
            }
            let nibble: UInt8
            if i > 18 {
                nibble = UInt8(truncatingIfNeeded: low & 15)
                low >>= 4
            } else {
                nibble = UInt8(truncatingIfNeeded: high & 15)
                high >>= 4
            }
            out[i] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
        }
    }
}
