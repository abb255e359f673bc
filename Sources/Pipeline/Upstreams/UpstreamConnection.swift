// Opening, accounting for and closing a connection to a host: the same for TCP and HTTP.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats
import Transport
import Upstream

extension Worker {
    /// A place among the cluster's connections; false: the limit is reached. `connect` takes it over.
    func takeConnection(_ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority) -> Bool {
        unsafe cluster.pointee.config.pointee.breakers?.take(.connections, priority, thread: index) != false
    }

    func giveConnection(_ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority) {
        unsafe cluster.pointee.config.pointee.breakers?.give(.connections, priority, thread: index)
    }

    /// Starts to connect to a host, with a place from `takeConnection`; nil when no descriptor could be had.
    func connect(
        to host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, role: ConnectionRole,
        priority: Priority = .normal, _ identity: UpstreamIdentity
    ) -> UnsafeMutablePointer<Connection>? {
        let config = unsafe cluster.pointee.config
        let address = unsafe host.pointee.config.address
        let descriptor = socket(address.domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            unsafe giveConnection(cluster, priority)
            return nil
        }
        if address.family != .unix {
            var one: Int32 = 1
            unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            if unsafe config.pointee.hasTCPKeepalive { unsafe setKeepalive(descriptor, config) }
            // As in Envoy a connection without an option that was asked for is none.
            let settings = unsafe address.family == .ipv4 ? config.pointee.socketSettings4 : config.pointee.socketSettings6
            if settings.set(descriptor, .beforeBind) != nil {
                unsafe giveConnection(cluster, priority)
                Glibc.close(descriptor)
                return nil
            }
        }
        let source = unsafe config.pointee.bindAddress
        if source.family == address.family, source.family != .none, !bind(descriptor, source) {
            unsafe count(config.pointee.stats, .bindErrors)
            unsafe giveConnection(cluster, priority)
            Glibc.close(descriptor)
            return nil
        }
        ring.reserve()
        let storage = unsafe connectAddresses + nextConnectAddress
        nextConnectAddress = (nextConnectAddress &+ 1) & (Worker.connectAddressCount &- 1)
        let length = unsafe address.store(UnsafeMutableRawPointer(storage))
        guard
            let connection = unsafe connections.connect(
                UnsafeRawPointer(storage).assumingMemoryBound(to: sockaddr.self), count: length,
                descriptor: descriptor, role: role, nowNs: nowNs)
        else {
            unsafe giveConnection(cluster, priority)
            Glibc.close(descriptor)
            return nil
        }
        unsafe connection.pointee.remote = address
        let transport = unsafe config.pointee.transport(of: host.pointee.config)
        var isPrepared = unsafe transport.tlsSlot == noTLS || prepareTLS(connection, host, transport, identity)
        if isPrepared, let proxy = unsafe transport.proxyHeader {
            isPrepared = unsafe queueProxyHeader(connection, identity.client, host, proxy)
        }
        if !isPrepared {
            unsafe giveConnection(cluster, priority)
            unsafe connections.close(connection)
            return nil
        }
        unsafe connection.pointee.isHigh = priority == .high
        unsafe connection.pointee.host = unsafe host.pointee.handle
        unsafe connection.pointee.activeMs = nowMs
        unsafe timers.arm(connection.timerNode, at: nowMs &+ config.pointee.connectTimeoutMs)
        unsafe host.pointee.connectionCount &+= 1
        unsafe countCapacity(connection, host, 1)
        unsafe host.pointee.config.connections?.opened()
        unsafe count(config.pointee.stats, .upstreamCxTotal)
        unsafe connections.showBuffered(
            connection, rx: config.pointee.stats &+ ClusterStat.upstreamCxRxBytesBuffered.rawValue,
            tx: config.pointee.stats &+ ClusterStat.upstreamCxTxBytesBuffered.rawValue)
        unsafe gauge(config.pointee.stats, .upstreamCxActive, 1)
        unsafe cells.increment(host.pointee.config.stats &+ HostStat.cxTotal.rawValue)
        unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.cxActive.rawValue, 1)
        return unsafe connection
    }

    private func setKeepalive(_ descriptor: Int32, _ config: UnsafePointer<ClusterConfig>) {
        var one: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, 4)
        func set(_ option: Int32, _ value: UInt32) {
            guard value != 0 else { return }
            var value = Int32(truncatingIfNeeded: value)
            unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, 4)
        }
        unsafe set(TCP_KEEPCNT, config.pointee.tcpKeepaliveProbes)
        unsafe set(TCP_KEEPIDLE, config.pointee.tcpKeepaliveTimeS)
        unsafe set(TCP_KEEPINTVL, config.pointee.tcpKeepaliveIntervalS)
    }

    private func bind(_ descriptor: Int32, _ address: SocketAddress) -> Bool {
        var storage = sockaddr_un()
        return unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            guard let base = bytes.baseAddress else { return false }
            let length = unsafe address.store(base)
            return unsafe Glibc.bind(descriptor, base.assumingMemoryBound(to: sockaddr.self), length) == 0
        }
    }

    /// The cluster of an upstream connection, whether a plan still lists it or not.
    func clusterConfig(_ upstream: UnsafeMutablePointer<Connection>) -> UnsafeMutablePointer<Cluster>? {
        unsafe hosts[upstream.pointee.host].flatMap { unsafe cluster(of: $0) }
    }

    @inline(__always)
    func cluster(of host: UnsafeMutablePointer<Host>) -> UnsafeMutablePointer<Cluster>? {
        unsafe host.pointee.cluster
    }

    // HOT: per frame.
    @inline(__always)
    func upstreamCounted(_ upstream: UnsafeMutablePointer<Connection>, _ leaf: ClusterStat, _ n: UInt64) {
        guard let cluster = unsafe clusterConfig(upstream) else { return }
        unsafe count(cluster.pointee.config.pointee.stats, leaf, n)
    }

    func upstreamConnected(_ upstream: UnsafeMutablePointer<Connection>) {
        unsafe timers.cancel(upstream.timerNode)
        guard let cluster = unsafe clusterConfig(upstream) else { return }
        unsafe cells.record(
            cluster.pointee.config.pointee.stats &+ ClusterStat.upstreamCxConnectMs.rawValue,
            (nowNs &- upstream.pointee.openedNs) / 1_000_000)
    }

    func upstreamConnectFailed(_ upstream: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        if let host = unsafe hosts[upstream.pointee.host] {
            unsafe cells.increment(host.pointee.config.stats &+ HostStat.cxConnectFail.rawValue)
        }
        if let cluster = unsafe clusterConfig(upstream) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
            if case .timedOut = failure { unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectTimeout) }
        }
        // A refusal is the peer's doing, a time-out ours.
        if case .timedOut = failure { unsafe closeUpstream(upstream) } else { unsafe closeUpstream(upstream, byPeer: true) }
    }

    /// Closes an upstream connection and its accounts. Its session must have been dealt with.
    func closeUpstream(_ upstream: UnsafeMutablePointer<Connection>, byPeer: Bool = false) {
        guard unsafe !upstream.pointee.isClosing else { return }
        if let host = unsafe hosts[upstream.pointee.host] {
            unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.cxActive.rawValue, -1)
            unsafe host.pointee.connectionCount &-= 1
            unsafe countCapacity(upstream, host, -1)
            unsafe host.pointee.config.connections?.closed()
            if let cluster = unsafe cluster(of: host) {
                unsafe giveConnection(cluster, upstream.pointee.isHigh ? .high : .normal)
                let stats = unsafe cluster.pointee.config.pointee.stats
                count(stats, .upstreamCxDestroy)
                count(stats, byPeer ? .upstreamCxDestroyRemote : .upstreamCxDestroyLocal)
                gauge(stats, .upstreamCxActive, -1)
                unsafe cells.record(
                    stats &+ ClusterStat.upstreamCxLengthMs.rawValue, (nowNs &- upstream.pointee.openedNs) / 1_000_000)
            }
            if unsafe host.pointee.pendingCount > 0 || !host.pointee.tcpHead.isNone { unsafe serveLater(host) }
            unsafe freeIfUnused(host)
        }
        unsafe close(upstream)
    }

    /// A host that no set lists goes with its last connection.
    func freeIfUnused(_ host: UnsafeMutablePointer<Host>) {
        if unsafe host.pointee.pools != 0 { unsafe givePools(host) }
        guard unsafe host.pointee.isRemoved, unsafe host.pointee.connectionCount == 0, unsafe host.pointee.pendingCount == 0,
            unsafe host.pointee.activeRequests == 0, unsafe host.pointee.tcpHead.isNone
        else { return }
        if unsafe host.pointee.part != .max { unsafe pins.unpin(host.pointee.part) }
        let cluster = unsafe host.pointee.cluster
        unsafe hosts.free(host.pointee.handle)
        unsafe cluster.pointee.liveHosts &-= 1
        unsafe freeIfUnused(cluster)
    }
}
