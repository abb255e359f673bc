// What the connection manager does with a response's head before the codec writes it, and what an upstream's head means.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// An upstream has answered; the head lies in `stream.response`.
    func upstreamResponseHead(_ stream: StreamPointer, _ facts: ResponseFacts, endStream: Bool) {
        if unsafe isTunnelled(stream) { return unsafe tunnelAnswered(stream, endStream: endStream && !facts.isTunnel) }
        let status = unsafe stream.pointee.response.status
        unsafe stream.pointee.upstreamFirstByteNs = nowNs
        unsafe stream.pointee.tryStatus = status
        if unsafe stream.pointee.tracksTries { unsafe trackHead(stream) }
        unsafe stream.pointee.perTryTimeoutAtMs = 0
        unsafe stream.pointee.activeMs = nowMs
        if unsafe stream.pointee.trace != .none { unsafe noteAttempt(stream, status: status) }
        if unsafe retriesResponse(stream, facts, endStream: endStream) { return }
        if unsafe followsRedirect(stream) { return }
        unsafe RepeatedHeaders.join(stream.responseHead, isRequest: false)
        unsafe countUpstreamStatus(stream, status, of: stream.pointee.host, isAnswer: true)
        if endStream, !facts.isTunnel { unsafe countUpstreamTime(stream) }
        unsafe countHostVerdict(stream, status, endStream: endStream)
        unsafe stream.pointee.details = Bytes("via_upstream" as StaticString)
        unsafe stream.pointee.responseLength = facts.length
        unsafe stream.pointee.responseIsChunked = facts.isChunked
        let isTunnel = facts.isTunnel
        var offersUpgrade = false
        if isTunnel {
            unsafe beginTunnel(stream)
        } else if unsafe stream.pointee.isUpgrade && !isHTTP2(stream) {
            offersUpgrade = unsafe self.offersUpgrade(stream)
            // Refused: an ordinary response, and the last one here.
            if unsafe !offersUpgrade || !goesOnWithoutUpgrade(stream) { unsafe stream.pointee.closesDownstream = true }
        }
        // Of the upstream's connection; one that a route adds is meant for the client, as in Envoy.
        if unsafe stream.pointee.response.has(.keepAlive) { unsafe stream.pointee.response.remove(.keepAlive) }
        if unsafe stream.pointee.requestEnded, unsafe !stream.pointee.isUpgrade, !isTunnel, !offersUpgrade, unsafe !stream.pointee.http.pointee.suppressEnvoyHeaders {
            var digits = unsafe DecimalText((nowNs &- stream.pointee.requestEndNs) / 1_000_000)
            unsafe stream.pointee.response.set(.xEnvoyUpstreamServiceTime, digits.bytes())
        }
        unsafe addAttemptCount(stream)
        if unsafe stream.pointee.hashCookies != 0, let route = unsafe stream.pointee.route {
            unsafe setHashCookies(stream, route.pointee.hashRules)
        }
        if let route = unsafe stream.pointee.route {
            // Formats read the head that is here, though it has not passed the filters.
            unsafe stream.pointee.hasResponseHead = true
            defer { unsafe stream.pointee.hasResponseHead = false }
            if let chosen = unsafe stream.pointee.chosen {
                unsafe applyMutations(chosen.pointee.mutations.response, stream, isRequest: false)
            }
            unsafe applyMutations(route.pointee.mutations.response, stream, isRequest: false)
        }
        unsafe responseHead(stream, endStream: endStream && !isTunnel)
    }

    // HOT: per message.
    /// Whether the host did well: by the status, and for gRPC by `grpc-status` too, which mostly comes in the trailers.
    private func countHostVerdict(_ stream: StreamPointer, _ status: UInt16, endStream: Bool) {
        guard let host = unsafe hosts[stream.pointee.host] else { return }
        var isSuccess = !(500...599).contains(status)
        if isSuccess, unsafe stream.pointee.isGRPCUpstream {
            if !endStream {
                unsafe stream.pointee.successIsOpen = true
                return
            }
            isSuccess = unsafe GRPCStatus.isSuccess(stream.pointee.response)
        }
        unsafe cells.increment(host.pointee.config.stats &+ (isSuccess ? HostStat.rqSuccess : .rqError).rawValue)
    }

    // HOT: per message.
    /// The end of a gRPC response has come. Without trailers it has no status, which is an error.
    func closeHostVerdict(_ stream: StreamPointer) {
        guard unsafe stream.pointee.successIsOpen else { return }
        unsafe stream.pointee.successIsOpen = false
        guard let host = unsafe hosts[stream.pointee.host] else { return }
        let isSuccess = unsafe stream.pointee.responseTrailers.map { GRPCStatus.isSuccess($0) } ?? false
        unsafe cells.increment(host.pointee.config.stats &+ (isSuccess ? HostStat.rqSuccess : .rqError).rawValue)
    }

    /// A gRPC response was cut off behind its head.
    func hostVerdictIsError(_ stream: StreamPointer) {
        guard unsafe stream.pointee.successIsOpen else { return }
        unsafe stream.pointee.successIsOpen = false
        unsafe cells.increment(
            stream.pointee.http.pointee.routerStats &+ RouterStat.rqResetAfterDownstreamResponseStarted.rawValue)
        guard let host = unsafe hosts[stream.pointee.host] else { return }
        unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqError.rawValue)
    }

    /// `include_attempt_count_in_response`.
    func addAttemptCount(_ stream: StreamPointer) {
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.includeAttemptCountInResponse,
            unsafe stream.pointee.attempt > 0
        else { return }
        var digits = unsafe DecimalText(UInt64(stream.pointee.attempt))
        unsafe stream.pointee.response.set(.xEnvoyAttemptCount, digits.bytes())
    }

    /// An upgrade is refused, and the answer names protocols that would do (RFC 9110 §7.8: 426 has to). As in Envoy the client
    /// is told.
    private func offersUpgrade(_ stream: StreamPointer) -> Bool {
        guard unsafe !stream.pointee.isConnect, let upgrade = unsafe stream.pointee.response.value(of: .upgrade),
            let connection = unsafe stream.pointee.response.value(of: .connection)
        else { return false }
        return TokenList.contains(connection, Bytes("upgrade" as StaticString)) && !upgrade.equalsIgnoringCase(Bytes("h2c" as StaticString))
    }

    /// The request was one as any other, and the next one may follow. Not where the client has already sent what the other
    /// protocol would have begun with: that must not be read as a request.
    private func goesOnWithoutUpgrade(_ stream: StreamPointer) -> Bool {
        guard unsafe stream.pointee.requestEnded, unsafe stream.pointee.requestEndForwarded, let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session], unsafe server.pointee.pending.isEmpty
        else { return false }
        unsafe stream.pointee.isUpgrade = false
        unsafe stream.pointee.waitingBody.removeAll(memory)
        return true
    }

    // HOT: per message.
    /// Connection fields are between two neighbours, whoever has put them there: an upstream, a route or a filter. What a
    /// `Connection` names is not removed (Envoy).
    private func stripResponseHops(_ stream: StreamPointer) {
        guard unsafe stream.pointee.response.hasAny(from: .connection, through: .proxyConnection) else { return }
        if unsafe !stream.pointee.isTunnel, unsafe !stream.pointee.request.has(.upgrade) || !offersUpgrade(stream) {
            if unsafe stream.pointee.response.has(.connection) { unsafe stream.pointee.response.remove(.connection) }
            if unsafe stream.pointee.response.has(.upgrade) { unsafe stream.pointee.response.remove(.upgrade) }
        }
        // The coding is this hop's: the codec says it anew, behind the other fields.
        if unsafe stream.pointee.response.has(.transferEncoding) { unsafe stream.pointee.response.remove(.transferEncoding) }
        if unsafe stream.pointee.response.has(.proxyConnection) { unsafe stream.pointee.response.remove(.proxyConnection) }
    }

    // HOT: per message.
    /// Last touches on any response: `date`, `server`, `connection`.
    func finaliseResponse(_ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        unsafe stripResponseHops(stream)
        // RFC 9110 §6.6.1: the origin's own date is when it answered.
        if unsafe !stream.pointee.response.has(.date) { unsafe stream.pointee.response.append(.date, dateText) }
        switch unsafe http.pointee.serverAction {
        case .overwrite: unsafe stream.pointee.response.set(.server, http.pointee.serverName)
        case .appendIfAbsent:
            if unsafe !stream.pointee.response.has(.server) {
                unsafe stream.pointee.response.append(.server, http.pointee.serverName)
            }
        case .passThrough:
            break
        }
        if let id = unsafe shownRequestID(stream) { unsafe stream.pointee.response.set(.xRequestId, id) }
        if unsafe !http.pointee.via.isEmpty { unsafe appendVia(stream, http.pointee.via) }
        if unsafe stream.pointee.trace != .none { unsafe traceResponse(stream) }
        if let proxyStatus = unsafe http.pointee.proxyStatus { unsafe addProxyStatus(stream, proxyStatus) }
        if unsafe isHTTP2(stream) { return unsafe http2FinaliseResponse(stream) }
        // HTTP/1 cannot wait for the rest of a request that is answered already.
        // One that asks for a tunnel has no end.
        if unsafe !stream.pointee.requestEnded || stream.pointee.isUpgrade, unsafe !stream.pointee.isTunnel {
            unsafe stream.pointee.closesDownstream = true
            unsafe stream.pointee.delaysClose = true
            unsafe stream.pointee.respondedEarly = true
        }
        let saysClose = unsafe drainClose(stream)
        if unsafe stream.pointee.isTunnel { return }
        let isHTTP10 = unsafe stream.pointee.request.version == .http10
        if isHTTP10, unsafe stream.pointee.responseLength == nil { unsafe stream.pointee.closesDownstream = true }
        if unsafe saysClose || stream.pointee.closesDownstream {
            unsafe stream.pointee.response.append(.connection, Bytes("close" as StaticString))
        } else if isHTTP10 {
            unsafe stream.pointee.response.append(.connection, Bytes("keep-alive" as StaticString))
        }
    }

    /// `x-request-id` for the client; nil: it is not told.
    func shownRequestID(_ stream: StreamPointer) -> Bytes? {
        // Only an internal caller's `x-envoy-force-trace` is still there.
        guard unsafe stream.pointee.http.pointee.requestIDInResponse
                || (stream.pointee.isInternal && stream.pointee.request.has(.xEnvoyForceTrace)),
            unsafe !stream.pointee.requestID.isEmpty
        else { return nil }
        return unsafe stream.pointee.request.text(stream.pointee.requestID)
    }

    /// The client is asked to go elsewhere with its next request. As in Envoy that is all while the process serves on: what
    /// it has sent already, or sends before it has read this, is served until `drain_timeout` is over.
    private func drainClose(_ stream: StreamPointer) -> Bool {
        guard unsafe !stream.pointee.closesDownstream, unsafe !stream.pointee.isTunnel,
            let connection = unsafe connections.slab[stream.pointee.downstream], let server = unsafe servers[connection.pointee.session]
        else { return false }
        if drain == .none {
            if unsafe !server.pointee.isDraining {
                guard ServerHealth.shared.isFailing || draining.count > 0, unsafe discourages(connection) else { return false }
                unsafe count(stream.pointee.http.pointee.stats, .downstreamCxDrainClose)
                unsafe startDrain(server, connection)
            }
            if unsafe server.pointee.drainedAtMs != 0 { return true }
            unsafe stream.pointee.delaysClose = true
        }
        unsafe stream.pointee.closesDownstream = true
        return true
    }

    private func appendVia(_ stream: StreamPointer, _ via: Bytes) {
        guard let at = unsafe stream.pointee.response.index(of: .via) else {
            unsafe stream.pointee.response.append(.via, via)
            return
        }
        let old = unsafe stream.pointee.response.value(at)
        guard let (span, base) = unsafe stream.pointee.response.extend(old.count &+ 2 &+ via.count) else { return }
        let source = unsafe stream.pointee.response.value(at)
        unsafe base.update(from: source.base, count: source.count)
        unsafe base[source.count] = UInt8(ascii: ",")
        unsafe base[source.count &+ 1] = UInt8(ascii: " ")
        unsafe (base + source.count + 2).update(from: via.base, count: via.count)
        unsafe stream.pointee.response.setValue(at: at, span)
    }

    // HOT: per message.
    /// Health checks of this proxy that are passed on (filter health_check) say nothing of the traffic.
    /// `host`: who was asked; `.none`: nobody could be. `isAnswer`: it has answered.
    func countUpstreamStatus(_ stream: StreamPointer, _ status: UInt16, of host: Handle, isAnswer: Bool = false) {
        guard unsafe !stream.pointee.isHealthCheck, let cluster = unsafe cluster(stream.pointee.clusterSlot) else { return }
        let stats = unsafe cluster.pointee.config.pointee.stats
        count(stats, .upstreamRqCompleted)
        let host = unsafe hosts[host]
        if isAnswer { unsafe stream.pointee.saysCanary = unsafe says(stream, .xEnvoyUpstreamCanary) }
        let places = unsafe CountedPlaces(stream, host, saysCanary: isAnswer && stream.pointee.saysCanary)
        if unsafe !stream.pointee.isGRPCUpstream || !stream.pointee.router.pointee.suppressesGRPCCodes {
            cells.count(stats &+ ClusterStat.responseCodes.rawValue, responseCode: status)
        }
        cells.count(
            stats &+ (places.isInternal ? ClusterStat.internalResponseCodes : .externalResponseCodes).rawValue,
            responseCode: status)
        if places.isCanary { cells.count(stats &+ ClusterStat.canaryResponseCodes.rawValue, responseCode: status) }
        if places.route != 0 { cells.count(places.route &+ VirtualClusterStat.responseCodes.rawValue, responseCode: status) }
        if places.virtual != 0 { cells.count(places.virtual &+ VirtualClusterStat.responseCodes.rawValue, responseCode: status) }
        if places.zone != 0 { cells.count(places.zone &+ ClusterZoneStat.responseCodes.rawValue, responseCode: status) }
    }

    private func says(_ stream: StreamPointer, _ id: HeaderID) -> Bool {
        unsafe stream.pointee.response.value(of: id)?.equals(Bytes("true" as StaticString)) ?? false
    }

    // HOT: per message.
    /// The host's response is here in full. The time runs from the end of the request on, over all tries; answers of our own,
    /// and those that were cut, have none; nor has a tunnel whose client has not ended its side.
    func countUpstreamTime(_ stream: StreamPointer) {
        if unsafe stream.pointee.tracksTries { unsafe trackBudget(stream) }
        guard unsafe !stream.pointee.isHealthCheck, unsafe stream.pointee.requestEndNs != 0, unsafe stream.pointee.hedgeOf == .none,
            unsafe !stream.pointee.isTunnel || stream.pointee.requestEnded, let cluster = unsafe cluster(stream.pointee.clusterSlot)
        else { return }
        let stats = unsafe cluster.pointee.config.pointee.stats
        let places = unsafe CountedPlaces(stream, hosts[stream.pointee.host], saysCanary: stream.pointee.saysCanary)
        let elapsed = unsafe (nowNs &- stream.pointee.requestEndNs) / 1_000_000
        cells.record(stats &+ ClusterStat.upstreamRqTime.rawValue, elapsed)
        cells.record(
            stats &+ (places.isInternal ? ClusterStat.internalUpstreamRqTime : .externalUpstreamRqTime).rawValue, elapsed)
        if places.isCanary { cells.record(stats &+ ClusterStat.canaryUpstreamRqTime.rawValue, elapsed) }
        if places.route != 0 { cells.record(places.route &+ VirtualClusterStat.upstreamRqTime.rawValue, elapsed) }
        if places.virtual != 0 { cells.record(places.virtual &+ VirtualClusterStat.upstreamRqTime.rawValue, elapsed) }
        if places.zone != 0 { cells.record(places.zone &+ ClusterZoneStat.upstreamRqTime.rawValue, elapsed) }
    }
}

/// Where an answer is counted beside its cluster; first statistics, 0: nowhere.
@safe
private struct CountedPlaces {
    let isInternal: Bool
    let isCanary: Bool
    let zone: UInt32
    let route: UInt32
    let virtual: UInt32

    init(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>?, saysCanary: Bool) {
        isCanary = unsafe saysCanary || host?.pointee.config.isCanary ?? false
        isInternal = unsafe stream.pointee.isInternal
        zone = unsafe host?.pointee.config.zoneStats ?? 0
        route = unsafe stream.pointee.route?.pointee.stats ?? 0
        virtual = unsafe stream.pointee.virtualCluster?.pointee.stats ?? 0
    }
}
