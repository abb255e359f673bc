// `tcp_proxy`: choosing a cluster and a host, connecting, trying again, giving up. The bytes are `TCPRelay`'s.
//
// A connection is a `TCPSession` with a downstream connection and, once there is one, an upstream connection. Reading
// begins when the upstream is there, or at once with `max_early_data_bytes`; then what comes waits in the session.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats
import Transport
import Upstream

/// Why a connection attempt ended.
enum ConnectFailure {
    case refused(Int32)
    case timedOut
    /// Connected; TLS said no, or the peer hung up in the middle of it.
    case handshake(Bytes)
}

typealias TCPSessionPointer = UnsafeMutablePointer<TCPSession>

extension Worker {
    func tcpOpened(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<TCPProxyConfig>) {
        guard let (handle, session) = unsafe tcpSessions.allocate() else { return unsafe close(connection) }
        unsafe session.initialize(
            to: TCPSession(handle: handle, config: config, downstream: connection.pointee.handle))
        unsafe session.pointee.startNs = nowNs
        if unsafe !config.pointee.accessLogs.isEmpty || !listenerLogs(connection).isEmpty {
            // Asked for now: a connection that was reset has no peer any more.
            unsafe session.pointee.startWallNs = wallNs
            unsafe learnAddresses(connection)
        }
        unsafe session.pointee.backoffMs = unsafe config.pointee.backoffBaseMs
        unsafe connection.pointee.role = .tcpDownstream
        unsafe connection.pointee.session = handle
        unsafe connection.pointee.config = unsafe UnsafeRawPointer(config)
        unsafe connection.pointee.activeMs = nowMs
        unsafe countTCP(config.pointee.stats, .downstreamCxTotal)
        unsafe connections.showBuffered(
            connection, rx: config.pointee.stats &+ TCPProxyStat.downstreamCxRxBytesBuffered.rawValue,
            tx: config.pointee.stats &+ TCPProxyStat.downstreamCxTxBytesBuffered.rawValue)
        // At its end the socket may not know its peer any more.
        if unsafe !config.pointee.accessLogs.isEmpty { unsafe learnAddresses(connection) }
        if unsafe config.pointee.logIntervalMs != 0 {
            unsafe session.pointee.logAtMs = unsafe nowMs &+ config.pointee.logIntervalMs
        }
        if unsafe config.pointee.connectionDurationMaxMs != 0 {
            let jitter = unsafe config.pointee.durationJitterMs
            unsafe session.pointee.endAtMs = unsafe nowMs &+ config.pointee.connectionDurationMaxMs &+ random.below(jitter)
        }
        unsafe armTCPTimer(session, connection)
        guard let entry = unsafe chooseCluster(config.pointee.clusters) else {
            unsafe countTCP(config.pointee.stats, .downstreamCxNoRoute)
            return unsafe endTCP(session, .noRouteFound, for: .noCluster)
        }
        unsafe session.pointee.clusterSlot = entry.slot
        unsafe session.pointee.metadataMatch = unsafe entry.metadataMatch
        if unsafe config.pointee.takesEarlyData { unsafe connections.receive(connection) }
        let isShaking = unsafe connection.pointee.tls?.pointee.isHandshaking ?? false
        if unsafe config.pointee.waitsForData || (config.pointee.waitsForHandshake && isShaking) { return }
        unsafe tcpConnect(session)
    }

    /// The client's TLS handshake is complete.
    func tcpHandshakeDone(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe tcpSessions[connection.pointee.session], unsafe session.pointee.config.pointee.waitsForHandshake
        else { return }
        unsafe tcpConnect(session)
    }

    func chooseCluster(_ clusters: FrozenArray<WeightedCluster>) -> WeightedCluster? {
        guard clusters.count > 0 else { return nil }
        if clusters.count == 1 { return clusters[0] }
        let ticket = random.below(clusters[clusters.count - 1].cumulativeWeight)
        var i = 0
        while i &+ 1 < clusters.count, clusters[i].cumulativeWeight <= ticket { i &+= 1 }
        return clusters[i]
    }

    // MARK: Connecting

