// The lines that a proxied TCP connection leaves in the access log.

import Primitives
import Transport
import Upstream

extension Worker {
    /// What lines tell of the upstream side.
    func noteUpstream(_ session: TCPSessionPointer, _ upstream: UnsafeMutablePointer<Connection>) {
        unsafe session.pointee.upstreamBytesSent = unsafe upstream.pointee.bytesSent
        unsafe session.pointee.upstreamBytesReceived = unsafe upstream.pointee.bytesReceived
        let hasLogs = unsafe !session.pointee.config.pointee.accessLogs.isEmpty
        let localOfUpstream =
            unsafe hasLogs && session.pointee.isConnected ? SocketAddress(localOf: upstream.pointee.descriptor) : SocketAddress()
        unsafe session.pointee.upstreamLocalAddress = localOfUpstream
    }

    /// The listener's line and the filter's.
    func logTCPEnd(_ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>) {
        let listener = unsafe listenerLogs(downstream)
        if !listener.isEmpty { unsafe logTCP(listener, session, downstream, .notSet) }
        unsafe logTCP(session, downstream, .tcpConnectionEnd)
    }

    /// The filter's logs. At the end: before the downstream side is closed; the session has the upstream's counts already.
    func logTCP(_ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>, _ type: AccessLogType) {
        let logs = unsafe session.pointee.config.pointee.accessLogs
        if !logs.isEmpty { unsafe logTCP(logs, session, downstream, type) }
    }

    private func logTCP(
        _ logs: FrozenArray<AccessLogConfig>, _ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>,
        _ type: AccessLogType
    ) {
        var described = unsafe logInfo(session, downstream)
        if !type.isIntermediate, let tls = unsafe downstream.pointee.tls, unsafe tls.pointee.isHandshaking {
            described.downstreamTLS = unsafe connections.lastDescription(of: downstream)
            described.attemptedVersion = unsafe tls.pointee.attemptedVersion
        }
        unsafe withUnsafePointer(to: described) { info in
            var source = unsafe formatSource(info, host: session.pointee.host, cluster: session.pointee.clusterSlot)
            source.logType = type
            unsafe source.inspection = unsafe inspection(of: downstream.pointee.handle)
            unsafe log(logs, source, part: downstream.pointee.owner)
        }
    }

    /// What formats may ask of the connection.
    func logInfo(_ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>) -> TCPLogInfo {
        var info = TCPLogInfo()
        info.metadata = unsafe session.pointee.config.pointee.metadata
        info.startNs = unsafe session.pointee.startNs
        // Not known before where nobody logs.
        let startWallNs = unsafe session.pointee.startWallNs
        info.startWallNs = unsafe startWallNs != 0 ? startWallNs : wallNs &- (nowNs &- session.pointee.startNs)
        info.endNs = nowNs
        info.bytesReceived = unsafe downstream.pointee.bytesReceived
        let tunnel = unsafe session.pointee.config.pointee.tunnel
        info.bytesSent = unsafe tunnel == nil ? session.pointee.upstreamBytesReceived : session.pointee.tunnel.bytesToClient
        info.upstreamBytesSent = unsafe session.pointee.upstreamBytesSent
        info.upstreamBytesReceived = unsafe session.pointee.upstreamBytesReceived
        info.flags = unsafe session.pointee.flags
        info.downstreamClose = unsafe session.pointee.downstreamClose
        info.upstreamClose = unsafe session.pointee.upstreamClose
        let reason = unsafe session.pointee.closedFor
        info.downstreamCloseReason = Bytes(reason.name)
        if unsafe session.pointee.isConnected && reason.closesUpstream { info.upstreamCloseReason = Bytes(reason.name) }
        info.upstreamErrno = unsafe session.pointee.upstreamErrno
        info.upstreamTimes = unsafe session.pointee.upstreamTimes
        info.transportFailure = unsafe session.pointee.transportFailure
        info.downstreamFailure = unsafe downstream.pointee.tls?.pointee.failureText ?? .empty
        info.downstreamTLS = unsafe connections.description(of: downstream)
        info.upstreamTLS =
            unsafe connections.slab[session.pointee.upstream].flatMap { unsafe connections.description(of: $0) } ?? session.pointee.tunnel.tls
        info.upstreamConnectTimedOut = unsafe session.pointee.connectTimedOut
        info.attempts = unsafe session.pointee.attempts
        info.connectionID = unsafe downstream.pointee.id
        info.upstreamConnectionID = unsafe session.pointee.upstreamConnectionID
        info.remoteAddress = unsafe downstream.pointee.remote
        info.directRemoteAddress = unsafe downstream.pointee.remote
        info.localAddress = unsafe downstream.pointee.local
        info.upstreamRemoteAddress = unsafe session.pointee.upstreamRemoteAddress
        info.upstreamLocalAddress = unsafe session.pointee.upstreamLocalAddress
        if let tunnel = unsafe tunnel {
            info.tunnelHeaders = unsafe session.pointee.tunnel.headers
            info.tunnelTrailers = unsafe session.pointee.tunnel.trailers
            if unsafe session.pointee.tunnel.hasRequestID {
                info.tunnelIDKey = unsafe tunnel.pointee.requestIDKey
                info.tunnelID = unsafe session.pointee.tunnel.requestID
            }
        }
        return info
    }
}
