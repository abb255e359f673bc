// The line that a connection leaves in the access logs of its listener, whatever filters it had. Those of proxied TCP
// connections are with `TCPAccessLog`, which knows the other side.

import Primitives
import Transport
import Wire

extension Worker {
    func listenerLogs(_ connection: UnsafeMutablePointer<Connection>) -> FrozenArray<AccessLogConfig> {
        guard let listener = unsafe connection.pointee.listener else { return FrozenArray() }
        return unsafe listener.assumingMemoryBound(to: ListenerConfig.self).pointee.accessLogs
    }

    /// At the connection's end, while it still has its listener.
    func logConnection(_ connection: UnsafeMutablePointer<Connection>) {
        let logs = unsafe listenerLogs(connection)
        guard !logs.isEmpty, unsafe connection.pointee.role != .tcpDownstream else { return }
        var info = TCPLogInfo()
        if let listener = unsafe connection.pointee.listener?.assumingMemoryBound(to: ListenerConfig.self) {
            info.metadata.listener = unsafe listener.pointee.metadata
            info.metadata.direction = unsafe listener.pointee.direction
        }
        info.startNs = unsafe connection.pointee.openedNs
        info.startWallNs = unsafe wallNs &- (nowNs &- connection.pointee.openedNs)
        info.endNs = nowNs
        if let chain = unsafe connection.pointee.filterChain?.assumingMemoryBound(to: FilterChainConfig.self) {
            info.metadata.chainName = unsafe chain.pointee.name
            info.bytesReceived = unsafe connection.pointee.bytesReceived
        } else if unsafe connection.pointee.logFlags & ResponseFlags.noRouteFound.rawValue != 0 {
            info.details = Bytes("filter_chain_not_found" as StaticString)
        }
        // What listener filters have seen only was never the connection's, and no bytes of the wire are counted (Envoy).
        info.isMetered = false
        info.downstreamClose = .normal
        info.downstreamCloseReason = unsafe connection.pointee.closeReason
        info.bytesSent = unsafe connection.pointee.bytesSent
        info.flags = unsafe ResponseFlags(rawValue: connection.pointee.logFlags)
        if let tls = unsafe connection.pointee.tls {
            info.downstreamTLS = unsafe connections.lastDescription(of: connection)
            info.downstreamFailure = unsafe tls.pointee.failureText
            if unsafe tls.pointee.isHandshaking { info.attemptedVersion = unsafe tls.pointee.attemptedVersion }
            info.securedNs = unsafe connection.pointee.securedNs
            if unsafe tls.pointee.hasTimedOut {
                info.terminationDetails = Bytes("transport socket timeout was reached" as StaticString)
                info.downstreamCloseReason = Bytes("transport_socket_timeout" as StaticString)
            }
        }
        info.version = unsafe protocolVersion(connection)
        info.connectionID = unsafe connection.pointee.id
        unsafe learnAddresses(connection)
        info.remoteAddress = unsafe connection.pointee.remote
        info.directRemoteAddress = unsafe connection.pointee.remote
        info.localAddress = unsafe connection.pointee.local
        unsafe withUnsafePointer(to: info) { info in
            var source = unsafe FormatSource(tcp: info, nowNs: nowNs)
            unsafe source.inspection = unsafe inspection(of: connection.pointee.handle)
            unsafe log(logs, source, part: connection.pointee.owner)
        }
    }

    /// Nil for filters that are not HTTP, and while nothing was read that would tell.
    private func protocolVersion(_ connection: UnsafeMutablePointer<Connection>) -> HTTPVersion? {
        guard unsafe !connection.pointee.isUnread, unsafe connection.pointee.bytesReceived != 0, let listener = unsafe connection.pointee.listener,
            case .http = unsafe listener.assumingMemoryBound(to: ListenerConfig.self).pointee.chain
        else { return nil }
        return unsafe connection.pointee.role == .http2Downstream ? .http2 : .http11
    }
}

extension Connection {
    /// For the listener's log: it was to end with its last request.
    mutating func noteDeferredClose() {
        if closeReason.isEmpty { closeReason = Bytes("deferred_close_on_drained_connection" as StaticString) }
    }
}
