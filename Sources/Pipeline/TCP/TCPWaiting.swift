// Sessions of `tcp_proxy` that wait for a connection of their host to end, because it has as many as it may have
// (`per_host_thresholds`): a line per host and worker, oldest first.
//
// A session that waits counts among the cluster's pending requests, whose limit is the line's. It is linked through
// `TCPSession.nextWaiting`; it leaves by its turn, with a connection attempt that fails, or by its own end.

import Primitives
import Stats
import Transport
import Upstream

extension Worker {
    func enqueue(_ session: TCPSessionPointer, _ host: UnsafeMutablePointer<Host>) {
        unsafe session.pointee.isWaiting = true
        unsafe session.pointee.nextWaiting = .none
        unsafe session.pointee.previousWaiting = unsafe host.pointee.tcpTail
        if let last = unsafe tcpSessions[host.pointee.tcpTail] {
            unsafe last.pointee.nextWaiting = unsafe session.pointee.handle
        } else {
            unsafe host.pointee.tcpHead = unsafe session.pointee.handle
        }
        unsafe host.pointee.tcpTail = unsafe session.pointee.handle
    }

    private func dequeue(_ session: TCPSessionPointer, _ host: UnsafeMutablePointer<Host>) {
        unsafe session.pointee.isWaiting = false
        if let previous = unsafe tcpSessions[session.pointee.previousWaiting] {
            unsafe previous.pointee.nextWaiting = unsafe session.pointee.nextWaiting
        } else {
            unsafe host.pointee.tcpHead = unsafe session.pointee.nextWaiting
        }
        if let next = unsafe tcpSessions[session.pointee.nextWaiting] {
            unsafe next.pointee.previousWaiting = unsafe session.pointee.previousWaiting
        } else {
            unsafe host.pointee.tcpTail = unsafe session.pointee.previousWaiting
        }
    }

    /// Who waits longest may have a place now. At the end of a turn only (`serveHosts`): a place may cost somebody else's
    /// connection.
    func serveWaiting(_ handle: Handle) {
        while let host = unsafe hosts[handle], let session = unsafe tcpSessions[host.pointee.tcpHead], let cluster = unsafe cluster(of: host),
            unsafe takePlace(host, cluster, .normal)
        {
            unsafe dequeue(session, host)
            if unsafe !openTCP(session, host, cluster) {
                unsafe endPending(session, cluster)
                unsafe tcpTryAgain(session)
            }
        }
    }

    /// A connection to the host could not be had: as in Envoy everybody who waits for one is told.
    func failWaiting(_ host: UnsafeMutablePointer<Host>, _ failure: ConnectFailure) {
        let handle = unsafe host.pointee.handle
        while let host = unsafe hosts[handle], let session = unsafe tcpSessions[host.pointee.tcpHead], let cluster = unsafe cluster(of: host) {
            unsafe dequeue(session, host)
            unsafe endPending(session, cluster)
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqPendingFailureEject)
            unsafe note(failure, session)
            unsafe tcpTryAgain(session)
        }
    }

    /// The session ends while it waits: no host was tried.
    func leaveLine(_ session: TCPSessionPointer) {
        guard unsafe session.pointee.isWaiting, let host = unsafe hosts[session.pointee.host] else { return }
        unsafe dequeue(session, host)
        unsafe session.pointee.host = .none
        if let cluster = unsafe cluster(of: host) {
            unsafe endPending(session, cluster)
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqCancelled)
        }
        unsafe freeIfUnused(host)
    }
}
