// What the connection manager does with a response's head before the codec writes it, and what an upstream's head means.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// An upstream has answered; the head lies in `stream.response`.
    func upstreamResponseHead(_ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, endStream: Bool) {
        let status = stream.pointee.response.status
        stream.pointee.upstreamFirstByteNs = nowNs
        stream.pointee.perTryTimeoutAtMs = 0
        stream.pointee.activeMs = nowMs
        countUpstreamStatus(stream, status)
        if status >= 500, let host = hosts[stream.pointee.host] {
            cells.increment(host.pointee.config.stats &+ HostStat.rqError.rawValue)
        } else if let host = hosts[stream.pointee.host] {
            cells.increment(host.pointee.config.stats &+ HostStat.rqSuccess.rawValue)
        }
        stream.pointee.details = Bytes("via_upstream" as StaticString)
        stream.pointee.responseLength = client.pointee.decoder.contentLength
        stream.pointee.responseIsChunked = client.pointee.decoder.isChunked
        let isTunnel = client.pointee.decoder.isTunnel
        if isTunnel {
            beginTunnel(stream, client)
        } else if stream.pointee.isUpgrade {
            // Refused: an ordinary response, and the last one here.
            stream.pointee.closesDownstream = true
        }
        stripResponseHops(stream, isTunnel: isTunnel)
        if stream.pointee.requestEnded, !isTunnel, !stream.pointee.http.pointee.suppressEnvoyHeaders {
            var digits = DecimalText((nowNs &- stream.pointee.upstreamStartNs) / 1_000_000)
            stream.pointee.response.set(.xEnvoyUpstreamServiceTime, digits.bytes())
        }
        if let route = stream.pointee.route {
            if let chosen = stream.pointee.chosen {
                applyMutations(chosen.pointee.mutations.response, stream, isRequest: false)
            }
            applyMutations(route.pointee.mutations.response, stream, isRequest: false)
        }
        responseHead(stream, endStream: endStream && !isTunnel)
    }

    /// Connection fields are between two neighbours. What an upstream's `Connection` names is not removed (Envoy).
    private func stripResponseHops(_ stream: StreamPointer, isTunnel: Bool) {
        if !isTunnel {
            if stream.pointee.response.has(.connection) { stream.pointee.response.remove(.connection) }
            if stream.pointee.response.has(.upgrade) { stream.pointee.response.remove(.upgrade) }
        }
        if stream.pointee.response.has(.keepAlive) { stream.pointee.response.remove(.keepAlive) }
        if stream.pointee.response.has(.proxyConnection) { stream.pointee.response.remove(.proxyConnection) }
    }

    // HOT: per message.
    /// Last touches on any response: `date`, `server`, `connection`.
    func finaliseResponse(_ stream: StreamPointer) {
        let http = stream.pointee.http
        if stream.pointee.isLocalReply, let route = stream.pointee.route {
            applyMutations(route.pointee.mutations.response, stream, isRequest: false)
        }
        stream.pointee.response.set(.date, dateText)
        switch http.pointee.serverAction {
        case .overwrite: stream.pointee.response.set(.server, http.pointee.serverName)
        case .appendIfAbsent:
            if !stream.pointee.response.has(.server) {
                stream.pointee.response.append(.server, http.pointee.serverName)
            }
        case .passThrough:
            if stream.pointee.isLocalReply, !stream.pointee.response.has(.server) {
                stream.pointee.response.append(.server, http.pointee.serverName)
            }
        }
        if !http.pointee.via.isEmpty { appendVia(stream, http.pointee.via) }
        if http.pointee.requestIDInResponse, !stream.pointee.requestID.isEmpty {
            stream.pointee.response.set(.xRequestId, stream.pointee.request.text(stream.pointee.requestID))
        }
        if !stream.pointee.requestEnded, !stream.pointee.isTunnel, stream.pointee.isLocalReply {
            stream.pointee.closesDownstream = true
        }
        if drain != .none { stream.pointee.closesDownstream = true }
        if stream.pointee.isTunnel { return }
        let isHTTP10 = stream.pointee.request.version == .http10
        if isHTTP10, stream.pointee.responseLength == nil { stream.pointee.closesDownstream = true }
        if stream.pointee.closesDownstream {
            stream.pointee.response.append(.connection, Bytes("close" as StaticString))
        } else if isHTTP10 {
            stream.pointee.response.append(.connection, Bytes("keep-alive" as StaticString))
        }
    }

    private func appendVia(_ stream: StreamPointer, _ via: Bytes) {
        guard let at = stream.pointee.response.index(of: .via) else {
            stream.pointee.response.append(.via, via)
            return
        }
        let old = stream.pointee.response.value(at)
        guard let (span, base) = stream.pointee.response.extend(old.count &+ 2 &+ via.count) else { return }
        let source = stream.pointee.response.value(at)
        base.update(from: source.base, count: source.count)
        base[source.count] = UInt8(ascii: ",")
        base[source.count &+ 1] = UInt8(ascii: " ")
        (base + source.count + 2).update(from: via.base, count: via.count)
        stream.pointee.response.setValue(at: at, span)
    }

    // HOT: per message.
    func countUpstreamStatus(_ stream: StreamPointer, _ status: UInt16) {
        guard let cluster = cluster(stream.pointee.clusterSlot) else { return }
        let stats = cluster.pointee.config.pointee.stats
        count(stats, .upstreamRqCompleted)
        cells.count(stats &+ ClusterStat.responseCodes.rawValue, responseCode: status)
        let isInternal = stream.pointee.isInternal
        cells.count(
            stats &+ (isInternal ? ClusterStat.internalResponseCodes : .externalResponseCodes).rawValue,
            responseCode: status)
        let elapsed = (nowNs &- stream.pointee.upstreamStartNs) / 1_000_000
        cells.record(stats &+ ClusterStat.upstreamRqTime.rawValue, elapsed)
        cells.record(
            stats &+ (isInternal ? ClusterStat.internalUpstreamRqTime : .externalUpstreamRqTime).rawValue, elapsed)
    }
}