    func tcpConnect(_ session: TCPSessionPointer) {
        let config = unsafe session.pointee.config
        guard let cluster = unsafe cluster(session.pointee.clusterSlot) else {
            unsafe countTCP(config.pointee.stats, .downstreamCxNoRoute)
            return unsafe endTCP(session, .noClusterFound, for: .noCluster)
        }
        let stats = unsafe cluster.pointee.config.pointee.stats
        let breakers = unsafe cluster.pointee.config.pointee.breakers
        guard unsafe takeConnection(cluster, .normal) else {
            count(stats, .upstreamCxOverflow)
            return unsafe endTCP(session, .upstreamOverflow, for: .overflow)
        }
        if let tunnel = unsafe config.pointee.tunnel {
            // The pool takes a place for each connection of its own; that there was one had to be asked, as by Envoy.
            unsafe giveConnection(cluster, .normal)
            return unsafe tcpTunnel(session, tunnel, cluster)
        }
        let choice = unsafe chooseTCPHost(session, cluster)
        guard let host = unsafe choice else {
            unsafe giveConnection(cluster, .normal)
            count(stats, .upstreamCxNoneHealthy)
            return unsafe endTCP(session, .noHealthyUpstream, for: .noHealthyHost)
        }
        unsafe session.pointee.attempts &+= 1
        if unsafe config.pointee.addsTLVs && session.pointee.attempts == 1 { unsafe addProxyTLVs(session) }
        unsafe preconnectPredictedTCP(cluster)
        if let ahead = unsafe takeAhead(session, host, isEstablished: true) {
            // It has a place of its own.
            unsafe giveConnection(cluster, .normal)
            unsafe session.pointee.host = unsafe host.pointee.handle
            unsafe timers.cancel(ahead.timerNode)
            unsafe preconnectTCP(host, cluster)
            return unsafe tcpBegins(session, ahead)
        }
        // As in Envoy an attempt that the cluster had no room for counts among the others, and sets no flag of its own.
        guard breakers?.take(.pendingRequests, .normal, thread: index) != false else {
            unsafe giveConnection(cluster, .normal)
            count(stats, .upstreamRqPendingOverflow)
            return unsafe tcpTryAgain(session)
        }
        unsafe session.pointee.host = unsafe host.pointee.handle
        unsafe session.pointee.isPending = true
        count(stats, .upstreamRqPendingTotal)
        gauge(stats, .upstreamRqPendingActive, 1)
        if unsafe takeAhead(session, host, isEstablished: false) != nil {
            unsafe giveConnection(cluster, .normal)
            return unsafe preconnectTCP(host, cluster)
        }
        let isFull = unsafe isFull(host, cluster, .normal) && host.pointee.connectionCount > 0
        if unsafe isFull || !host.pointee.tcpHead.isNone {
            unsafe giveConnection(cluster, .normal)
            unsafe enqueue(session, host)
            // Behind those who wait already, or in the place of an idle connection that is for somebody else.
            if unsafe !isFull || hasKeyedConnections(host) { return unsafe serveLater(host) }
            return count(stats, .upstreamCxOverflow)
        }
        guard unsafe openTCP(session, host, cluster) else {
            unsafe endPending(session, cluster)
            return unsafe tcpTryAgain(session)
        }
        unsafe preconnectTCP(host, cluster)
    }

    /// A connection for the session, with a place among the cluster's. False: none could be had.
    func openTCP(
        _ session: TCPSessionPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>
    ) -> Bool {
        guard let upstream = unsafe connect(to: host, cluster, role: .tcpUpstream, UpstreamIdentity(client: session.pointee.downstream)) else {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
            return false
        }
        unsafe take(upstream, session)
        return true
    }

    /// The connection is the session's.
    func take(_ upstream: UnsafeMutablePointer<Connection>, _ session: TCPSessionPointer) {
        unsafe session.pointee.upstream = unsafe upstream.pointee.handle
        unsafe session.pointee.upstreamConnectionID = unsafe upstream.pointee.id
        unsafe upstream.pointee.session = unsafe session.pointee.handle
        unsafe upstream.pointee.peer = unsafe session.pointee.downstream
        unsafe upstream.pointee.config = unsafe UnsafeRawPointer(session.pointee.config)
    }

