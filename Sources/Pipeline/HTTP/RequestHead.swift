// What the connection manager does with a request's head before any filter sees it: refuse what may not pass, normalise,
// and say who asked (`x-forwarded-*`, `x-request-id`). The order of the steps is Envoy's; peers can see it.

import Primitives
import Routing
import Stats
import Transport
import Wire

/// What a codec tells of a request besides its head.
struct RequestFacts {
    var endStream: Bool
    var isChunked = false
    var length: UInt64?
    var hasHost = true
    var asksUpgrade = false
}

extension Worker {
    // HOT: per message.
    func requestHeadReceived(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>, _ facts: RequestFacts) {
        let http = unsafe stream.pointee.http
        unsafe stream.pointee.requestHeadDone = true
        unsafe countRequest(stream)
        unsafe RepeatedHeaders.join(stream.requestHead, isRequest: true)
        unsafe stream.pointee.startWallNs = wallNs
        unsafe stream.pointee.isHead = unsafe stream.pointee.request.method == .head
        unsafe stream.pointee.isConnect = unsafe stream.pointee.request.method == .connect
        unsafe stream.pointee.requestIsChunked = facts.isChunked
        unsafe stream.pointee.requestLength = facts.length
        let endStream = facts.endStream
        if endStream {
            unsafe stream.pointee.requestEnded = true
            unsafe stream.pointee.requestEndNs = nowNs
        }
        unsafe startClocks(stream)
        if endStream { unsafe stream.pointee.requestTimeoutAtMs = 0 }
        if unsafe hasProxyConnectionClose(stream) { unsafe stream.pointee.closesDownstream = true }
        unsafe setAddresses(stream, connection)
        // Ahead of the first answer of our own: each says it in the client's way.
        unsafe stream.pointee.isGRPC =
            unsafe stream.pointee.request.value(of: .contentType).map { GRPCContent.isGRPC($0) } ?? false
        var hasHost = facts.hasHost
        guard unsafe upgradeAndHops(stream, isUpgrade: facts.asksUpgrade, &hasHost) else { return }
        // Ahead of what is wrong with the request: Envoy says 100 before it looks.
        guard unsafe expectations(stream) else { return }
        guard unsafe checkHost(stream, hasHost), unsafe checkPath(stream), unsafe normalise(stream) else { return }
        guard unsafe forwardedHeaders(stream) else { return }
        unsafe stream.pointee.random = random.next()
        unsafe requestID(stream)
        // Behind all that a matcher may ask for: what a client says of itself is gone, what we say of it is there.
        unsafe forwardClientCertificate(stream)
        unsafe chooseRoute(stream)
        if let tracing = unsafe http.pointee.tracing { unsafe decideTracing(stream, tracing) }
        guard unsafe beginFilters(stream) else { return unsafe resetDownstream(stream) }
        let isAdmitted = unsafe admitsUpgrade(stream)
        if unsafe http.pointee.logTimes.atStart { unsafe log(stream, .downstreamStart) }
        guard isAdmitted else { return unsafe refuseUpgrade(stream) }
        if let tracing = unsafe http.pointee.tracing { unsafe startTrace(stream, tracing) }
        unsafe runRequestHead(stream, endStream: endStream && !stream.pointee.isUpgrade)
    }

    /// Timeouts that count from the request's first byte.
    func startClocks(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.clocksRun else { return }
        unsafe stream.pointee.clocksRun = true
        let http = unsafe stream.pointee.http
        unsafe stream.pointee.idleTimeoutMs = unsafe http.pointee.streamIdleTimeoutMs
        if unsafe http.pointee.requestTimeoutMs != 0 {
            unsafe stream.pointee.requestTimeoutAtMs = unsafe nowMs &+ http.pointee.requestTimeoutMs
        }
        if unsafe http.pointee.logTimes.intervalMs != 0 {
            unsafe stream.pointee.logAtMs = unsafe nowMs &+ http.pointee.logTimes.intervalMs
        }
        if unsafe http.pointee.streamDurationMaxMs != 0 {
            unsafe stream.pointee.durationMaxAtMs = unsafe nowMs &+ http.pointee.streamDurationMaxMs
        }
        unsafe armStreamTimer(stream)
    }

