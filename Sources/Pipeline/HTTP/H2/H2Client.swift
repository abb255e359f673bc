// An upstream HTTP/2 connection: many requests at a time, each on a stream of its own. Which connection a request goes to
// is `H2Pool`'s.

import CNghttp2
import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// A connection to a host, under way; nil: none could be had.
    func openHTTP2Client(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority, for stream: StreamPointer
    ) -> UnsafeMutablePointer<H2Session>? {
        let identity = unsafe identity(stream, cluster.pointee.config, cluster.pointee.config.pointee.transport(of: host.pointee.config))
        guard let connection = unsafe connect(to: host, cluster, role: .http2Upstream, priority: priority, identity) else { return nil }
        let config = unsafe cluster.pointee.config
        guard let options = unsafe config.pointer(to: \.http2),
            let session = unsafe openSession(connection, options: options, isServer: false, stats: config.pointee.http2Stats)
        else {
            unsafe closeUpstream(connection)
            return nil
        }
        unsafe session.pointee.pool.isConnecting = true
        unsafe session.pointee.pool.key = unsafe stream.pointee.poolKey
        unsafe session.pointee.pool.drains = unsafe host.pointee.drains
        unsafe session.pointee.pool.streamsMax = unsafe min(options.pointee.concurrentStreamsMax, Worker.streamsBeforeSettings)
        unsafe host.pointee.http2ConnectingCount &+= 1
        if unsafe isAuto(cluster) { unsafe session.pointee.pool.isAuto = true } else { unsafe countOpened(session, config) }
        if unsafe config.pointee.connectionDurationMaxMs != 0 {
            unsafe session.pointee.pool.closeAtMs = unsafe nowMs &+ config.pointee.connectionDurationMaxMs
                &+ chance(config.pointee.connectionDurationJitterMs)
        }
        unsafe noteCapacity(session, host)
        return unsafe session
    }

    /// It is one of HTTP/2.
    func countOpened(_ session: UnsafeMutablePointer<H2Session>, _ config: UnsafePointer<ClusterConfig>) {
        unsafe count(config.pointee.stats, .upstreamCxHttp2Total)
        unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.nghttp2UpstreamConnections.rawValue)
    }

    func http2Connected(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe upstreamConnected(connection)
        guard let session = unsafe h2.sessions[connection.pointee.session], let host = unsafe hosts[connection.pointee.host] else {
            unsafe closeUpstream(connection)
            return
        }
        unsafe session.pointee.pool.isConnecting = false
        unsafe session.pointee.pool.localAddress = unsafe SocketAddress(localOf: connection.pointee.descriptor)
        unsafe host.pointee.http2ConnectingCount &-= 1
        guard unsafe staysHTTP2(session, connection, host) else { return }
        unsafe noteCapacity(session, host)
        unsafe connections.receive(connection)
        unsafe beginKeepalive(session)
        unsafe armHTTP2ClientTimer(session, connection)
        unsafe markDue(session)
        let handle = unsafe session.pointee.handle
        unsafe readyHTTP2(session, connection, host)
        // The hosts have changed meanwhile, and nobody waits for it any more.
        guard unsafe h2.sessions[handle] == session, unsafe session.pointee.pool.isDraining, unsafe session.pointee.streamCount == 0 else { return }
        unsafe closeHTTP2Client(session, connection, byPeer: false)
    }

    func http2ConnectFailed(_ connection: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        let host = unsafe connection.pointee.host
        var key: UInt64 = 0
        if let session = unsafe h2.sessions[connection.pointee.session] {
            key = unsafe session.pointee.pool.key
            unsafe closeSession(session)
        }
        unsafe connection.pointee.session = .none
        if let host = unsafe hosts[host] { unsafe host.pointee.http2ConnectingCount &-= 1 }
        let reason: UpstreamFailure
        switch failure {
        case .refused(let error): reason = .connectFailed(error)
        case .timedOut: reason = .connectTimedOut
        case .handshake(let text): reason = .handshakeFailed(text)
        }
        // The streams stay counted on the host until they are told, so the host outlives this.
        if let host = unsafe hosts[host] { unsafe failPending(host, reason, key, http2: true) }
        unsafe upstreamConnectFailed(connection, failure)
    }

    // MARK: Request

    // HOT: per message.
    /// The stream's request goes out on this connection. False: the cluster has as many as it may have, and the stream is
    /// answered.
    func attach(
        _ stream: StreamPointer, _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        // `connection_idle_interval`: whether the peer is still there is asked before a request is trusted to it.
        let idleMs = unsafe session.pointee.options.pointee.pingIdleMs
        if unsafe idleMs != 0 && session.pointee.requests > 0 && nowMs >= connection.pointee.activeMs &+ idleMs { unsafe ping(session) }
        guard unsafe beginUpstreamRequest(stream, connection, host) else { return false }
        guard let entry = unsafe openH2Stream(session, id: 0, stream.pointee.handle) else {
            // Without an entry it would leave the connection as one of HTTP/1.
            unsafe stream.pointee.upstream = .none
            unsafe upstreamReset(stream, .memory)
            return true
        }
        unsafe stream.pointee.upstreamCodec = unsafe entry.pointee.handle
        unsafe stream.pointee.upstreamIsHTTP2 = true
        if unsafe stream.pointee.metersWire { unsafe session.pointee.metersWire = true }
        unsafe stream.pointee.upstreamLocalAddress = unsafe session.pointee.pool.localAddress
        unsafe session.pointee.requests &+= 1
        unsafe session.pointee.guards.openedStreams &+= 1
        if unsafe stream.pointee.requestEndForwarded { unsafe beginTryTimeouts(stream) }
        unsafe http2SendRequestHead(stream, session, entry)
        return true
    }

    // HOT: per message.
    private func http2SendRequestHead(_ stream: StreamPointer, _ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>) {
        let isUpgrade = unsafe stream.pointee.isUpgrade
        let upgrade = unsafe isUpgrade && !stream.pointee.isConnect ? stream.pointee.request.value(of: .upgrade) : nil
        let length = unsafe isUpgrade || stream.pointee.requestIsChunked ? nil : stream.pointee.requestLength
        unsafe h2.fields.request(stream.pointee.request, length: length, connectProtocol: upgrade)
        if unsafe stream.pointee.metersWire { unsafe stream.pointee.upstreamMeter.plainSent &+= plainBytes() }
        unsafe stream.pointee.requestLeft = length
        let ends = unsafe !isUpgrade && stream.pointee.requestEndForwarded && stream.pointee.waitingBody.isEmpty
            && stream.pointee.requestTrailers == nil && !(session.pointee.options.pointee.allowMetadata && !stream.pointee.metadata.isNone)
        let id = unsafe martlet_h2_request(
            session.pointee.codec, h2.fields.base, h2.fields.count, ends ? 1 : 0, entry.pointee.handle.raw, Worker.readBody)
        guard id > 0 else {
            // Out of memory: nothing of it was sent, and nghttp2 knows no stream whose end it could tell. Without any other the
            // connection has to be closed from here (`pump`).
            let handle = unsafe entry.pointee.handle
            unsafe entry.pointee.isReset = true
            unsafe retire(session, hosts[stream.pointee.host])
            unsafe markDue(session)
            unsafe upstreamReset(stream, .refused)
            if let entry = unsafe h2.streams[handle] { unsafe freeH2Stream(entry) }
            return
        }
        unsafe entry.pointee.id = id
        unsafe session.pointee.pool.lastID = id
        unsafe stream.pointee.requestHeadSent = true
        unsafe markDue(session)
        unsafe sendMetadata(of: stream, entry, session)
        if ends {
            unsafe entry.pointee.endsBehind = true
            unsafe stream.pointee.upstreamRequestEndNs = nowNs
            return
        }
        guard !isUpgrade else { return }
        if unsafe !stream.pointee.waitingBody.isEmpty {
            guard unsafe takeRequestLeft(stream, stream.pointee.waitingBody.count) else { return }
            unsafe countUpstreamBody(stream, stream.pointee.waitingBody.count)
            unsafe entry.pointee.out.append(moving: &stream.pointee.waitingBody)
            unsafe session.pointee.waiting.count(entry)
            if unsafe entry.pointee.out.count > upstreamLimit(stream) {
                unsafe backedUp(&entry.pointee.isAboveHigh, stream)
            } else {
                unsafe resumeDownstreamReading(stream)
            }
        }
        if unsafe stream.pointee.requestEndForwarded { unsafe http2SendRequestEnd(stream) }
    }

    // HOT: per message.
    func http2SendRequestEnd(_ stream: StreamPointer) {
        guard let entry = unsafe h2.streams[stream.pointee.upstreamCodec], unsafe !entry.pointee.endsBehind,
            unsafe stream.pointee.requestHeadSent, unsafe !stream.pointee.isUpgrade || stream.pointee.isTunnel
        else { return }
        unsafe entry.pointee.endsBehind = true
        unsafe stream.pointee.upstreamRequestEndNs = nowNs
        unsafe wake(entry)
    }

    // MARK: Response

    // HOT: per message.
    func http2ResponseHead(
        _ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ stream: StreamPointer, endStream: Bool
    ) {
        unsafe noteReceived(session, stream)
        var facts = ResponseFacts()
        facts.length = unsafe stream.pointee.responseLength
        let status = unsafe stream.pointee.response.status
        if unsafe stream.pointee.isUpgrade, status / 100 == 2, !endStream {
            facts.isTunnel = true
            facts.length = nil
            if unsafe !stream.pointee.isConnect { unsafe becomeSwitched(stream) }
        }
        if endStream {
            unsafe stream.pointee.upstreamEndNs = nowNs
            unsafe stream.pointee.timeoutAtMs = 0
        }
        unsafe upstreamResponseHead(stream, facts, endStream: endStream)
    }

    /// A 200 to an extended CONNECT is inside what 101 is in HTTP/1 (RFC 8441 §5).
    private func becomeSwitched(_ stream: StreamPointer) {
        unsafe stream.pointee.response.status = 101
        if let upgrade = unsafe stream.pointee.request.value(of: .upgrade) { unsafe stream.pointee.response.append(.upgrade, upgrade) }
        unsafe stream.pointee.response.append(.connection, Bytes("upgrade" as StaticString))
    }

    // HOT: per frame.
    func http2ResponsePart(_ session: UnsafeMutablePointer<H2Session>, _ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) {
        unsafe noteReceived(session, stream)
        unsafe stream.pointee.tryBodyReceived &+= UInt64(truncatingIfNeeded: part.count)
        guard let buffer else { return unsafe responseData(stream, part, nil, endStream: false) }
        if unsafe stream.pointee.isTunnel { return unsafe tunnelFromUpstream(stream, part, buffer) }
        unsafe responseData(stream, part, buffer, endStream: false)
    }

    private func noteReceived(_ session: UnsafeMutablePointer<H2Session>, _ stream: StreamPointer) {
        if unsafe stream.pointee.retry.perTryIdleAtMs != 0 {
            unsafe stream.pointee.retry.perTryIdleAtMs = unsafe nowMs &+ stream.pointee.retry.perTryIdleMs
        }
    }

    // HOT: per message.
    /// The response is here in full: the stream leaves its connection, then the client gets the end.
    func http2ResponseEnded(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ stream: StreamPointer) {
        guard unsafe stream.pointee.hasResponseHead || stream.pointee.isDestroyed == false else { return }
        unsafe stream.pointee.upstreamEndNs = nowNs
        unsafe stream.pointee.timeoutAtMs = 0
        if unsafe isTunnelled(stream) { return unsafe tunnelResponseEnded(stream) }
        unsafe countUpstreamTime(stream)
        unsafe releaseUpstream(stream)
        unsafe responseEnded(stream)
    }

    /// A response head beyond the limits; nghttp2 resets its stream.
    func responseHeadRefused(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ code: UInt32) {
        switch H2HeadReader.Verdict(rawValue: UInt8(truncatingIfNeeded: code)) ?? .malformed {
        case .tooLarge:
            unsafe entry.pointee.fault = .tooLarge
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.headerListSizeTooLarge.rawValue)
        case .tooMany:
            unsafe entry.pointee.fault = .tooMany
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.headerOverflow.rawValue)
        case .underscore, .malformed, .accepted, .cookies: unsafe entry.pointee.fault = .headerField
        }
        if let stream = unsafe streams[entry.pointee.stream] { unsafe stream.pointee.responseTrailers?.destroy() }
        if let stream = unsafe streams[entry.pointee.stream] { unsafe stream.pointee.responseTrailers = nil }
    }

    // MARK: The end of a stream

    /// The request leaves its stream: reset unless all is said.
    func http2LeaveUpstream(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) {
        let entry = unsafe h2.streams[stream.pointee.upstreamCodec]
        unsafe stream.pointee.upstreamCodec = .none
        unsafe stream.pointee.upstream = .none
        guard let entry = unsafe entry else { return unsafe freeIfUnused(host) }
        unsafe requestLeft(entry)
        if unsafe !entry.pointee.sawEnd || !entry.pointee.endsBehind, unsafe !entry.pointee.isReset {
            if let cluster = unsafe cluster(of: host) { unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTxReset) }
            // INTERNAL_ERROR whatever the reason, as Envoy. Its frame is made when the stream has left: it is counted here.
            if unsafe resetHTTP2(entry, H2Error.internalError) { unsafe stream.pointee.upstreamMeter.http2Sent(4, isHead: false) }
            if let session = unsafe h2.sessions[entry.pointee.session] { unsafe retireIfStuck(session, host) }
        }
    }

    /// nghttp2 is done with the stream.
    func responseClosed(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ code: UInt32) {
        unsafe entry.pointee.isReset = true
        let handle = unsafe session.pointee.handle
        if let stream = unsafe streams[entry.pointee.stream] {
            // A head beyond our limits is no breach: Envoy takes it for a reset of the host's.
            let fault = unsafe entry.pointee.fault
            let isBreach = fault == .none ? code == H2Error.protocolError : fault != .tooLarge && fault != .tooMany
            let failure: UpstreamFailure = isBreach ? .protocolError : code == H2Error.refusedStream ? .refused : .remoteReset
            if let connection = unsafe connections.slab[session.pointee.connection] {
                switch failure {
                case .remoteReset: unsafe upstreamCounted(connection, .upstreamRqRxReset, 1)
                case .protocolError: unsafe upstreamCounted(connection, .upstreamRqTxReset, 1)
                default: break
                }
            }
            unsafe upstreamReset(stream, failure)
        }
        unsafe freeH2Stream(entry)
        guard unsafe h2.sessions[handle] == session else { return }
        unsafe streamLeft(session)
    }
}
