// `preconnect_policy` for `tcp_proxy`: connections to a host that are opened, TLS included, before a client needs them.
//
// Each has an entry in the line of its host, established ones first. A client takes the first one, whether it is established
// or still under way (`takeAhead`); what its host has said meanwhile is the client's then. Nobody's, it ends with its host,
// with its peer's end, or when it has waited too long (`TcpProtocolOptions`). There are none in clusters with PROXY headers: those are one client's.

import Primitives
import Ring
import Stats
import Transport
import Upstream

@safe
struct AheadConnection {
    let handle: Handle
    let connection: Handle
    var isEstablished = false
    var previous = Handle.none
    var next = Handle.none
    /// What its host has said.
    var held = ByteQueue()
}

extension Worker {
    /// Bytes of a host that speaks first, beyond which it is not read. `docs/limits.md`.
    private static let aheadBytesMax = 16 << 10

    // MARK: Opening

    /// `per_upstream_preconnect_ratio`, behind a client's own connection.
    func preconnectTCP(_ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>) {
        let ratio = unsafe cluster.pointee.config.pointee.preconnectRatio
        guard ratio > 1, unsafe !cluster.pointee.config.pointee.hasProxyHeaders else { return }
        var left = Worker.preconnectsMax
        while left > 0, unsafe wantsMoreTCP(host, anticipated: 0, ratio), unsafe openAhead(host, cluster) { left &-= 1 }
    }

    /// `predictive_preconnect_ratio`, before it: the hosts whose turns come next.
    func preconnectPredictedTCP(_ cluster: UnsafeMutablePointer<Cluster>) {
        let ratio = unsafe cluster.pointee.config.pointee.predictiveRatio
        guard ratio > 1, unsafe !cluster.pointee.config.pointee.hasProxyHeaders else { return }
        var left = Worker.preconnectsMax
        while left > 0, connectivity.wantsMore(ratio) {
            guard let host = unsafe cluster.pointee.peek(slab: hosts, random: &random, nowMs: nowMs),
                unsafe wantsMoreTCP(host, anticipated: 1, ratio), unsafe openAhead(host, cluster)
            else { return }
            left &-= 1
        }
    }

    private func wantsMoreTCP(_ host: UnsafeMutablePointer<Host>, anticipated: Int32, _ ratio: Double) -> Bool {
        guard unsafe host.pointee.config.isHealthy, unsafe !host.pointee.config.isDegraded, unsafe !host.pointee.isRemoved else { return false }
        let wanted = unsafe host.pointee.tcpConnections &- host.pointee.aheadCount &+ anticipated
        return unsafe Double(wanted) * ratio > Double(host.pointee.tcpConnections)
    }

    /// False: the limit is reached, or none could be had.
    private func openAhead(_ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>) -> Bool {
        let stats = unsafe cluster.pointee.config.pointee.stats
        guard unsafe !isFull(host, cluster, .normal), unsafe takeConnection(cluster, .normal) else {
            count(stats, .upstreamCxOverflow)
            return false
        }
        guard let connection = unsafe connect(to: host, cluster, role: .tcpAhead, UpstreamIdentity()) else {
            count(stats, .upstreamCxConnectFail)
            return false
        }
        guard let (handle, ahead) = unsafe aheads.allocate() else {
            unsafe closeUpstream(connection)
            return false
        }
        unsafe ahead.initialize(to: AheadConnection(handle: handle, connection: connection.pointee.handle))
        unsafe connection.pointee.session = handle
        unsafe link(ahead, host)
        return true
    }

    // MARK: What it becomes

    /// A connection for the session, if there is one: established, or under way.
    func takeAhead(
        _ session: TCPSessionPointer, _ host: UnsafeMutablePointer<Host>, isEstablished: Bool
    ) -> UnsafeMutablePointer<Connection>? {
        guard let ahead = unsafe aheads[host.pointee.aheadHead], unsafe ahead.pointee.isEstablished == isEstablished, let connection = unsafe connections.slab[ahead.pointee.connection] else { return nil }
        unsafe unlink(ahead, host)
        unsafe countCapacity(connection, host, -1)
        unsafe connection.pointee.role = .tcpUpstream
        unsafe countCapacity(connection, host, 1)
        unsafe take(connection, session)
        unsafe session.pointee.held = unsafe ahead.pointee.held
        unsafe aheads.free(ahead.pointee.handle)
        return unsafe connection
    }

    /// What the host has said before its connection was the session's.
    func passHeld(
        _ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>, _ upstream: UnsafeMutablePointer<Connection>
    ) {
        guard unsafe !session.pointee.held.isEmpty else { return }
        let bytes = unsafe UInt64(truncatingIfNeeded: session.pointee.held.count)
        unsafe downstream.pointee.out.append(moving: &session.pointee.held)
        unsafe connections.markDirty(downstream)
        unsafe relayed(upstream, bytes)
    }

