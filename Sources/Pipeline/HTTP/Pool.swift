// The connections of a host on this worker: idle ones, newest first, and the streams that wait for one, oldest first.

import Primitives
import Stats
import Transport
import Upstream

extension Worker {
    // HOT: per message.
    /// An idle connection, or a new one, for the stream's request.
    func lease(
        _ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>, _ host: UnsafeMutablePointer<Host>,
        _ limits: CircuitLimits
    ) {
        while let client = clients[host.pointee.idleHead] {
            removeIdle(client, host)
            guard let connection = connections.slab[client.pointee.connection], !connection.pointee.sawEnd,
                !connection.pointee.isClosing
            else {
                clients.free(client.pointee.handle)
                continue
            }
            attach(stream, client, connection, host)
            return
        }
        let stats = cluster.pointee.config.pointee.stats
        let isHigh = stream.pointee.upstreamIsHigh
        let pending = isHigh ? cluster.pointee.pendingRequests.1 : cluster.pointee.pendingRequests.0
        guard pending < limits.pendingRequests else {
            count(stats, .upstreamRqPendingOverflow)
            return overflow(stream)
        }
        count(stats, .upstreamRqPendingTotal)
        gauge(stats, .upstreamRqPendingActive, 1)
        if isHigh { cluster.pointee.pendingRequests.1 &+= 1 } else { cluster.pointee.pendingRequests.0 &+= 1 }
        enqueue(stream, host)
        openForPending(host, cluster, limits)
    }

    /// One connection under way per waiting stream, as far as the limit lets.
    private func openForPending(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ limits: CircuitLimits
    ) {
        guard host.pointee.connectingCount < host.pointee.pendingCount else { return }
        if cluster.pointee.activeConnections >= limits.connections {
            count(cluster.pointee.config.pointee.stats, .upstreamCxOverflow)
            // One connection per host is always allowed, or its streams would wait for ever.
            guard host.pointee.connectionCount == 0 else { return }
        }
        if openClient(host, cluster) == nil {
            count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
            if host.pointee.connectionCount == 0 { failPending(host, .connectFailed(0)) }
        }
    }

    // HOT: per message.
    /// A connection can carry a request: the stream that waits longest, or the pool.
    func ready(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) {
        if let stream = streams[host.pointee.pendingHead] {
            dequeue(stream, host)
            attach(stream, client, connection, host)
            return
        }
        if host.pointee.isRemoved {
            closeClient(client, connection, byPeer: false)
            return
        }
        client.pointee.isIdle = true
        client.pointee.previousIdle = .none
        client.pointee.nextIdle = host.pointee.idleHead
        if let next = clients[host.pointee.idleHead] { next.pointee.previousIdle = client.pointee.handle }
        host.pointee.idleHead = client.pointee.handle
        host.pointee.idleCount &+= 1
        connection.pointee.activeMs = nowMs
        if let cluster = cluster(of: host) { armClientTimer(client, connection, cluster.pointee.config) }
    }

    func removeIdle(_ client: UnsafeMutablePointer<H1Client>, _ host: UnsafeMutablePointer<Host>) {
        guard client.pointee.isIdle else { return }
        client.pointee.isIdle = false
        if let previous = clients[client.pointee.previousIdle] {
            previous.pointee.nextIdle = client.pointee.nextIdle
        } else {
            host.pointee.idleHead = client.pointee.nextIdle
        }
        if let next = clients[client.pointee.nextIdle] { next.pointee.previousIdle = client.pointee.previousIdle }
        host.pointee.idleCount &-= 1
    }

    // MARK: Streams that wait

