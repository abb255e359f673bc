// `tcp_proxy`: two connections, bytes handed from one to the other in the buffers that they arrived in.
//
// Per direction: received → the peer's `out` → sent. Reading stops while the peer's queue is above the buffer limit and
// resumes below half of it. An end of one direction is passed on once its bytes are out (half-close); the pair goes
// when both directions have ended, or at once when either side fails.

import CLiburing
import Glibc
import Primitives
import Stats
import Transport
import Upstream

/// Why a connection attempt ended.
enum ConnectFailure {
    case refused(Int32)
    case timedOut
}

extension Worker {
    func tcpOpened(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<TCPProxyConfig>) {
        unsafe connection.pointee.role = .tcpDownstream
        unsafe connection.pointee.config = unsafe UnsafeRawPointer(config)
        unsafe countTCP(config.pointee.stats, .downstreamCxTotal)
        // At its end the socket may not know its peer any more.
        if unsafe !config.pointee.accessLogs.isEmpty { unsafe learnAddresses(connection) }
        if unsafe config.pointee.idleTimeoutMs != 0 {
            unsafe timers.arm(connection.timerNode, at: nowMs &+ config.pointee.idleTimeoutMs)
        }
        unsafe tcpConnect(connection, config, attempt: 1)
    }

    private func tcpConnect(
        _ downstream: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<TCPProxyConfig>, attempt: UInt32
    ) {
        guard let slot = unsafe chooseCluster(config.pointee.clusters), let cluster = unsafe cluster(slot) else {
            unsafe countTCP(config.pointee.stats, .downstreamCxNoRoute)
            unsafe logTCP(downstream, nil, flags: .noRouteFound)
            unsafe close(downstream)
            return
        }
        let stats = unsafe cluster.pointee.config.pointee.stats
        guard unsafe takeConnection(cluster, .normal) else {
            count(stats, .upstreamCxOverflow)
            unsafe logTCP(downstream, nil, flags: .upstreamOverflow, slot: slot)
            unsafe close(downstream)
            return
        }
        guard let host = unsafe cluster.pointee.choose(slab: hosts, random: &random) else {
            unsafe cluster.pointee.config.pointee.breakers?.give(.connections, .normal, thread: index)
            count(stats, .upstreamCxNoneHealthy)
            unsafe logTCP(downstream, nil, flags: .noHealthyUpstream, slot: slot)
            unsafe close(downstream)
            return
        }
        guard let upstream = unsafe connect(to: host, cluster, role: .tcpUpstream) else {
            count(stats, .upstreamCxConnectFail)
            unsafe logTCP(downstream, nil, flags: .upstreamConnectionFailure, slot: slot)
            unsafe close(downstream)
            return
        }
        count(stats, .upstreamRqPendingTotal)
        unsafe downstream.pointee.attempt = UInt16(truncatingIfNeeded: attempt)
        unsafe downstream.pointee.host = unsafe host.pointee.handle
        unsafe upstream.pointee.peer = unsafe downstream.pointee.handle
        unsafe upstream.pointee.config = unsafe UnsafeRawPointer(config)
        unsafe upstream.pointee.attempt = UInt16(truncatingIfNeeded: attempt)
        unsafe downstream.pointee.peer = unsafe upstream.pointee.handle
    }

    func chooseCluster(_ clusters: FrozenArray<WeightedCluster>) -> UInt32? {
        guard clusters.count > 0 else { return nil }
        if clusters.count == 1 { return clusters[0].slot }
        let ticket = random.below(clusters[clusters.count - 1].cumulativeWeight)
        var i = 0
        while clusters[i].cumulativeWeight <= ticket { i &+= 1 }
        return clusters[i].slot
    }

    func tcpConnected(_ upstream: UnsafeMutablePointer<Connection>) {
        unsafe upstreamConnected(upstream)
        guard let downstream = unsafe connections.slab[upstream.pointee.peer] else {
            unsafe closeUpstream(upstream)
            return
        }
        unsafe upstreamCounted(upstream, .upstreamRqTotal, 1)
        unsafe connections.receive(upstream)
        unsafe connections.receive(downstream)
        if unsafe tcpConfig(upstream).pointee.logsConnected {
            unsafe logTCP(downstream, upstream, flags: [], type: .tcpUpstreamConnected)
        }
    }

