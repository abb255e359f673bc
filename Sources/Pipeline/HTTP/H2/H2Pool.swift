// The HTTP/2 connections of a host on this worker, and which of them a request goes to: the newest that has room. A new
// one is opened when all are full, or none is there; streams wait for it in the host's line.

import CNghttp2
import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// Streams of a connection whose peer's SETTINGS have not come: what RFC 9113 §6.5.2 asks every server to allow.
    static let streamsBeforeSettings: UInt32 = 100

    // HOT: per message.
    func choosesHTTP2(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) -> Bool {
        switch unsafe cluster.pointee.config.pointee.upstreamProtocol {
        case .http1: return false
        // A CONNECT that ends here wants bytes, not frames.
        case .http2, .auto: return unsafe !stream.pointee.isTCP
        case .downstream:
            if unsafe isTunnelled(stream) { return unsafe cluster.pointee.config.pointee.tunnelsOverHTTP2 }
            return unsafe isHTTP2(stream) && !stream.pointee.isTCP
        }
    }

    // HOT: per message.
    /// False: no connection has room, and the stream has to wait.
    func leaseHTTP2(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) -> Bool {
        while let session = unsafe pooledSession(host, stream.pointee.poolKey) {
            guard unsafe hasRoom(session), let connection = unsafe connections.slab[session.pointee.connection],
                unsafe !connection.pointee.sawEnd, unsafe !connection.pointee.isClosing
            else {
                unsafe leavePool(session, host)
                continue
            }
            if unsafe attach(stream, session, connection, host) { unsafe wearOut(session, host) }
            return true
        }
        return false
    }

    // HOT: per message.
    @inline(__always)
    private func pooledSession(_ host: UnsafeMutablePointer<Host>, _ key: UInt64) -> UnsafeMutablePointer<H2Session>? {
        var session = unsafe h2.sessions[host.pointee.http2Head]
        var left = Worker.keyedSearchMax
        while let pooled = unsafe session, unsafe pooled.pointee.pool.key != key {
            left &-= 1
            unsafe session = left == 0 ? nil : h2.sessions[pooled.pointee.pool.next]
        }
        return unsafe session
    }

    /// Of connections with keys: the stream for which one has to be opened; nil: one is under way that can take it.
    private func unservedHTTP2(_ host: UnsafeMutablePointer<Host>) -> StreamPointer? {
        guard let stream = unsafe lastUnserved(host, http2: true) else { return nil }
        // One that becomes HTTP/1 takes one of them only.
        guard unsafe hasKeyedConnections(host), unsafe !host.pointee.answersHTTP1 else { return unsafe stream }
        var waiting = unsafe streams[host.pointee.pendingHead]
        while let other = unsafe waiting {
            if unsafe other.pointee.hasOwnConnection && other.pointee.poolKey == stream.pointee.poolKey { return nil }
            unsafe waiting = streams[other.pointee.nextPending]
        }
        return unsafe stream
    }

    /// Opens a connection when those under way cannot take all that wait. False: none is under way that was not before.
    @discardableResult
    func openHTTP2ForPending(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority
    ) -> Bool {
        let config = unsafe cluster.pointee.config
        var room = unsafe UInt64(config.pointee.http2.concurrentStreamsMax)
        if unsafe config.pointee.requestsPerConnectionMax != 0 { room = unsafe min(room, config.pointee.requestsPerConnectionMax) }
        if unsafe host.pointee.answersHTTP1 { room = 1 }
        let waiting = unsafe UInt64(host.pointee.pendingHTTP2Count)
        guard waiting > 0, let stream = unsafe unservedHTTP2(host) else { return false }
        guard unsafe hasKeyedConnections(host) || waiting > UInt64(host.pointee.http2ConnectingCount) &* room else { return false }
        guard unsafe takePlace(host, cluster, priority) else { return false }
        unsafe stream.pointee.hasOwnConnection = true
        if unsafe openHTTP2Client(host, cluster, priority, for: stream) != nil { return true }
        unsafe count(config.pointee.stats, .upstreamCxConnectFail)
        if unsafe host.pointee.connectionCount == 0 { unsafe failPending(host, .connectFailed(0), stream.pointee.poolKey, http2: true) }
        return false
    }

    // HOT: per message.
    /// The connection takes requests: those that wait first, then whoever asks.
    func readyHTTP2(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, _ host: UnsafeMutablePointer<Host>
    ) {
        let handle = unsafe session.pointee.handle
        let isOld = unsafe session.pointee.pool.drains != host.pointee.drains
        // One that was still opening serves those who wait for it.
        if unsafe isOld && session.pointee.streamCount > 0 { unsafe retire(session, host) }
        while unsafe hasRoom(session), let stream = unsafe firstPending(host, session.pointee.pool.key, http2: true) {
            unsafe dequeue(stream, host)
            if unsafe attach(stream, session, connection, host) { unsafe wearOut(session, host) }
            guard unsafe h2.sessions[handle] == session else { return }
        }
        if unsafe isOld || host.pointee.isRemoved { unsafe retire(session, host) }
        if unsafe hasRoom(session) { unsafe joinPool(session, host) }
    }

    private func hasRoom(_ session: UnsafeMutablePointer<H2Session>) -> Bool {
        unsafe !session.pointee.pool.isDraining && !session.pointee.isTerminated && !session.pointee.isOver
            && session.pointee.streamCount < session.pointee.pool.streamsMax
    }

    /// The last stream id of a connection, its 2^29th: as in Envoy, long before there are none any more (RFC 9113 §5.1.1).
    static let streamIDMax: Int32 = 1 << 30 &- 1

    /// `max_requests_per_connection`, or no stream ids for more.
    private func wearOut(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>) {
        guard let cluster = unsafe cluster(of: host) else { return }
        let most = unsafe cluster.pointee.config.pointee.requestsPerConnectionMax
        guard unsafe most != 0 && session.pointee.requests >= most || session.pointee.pool.lastID >= Worker.streamIDMax,
            unsafe !session.pointee.pool.isDraining
        else { return }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxMaxRequests)
        unsafe retire(session, host)
    }

    // MARK: The list

    private func joinPool(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>) {
        guard unsafe !session.pointee.pool.isPooled else { return }
        unsafe session.pointee.pool.isPooled = true
        unsafe session.pointee.pool.previous = .none
        unsafe session.pointee.pool.next = unsafe host.pointee.http2Head
        if let next = unsafe h2.sessions[host.pointee.http2Head] { unsafe next.pointee.pool.previous = unsafe session.pointee.handle }
        unsafe host.pointee.http2Head = unsafe session.pointee.handle
    }

    func leavePool(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>) {
        guard unsafe session.pointee.pool.isPooled else { return }
        unsafe session.pointee.pool.isPooled = false
        if let previous = unsafe h2.sessions[session.pointee.pool.previous] {
            unsafe previous.pointee.pool.next = unsafe session.pointee.pool.next
        } else {
            unsafe host.pointee.http2Head = unsafe session.pointee.pool.next
        }
        if let next = unsafe h2.sessions[session.pointee.pool.next] {
            unsafe next.pointee.pool.previous = unsafe session.pointee.pool.previous
        }
    }

    // MARK: What the peer says

    /// SETTINGS: the peer may allow fewer streams than configuration.
    func peerSettings(_ session: UnsafeMutablePointer<H2Session>) {
        let theirs = unsafe nghttp2_session_get_remote_settings(session.pointee.codec, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        unsafe session.pointee.pool.streamsMax = unsafe min(session.pointee.options.pointee.concurrentStreamsMax, theirs)
        guard let connection = unsafe connections.slab[session.pointee.connection], let host = unsafe hosts[connection.pointee.host]
        else { return }
        unsafe noteCapacity(session, host)
        let handle = unsafe host.pointee.handle
        unsafe readyHTTP2(session, connection, host)
        // A request that is told that it cannot be sent may end whatever it likes.
        if let host = unsafe hosts[handle], let cluster = unsafe cluster(of: host) {
            unsafe openHTTP2ForPending(host, cluster, .normal)
        }
    }

    /// GOAWAY: no more requests here; nghttp2 closes the streams that the peer has not seen (REFUSED_STREAM).
    func goawayReceived(_ session: UnsafeMutablePointer<H2Session>) {
        guard let connection = unsafe connections.slab[session.pointee.connection] else { return }
        if unsafe !session.pointee.pool.isDraining { unsafe upstreamCounted(connection, .upstreamCxCloseNotify, 1) }
        unsafe retire(session, hosts[connection.pointee.host])
        if let host = unsafe hosts[connection.pointee.host] { unsafe leavePool(session, host) }
        if unsafe isUnused(session) { unsafe closeHTTP2Client(session, connection, byPeer: false) }
    }

    /// Nobody waits for anything on it: it carries nothing, or only what its host does not take.
    func isUnused(_ session: UnsafeMutablePointer<H2Session>) -> Bool {
        unsafe session.pointee.streamCount == 0 || session.pointee.requestsUnderWay == 0 && isStuck(session)
    }

    /// A completion may stand for 256 KiB: a slow host is given time for them.
    private func isStuck(_ session: UnsafeMutablePointer<H2Session>) -> Bool {
        unsafe session.pointee.fullSinceMs != 0 && nowMs >= session.pointee.fullSinceMs &+ H2Session.stuckMs
    }

    /// A connection that is to go, and whose host takes nothing of what is left: no completion looks at it again.
    func watchIfLeft(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe !session.pointee.isServer, unsafe session.pointee.pool.isDraining, unsafe session.pointee.requestsUnderWay == 0,
            unsafe session.pointee.fullSinceMs != 0, let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        unsafe armHTTP2ClientTimer(session, connection)
    }

    /// A request is given up on a connection whose host takes nothing: it gets no other.
    func retireIfStuck(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>) {
        guard unsafe isStuck(session), unsafe !session.pointee.pool.isDraining else { return }
        unsafe leavePool(session, host)
        unsafe retire(session, host)
    }

    /// A stream has gone: there is room again, or nothing is left to wait for.
    func streamLeft(_ session: UnsafeMutablePointer<H2Session>) {
        guard let connection = unsafe connections.slab[session.pointee.connection], let host = unsafe hosts[connection.pointee.host]
        else { return }
        // It was full when the hosts changed, and so not in the pool.
        if unsafe session.pointee.pool.drains != host.pointee.drains { unsafe session.pointee.pool.isDraining = true }
        // Any other one has the more room, and counts for the same.
        if unsafe session.pointee.pool.isDraining || host.pointee.cluster.pointee.config.pointee.requestsPerConnectionMax != 0 {
            unsafe noteCapacity(session, host)
        }
        if unsafe session.pointee.pool.isDraining || session.pointee.isTerminated {
            if unsafe session.pointee.streamCount == 0, unsafe !session.pointee.isTerminated {
                return unsafe closeHTTP2Client(session, connection, byPeer: false)
            }
            if let cluster = unsafe cluster(of: host) { unsafe openHTTP2ForPending(host, cluster, .normal) }
            return
        }
        let handle = unsafe session.pointee.handle
        unsafe readyHTTP2(session, connection, host)
        guard unsafe h2.sessions[handle] == session, unsafe hasKeyedConnections(host), unsafe session.pointee.streamCount == 0,
            unsafe unservedHTTP2(host) != nil
        else { return }
        // Somebody else waits for a place.
        unsafe closeHTTP2Client(session, connection, byPeer: false)
    }

    // MARK: The end of a connection

    func http2UpstreamEnded(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let session = unsafe h2.sessions[connection.pointee.session] else {
            return unsafe closeUpstream(connection, byPeer: true)
        }
        unsafe endClient(session, connection, .terminated, byPeer: true)
    }

    /// We have ended it: the peer broke the protocol, or all is said.
    func upstreamSessionOver(_ session: UnsafeMutablePointer<H2Session>, isProtocolError: Bool) {
        guard unsafe !session.pointee.isOver, let connection = unsafe connections.slab[session.pointee.connection] else { return }
        if isProtocolError { unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1) }
        unsafe endClient(session, connection, isProtocolError ? .protocolError : .terminated, byPeer: false)
    }

    private func endClient(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, _ failure: UpstreamFailure,
        byPeer: Bool
    ) {
        unsafe session.pointee.isOver = true
        let isProtocolError: Bool = if case .protocolError = failure { true } else { false }
        let handle = unsafe session.pointee.handle
        if let host = unsafe hosts[connection.pointee.host] { unsafe leavePool(session, host) }
        var isFirst = true
        // A stream that is told leaves the list's head or stays as an entry without a request: walk by handle.
        var next = unsafe session.pointee.first
        while let entry = unsafe h2.streams[next] {
            unsafe next = entry.pointee.next
            unsafe entry.pointee.isReset = true
            guard let stream = unsafe streams[entry.pointee.stream] else { continue }
            // Envoy resets each request for an error of the protocol, and closes what has none any more.
            unsafe upstreamCounted(connection, isProtocolError ? .upstreamRqTxReset : .upstreamRqPendingFailureEject, 1)
            if isFirst, !isProtocolError {
                isFirst = false
                unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
                unsafe upstreamCounted(
                    connection, byPeer ? .upstreamCxDestroyRemoteWithActiveRq : .upstreamCxDestroyLocalWithActiveRq, 1)
            }
            unsafe upstreamReset(stream, failure)
            guard unsafe h2.sessions[handle] == session else { return }
        }
        unsafe closeHTTP2Client(session, connection, byPeer: byPeer)
    }

    /// Gives session and connection back; its requests must have been dealt with.
    func closeHTTP2Client(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, byPeer: Bool
    ) {
        if let host = unsafe hosts[connection.pointee.host] {
            unsafe leavePool(session, host)
            if unsafe session.pointee.pool.isConnecting { unsafe host.pointee.http2ConnectingCount &-= 1 }
        }
        if unsafe !session.pointee.pool.isConnecting, let cluster = unsafe clusterConfig(connection) {
            unsafe cells.record(
                cluster.pointee.config.pointee.stats &+ ClusterStat.upstreamRqPerCx.rawValue, session.pointee.requests)
        }
        // RFC 9113 §5.4.1: GOAWAY says why, where nghttp2 has written one.
        let hasLastWords = unsafe session.pointee.isTerminated && !byPeer && !connection.pointee.out.isEmpty && !isFull(connection)
        unsafe closeSession(session)
        unsafe connection.pointee.session = .none
        if hasLastWords { return unsafe closeWhenSent(connection, stallMs: 0) }
        unsafe closeUpstream(connection, byPeer: byPeer)
    }

    /// A host left the cluster: idle connections close, busy ones with their last stream.
    func drainHTTP2(_ host: UnsafeMutablePointer<Host>) {
        let handle = unsafe host.pointee.handle
        while let host = unsafe hosts[handle], let session = unsafe h2.sessions[host.pointee.http2Head] {
            unsafe leavePool(session, host)
            unsafe retire(session, host)
            if let connection = unsafe connections.slab[session.pointee.connection], unsafe isUnused(session) {
                unsafe closeHTTP2Client(session, connection, byPeer: false)
            }
        }
    }

    // MARK: Time

    func armHTTP2ClientTimer(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        guard let cluster = unsafe clusterConfig(connection) else { return }
        var deadline = UInt64.max
        func consider(_ at: UInt64) { if at != 0 { deadline = min(deadline, at) } }
        let idle = unsafe cluster.pointee.config.pointee.idleTimeoutMs
        let stuckAtMs = unsafe session.pointee.fullSinceMs == 0 ? 0 : session.pointee.fullSinceMs &+ H2Session.stuckMs
        if unsafe session.pointee.requestsUnderWay > 0 {
            if idle != 0 { consider(nowMs &+ idle) }
        } else {
            if unsafe session.pointee.pool.isDraining { consider(stuckAtMs) }
            if idle != 0 { unsafe consider(max(session.pointee.idleSinceMs &+ idle, stuckAtMs)) }
        }
        unsafe consider(session.pointee.pool.closeAtMs)
        unsafe consider(session.pointee.keepalive.pingAtMs)
        unsafe consider(session.pointee.keepalive.deadlineMs)
        if deadline != .max { unsafe timers.armNoLater(connection.timerNode, than: deadline) }
    }

    func http2UpstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let cluster = unsafe clusterConfig(connection) else { return }
        let config = unsafe cluster.pointee.config
        if unsafe isDue(session.pointee.keepalive.deadlineMs) {
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.keepaliveTimeout.rawValue)
            return unsafe endClient(session, connection, .terminated, byPeer: false)
        }
        if unsafe isDue(session.pointee.keepalive.pingAtMs) { unsafe ping(session) }
        let idle = unsafe config.pointee.idleTimeoutMs
        // Of what requests have left behind a slow host may still be taking.
        let isIdle = unsafe session.pointee.requestsUnderWay == 0 && (session.pointee.fullSinceMs == 0 || isStuck(session))
        if isIdle, idle != 0, unsafe nowMs >= session.pointee.idleSinceMs &+ idle {
            unsafe count(config.pointee.stats, .upstreamCxIdleTimeout)
            return unsafe closeHTTP2Client(session, connection, byPeer: false)
        }
        if unsafe isDue(session.pointee.pool.closeAtMs) {
            unsafe session.pointee.pool.closeAtMs = 0
            unsafe count(config.pointee.stats, .upstreamCxMaxDurationReached)
            unsafe retire(session, hosts[connection.pointee.host])
        }
        if unsafe session.pointee.pool.isDraining, unsafe isUnused(session) { return unsafe closeHTTP2Client(session, connection, byPeer: false) }
        unsafe armHTTP2ClientTimer(session, connection)
    }

    // HOT: per frame.
    func http2UpstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16?) {
        unsafe upstreamCounted(connection, .upstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        guard let session = unsafe h2.sessions[connection.pointee.session] else { return }
        unsafe receiveHTTP2(session, bytes, buffer)
    }

    // HOT: per completion.
    func http2UpstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        unsafe upstreamCounted(connection, .upstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        guard let session = unsafe h2.sessions[connection.pointee.session] else { return }
        unsafe taken(session, connection)
        if unsafe nghttp2_session_want_write(session.pointee.codec) != 0 { unsafe markDue(session) }
    }
}