    private func enqueue(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) {
        stream.pointee.isPending = true
        stream.pointee.nextPending = .none
        stream.pointee.previousPending = host.pointee.pendingTail
        if let tail = streams[host.pointee.pendingTail] {
            tail.pointee.nextPending = stream.pointee.handle
        } else {
            host.pointee.pendingHead = stream.pointee.handle
        }
        host.pointee.pendingTail = stream.pointee.handle
        host.pointee.pendingCount &+= 1
        cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqPendingActive.rawValue, 1)
    }

    func dequeue(_ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>) {
        guard stream.pointee.isPending else { return }
        stream.pointee.isPending = false
        if let previous = streams[stream.pointee.previousPending] {
            previous.pointee.nextPending = stream.pointee.nextPending
        } else {
            host.pointee.pendingHead = stream.pointee.nextPending
        }
        if let next = streams[stream.pointee.nextPending] {
            next.pointee.previousPending = stream.pointee.previousPending
        } else {
            host.pointee.pendingTail = stream.pointee.previousPending
        }
        host.pointee.pendingCount &-= 1
        cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqPendingActive.rawValue, -1)
        guard let cluster = cluster(of: host) else { return }
        gauge(cluster.pointee.config.pointee.stats, .upstreamRqPendingActive, -1)
        if stream.pointee.upstreamIsHigh {
            cluster.pointee.pendingRequests.1 &-= 1
        } else {
            cluster.pointee.pendingRequests.0 &-= 1
        }
    }

    /// No connection could be had: everybody who waits is told, so that nobody waits for a dead host.
    func failPending(_ host: UnsafeMutablePointer<Host>, _ failure: UpstreamFailure) {
        let handle = host.pointee.handle
        var budget = host.pointee.pendingCount
        while budget > 0, let host = hosts[handle], let stream = streams[host.pointee.pendingHead] {
            budget &-= 1
            dequeue(stream, host)
            if let cluster = cluster(of: host) {
                count(cluster.pointee.config.pointee.stats, .upstreamRqPendingFailureEject)
            }
            upstreamReset(stream, failure)
        }
    }

    // MARK: The end of an upstream request

    // HOT: per message.
    /// Takes the stream off its upstream: a connection whose response is complete goes back to the pool, any other one
    /// is closed, a stream that waits leaves the queue.
    func releaseUpstream(_ stream: StreamPointer) {
        guard stream.pointee.isCountedUpstream, let host = hosts[stream.pointee.host] else { return }
        stream.pointee.isCountedUpstream = false
        let cluster = cluster(of: host)
        if stream.pointee.isPending { dequeue(stream, host) }
        host.pointee.activeRequests &-= 1
        if let cluster {
            if stream.pointee.upstreamIsHigh {
                cluster.pointee.activeRequests.1 &-= 1
            } else {
                cluster.pointee.activeRequests.0 &-= 1
            }
        }
        if stream.pointee.isOnUpstream {
            stream.pointee.isOnUpstream = false
            cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, -1)
            if let cluster { gauge(cluster.pointee.config.pointee.stats, .upstreamRqActive, -1) }
        }
        guard let connection = connections.slab[stream.pointee.upstream],
            let client = clients[connection.pointee.session]
        else {
            freeIfUnused(host)
            return
        }
        stream.pointee.upstream = .none
        client.pointee.stream = .none
        let isReusable =
            client.pointee.responseDone && client.pointee.requestSent && !client.pointee.mustClose
            && !connection.pointee.sawEnd && !isWornOut(client, cluster)
        if isReusable {
            if connection.pointee.isPaused { connections.receive(connection) }
            ready(client, connection, host)
        } else {
            if !client.pointee.responseDone, let cluster {
                count(cluster.pointee.config.pointee.stats, .upstreamRqCancelled)
                count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyLocalWithActiveRq)
                count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyWithActiveRq)
            }
            closeClient(client, connection, byPeer: connection.pointee.sawEnd)
            if let host = hosts[stream.pointee.host], host.pointee.pendingCount > 0, let cluster {
                openForPending(host, cluster, cluster.pointee.limits(.normal))
            }
        }
    }

    private func isWornOut(_ client: UnsafeMutablePointer<H1Client>, _ cluster: UnsafeMutablePointer<Cluster>?) -> Bool {
        guard let cluster else { return true }
        let most = cluster.pointee.config.pointee.requestsPerConnectionMax
        guard most != 0, client.pointee.requests >= most else { return false }
        count(cluster.pointee.config.pointee.stats, .upstreamCxMaxRequests)
        return true
    }

    /// A host left the cluster: its idle connections close, its busy ones end with their requests.
    func hostRemoved(_ handle: Handle) {
        while let host = hosts[handle], let client = clients[host.pointee.idleHead] {
            guard let connection = connections.slab[client.pointee.connection] else {
                removeIdle(client, host)
                continue
            }
            closeClient(client, connection, byPeer: false)
        }
        if let host = hosts[handle] { freeIfUnused(host) }
    }
}
