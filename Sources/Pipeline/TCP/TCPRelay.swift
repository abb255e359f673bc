// The bytes of a proxied TCP connection, handed from one side to the other in the buffers that they arrived in.
//
// Per direction: received → the peer's `out` → sent. Reading stops while the peer's queue is above the buffer limit and
// resumes below half of it. An end of one direction is passed on once its bytes are out (half-close); the pair goes
// when both directions have ended, or at once when either side fails: a reset is passed on as a reset.

import Glibc
import Primitives
import Stats
import Transport
import Upstream

extension Worker {
    // HOT: per frame.
    func relay(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        guard let peer = unsafe connections.slab[connection.pointee.peer] else {
            return unsafe tcpEarly(connection, position, count, bytes)
        }
        guard unsafe forward(position, count, bytes, to: peer) else { return unsafe relayWithoutMemory(connection) }
        unsafe relayed(connection, UInt64(truncatingIfNeeded: bytes))
        unsafe holdBack(connection, peer)
    }

    // HOT: per record.
    /// Plaintext of a connection with TLS: copied, for it lies in memory of the worker's own.
    func relay(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        guard let peer = unsafe connections.slab[connection.pointee.peer] else { return unsafe tcpEarly(connection, bytes) }
        guard unsafe peer.pointee.out.append(copying: bytes, memory) else { return unsafe relayWithoutMemory(connection) }
        unsafe connections.markDirty(peer)
        unsafe relayed(connection, UInt64(truncatingIfNeeded: bytes.count))
        unsafe holdBack(connection, peer)
    }

    /// Bytes that cannot be kept end both sides: what was left out would not be missed.
    private func relayWithoutMemory(_ connection: UnsafeMutablePointer<Connection>) {
        if let session = unsafe tcpSessions[connection.pointee.session] { unsafe endTCP(session, []) }
    }

    @inline(__always)
    private func holdBack(_ connection: UnsafeMutablePointer<Connection>, _ peer: UnsafeMutablePointer<Connection>) {
        if unsafe peer.pointee.out.count > bufferLimit(connection), unsafe !connection.pointee.isPaused {
            unsafe connections.pause(connection)
            if unsafe connection.pointee.role == .tcpDownstream {
                unsafe countTCP(tcpConfig(connection).pointee.stats, .downstreamFlowControlPausedReadingTotal)
            } else {
                unsafe upstreamCounted(connection, .upstreamFlowControlPausedReadingTotal, 1)
            }
        }
    }

    func relayed(_ connection: UnsafeMutablePointer<Connection>, _ bytes: UInt64) {
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
        guard let peer = unsafe connections.slab[connection.pointee.peer] else { return unsafe tunnelSent(connection) }
        if unsafe peer.pointee.isPaused, unsafe connection.pointee.out.count <= bufferLimit(connection) / 2 {
            unsafe connections.receive(peer)
            if unsafe peer.pointee.role == .tcpDownstream {
                unsafe countTCP(tcpConfig(peer).pointee.stats, .downstreamFlowControlResumedReadingTotal)
            } else {
                unsafe upstreamCounted(peer, .upstreamFlowControlResumedReadingTotal, 1)
            }
        }
        unsafe closeIfDone(connection, peer, byUpstream: connection.pointee.role == .tcpDownstream)
    }

