// `preconnect_policy`: connections that are opened before a request needs them, so that it does not wait for a handshake.
//
// What is weighed is room: a connection of HTTP/1 has it for one request, one of HTTP/2 for as many as its peer, or
// configuration, lets it carry; with `auto_config` the last handshake says which. Those of `tcp_proxy` are `TCPAhead`'s.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// Connections opened ahead in one go; Envoy's number.
    static let preconnectsMax = 3

    // HOT: per message, with `preconnect_policy`.
    /// `per_upstream_preconnect_ratio`: as many connections to the host as its requests times the ratio.
    func preconnect(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority
    ) {
        let handle = unsafe host.pointee.handle
        let isHTTP2 = unsafe stream.pointee.wantsHTTP2
        var left = Worker.preconnectsMax
        while left > 0, unsafe hosts[handle] == host,
            unsafe wantsMore(host, anticipated: 0, ratio: cluster.pointee.config.pointee.preconnectRatio, isHTTP2: isHTTP2)
        {
            guard unsafe openAhead(stream, host, cluster, priority) else { return }
            left &-= 1
        }
    }

    // HOT: per message, with `preconnect_policy`.
    /// `predictive_preconnect_ratio`, before the stream's own connection is chosen: the hosts whose turns come next, as long as
    /// the worker's connections to all clusters together have less room than their requests, and this one, want.
    func preconnectPredicted(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        let ratio = unsafe cluster.pointee.config.pointee.predictiveRatio
        let priority = unsafe stream.pointee.route?.pointee.priority ?? .normal
        var left = Worker.preconnectsMax
        let isHTTP2 = unsafe choosesHTTP2(stream, cluster)
        while left > 0, connectivity.wantsMore(ratio) {
            guard let host = unsafe cluster.pointee.peek(slab: hosts, random: &random, nowMs: nowMs),
                unsafe wantsMore(host, anticipated: 1, ratio: ratio, isHTTP2: isHTTP2), unsafe openAhead(stream, host, cluster, priority)
            else { return }
            left &-= 1
        }
    }

    /// Whether what the host has is less than what its requests, and those that are foreseen, want of it.
    private func wantsMore(_ host: UnsafeMutablePointer<Host>, anticipated: UInt32, ratio: Double, isHTTP2: Bool) -> Bool {
        let pending = unsafe isHTTP2 ? host.pointee.pendingHTTP2Count : host.pointee.pendingCount &- host.pointee.pendingHTTP2Count
        let connecting = unsafe isHTTP2 ? connectingRoom(host) : Double(host.pointee.connectingCount)
        guard unsafe host.pointee.config.isHealthy, unsafe !host.pointee.config.isDegraded, unsafe !host.pointee.isRemoved else {
            return Double(pending) > connecting
        }
        let active = unsafe host.pointee.activeRequests &- min(host.pointee.activeRequests, host.pointee.pendingCount)
        let idle = unsafe isHTTP2 && !host.pointee.answersHTTP1 ? connectedRoom(host) : Double(host.pointee.idleCount)
        return Double(pending &+ active &+ anticipated) * ratio > connecting + idle + Double(active)
    }

    /// Requests that the host's connections under way will take.
    private func connectingRoom(_ host: UnsafeMutablePointer<Host>) -> Double {
        if unsafe host.pointee.answersHTTP1 { return unsafe Double(host.pointee.http2ConnectingCount) }
        let config = unsafe host.pointee.cluster.pointee.config
        let most = unsafe config.pointee.requestsPerConnectionMax
        let room = unsafe UInt64(config.pointee.http2.concurrentStreamsMax)
        return unsafe Double(host.pointee.http2ConnectingCount) * Double(most == 0 ? room : min(room, most))
    }

    /// Requests that the host's connections take beside those that they have: full ones are in no pool.
    private func connectedRoom(_ host: UnsafeMutablePointer<Host>) -> Double {
        let most = unsafe host.pointee.cluster.pointee.config.pointee.requestsPerConnectionMax
        var room = 0.0
        var next = unsafe host.pointee.http2Head
        while let session = unsafe h2.sessions[next] {
            unsafe next = session.pointee.pool.next
            let streams = unsafe UInt64(session.pointee.pool.streamsMax &- min(session.pointee.pool.streamsMax, session.pointee.streamCount))
            let requests = unsafe most == 0 ? streams : most &- min(most, session.pointee.requests)
            if unsafe !session.pointee.pool.isDraining { room += Double(min(streams, requests)) }
        }
        return room
    }

    private func openAhead(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority
    ) -> Bool {
        // Envoy would open one beyond every limit for a host that has none; nobody waits for this one.
        guard unsafe !isFull(host, cluster, priority), unsafe takeConnection(cluster, priority) else {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxOverflow)
            return false
        }
        let isOpen = unsafe choosesHTTP2(stream, cluster)
            ? openHTTP2Client(host, cluster, priority, for: stream) != nil : openClient(host, cluster, priority, for: stream) != nil
        if isOpen { return true }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
        return false
    }
}
