// `preconnect_policy`: connections that are opened before a request needs them, so that it does not wait for a handshake.
//
// Over HTTP/1 alone, `auto_config` included where the last handshake said so: a connection of HTTP/2 has room for so many
// requests that Envoy opens none ahead either, and TCP connections are not pooled here.

import Primitives
import Stats
import Transport
import Upstream

extension Worker {
    /// Connections opened ahead in one go; Envoy's number.
    static let preconnectsMax = 3

    // HOT: per message, with `preconnect_policy`.
    /// `per_upstream_preconnect_ratio`: as many connections to the host as its requests times the ratio.
    func preconnect(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority
    ) {
        let handle = unsafe host.pointee.handle
        var left = Worker.preconnectsMax
        while left > 0, unsafe hosts[handle] == host,
            unsafe wantsMore(host, anticipated: 0, ratio: cluster.pointee.config.pointee.preconnectRatio)
        {
            guard unsafe openAhead(stream, host, cluster, priority) else { return }
            left &-= 1
        }
    }

    // HOT: per message, with `preconnect_policy`.
    /// `predictive_preconnect_ratio`, before the stream's own connection is chosen: the hosts whose turns come next.
    func preconnectPredicted(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) {
        guard unsafe isAuto(cluster) || !choosesHTTP2(stream, cluster) else { return }
        let ratio = unsafe cluster.pointee.config.pointee.predictiveRatio
        let priority = unsafe stream.pointee.route?.pointee.priority ?? .normal
        var left = Worker.preconnectsMax
        while left > 0, unsafe Double(cluster.pointee.activeRequests &+ 1) * ratio > Double(cluster.pointee.connectionCount) {
            guard let host = unsafe cluster.pointee.peek(slab: hosts, random: &random, nowMs: nowMs),
                unsafe wantsMore(host, anticipated: 1, ratio: ratio), unsafe openAhead(stream, host, cluster, priority)
            else { return }
            left &-= 1
        }
    }

    /// Whether what the host has is less than what its requests, and those that are foreseen, want of it.
    private func wantsMore(_ host: UnsafeMutablePointer<Host>, anticipated: UInt32, ratio: Double) -> Bool {
        let isAuto = unsafe isAuto(host.pointee.cluster)
        if isAuto, unsafe !host.pointee.answersHTTP1 { return false }
        let pending = unsafe isAuto ? host.pointee.pendingHTTP2Count : host.pointee.pendingCount &- host.pointee.pendingHTTP2Count
        let connecting = unsafe isAuto ? host.pointee.http2ConnectingCount : host.pointee.connectingCount
        guard unsafe host.pointee.config.isHealthy, unsafe !host.pointee.config.isDegraded, unsafe !host.pointee.isRemoved else {
            return pending > connecting
        }
        let active = unsafe host.pointee.activeRequests &- min(host.pointee.activeRequests, host.pointee.pendingCount)
        return unsafe Double(pending &+ active &+ anticipated) * ratio > Double(connecting &+ host.pointee.idleCount &+ active)
    }

    private func openAhead(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority
    ) -> Bool {
        // Envoy would open one beyond every limit for a host that has none; nobody waits for this one.
        guard unsafe !isFull(host, cluster, priority), unsafe takeConnection(cluster, priority) else {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxOverflow)
            return false
        }
        if unsafe isAuto(cluster) {
            if unsafe openHTTP2Client(host, cluster, priority, for: stream) != nil { return true }
        } else if unsafe openClient(host, cluster, priority, for: stream) != nil {
            return true
        }
        unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectFail)
        return false
    }
}
