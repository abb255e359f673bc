// The line that a proxied TCP connection leaves in the access log.

import Primitives
import Transport
import Upstream

extension Worker {
    /// Before either side is closed. `upstream`: nil when none was connected; `slot`: the cluster, where no host was chosen.
    func logTCP(
        _ downstream: UnsafeMutablePointer<Connection>, _ upstream: UnsafeMutablePointer<Connection>?, flags: ResponseFlags,
        slot: UInt32 = RouteConfig.noSlot, error: Int32 = 0, type: AccessLogType = .tcpConnectionEnd
    ) {
        guard let config = unsafe downstream.pointee.config?.assumingMemoryBound(to: TCPProxyConfig.self),
            unsafe !config.pointee.accessLogs.isEmpty
        else { return }
        if unsafe downstream.pointee.remote.family == .none { unsafe learnAddresses(downstream) }
        var info = TCPLogInfo()
        info.startNs = unsafe downstream.pointee.openedNs
        info.startWallNs = unsafe wallNs &- (nowNs &- downstream.pointee.openedNs)
        info.endNs = nowNs
        info.bytesReceived = unsafe downstream.pointee.bytesReceived
        info.flags = flags
        info.attempts = unsafe downstream.pointee.attempt
        info.upstreamErrno = error
        info.connectionID = unsafe downstream.pointee.id
        info.remoteAddress = unsafe downstream.pointee.remote
        info.directRemoteAddress = unsafe downstream.pointee.remote
        info.localAddress = unsafe downstream.pointee.local
        if let upstream = unsafe upstream {
            info.bytesSent = unsafe upstream.pointee.bytesReceived
            info.upstreamBytesSent = unsafe upstream.pointee.bytesSent
            info.upstreamBytesReceived = unsafe upstream.pointee.bytesReceived
            info.upstreamConnectionID = unsafe upstream.pointee.id
            info.upstreamRemoteAddress = unsafe upstream.pointee.remote
            if unsafe upstream.pointee.local.family == .none, unsafe upstream.pointee.isConnected {
                unsafe upstream.pointee.local = unsafe SocketAddress(localOf: upstream.pointee.descriptor)
            }
            info.upstreamLocalAddress = unsafe upstream.pointee.local
        }
        let host = unsafe downstream.pointee.host
        let cluster = unsafe hosts[host]?.pointee.cluster ?? slot
        unsafe withUnsafePointer(to: info) { info in
            var source = unsafe formatSource(info, host: host, cluster: cluster)
            source.logType = type
            unsafe log(config.pointee.accessLogs, source)
        }
    }
}