    private func hasProxyConnectionClose(_ stream: StreamPointer) -> Bool {
        guard let value = unsafe stream.pointee.request.value(of: .proxyConnection) else { return false }
        return TokenList.contains(value, Bytes("close" as StaticString))
    }

    // MARK: Upgrades and hop-by-hop fields

    private func upgradeAndHops(_ stream: StreamPointer, isUpgrade: Bool, _ hasHost: inout Bool) -> Bool {
        // CONNECT asks for a tunnel as an upgrade does.
        if unsafe isUpgrade || stream.pointee.isConnect { unsafe stream.pointee.isUpgrade = true }
        switch unsafe HopByHop.strip(&stream.pointee.request, keepUpgrade: isUpgrade) {
        case .stripped: break
        case .withoutHost:
            unsafe stream.pointee.request.authority = Span32()
            hasHost = false
        case .rejected:
            // As any other fault of the head: nothing of it is believed.
            unsafe stream.pointee.requestEnded = false
            unsafe stream.pointee.request.methodText = Span32()
            unsafe stream.pointee.request.path = Span32()
            unsafe stream.pointee.request.authority = Span32()
            if let connection = unsafe connections.slab[stream.pointee.downstream], let server = unsafe servers[connection.pointee.session] {
                unsafe requestFailed(server, stream, .connectionOption)
            } else {
                unsafe resetDownstream(stream)
            }
            return false
        }
        // A length that Connection names is not passed on: the body's end is said another way.
        if unsafe stream.pointee.requestLength != nil, unsafe !stream.pointee.request.has(.contentLength) {
            unsafe stream.pointee.requestIsChunked = unsafe stream.pointee.requestLength != 0
            unsafe stream.pointee.requestLength = nil
        }
        return true
    }

    /// Decided before any filter sees the request: one that is allowed counts, whatever comes of it. Without a route it is
    /// the missing route that answers.
    private func admitsUpgrade(_ stream: StreamPointer) -> Bool {
        guard unsafe stream.pointee.isUpgrade else { return true }
        guard unsafe isUpgradeAllowed(stream) else { return unsafe stream.pointee.route == nil }
        unsafe countUpgrade(stream)
        return true
    }

