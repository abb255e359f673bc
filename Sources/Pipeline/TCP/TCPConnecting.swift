// `tcp_proxy` on its way to a host: choosing one, a connection that is there or a new one, trying again, giving up.

import Primitives
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

extension Worker {
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
        unsafe session.pointee.upstreamTimes.askedNs = nowNs
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
        unsafe session.pointee.upstreamTimes.ready(upstream, nowNs)
        // What an attempt before this one ran into is no part of the outcome.
        unsafe session.pointee.flags = []
        unsafe session.pointee.isConnected = true
        if unsafe session.pointee.config.pointee.logsConnected {
            unsafe noteUpstream(session, upstream)
            unsafe logTCP(session, downstream, .tcpUpstreamConnected)
        }
        unsafe downstream.pointee.peer = unsafe upstream.pointee.handle
        unsafe downstream.pointee.activeMs = nowMs
        unsafe armTCPTimer(session, downstream)
        unsafe connections.receive(upstream)
        unsafe passHeld(session, downstream, upstream)
        unsafe sendEarly(session, downstream, upstream)
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
        unsafe session.pointee.upstreamTimes.readyNs = nowNs
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
}
