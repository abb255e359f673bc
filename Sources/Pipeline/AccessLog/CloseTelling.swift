// How the two connections of a request or of a proxied connection ended, in Envoy's words: `%..._DETECTED_CLOSE_TYPE%` and
// `%..._LOCAL_CLOSE_REASON%`.

import Primitives

/// As far as it is known when the line is written.
package enum CloseType: UInt8, BitwiseCopyable {
    case normal, localReset, remoteReset

    package var name: StaticString {
        switch self {
        case .normal: "Normal"
        case .localReset: "LocalReset"
        case .remoteReset: "RemoteReset"
        }
    }
}

/// Why `tcp_proxy` ended a connection.
package enum LocalClose: UInt8, BitwiseCopyable {
    case none, idle, duration, connectFailed, noHealthyHost, overflow, noCluster

    package var name: StaticString {
        switch self {
        case .none: ""
        case .idle: "tcp_session_idle_timeout"
        case .duration: "max_connection_duration_reached"
        // Envoy's spelling, and its numbers.
        case .connectFailed: "tcp_initializion_failure:0"
        case .noHealthyHost: "tcp_initializion_failure:1"
        case .overflow: "tcp_initializion_failure:2"
        case .noCluster: "tcp_initializion_failure:3"
        }
    }

    /// Both sides were there, and both were closed for it.
    var closesUpstream: Bool { self == .idle || self == .duration }
}

extension FormatSource {
    /// A line of a stream is written before its connection ends.
    var downstreamCloseType: Bytes? {
        if let tcp = unsafe tcp { return unsafe tcp.pointee.downstreamClose.map { Bytes($0.name) } }
        return Bytes(CloseType.normal.name)
    }

    /// Of a stream that has a host.
    var upstreamCloseType: Bytes? {
        if let tcp = unsafe tcp { return unsafe tcp.pointee.upstreamClose.map { Bytes($0.name) } }
        guard let stream = unsafe stream, unsafe stream.pointee.host != .none else { return nil }
        return Bytes(CloseType.normal.name)
    }
}