    private func chooseTCPHost(_ session: TCPSessionPointer, _ cluster: UnsafeMutablePointer<Cluster>) -> UnsafeMutablePointer<Host>? {
        let original = unsafe cluster.pointee.config.pointee.originalDst.map { unsafe originalHost(session.pointee.downstream, cluster, $0) }
        let host = unsafe original ?? cluster.pointee.choose(slab: hosts, random: &random, hash: hash(session, cluster), nowMs: nowMs,
                criteria: session.pointee.metadataMatch)
        unsafe countChoice(cluster)
        if unsafe cluster.pointee.choseInPanic { unsafe count(cluster.pointee.config.pointee.stats, .lbHealthyPanic) }
        return unsafe host
    }

    private func tcpTunnel(
        _ session: TCPSessionPointer, _ config: UnsafePointer<TunnelConfig>, _ cluster: UnsafeMutablePointer<Cluster>
    ) {
        guard let host = unsafe chooseTCPHost(session, cluster) else {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxNoneHealthy)
            return unsafe endTCP(session, .noHealthyUpstream, for: .noHealthyHost)
        }
        unsafe session.pointee.attempts &+= 1
        if unsafe session.pointee.config.pointee.addsTLVs && session.pointee.attempts == 1 { unsafe addProxyTLVs(session) }
        unsafe session.pointee.host = unsafe host.pointee.handle
        unsafe tunnel(session, config, cluster, host)
    }

    /// `hash_policy` with `source_ip`; nil: none, or nobody asks.
    private func hash(_ session: TCPSessionPointer, _ cluster: UnsafeMutablePointer<Cluster>) -> UInt64? {
        guard unsafe session.pointee.config.pointee.hashesSourceIP, unsafe cluster.pointee.config.pointee.policy.isHashing,
            let downstream = unsafe connections.slab[session.pointee.downstream]
        else { return nil }
        if unsafe downstream.pointee.remote.family == .none { unsafe learnAddresses(downstream) }
        let remote = unsafe downstream.pointee.remote
        guard remote.family == .ipv4 || remote.family == .ipv6 else { return nil }
        return XXHash64.hash(text(ip: remote, bits: nil))
    }

    /// The attempt is no longer pending; the cluster, unless it is gone.
    private func tcpAttempted(_ session: TCPSessionPointer, _ upstream: UnsafeMutablePointer<Connection>)
        -> UnsafeMutablePointer<Cluster>?
    {
        guard let cluster = unsafe clusterConfig(upstream), unsafe session.pointee.isPending else { return nil }
        unsafe endPending(session, cluster)
        return unsafe cluster
    }

    /// The session counts among the cluster's pending requests no more.
    func endPending(_ session: TCPSessionPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        unsafe session.pointee.isPending = false
        unsafe gauge(cluster.pointee.config.pointee.stats, .upstreamRqPendingActive, -1)
        unsafe cluster.pointee.config.pointee.breakers?.give(.pendingRequests, .normal, thread: index)
    }

    func tcpConnected(_ upstream: UnsafeMutablePointer<Connection>) {
        unsafe upstreamConnected(upstream)
        guard let session = unsafe tcpSessions[upstream.pointee.session] else { return unsafe closeUpstream(upstream) }
        _ = unsafe tcpAttempted(session, upstream)
        unsafe tcpBegins(session, upstream)
    }

    /// Bytes go both ways from here on.
    private func tcpBegins(_ session: TCPSessionPointer, _ upstream: UnsafeMutablePointer<Connection>) {
        guard let downstream = unsafe connections.slab[session.pointee.downstream] else { return unsafe closeUpstream(upstream) }
        if let cluster = unsafe clusterConfig(upstream) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTotal)
            unsafe gauge(cluster.pointee.config.pointee.stats, .upstreamRqActive, 1)
        }
        if let host = unsafe hosts[upstream.pointee.host] {
            unsafe session.pointee.upstreamRemoteAddress = unsafe host.pointee.config.address
            unsafe host.pointee.activeRequests &+= 1
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqTotal.rawValue)
            unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, 1)
            if unsafe !host.pointee.tcpHead.isNone { unsafe serveLater(host) }
        }
        // What an attempt before this one ran into is no part of the outcome.
        unsafe session.pointee.flags = []
        unsafe session.pointee.isConnected = true
        if unsafe session.pointee.config.pointee.logsConnected { unsafe logTCP(session, downstream, .tcpUpstreamConnected) }
        unsafe downstream.pointee.peer = unsafe upstream.pointee.handle
        unsafe downstream.pointee.activeMs = nowMs
        unsafe armTCPTimer(session, downstream)
        unsafe connections.receive(upstream)
        unsafe passHeld(session, downstream, upstream)
        unsafe sendEarly(session, downstream, upstream)
    }

    private func sendEarly(
        _ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>,
        _ upstream: UnsafeMutablePointer<Connection>
    ) {
        if unsafe !session.pointee.early.isEmpty {
            let bytes = unsafe UInt64(truncatingIfNeeded: session.pointee.early.count)
            unsafe upstreamCounted(upstream, .upstreamCxTxBytesTotal, bytes)
            unsafe upstream.pointee.out.append(moving: &session.pointee.early)
            unsafe connections.markDirty(upstream)
        }
        if unsafe downstream.pointee.sawEnd {
            unsafe connections.end(upstream)
        } else {
            unsafe connections.receive(downstream)
        }
    }

    func tcpConnectFailed(_ upstream: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        let session = unsafe tcpSessions[upstream.pointee.session]
        if let session = unsafe session {
            if let cluster = unsafe tcpAttempted(session, upstream) {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqPendingFailureEject)
            }
            unsafe session.pointee.upstream = .none
            unsafe note(failure, session)
        }
        // Before its place is free.
        if let host = unsafe hosts[upstream.pointee.host], unsafe !host.pointee.tcpHead.isNone { unsafe failWaiting(host, failure) }
        unsafe upstreamConnectFailed(upstream, failure)
        if let session = unsafe session { unsafe tcpTryAgain(session) }
    }

    /// For the log.
    func note(_ failure: ConnectFailure, _ session: TCPSessionPointer) {
        unsafe session.pointee.flags.insert(.upstreamConnectionFailure)
        switch failure {
        case .refused(let error): unsafe session.pointee.upstreamErrno = error
        case .timedOut: unsafe session.pointee.connectTimedOut = true
        case .handshake(let reason): unsafe session.pointee.transportFailure = reason
        }
    }

    func tcpTryAgain(_ session: TCPSessionPointer) {
        let config = unsafe session.pointee.config
        guard unsafe session.pointee.attempts < config.pointee.connectAttemptsMax else {
            if let cluster = unsafe cluster(session.pointee.clusterSlot) {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectAttemptsExceeded)
            }
            return unsafe endTCP(session, .upstreamRetryLimitExceeded, for: .connectFailed)
        }
        // Never in the event that ended the attempt before: a bound without a pause still takes a turn.
        let bound = unsafe session.pointee.backoffMs
        let most = unsafe config.pointee.backoffMaxMs
        if bound != 0 { unsafe session.pointee.backoffMs = bound < most / 2 ? bound &* 2 : most }
        unsafe session.pointee.retryAtMs = nowMs &+ max(1, random.below(bound))
        if let downstream = unsafe connections.slab[session.pointee.downstream] { unsafe armTCPTimer(session, downstream) }
    }

    // MARK: Early data

    /// Data came and no upstream is there yet: kept, as much as is allowed.
    func tcpEarly(
        _ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ bufferCount: Int, _ bytes: Int
    ) {
        if let session = unsafe tcpSessions[connection.pointee.session] {
            if let stream = unsafe tunnelStream(session) { return unsafe tunnelRelay(session, stream, position, bufferCount, bytes) }
            if unsafe session.pointee.tunnel.isOver { return memory.buffers.release(from: position, count: bufferCount) }
        }
        memory.buffers.forEach(from: position, count: bufferCount, bytes: bytes) { id, bytes in
            unsafe keepEarly(connection, bytes)
            memory.buffers.release(id)
        }
        unsafe tcpKept(connection, bytes)
    }

    func tcpEarly(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        if let session = unsafe tcpSessions[connection.pointee.session] {
            if let stream = unsafe tunnelStream(session) { return unsafe tunnelRelay(session, stream, bytes) }
            if unsafe session.pointee.tunnel.isOver { return }
        }
        unsafe keepEarly(connection, bytes)
        unsafe tcpKept(connection, bytes.count)
    }

    private func keepEarly(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return }
        if unsafe !session.pointee.early.append(copying: bytes, memory) { unsafe endTCP(session, []) }
    }

    private func tcpKept(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return }
        unsafe countTCP(session.pointee.config.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        if unsafe session.pointee.early.count >= session.pointee.config.pointee.earlyBytesMax ?? 0 {
            unsafe connections.pause(connection)
        }
        // What a listener filter has read ahead is no early data where nobody asked for such.
        guard unsafe session.pointee.config.pointee.takesEarlyData else { return }
        // Each time, as Envoy counts it.
        unsafe countTCP(session.pointee.config.pointee.stats, .earlyDataReceivedCountTotal)
        guard unsafe !session.pointee.hasEarlyData else { return }
        unsafe session.pointee.hasEarlyData = true
        if unsafe session.pointee.config.pointee.waitsForData { unsafe tcpConnect(session) }
    }

    /// The client has ended its side before the upstream was there. With nothing to send there will never be any.
    func tcpEarlyEnd(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return unsafe close(connection) }
        if let stream = unsafe tunnelStream(session) { return unsafe tunnelClientEnded(session, stream, connection) }
        guard unsafe session.pointee.config.pointee.takesEarlyData else { return }
        unsafe countTCP(session.pointee.config.pointee.stats, .earlyDataReceivedCountTotal)
        if unsafe session.pointee.config.pointee.waitsForData, unsafe !session.pointee.hasEarlyData {
            unsafe endTCP(session, .downstreamConnectionTermination)
        }
    }

    // MARK: Time

    func armTCPTimer(_ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>) {
        var deadline = UInt64.max
        let idle = unsafe session.pointee.config.pointee.idleTimeoutMs
        // From the client's first moment on, as in Envoy: a host or a proxy that never answers costs no more than this.
        if idle != 0 { deadline = unsafe tcpActiveMs(downstream) &+ idle }
        if unsafe session.pointee.endAtMs != 0 { deadline = unsafe min(deadline, session.pointee.endAtMs) }
        if unsafe session.pointee.retryAtMs != 0 { deadline = unsafe min(deadline, session.pointee.retryAtMs) }
        if unsafe session.pointee.logAtMs != 0 { deadline = unsafe min(deadline, session.pointee.logAtMs) }
        if deadline != .max { unsafe timers.armNoLater(downstream.timerNode, than: deadline) }
    }

    private func tcpActiveMs(_ downstream: UnsafeMutablePointer<Connection>) -> UInt64 {
        unsafe max(downstream.pointee.activeMs, connections.slab[downstream.pointee.peer]?.pointee.activeMs ?? 0)
    }

    func tcpTimedOut(_ downstream: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe tcpSessions[downstream.pointee.session] else { return unsafe close(downstream) }
        let config = unsafe session.pointee.config
        if unsafe session.pointee.logAtMs != 0, unsafe nowMs >= session.pointee.logAtMs {
            if let stream = unsafe streams[session.pointee.stream] {
                unsafe noteTunnel(session, stream)
            } else if let upstream = unsafe connections.slab[session.pointee.upstream] {
                unsafe noteUpstream(session, upstream)
            }
            unsafe logTCP(session, downstream, .tcpPeriodic)
            unsafe session.pointee.logAtMs = unsafe nowMs &+ config.pointee.logIntervalMs
        }
        if unsafe session.pointee.endAtMs != 0, unsafe nowMs >= session.pointee.endAtMs {
            unsafe countTCP(config.pointee.stats, .maxDownstreamConnectionDuration)
            return unsafe endTCP(session, .durationTimeout, for: .duration)
        }
        if unsafe session.pointee.retryAtMs != 0, unsafe nowMs >= session.pointee.retryAtMs {
            unsafe session.pointee.retryAtMs = 0
            let handle = unsafe session.pointee.handle
            unsafe tcpConnect(session)
            if let session = unsafe tcpSessions[handle] { unsafe armTCPTimer(session, downstream) }
            return
        }
        if unsafe config.pointee.idleTimeoutMs != 0, unsafe nowMs >= tcpActiveMs(downstream) &+ config.pointee.idleTimeoutMs {
            unsafe countTCP(config.pointee.stats, .idleTimeout)
            return unsafe endTCP(session, [], for: .idle)
        }
        unsafe armTCPTimer(session, downstream)
    }
}