    /// What the client may send behind it is no request (Envoy: a second one could be smuggled there).
    private func refuseUpgrade(_ stream: StreamPointer) {
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqWsOnNonWsRoute)
        unsafe stream.pointee.closesDownstream = true
        unsafe reply(stream, status: 403, body: .empty, details: Bytes("upgrade_failed" as StaticString), flags: [])
    }

    /// Whether the connection manager and the route let this upgrade pass.
    private func isUpgradeAllowed(_ stream: StreamPointer) -> Bool {
        guard let type = unsafe stream.pointee.isConnect
            ? Bytes("connect" as StaticString) : stream.pointee.request.value(of: .upgrade)
        else { return false }
        if let route = unsafe stream.pointee.route {
            if unsafe contains(route.pointee.upgradesOff, type) { return false }
            if unsafe contains(route.pointee.upgradesOn, type) { return true }
        }
        return unsafe contains(stream.pointee.http.pointee.upgrades, type)
    }

    private func contains(_ names: FrozenArray<Bytes>, _ name: Bytes) -> Bool {
        for i in 0..<names.count where names[i].equalsIgnoringCase(name) { return true }
        return false
    }

    // MARK: Path and host

    private func checkHost(_ stream: StreamPointer, _ hasHost: Bool) -> Bool {
        if hasHost { return true }
        let http = unsafe stream.pointee.http
        if unsafe stream.pointee.request.version == .http10, unsafe !http.pointee.defaultHost10.isEmpty {
            unsafe setAuthority(stream, http.pointee.defaultHost10)
            return true
        }
        unsafe reply(stream, status: 400, body: .empty, details: Bytes("missing_host_header" as StaticString), flags: [])
        return false
    }

    private func checkPath(_ stream: StreamPointer) -> Bool {
        if unsafe stream.pointee.isConnect { return true }
        let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
        guard path.isEmpty || path[0] != UInt8(ascii: "/") else { return true }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqNonRelativePath)
        unsafe reply(
            stream, status: 404, body: .empty, details: Bytes("absolute_path_rejected" as StaticString), flags: [])
        return false
    }

    private func normalise(_ stream: StreamPointer) -> Bool {
        let http = unsafe stream.pointee.http
        unsafe HeadNormalizer.host(http, &stream.pointee.request, localPort: stream.pointee.localAddress.port)
        switch unsafe HeadNormalizer.path(http, &stream.pointee.request) {
        case .unchanged, .changed: return true
        case .rejected: return unsafe refusePath(stream)
        case .redirect:
            // A client of gRPC follows none.
            if unsafe stream.pointee.isGRPC { return unsafe refusePath(stream) }
            unsafe count(http.pointee.stats, .downstreamRqRedirectedWithNormalizedPath)
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            unsafe reply(
                stream, status: 307, body: .empty, details: Bytes("path_normalization_failed" as StaticString),
                flags: []) { head in head.append(.location, path) }
            return false
        }
    }

    private func refusePath(_ stream: StreamPointer) -> Bool {
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqFailedPathNormalization)
        unsafe reply(
            stream, status: 400, body: .empty, details: Bytes("path_normalization_failed" as StaticString), flags: [])
        return false
    }

    /// The authority stands for the `host` field, which is no field of the head: the codec writes it.
    func setAuthority(_ stream: StreamPointer, _ host: Bytes) {
        unsafe stream.pointee.request.authority = unsafe stream.pointee.request.store(host)
    }

    private func expectations(_ stream: StreamPointer) -> Bool {
        guard let expect = unsafe stream.pointee.request.value(of: .expect),
            expect.equalsIgnoringCase(Bytes("100-continue" as StaticString))
        else { return true }
        // RFC 9110 §10.1.1: of HTTP/1.0 it is ignored, and goes no further.
        if unsafe stream.pointee.request.version == .http10 {
            unsafe stream.pointee.request.remove(.expect)
            return true
        }
        // The host says it.
        if unsafe stream.pointee.http.pointee.proxy100Continue { return true }
        unsafe stream.pointee.request.remove(.expect)
        return unsafe sendContinue(stream)
    }

    // MARK: Who asked

    func setAddresses(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        if unsafe connection.pointee.remote.family == .none { unsafe learnAddresses(connection) }
        unsafe stream.pointee.isInspected = unsafe !connection.pointee.inspection.isNone
        unsafe stream.pointee.directRemoteAddress = unsafe connection.pointee.remote
        unsafe stream.pointee.remoteAddress = unsafe connection.pointee.remote
        unsafe stream.pointee.localAddress = unsafe connection.pointee.local
        guard unsafe connection.pointee.tls != nil, unsafe stream.pointee.downstreamTLS == nil else { return }
        unsafe stream.pointee.isTLS = true
        unsafe stream.pointee.securedNs = unsafe connection.pointee.securedNs
        unsafe stream.pointee.downstreamTLS = unsafe connections.description(of: connection)?.retained()
    }

    // HOT: per message.
    private func requestID(_ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        let old = unsafe stream.pointee.request.index(of: .xRequestId)
        if let old, unsafe !stream.pointee.request.value(old).isEmpty,
            unsafe !http.pointee.useRemoteAddress || http.pointee.preserveExternalRequestID || stream.pointee.isInternal
        {
            unsafe stream.pointee.requestID = unsafe stream.pointee.request.field(old).value
            // Whether a request from outside is traced, is not for its sender to say.
            if unsafe http.pointee.useRemoteAddress && !stream.pointee.isInternal { unsafe pack(.notTraceable, stream) }
            return
        }
        guard unsafe http.pointee.generateRequestID else { return }
        guard let (span, base) = unsafe stream.pointee.request.extend(36) else { return }
        unsafe UUIDText.write(random.next(), random.next(), base)
        if let old {
            unsafe stream.pointee.request.setValue(at: old, span)
        } else {
            let name = unsafe stream.pointee.request.store(Bytes(HeaderID.xRequestId.name))
            unsafe stream.pointee.request.append(name: name, value: span, id: .xRequestId)
        }
        unsafe stream.pointee.requestID = span
    }
}
