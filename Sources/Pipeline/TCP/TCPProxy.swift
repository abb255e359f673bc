// `tcp_proxy`: a client's connection, its cluster, its time. Who it is connected to is `TCPConnecting`'s, the bytes are
// `TCPRelay`'s.
//
// A connection is a `TCPSession` with a downstream connection and, once there is one, an upstream connection. Reading
// begins when the upstream is there, or at once with `max_early_data_bytes` (`TCPEarlyData`).

import Primitives
import Stats
import Transport
import Upstream

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
        if unsafe config.pointee.logsStart { unsafe logTCP(session, connection, .tcpConnectionStart) }
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
