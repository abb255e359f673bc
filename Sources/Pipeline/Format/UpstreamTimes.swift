// How a request or a proxied connection came to its upstream connection, and the operators that tell of it.

import Primitives
import Transport

/// Moments in nanoseconds of the worker's clock; 0: not reached. The connection's own are the same for every request on it.
struct UpstreamTimes: BitwiseCopyable {
    /// A connection was asked for, and had, or known not to be had.
    var askedNs: UInt64 = 0
    var readyNs: UInt64 = 0
    var beganNs: UInt64 = 0
    var connectedNs: UInt64 = 0
    var securedNs: UInt64 = 0

    mutating func ready(_ connection: UnsafeMutablePointer<Connection>, _ nowNs: UInt64) {
        readyNs = nowNs
        beganNs = unsafe connection.pointee.openedNs
        connectedNs = unsafe connection.pointee.connectedNs
        securedNs = unsafe connection.pointee.securedNs
    }
}

extension FormatSource {
    /// How long a connection was waited for; nil: none was asked for, or it is waited for still.
    var poolReadyNs: UInt64? {
        guard let times = unsafe stream?.pointee.upstreamTimes ?? tcp?.pointee.upstreamTimes, times.readyNs != 0,
            times.readyNs >= times.askedNs
        else { return nil }
        return times.readyNs &- times.askedNs
    }
}

extension FormatWriter {
    /// From the beginning of what the line is about to the end of the client's handshake: as in Envoy below zero for a request,
    /// which begins behind it.
    static func handshakeDuration(_ source: FormatSource) -> FormatValue {
        let secured = unsafe source.stream?.pointee.securedNs ?? source.tcp?.pointee.securedNs ?? 0
        guard secured != 0, !source.isTry else { return .missing }
        let start = source.startNs
        if secured >= start { return .number((secured &- start) / 1_000_000) }
        let before = (start &- secured) / 1_000_000
        return before == 0 ? .number(0) : .negative(before)
    }

    /// Microseconds; nothing before a route was looked for.
    static func routeTime(_ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream, unsafe stream.pointee.routeResult != nil, unsafe stream.pointee.http.pointee.timesRoutes
        else { return .missing }
        return unsafe .number(stream.pointee.routingNs / 1000)
    }
}