    func tcpConnectFailed(_ upstream: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        let downstream = unsafe connections.slab[upstream.pointee.peer]
        let attempt = unsafe UInt32(upstream.pointee.attempt)
        unsafe upstreamCounted(upstream, .upstreamRqPendingFailureEject, 1)
        let cluster = unsafe clusterConfig(upstream)
        unsafe upstreamConnectFailed(upstream, failure)
        guard let downstream = unsafe downstream, let config = unsafe downstream.pointee.config?.assumingMemoryBound(to: TCPProxyConfig.self)
        else { return }
        if unsafe attempt < config.pointee.connectAttemptsMax {
            unsafe tcpConnect(downstream, config, attempt: attempt &+ 1)
        } else {
            if let cluster = unsafe cluster {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectAttemptsExceeded)
            }
            var error: Int32 = 0
            if case .refused(let number) = failure { error = number }
            unsafe logTCP(
                downstream, nil, flags: [.upstreamConnectionFailure, .upstreamRetryLimitExceeded], error: error)
            unsafe close(downstream)
        }
    }

    // HOT: per frame.
    func relay(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        let peer = unsafe connections.slab.unchecked(connection.pointee.peer.slot)
        unsafe forward(position, count, bytes, to: peer)
        unsafe relayed(connection, UInt64(truncatingIfNeeded: bytes))
        if unsafe peer.pointee.out.count > bufferLimit(connection), unsafe !connection.pointee.isPaused {
            unsafe connections.pause(connection)
            if unsafe connection.pointee.role == .tcpDownstream {
                unsafe countTCP(tcpConfig(connection).pointee.stats, .downstreamFlowControlPausedReadingTotal)
            }
        }
    }

    private func relayed(_ connection: UnsafeMutablePointer<Connection>, _ bytes: UInt64) {
        let stats = unsafe tcpConfig(connection).pointee.stats
        if unsafe connection.pointee.role == .tcpDownstream {
            countTCP(stats, .downstreamCxRxBytesTotal, bytes)
            unsafe upstreamCounted(connections.slab.unchecked(connection.pointee.peer.slot), .upstreamCxTxBytesTotal, bytes)
        } else {
            countTCP(stats, .downstreamCxTxBytesTotal, bytes)
            unsafe upstreamCounted(connection, .upstreamCxRxBytesTotal, bytes)
        }
    }

    @inline(__always)
    private func tcpConfig(_ connection: UnsafeMutablePointer<Connection>) -> UnsafePointer<TCPProxyConfig> {
        unsafe connection.pointee.config.unsafelyUnwrapped.assumingMemoryBound(to: TCPProxyConfig.self)
    }

    /// What may wait on the way out before reading stops: the listener's limit.
    private func bufferLimit(_ connection: UnsafeMutablePointer<Connection>) -> Int {
        unsafe tcpConfig(connection).pointee.bufferLimit
    }

    // HOT: per frame.
    func relaySent(_ connection: UnsafeMutablePointer<Connection>) {
        guard let peer = unsafe connections.slab[connection.pointee.peer] else { return }
        if unsafe peer.pointee.isPaused, unsafe connection.pointee.out.count <= bufferLimit(connection) / 2 {
            unsafe connections.receive(peer)
            if unsafe peer.pointee.role == .tcpDownstream {
                unsafe countTCP(tcpConfig(peer).pointee.stats, .downstreamFlowControlResumedReadingTotal)
            }
        }
        unsafe closeIfDone(connection, peer)
    }

    /// One side sends nothing more.
    func relayEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let peer = unsafe connections.slab[connection.pointee.peer] else {
            unsafe closePair(connection, nil)
            return
        }
        // Whose end comes last has closed the pair.
        unsafe connection.pointee.endedLast = unsafe peer.pointee.sawEnd
        unsafe connections.end(peer)
        unsafe closeIfDone(connection, peer)
    }

    private func closeIfDone(
        _ a: UnsafeMutablePointer<Connection>, _ b: UnsafeMutablePointer<Connection>
    ) {
        guard unsafe a.pointee.sawEnd, unsafe b.pointee.sawEnd, unsafe a.pointee.out.isEmpty, unsafe b.pointee.out.isEmpty else { return }
        let upstreamIsLast = unsafe a.pointee.role == .tcpUpstream ? a.pointee.endedLast : b.pointee.endedLast
        unsafe closePair(a, b, byUpstream: upstreamIsLast)
    }

    func relayFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        let isUpstream = unsafe connection.pointee.role == .tcpUpstream
        unsafe closePair(
            connection, connections.slab[connection.pointee.peer], byUpstream: isUpstream,
            flags: isUpstream ? .upstreamRemoteReset : [])
    }

    private func closePair(
        _ a: UnsafeMutablePointer<Connection>, _ b: UnsafeMutablePointer<Connection>?, byUpstream: Bool = false,
        flags: ResponseFlags = []
    ) {
        let isUpstream = unsafe a.pointee.role == .tcpUpstream
        if let downstream = unsafe isUpstream ? b : a { unsafe logTCP(downstream, isUpstream ? a : b, flags: flags) }
        unsafe closeEither(a, byUpstream)
        if let b = unsafe b { unsafe closeEither(b, byUpstream) }
    }

    private func closeEither(_ connection: UnsafeMutablePointer<Connection>, _ byUpstream: Bool) {
        guard unsafe connection.pointee.role == .tcpUpstream else { return unsafe close(connection) }
        if unsafe connection.pointee.isConnected {
            unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
            unsafe upstreamCounted(
                connection, byUpstream ? .upstreamCxDestroyRemoteWithActiveRq : .upstreamCxDestroyLocalWithActiveRq, 1)
        }
        unsafe closeUpstream(connection, byPeer: byUpstream)
    }

    func tcpTimedOut(_ downstream: UnsafeMutablePointer<Connection>) {
        let config = unsafe tcpConfig(downstream)
        let peer = unsafe connections.slab[downstream.pointee.peer]
        let active = unsafe max(downstream.pointee.activeMs, peer?.pointee.activeMs ?? 0)
        let deadline = unsafe active &+ config.pointee.idleTimeoutMs
        if deadline > nowMs {
            unsafe timers.arm(downstream.timerNode, at: deadline)
            return
        }
        unsafe countTCP(config.pointee.stats, .idleTimeout)
        unsafe closePair(downstream, peer)
    }
}
