// The connections of a host on this worker: idle ones, newest first, and the streams that wait for one, oldest first.

import Primitives
import Stats
import Transport
import Upstream

extension Worker {
    // HOT: per message.
    /// An idle connection, or a new one, for the stream's request.
    func lease(
        _ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>, _ host: UnsafeMutablePointer<Host>
    ) {
        unsafe stream.pointee.wantsHTTP2 = unsafe choosesHTTP2(stream, cluster)
        unsafe stream.pointee.poolKey = unsafe poolKey(stream, cluster, host)
        unsafe stream.pointee.hasOwnConnection = false
        if unsafe stream.pointee.wantsHTTP2 {
            let handle = unsafe stream.pointee.handle
            if unsafe leaseHTTP2(stream, host) {
                if unsafe cluster.pointee.config.pointee.preconnectRatio > 1, unsafe streams[handle] != nil {
                    unsafe preconnect(stream, host, cluster, stream.pointee.upstreamIsHigh ? .high : .normal)
                }
                return
            }
            guard unsafe isAuto(cluster) else { return unsafe waitForConnection(stream, cluster, host) }
        }
        // A CONNECT that ends here wants a connection that has carried nothing.
        while unsafe !stream.pointee.isTCP, let client = unsafe idleClient(host, stream.pointee.poolKey) {
            unsafe removeIdle(client, host)
            guard let connection = unsafe connections.slab[client.pointee.connection], unsafe !connection.pointee.sawEnd,
                unsafe !connection.pointee.isClosing
            else {
                unsafe clients.free(client.pointee.handle)
                continue
            }
            let handle = unsafe stream.pointee.handle
            if unsafe !attach(stream, client, connection, host) { return unsafe ready(client, connection, host) }
            if unsafe cluster.pointee.config.pointee.preconnectRatio > 1, unsafe streams[handle] != nil {
                unsafe preconnect(stream, host, cluster, stream.pointee.upstreamIsHigh ? .high : .normal)
            }
            return
        }
        unsafe waitForConnection(stream, cluster, host)
    }

    // HOT: per message.
    /// The newest idle connection with this key.
    @inline(__always)
    private func idleClient(_ host: UnsafeMutablePointer<Host>, _ key: UInt64) -> UnsafeMutablePointer<H1Client>? {
        var client = unsafe clients[host.pointee.idleHead]
        var left = Worker.keyedSearchMax
        while let idle = unsafe client, unsafe idle.pointee.key != key {
            left &-= 1
            unsafe client = left == 0 ? nil : clients[idle.pointee.nextIdle]
        }
        return unsafe client
    }

    private func waitForConnection(
        _ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>, _ host: UnsafeMutablePointer<Host>
    ) {
        let stats = unsafe cluster.pointee.config.pointee.stats
        let priority = unsafe stream.pointee.upstreamIsHigh ? Priority.high : .normal
        guard unsafe cluster.pointee.config.pointee.breakers?.take(.pendingRequests, priority, thread: index) != false else {
            count(stats, .upstreamRqPendingOverflow)
            unsafe stream.pointee.tryFlags = .upstreamOverflow
            // No host was tried.
            unsafe releaseUpstream(stream)
            unsafe stream.pointee.host = .none
            return unsafe upstreamReset(stream, .overflow)
        }
        count(stats, .upstreamRqPendingTotal)
        gauge(stats, .upstreamRqPendingActive, 1)
        unsafe enqueue(stream, host)
        let handle = unsafe stream.pointee.handle
        unsafe openForPending(host, cluster, priority, http2: stream.pointee.wantsHTTP2)
        if unsafe streams[handle] != nil, unsafe stream.pointee.isPending, unsafe cluster.pointee.config.pointee.preconnectRatio > 1 {
            unsafe preconnect(stream, host, cluster, priority)
        }
    }

    /// One connection under way per waiting stream, as far as the limit lets. False: none is under way that was not before.
    @discardableResult
    func openForPending(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority, http2: Bool
    ) -> Bool {
        if http2 { return unsafe openHTTP2ForPending(host, cluster, priority) }
        guard unsafe host.pointee.connectingCount < host.pointee.pendingCount &- host.pointee.pendingHTTP2Count else { return false }
        guard let stream = unsafe lastUnserved(host, http2: false) else { return false }
        guard unsafe takePlace(host, cluster, priority) else { return false }
        unsafe stream.pointee.hasOwnConnection = true
        if unsafe openClient(host, cluster, priority, for: stream) != nil { return true }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
        if unsafe host.pointee.connectionCount == 0 { unsafe failPending(host, .connectFailed(0), stream.pointee.poolKey) }
        return false
    }