    // MARK: Events

    func aheadEstablished(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe upstreamConnected(connection)
        guard let ahead = unsafe aheads[connection.pointee.session], let host = unsafe hosts[connection.pointee.host] else {
            return unsafe closeUpstream(connection)
        }
        unsafe unlink(ahead, host)
        unsafe ahead.pointee.isEstablished = true
        unsafe link(ahead, host)
        let idleMs = unsafe host.pointee.cluster.pointee.config.pointee.tcpIdleTimeoutMs
        if idleMs == 0 { unsafe timers.cancel(connection.timerNode) } else { unsafe timers.arm(connection.timerNode, at: nowMs &+ idleMs) }
        unsafe connections.receive(connection)
    }

    func aheadConnectFailed(_ connection: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        unsafe forgetAhead(connection)
        unsafe upstreamConnectFailed(connection, failure)
    }

    func aheadReceived(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        let handle = unsafe connection.pointee.handle
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, bytes in
            if unsafe connections.slab[handle] != nil, unsafe !connection.pointee.isClosing { unsafe aheadReceived(connection, bytes) }
            memory.buffers.release(id)
        }
    }

    func aheadReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        guard let ahead = unsafe aheads[connection.pointee.session] else { return }
        guard unsafe ahead.pointee.held.append(copying: bytes, memory) else { return unsafe closeAhead(connection, byPeer: false) }
        if unsafe ahead.pointee.held.count >= Worker.aheadBytesMax { unsafe connections.pause(connection) }
    }

    func aheadTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        if unsafe isOpening(connection) { return unsafe aheadConnectFailed(connection, .timedOut) }
        unsafe upstreamCounted(connection, .upstreamCxIdleTimeout, 1)
        unsafe closeAhead(connection, byPeer: false)
    }

    // MARK: The end

    func closeAhead(_ connection: UnsafeMutablePointer<Connection>, byPeer: Bool) {
        unsafe forgetAhead(connection)
        unsafe closeUpstream(connection, byPeer: byPeer)
    }

    /// One gives way to somebody who needs its place. False: there is none.
    func closeAhead(of host: UnsafeMutablePointer<Host>) -> Bool {
        guard let ahead = unsafe aheads[host.pointee.aheadHead], let connection = unsafe connections.slab[ahead.pointee.connection] else { return false }
        unsafe closeAhead(connection, byPeer: false)
        return true
    }

    /// The host has left its cluster. It may go with the last of them.
    func closeAheads(_ handle: Handle) {
        while let host = unsafe hosts[handle], let ahead = unsafe aheads[host.pointee.aheadHead],
            let connection = unsafe connections.slab[ahead.pointee.connection]
        {
            unsafe closeAhead(connection, byPeer: false)
        }
    }

    private func forgetAhead(_ connection: UnsafeMutablePointer<Connection>) {
        guard let ahead = unsafe aheads[connection.pointee.session], let host = unsafe hosts[connection.pointee.host] else { return }
        unsafe unlink(ahead, host)
        unsafe ahead.pointee.held.removeAll(memory)
        unsafe aheads.free(ahead.pointee.handle)
        unsafe connection.pointee.session = .none
    }

    // MARK: The line

    private func link(_ ahead: UnsafeMutablePointer<AheadConnection>, _ host: UnsafeMutablePointer<Host>) {
        let handle = unsafe ahead.pointee.handle
        let isFirst = unsafe ahead.pointee.isEstablished
        unsafe ahead.pointee.previous = unsafe isFirst ? .none : host.pointee.aheadTail
        unsafe ahead.pointee.next = unsafe isFirst ? host.pointee.aheadHead : .none
        if let previous = unsafe aheads[ahead.pointee.previous] {
            unsafe previous.pointee.next = handle
        } else {
            unsafe host.pointee.aheadHead = handle
        }
        if let next = unsafe aheads[ahead.pointee.next] {
            unsafe next.pointee.previous = handle
        } else {
            unsafe host.pointee.aheadTail = handle
        }
        unsafe host.pointee.aheadCount &+= 1
    }

    private func unlink(_ ahead: UnsafeMutablePointer<AheadConnection>, _ host: UnsafeMutablePointer<Host>) {
        if let previous = unsafe aheads[ahead.pointee.previous] {
            unsafe previous.pointee.next = unsafe ahead.pointee.next
        } else {
            unsafe host.pointee.aheadHead = unsafe ahead.pointee.next
        }
        if let next = unsafe aheads[ahead.pointee.next] {
            unsafe next.pointee.previous = unsafe ahead.pointee.previous
        } else {
            unsafe host.pointee.aheadTail = unsafe ahead.pointee.previous
        }
        unsafe host.pointee.aheadCount &-= 1
    }
}
