// `auto_config`: the handshake says which HTTP a connection to a host speaks.
//
// A connection is opened as one of HTTP/2, with both protocols offered, and nothing is sent on it before its handshake is
// complete. ALPN chose `h2`: it stays one. Anything else, or no choice at all: it becomes one of HTTP/1. Requests wait in
// the line of HTTP/2 (`HTTPStream.wantsHTTP2`), which connections of both sorts serve.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// What is offered; a peer that has both is asked for HTTP/2, as by Envoy.
    static var autoProtocols: Bytes { Bytes("\u{2}h2\u{8}http/1.1" as StaticString) }

    // HOT: per message.
    @inline(__always)
    func isAuto(_ cluster: UnsafeMutablePointer<Cluster>) -> Bool {
        unsafe cluster.pointee.config.pointee.upstreamProtocol == .auto
    }

    /// The handshake of a connection is complete. False: it is one of HTTP/1 now, and what waited for it has it.
    func staysHTTP2(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        guard unsafe session.pointee.pool.isAuto, let cluster = unsafe cluster(of: host) else { return true }
        let isHTTP2 = unsafe connection.pointee.tls?.pointee.applicationProtocol.equals(Bytes("h2" as StaticString)) ?? false
        unsafe host.pointee.answersHTTP1 = !isHTTP2
        if isHTTP2 {
            unsafe countOpened(session, cluster.pointee.config)
            return true
        }
        unsafe becomeHTTP1(session, connection, host, cluster)
        return false
    }

    private func becomeHTTP1(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>
    ) {
        let config = unsafe cluster.pointee.config
        let pool = unsafe session.pointee.pool
        let priority = unsafe connection.pointee.isHigh ? Priority.high : .normal
        let name = unsafe host.pointee.handle
        unsafe closeSession(session)
        unsafe connection.pointee.session = .none
        unsafe connection.pointee.role = .http1Upstream
        unsafe countCapacity(connection, host, 1)
        guard let client = unsafe openClient(on: connection, config) else {
            unsafe failPending(host, .memory, pool.key, http2: true)
            return unsafe closeUpstream(connection)
        }
        unsafe client.pointee.key = pool.key
        unsafe client.pointee.drains = pool.drains
        unsafe client.pointee.closeAtMs = pool.closeAtMs
        unsafe client.pointee.localAddress = pool.localAddress
        unsafe client.pointee.isAuto = true
        unsafe client.pointee.isCountedHTTP1 = true
        unsafe count(config.pointee.stats, .upstreamCxHttp1Total)
        unsafe connections.receive(connection)
        unsafe ready(client, connection, host)
        // Those who waited for the same connection need one each.
        var left = unsafe hosts[name]?.pointee.pendingHTTP2Count ?? 0
        while left > 0, let host = unsafe hosts[name], unsafe openHTTP2ForPending(host, cluster, priority) { left &-= 1 }
    }
}