    func hasKeyedConnections(_ host: UnsafeMutablePointer<Host>) -> Bool {
        unsafe host.pointee.cluster.pointee.config.pointee.hasKeyedConnections
    }

    /// The newest of the streams that wait for whom no connection is under way.
    func lastUnserved(_ host: UnsafeMutablePointer<Host>, http2: Bool) -> StreamPointer? {
        let isKeyed = unsafe hasKeyedConnections(host)
        var stream = unsafe streams[host.pointee.pendingTail]
        while let waiting = unsafe stream,
            unsafe waiting.pointee.wantsHTTP2 != http2 || (isKeyed && waiting.pointee.hasOwnConnection)
        {
            unsafe stream = streams[waiting.pointee.previousPending]
        }
        return unsafe stream
    }

    /// A place among the cluster's connections. One connection per host is always allowed, or its streams would wait for
    /// ever.
    func takePlace(_ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority) -> Bool {
        let isFull = unsafe isFull(host, cluster, priority)
        if !isFull, unsafe takeConnection(cluster, priority) { return true }
        // An idle connection of somebody else's stands in the way, or one of `tcp_proxy` that nobody has.
        if unsafe cluster.pointee.config.pointee.hasKeyedConnections || host.pointee.aheadCount > 0, unsafe closeIdle(host),
            unsafe !isFull || !self.isFull(host, cluster, priority), unsafe takeConnection(cluster, priority)
        {
            return true
        }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxOverflow)
        guard unsafe host.pointee.connectionCount == 0 else { return false }
        unsafe cluster.pointee.config.pointee.breakers?.takeBeyond(.connections, priority)
        return true
    }

    /// `per_host_thresholds`: all workers together have as many connections to the host as it may have.
    func isFull(_ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority) -> Bool {
        guard let connections = unsafe host.pointee.config.connections else { return false }
        let limits = unsafe priority == .high ? cluster.pointee.config.pointee.highLimits : cluster.pointee.config.pointee.defaultLimits
        guard let most = limits.connectionsPerHost else { return false }
        return connections.count >= UInt64(most)
    }

    /// False: there was none to close. The host stays.
    private func closeIdle(_ host: UnsafeMutablePointer<Host>) -> Bool {
        if unsafe closeAhead(of: host) { return true }
        if let client = unsafe clients[host.pointee.idleHead], let connection = unsafe connections.slab[client.pointee.connection] {
            unsafe closeClient(client, connection, byPeer: false)
            return true
        }
        var left = Worker.keyedSearchMax
        var session = unsafe h2.sessions[host.pointee.http2Head]
        while let idle = unsafe session, left > 0 {
            if let connection = unsafe connections.slab[idle.pointee.connection], unsafe isUnused(idle) {
                unsafe closeHTTP2Client(idle, connection, byPeer: false)
                return true
            }
            left &-= 1
            unsafe session = h2.sessions[idle.pointee.pool.next]
        }
        return false
    }

    // HOT: per message.
    /// The stream that has waited longest for a connection of this protocol with this key.
    @inline(__always)
    func firstPending(_ host: UnsafeMutablePointer<Host>, _ key: UInt64, http2: Bool) -> StreamPointer? {
        var stream = unsafe streams[host.pointee.pendingHead]
        // Several sorts wait in one line only where the protocol is the client's, or connections have keys.
        while let waiting = unsafe stream, unsafe waiting.pointee.wantsHTTP2 != http2 || waiting.pointee.poolKey != key {
            unsafe stream = streams[waiting.pointee.nextPending]
        }
        return unsafe stream
    }

    // HOT: per message.
    /// A connection can carry a request: the stream that waits longest, or the pool.
    func ready(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) {
        let isAuto = unsafe client.pointee.isAuto
        while let stream = unsafe firstPending(host, client.pointee.key, http2: isAuto) {
            if unsafe stream.pointee.isTCP, unsafe client.pointee.requests > 0 {
                // Its place is the next one's (`serveHosts`).
                return unsafe closeClient(client, connection, byPeer: false)
            }
            unsafe dequeue(stream, host)
            if unsafe attach(stream, client, connection, host) { return }
        }
        if unsafe host.pointee.isRemoved || client.pointee.drains != host.pointee.drains {
            unsafe closeClient(client, connection, byPeer: false)
            return
        }
        if unsafe hasKeyedConnections(host), unsafe lastUnserved(host, http2: isAuto) != nil {
            // Somebody else waits for a place.
            return unsafe closeClient(client, connection, byPeer: false)
        }
        unsafe client.pointee.isIdle = true
        unsafe client.pointee.previousIdle = .none
        unsafe client.pointee.nextIdle = unsafe host.pointee.idleHead
        if let next = unsafe clients[host.pointee.idleHead] { unsafe next.pointee.previousIdle = unsafe client.pointee.handle }
        unsafe host.pointee.idleHead = unsafe client.pointee.handle
        unsafe host.pointee.idleCount &+= 1
        unsafe connection.pointee.activeMs = nowMs
        if let cluster = unsafe cluster(of: host) { unsafe armClientTimer(client, connection, cluster.pointee.config) }
    }

    func removeIdle(_ client: UnsafeMutablePointer<H1Client>, _ host: UnsafeMutablePointer<Host>) {
        guard unsafe client.pointee.isIdle else { return }
        unsafe client.pointee.isIdle = false
        if let previous = unsafe clients[client.pointee.previousIdle] {
            unsafe previous.pointee.nextIdle = unsafe client.pointee.nextIdle
        } else {
            unsafe host.pointee.idleHead = unsafe client.pointee.nextIdle
        }
        if let next = unsafe clients[client.pointee.nextIdle] { unsafe next.pointee.previousIdle = unsafe client.pointee.previousIdle }
        unsafe host.pointee.idleCount &-= 1
    }

    // MARK: Streams that wait

    private func enqueue(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) {
        unsafe stream.pointee.isPending = true
        unsafe stream.pointee.nextPending = .none
        unsafe stream.pointee.previousPending = unsafe host.pointee.pendingTail
        if let tail = unsafe streams[host.pointee.pendingTail] {
            unsafe tail.pointee.nextPending = unsafe stream.pointee.handle
        } else {
            unsafe host.pointee.pendingHead = unsafe stream.pointee.handle
        }
        unsafe host.pointee.pendingTail = unsafe stream.pointee.handle
        unsafe host.pointee.pendingCount &+= 1
        if unsafe stream.pointee.wantsHTTP2 { unsafe host.pointee.pendingHTTP2Count &+= 1 }
        unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqPendingActive.rawValue, 1)
    }

    func dequeue(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) {
        guard unsafe stream.pointee.isPending else { return }
        unsafe stream.pointee.isPending = false
        if let previous = unsafe streams[stream.pointee.previousPending] {
            unsafe previous.pointee.nextPending = unsafe stream.pointee.nextPending
        } else {
            unsafe host.pointee.pendingHead = unsafe stream.pointee.nextPending
        }
        if let next = unsafe streams[stream.pointee.nextPending] {
            unsafe next.pointee.previousPending = unsafe stream.pointee.previousPending
        } else {
            unsafe host.pointee.pendingTail = unsafe stream.pointee.previousPending
        }
        unsafe host.pointee.pendingCount &-= 1
        if unsafe stream.pointee.wantsHTTP2 { unsafe host.pointee.pendingHTTP2Count &-= 1 }
        unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqPendingActive.rawValue, -1)
        guard let cluster = unsafe cluster(of: host) else { return }
        unsafe gauge(cluster.pointee.config.pointee.stats, .upstreamRqPendingActive, -1)
        unsafe cluster.pointee.config.pointee.breakers?.give(
            .pendingRequests, stream.pointee.upstreamIsHigh ? .high : .normal, thread: index)
    }

    /// No connection could be had: everybody who waits for one with this key is told, so that nobody waits for a dead host.
    func failPending(_ host: UnsafeMutablePointer<Host>, _ failure: UpstreamFailure, _ key: UInt64, http2: Bool = false) {
        let handle = unsafe host.pointee.handle
        var budget = unsafe host.pointee.pendingCount
        while budget > 0, let host = unsafe hosts[handle], let stream = unsafe firstPending(host, key, http2: http2) {
            budget &-= 1
            unsafe dequeue(stream, host)
            if let cluster = unsafe cluster(of: host) {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqPendingFailureEject)
            }
            unsafe upstreamReset(stream, failure)
        }
    }

    // MARK: The end of an upstream request

    // HOT: per message.
    /// Takes the stream off its upstream: a connection whose response is complete goes back to the pool, any other one
    /// is closed, a stream that waits leaves the queue. `isTold`: its line is written.
    func releaseUpstream(_ stream: StreamPointer, isTold: Bool = true) {
        guard unsafe stream.pointee.isCountedUpstream, let host = unsafe hosts[stream.pointee.host] else { return }
        unsafe stream.pointee.isCountedUpstream = false
        unsafe meterUpstreamSent(stream)
        if isTold {
            unsafe logTry(stream, .upstreamEnd)
            if unsafe stream.pointee.tracksTries { unsafe trackTry(stream) }
        }
        unsafe stream.pointee.tryLogAtMs = 0
        let cluster = unsafe cluster(of: host)
        if unsafe stream.pointee.isPending {
            if let cluster = unsafe cluster { unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqCancelled) }
            unsafe dequeue(stream, host)
        }
        unsafe endedRequest(host)
        if unsafe stream.pointee.isOnUpstream {
            unsafe stream.pointee.isOnUpstream = false
            unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, -1)
            if let cluster = unsafe cluster {
                unsafe gauge(cluster.pointee.config.pointee.stats, .upstreamRqActive, -1)
                unsafe cluster.pointee.config.pointee.breakers?.give(
                    .requests, stream.pointee.upstreamIsHigh ? .high : .normal, thread: index)
            }
        }
        unsafe leaveUpstream(stream, host, cluster)
    }

    func http1LeaveUpstream(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>?
    ) {
        guard let connection = unsafe connections.slab[stream.pointee.upstream],
            let client = unsafe clients[connection.pointee.session]
        else {
            unsafe freeIfUnused(host)
            return
        }
        unsafe stream.pointee.upstream = .none
        unsafe client.pointee.stream = .none
        unsafe connection.pointee.isAboveHigh = false
        let isReusable =
            unsafe client.pointee.responseDone && client.pointee.requestSent && !client.pointee.mustClose
            && !connection.pointee.sawEnd && !host.pointee.isRemoved && !isWornOut(client, cluster, host)
        if isReusable {
            if unsafe connection.pointee.isPaused { unsafe connections.receive(connection) }
            unsafe ready(client, connection, host)
        } else {
            if unsafe !client.pointee.responseDone || !client.pointee.requestSent, unsafe !connection.pointee.sawEnd, let cluster = unsafe cluster {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyLocalWithActiveRq)
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyWithActiveRq)
            }
            unsafe closeClient(client, connection, byPeer: connection.pointee.sawEnd)
        }
    }

    private func isWornOut(
        _ client: UnsafeMutablePointer<H1Client>, _ cluster: UnsafeMutablePointer<Cluster>?, _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        guard let cluster = unsafe cluster else { return true }
        if unsafe client.pointee.drains != host.pointee.drains { return true }
        // A busy connection has no timer for it.
        if unsafe client.pointee.closeAtMs != 0, unsafe nowMs >= client.pointee.closeAtMs {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxMaxDurationReached)
            return true
        }
        let most = unsafe cluster.pointee.config.pointee.requestsPerConnectionMax
        guard most != 0, unsafe client.pointee.requests >= most else { return false }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxMaxRequests)
        return true
    }

    /// A host left the cluster: its idle connections close, its busy ones end with their requests.
    func hostRemoved(_ handle: Handle) {
        closeUnused(handle)
        if let host = unsafe hosts[handle] { unsafe freeIfUnused(host) }
    }

    /// `close_connections_on_host_set_change`: the same of a host that stays.
    func drain(_ handle: Handle) {
        if let host = unsafe hosts[handle] { unsafe host.pointee.drains &+= 1 }
        closeUnused(handle)
    }

    private func closeUnused(_ handle: Handle) {
        while let host = unsafe hosts[handle], let client = unsafe clients[host.pointee.idleHead] {
            guard let connection = unsafe connections.slab[client.pointee.connection] else {
                unsafe removeIdle(client, host)
                continue
            }
            unsafe closeClient(client, connection, byPeer: false)
        }
        if let host = unsafe hosts[handle] { unsafe drainHTTP2(host) }
        closeAheads(handle)
    }

    // MARK: Pools

    /// `max_connection_pools`: the host has a pool of this priority, or may have one.
    func takePool(_ host: UnsafeMutablePointer<Host>, _ priority: Priority, _ pools: Breakers) -> Bool {
        let bit: UInt8 = priority == .high ? 2 : 1
        if unsafe host.pointee.pools & bit != 0 { return true }
        guard pools.take(.connections, priority, thread: index) else { return false }
        unsafe host.pointee.pools |= bit
        return true
    }

    /// A pool goes with its last connection, when nobody waits for another.
    func givePools(_ host: UnsafeMutablePointer<Host>) {
        guard unsafe Int64(host.pointee.connectionCount) <= Int64(host.pointee.tcpConnections), unsafe host.pointee.pendingCount == 0,
            unsafe host.pointee.activeRequests == 0, let pools = unsafe host.pointee.cluster.pointee.config.pointee.poolBreakers
        else { return }
        if unsafe host.pointee.pools & 1 != 0 { pools.give(.connections, .normal, thread: index) }
        if unsafe host.pointee.pools & 2 != 0 { pools.give(.connections, .high, thread: index) }
        unsafe host.pointee.pools = 0
    }
}
