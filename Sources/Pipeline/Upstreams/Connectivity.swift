// What all connections of a worker to hosts have and are asked for together: `predictive_preconnect_ratio` weighs these, as in
// Envoy, whichever cluster the next request is for.
//
// Owner: one worker. A connection of HTTP/1 or of `tcp_proxy` counts for one request, whether it is under way, idle or busy;
// one of HTTP/2 for those it carries and those it has room for (`noteCapacity`).

import Primitives
import Transport
import Upstream
import Wire

struct Connectivity {
    /// Requests and TCP connections on a connection to a host, or waiting for one.
    var requests: Int64 = 0
    /// Requests that the connections carry, or could.
    var capacity: Int64 = 0

    /// Whether one request more, times the ratio, is more than there is room for.
    func wantsMore(_ ratio: Double) -> Bool { Double(requests &+ 1) * ratio > Double(capacity) }
}

extension Worker {
    // HOT: per message.
    /// A request is on its way to this host.
    @inline(__always)
    func beganRequest(_ host: UnsafeMutablePointer<Host>) {
        unsafe host.pointee.activeRequests &+= 1
        connectivity.requests &+= 1
    }

    // HOT: per message.
    @inline(__always)
    func endedRequest(_ host: UnsafeMutablePointer<Host>) {
        unsafe host.pointee.activeRequests &-= 1
        connectivity.requests &-= 1
    }

    // MARK: Connections for one request

    func countCapacity(_ connection: UnsafeMutablePointer<Connection>, _ host: UnsafeMutablePointer<Host>?, _ n: Int32) {
        switch unsafe connection.pointee.role {
        case .http1Upstream: connectivity.capacity &+= Int64(n)
        case .tcpUpstream:
            connectivity.capacity &+= Int64(n)
            connectivity.requests &+= Int64(n)
            if let host = unsafe host { unsafe host.pointee.tcpConnections &+= n }
        case .tcpAhead:
            connectivity.capacity &+= Int64(n)
            if let host = unsafe host { unsafe host.pointee.tcpConnections &+= n }
        default: break
        }
    }

    // MARK: Connections of HTTP/2

    /// The connection has more room than before, or less.
    func noteCapacity(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>) {
        let config = unsafe host.pointee.cluster.pointee.config
        let carried = unsafe UInt64(session.pointee.streamCount)
        var room: UInt64 = 0
        if unsafe session.pointee.pool.isConnecting {
            room = unsafe host.pointee.answersHTTP1 ? 1 : UInt64(config.pointee.http2.concurrentStreamsMax)
        } else if unsafe !session.pointee.pool.isDraining {
            room = unsafe UInt64(session.pointee.pool.streamsMax &- min(session.pointee.pool.streamsMax, session.pointee.streamCount))
        }
        let most = unsafe config.pointee.requestsPerConnectionMax
        if most != 0 { room = unsafe min(room, most &- min(most, session.pointee.requests)) }
        unsafe setCapacity(session, Int64(carried &+ room))
    }

    func setCapacity(_ session: UnsafeMutablePointer<H2Session>, _ capacity: Int64) {
        connectivity.capacity &+= unsafe capacity &- session.pointee.pool.capacity
        unsafe session.pointee.pool.capacity = capacity
    }

    /// No more requests on this one.
    func retire(_ session: UnsafeMutablePointer<H2Session>, _ host: UnsafeMutablePointer<Host>?) {
        unsafe session.pointee.pool.isDraining = true
        if let host = unsafe host { unsafe noteCapacity(session, host) }
        unsafe watchIfLeft(session)
    }
}