    /// One side sends nothing more.
    func relayEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let peer = unsafe connections.slab[connection.pointee.peer] else {
            return unsafe tcpEarlyEnd(connection)
        }
        unsafe connections.end(peer)
        unsafe closeIfDone(connection, peer, byUpstream: connection.pointee.role == .tcpUpstream)
    }

    /// `byUpstream`: the upstream's end, or its last bytes on their way to the client, came last.
    private func closeIfDone(
        _ a: UnsafeMutablePointer<Connection>, _ b: UnsafeMutablePointer<Connection>, byUpstream: Bool
    ) {
        guard unsafe a.pointee.sawEnd, unsafe b.pointee.sawEnd, unsafe a.pointee.out.isEmpty, unsafe b.pointee.out.isEmpty else { return }
        guard let session = unsafe tcpSessions[a.pointee.session] else { return }
        unsafe endTCP(session, [], byUpstream: byUpstream)
    }

    func relayFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else {
            return unsafe connection.pointee.role == .tcpUpstream ? closeUpstream(connection) : close(connection)
        }
        let isUpstream = unsafe connection.pointee.role == .tcpUpstream
        let wasReset = error == ECONNRESET || error == EPIPE
        if wasReset, isUpstream {
            unsafe session.pointee.upstreamClose = .remoteReset
            unsafe session.pointee.downstreamClose = .localReset
        } else if wasReset {
            unsafe session.pointee.downstreamClose = .remoteReset
        }
        if wasReset, let peer = unsafe connections.slab[connection.pointee.peer] { unsafe resetOnClose(peer) }
        unsafe endTCP(session, isUpstream && wasReset ? .upstreamRemoteReset : [], byUpstream: isUpstream)
    }

    /// The descriptor's close will be a reset.
    func resetOnClose(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connections.cutTLS(connection)
        var option = SwiftGlibc.linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(connection.pointee.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<SwiftGlibc.linger>.size))
    }

    // MARK: The end

    /// Both sides close, and the accounts with them.
    func endTCP(
        _ session: TCPSessionPointer, _ flags: ResponseFlags, byUpstream: Bool = false, for reason: LocalClose = .none
    ) {
        unsafe session.pointee.closedFor = reason
        unsafe session.pointee.flags.formUnion(flags)
        let downstream = unsafe connections.slab[session.pointee.downstream]
        if let stream = unsafe streams[session.pointee.stream] {
            unsafe noteTunnel(session, stream)
            // Asked for and not answered: as in Envoy a failure of the host's, whoever ends it.
            if unsafe stream.pointee.isOnUpstream && !session.pointee.isConnected {
                unsafe session.pointee.flags.insert(.upstreamConnectionFailure)
            }
            if unsafe stream.pointee.isPending { unsafe session.pointee.host = .none }
            if let downstream = unsafe downstream { unsafe logTCPEnd(session, downstream) }
            unsafe leaveTunnel(session, stream)
        } else if let upstream = unsafe connections.slab[session.pointee.upstream] {
            unsafe noteUpstream(session, upstream)
            // As in Envoy a host is one that was reached, or could not be.
            if unsafe session.pointee.isPending { unsafe session.pointee.host = .none }
            // Before the host may go with its last connection: the lines name it.
            if let downstream = unsafe downstream { unsafe logTCPEnd(session, downstream) }
            unsafe endUpstream(session, upstream, byPeer: byUpstream)
        } else {
            unsafe leaveLine(session)
            if let downstream = unsafe downstream { unsafe logTCPEnd(session, downstream) }
        }
        unsafe session.pointee.early.removeAll(memory)
        unsafe session.pointee.held.removeAll(memory)
        unsafe session.pointee.tunnel.destroy()
        unsafe tcpSessions.free(session.pointee.handle)
        if let downstream = unsafe downstream {
            unsafe downstream.pointee.session = .none
            unsafe close(downstream)
        }
    }

    private func endUpstream(_ session: TCPSessionPointer, _ upstream: UnsafeMutablePointer<Connection>, byPeer: Bool) {
        if let cluster = unsafe clusterConfig(upstream) {
            let stats = unsafe cluster.pointee.config.pointee.stats
            if unsafe session.pointee.isConnected {
                gauge(stats, .upstreamRqActive, -1)
                count(stats, .upstreamCxDestroyWithActiveRq)
                count(stats, byPeer ? .upstreamCxDestroyRemoteWithActiveRq : .upstreamCxDestroyLocalWithActiveRq)
            } else if unsafe session.pointee.isPending {
                count(stats, .upstreamRqCancelled)
                unsafe endPending(session, cluster)
            }
        }
        if unsafe session.pointee.isConnected, let host = unsafe hosts[upstream.pointee.host] {
            unsafe host.pointee.activeRequests &-= 1
            unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, -1)
        }
        unsafe upstream.pointee.session = .none
        unsafe closeUpstream(upstream, byPeer: byPeer)
    }
}
