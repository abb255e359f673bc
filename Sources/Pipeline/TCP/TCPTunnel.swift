// `tunneling_config` of `tcp_proxy`: a client's bytes go to an HTTP proxy inside a request, CONNECT or POST, and what that
// answers comes back as bytes (RFC 9110 §9.3.6, RFC 9113 §8.5). Here: the request, its answer, and what a failure means.
// The bytes are `TCPTunnelRelay`'s.
//
// The request is an `HTTPStream` without a client's codec; `HTTPStream.tcp` names the session. It leases its connection
// from the host's pool like any request, HTTP/1 or HTTP/2 as the cluster says. It has neither route nor filters: what the
// codecs tell of it turns off to the functions here (`isTunnelled`).

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// One attempt to have a tunnel through this host.
    func tunnel(
        _ session: TCPSessionPointer, _ config: UnsafePointer<TunnelConfig>, _ cluster: UnsafeMutablePointer<Cluster>,
        _ host: UnsafeMutablePointer<Host>
    ) {
        guard let stream = unsafe makeTunnelStream(session) else { return unsafe tcpTryAgain(session) }
        let transport = unsafe cluster.pointee.config.pointee.transport(of: host.pointee.config)
        guard unsafe writeTunnelHead(session, stream, config, isTLS: transport.tlsSlot != noTLS) else {
            unsafe freeTunnelStream(session, stream)
            unsafe session.pointee.flags.insert(.upstreamConnectionFailure)
            return unsafe tcpTryAgain(session)
        }
        unsafe stream.pointee.host = unsafe host.pointee.handle
        unsafe stream.pointee.upstreamStartNs = nowNs
        unsafe stream.pointee.upstreamTimes = UpstreamTimes(askedNs: nowNs)
        unsafe beganRequest(host)
        unsafe stream.pointee.isCountedUpstream = true
        unsafe lease(stream, cluster, host)
    }

    private func makeTunnelStream(_ session: TCPSessionPointer) -> StreamPointer? {
        guard let http = unsafe callConfig, let stream = unsafe makeStream(http, MessageHead(pool: memory.blocks)) else { return nil }
        unsafe stream.pointee.tcp = unsafe session.pointee.handle
        unsafe stream.pointee.clusterSlot = unsafe session.pointee.clusterSlot
        unsafe stream.pointee.startNs = nowNs
        unsafe stream.pointee.activeMs = nowMs
        unsafe stream.pointee.requestHeadDone = true
        unsafe stream.pointee.requestHeadForwarded = true
        // `max_stream_duration` of the cluster is the router's.
        unsafe stream.pointee.retry.durationMs = 0
        unsafe session.pointee.stream = unsafe stream.pointee.handle
        return unsafe stream
    }

    /// False: a name that no request line can have, a value that no field can have, or no room.
    private func writeTunnelHead(
        _ session: TCPSessionPointer, _ stream: StreamPointer, _ config: UnsafePointer<TunnelConfig>, isTLS: Bool
    ) -> Bool {
        guard let client = unsafe connections.slab[session.pointee.downstream] else { return false }
        unsafe learnAddresses(client)
        let isPost = unsafe config.pointee.usesPost
        unsafe stream.pointee.request.method = isPost ? .post : .connect
        unsafe stream.pointee.request.methodText =
            unsafe stream.pointee.request.store(Bytes(isPost ? "POST" : "CONNECT" as StaticString))
        if isPost {
            unsafe stream.pointee.request.path = unsafe stream.pointee.request.store(config.pointee.postPath)
            unsafe stream.pointee.request.scheme =
                unsafe stream.pointee.request.store(Bytes(isTLS ? "https" : "http" as StaticString))
            unsafe stream.pointee.requestIsChunked = true
        } else {
            unsafe stream.pointee.isConnect = true
            unsafe stream.pointee.isUpgrade = true
        }
        if unsafe !config.pointee.requestIDHeader.isEmpty { unsafe addTunnelID(session, stream, config) }
        var isWhole = true
        unsafe withUnsafePointer(to: logInfo(session, client)) { info in
            var source = unsafe formatSource(info, host: .none, cluster: session.pointee.clusterSlot)
            unsafe source.inspection = unsafe inspection(of: client.pointee.handle)
            let host = unsafe formats.write(config.pointee.hostname, source)
            // Anything else would end the request line, or be another one's beginning.
            if host.isEmpty { isWhole = false }
            for i in 0..<host.count where host[i] <= 0x20 || host[i] == 0x7f { isWhole = false }
            unsafe stream.pointee.request.authority = unsafe stream.pointee.request.store(host)
            if unsafe !formats.apply(config.pointee.headers, to: stream.requestHead, source, isRequest: true) { isWhole = false }
        }
        return unsafe isWhole && stream.pointee.request.fits
    }

    /// `request_id_extension`: an id for each attempt, in a header and for formats.
    private func addTunnelID(_ session: TCPSessionPointer, _ stream: StreamPointer, _ config: UnsafePointer<TunnelConfig>) {
        let id = (random.next(), random.next())
        unsafe session.pointee.tunnel.requestID = id
        unsafe session.pointee.tunnel.hasRequestID = true
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { text in
            guard let base = text.baseAddress else { return }
            unsafe UUIDText.write(id.0, id.1, base)
            unsafe stream.pointee.request.append(
                name: config.pointee.requestIDHeader, value: Bytes(UnsafeRawPointer(base), 36))
        }
    }

    // MARK: The answer

    /// A 2xx, of HTTP/2 the 200 alone as in Envoy, is the tunnel; anything else is a failure of the host's.
    func tunnelAnswered(_ stream: StreamPointer, endStream: Bool) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp], let config = unsafe session.pointee.config.pointee.tunnel
        else { return }
        let status = unsafe stream.pointee.response.status
        if unsafe config.pointee.keepsHeaders { unsafe session.pointee.tunnel.keep(headers: stream.pointee.response) }
        let isGood = unsafe stream.pointee.wantsHTTP2 ? status == 200 : status / 100 == 2
        guard isGood, !endStream else {
            unsafe session.pointee.transportFailure = tunnelFailure(status)
            unsafe session.pointee.flags.insert(.upstreamConnectionFailure)
            unsafe leaveTunnel(session, stream)
            return unsafe tcpTryAgain(session)
        }
        unsafe stream.pointee.hasResponseHead = true
        if unsafe stream.pointee.isConnect {
            unsafe stream.pointee.isTunnel = true
            if unsafe !isHTTP2Upstream(stream), let upstream = unsafe connections.slab[stream.pointee.upstream],
                let client = unsafe clients[upstream.pointee.session]
            {
                unsafe client.pointee.mustClose = true
            }
        }
        unsafe tunnelEstablished(session, stream)
    }

    /// `tunnel_response:403`
    private func tunnelFailure(_ status: UInt16) -> Bytes {
        formats.text.reset()
        formats.text.put("tunnel_response:")
        formats.text.put(decimal: UInt64(status))
        return failureTexts.intern(formats.text.bytes, else: "tunnel_response")
    }

    // MARK: Failures

    /// The request ended without its response, or in the middle of it.
    func tunnelFailed(_ stream: StreamPointer, _ failure: UpstreamFailure) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp] else { return }
        if unsafe stream.pointee.hasResponseHead {
            switch failure {
            case .remoteReset, .refused: return unsafe finishTunnel(session, stream, .upstreamRemoteReset)
            default: return unsafe finishTunnel(session, stream, [])
            }
        }
        // As in Envoy an attempt that the cluster had no room for counts among the others, and sets no flag of its own.
        if case .overflow = failure {} else { unsafe session.pointee.flags.insert(.upstreamConnectionFailure) }
        switch failure {
        case .connectFailed(let error): unsafe session.pointee.upstreamErrno = error
        case .connectTimedOut: unsafe session.pointee.connectTimedOut = true
        case .handshakeFailed(let reason): unsafe session.pointee.transportFailure = reason
        default: break
        }
        // No host was tried.
        if unsafe stream.pointee.host == .none { unsafe session.pointee.host = .none }
        unsafe leaveTunnel(session, stream)
        unsafe tcpTryAgain(session)
    }

    /// The stream and what it holds of its upstream; a codec that still works on it resets it.
    func leaveTunnel(_ session: TCPSessionPointer, _ stream: StreamPointer) {
        unsafe noteTunnel(session, stream)
        unsafe session.pointee.upstreamBytesSentBefore = unsafe session.pointee.upstreamBytesSent
        unsafe session.pointee.upstreamBytesReceivedBefore = unsafe session.pointee.upstreamBytesReceived
        unsafe stream.pointee.isDestroyed = true
        unsafe releaseUpstream(stream)
        unsafe freeTunnelStream(session, stream)
    }

    private func freeTunnelStream(_ session: TCPSessionPointer, _ stream: StreamPointer) {
        unsafe session.pointee.stream = .none
        unsafe freeStream(stream)
    }

    /// What lines tell of the upstream side: all attempts together.
    func noteTunnel(_ session: TCPSessionPointer, _ stream: StreamPointer) {
        unsafe session.pointee.upstreamBytesSent =
            unsafe session.pointee.upstreamBytesSentBefore &+ stream.pointee.upstreamMeter.sent
        unsafe session.pointee.upstreamBytesReceived =
            unsafe session.pointee.upstreamBytesReceivedBefore &+ stream.pointee.upstreamMeter.received
        if unsafe stream.pointee.upstreamConnectionID != 0 {
            unsafe session.pointee.upstreamConnectionID = unsafe stream.pointee.upstreamConnectionID
        }
        // Of its connection as in Envoy only how long it was waited for.
        unsafe session.pointee.upstreamTimes = unsafe UpstreamTimes(
            askedNs: stream.pointee.upstreamTimes.askedNs, readyNs: stream.pointee.upstreamTimes.readyNs)
        if unsafe stream.pointee.upstreamTLS != nil {
            unsafe session.pointee.tunnel.tls?.release()
            unsafe session.pointee.tunnel.tls = unsafe stream.pointee.upstreamTLS?.retained()
        }
    }
}
