// What a format is evaluated over: one HTTP stream, or one TCP connection. Trivial, made where it is needed, good for
// the length of one call.

import Primitives
import Transport
import Upstream
import Wire

/// What a proxied TCP connection has to tell, filled in when it ends.
@safe
package struct TCPLogInfo {
    package var metadata = ChainMetadata()
    package var startNs: UInt64 = 0
    package var startWallNs: UInt64 = 0
    package var endNs: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0
    /// Bytes of the wire are told too.
    package var isMetered = true
    package var upstreamBytesSent: UInt64 = 0
    package var upstreamBytesReceived: UInt64 = 0
    package var flags: ResponseFlags = []
    /// Of a connection that carried HTTP.
    package var version: HTTPVersion?
    package var details = Bytes.empty
    /// Of a proxied connection; nil: of one that carried HTTP, whose requests tell.
    package var downstreamClose: CloseType?
    package var upstreamClose: CloseType?
    package var downstreamCloseReason = Bytes.empty
    package var upstreamCloseReason = Bytes.empty
    package var terminationDetails = Bytes.empty
    package var upstreamErrno: Int32 = 0
    var upstreamTimes = UpstreamTimes()
    /// When its handshake was complete; 0: there was none.
    var securedNs: UInt64 = 0
    package var transportFailure = Bytes.empty
    package var downstreamTLS: TLSDescription?
    /// Of a handshake that is not complete: why it failed, and the version's name.
    package var downstreamFailure = Bytes.empty
    package var attemptedVersion = Bytes.empty
    package var upstreamTLS: TLSDescription?
    package var upstreamConnectTimedOut = false
    package var attempts: UInt16 = 0
    package var connectionID: UInt64 = 0
    package var upstreamConnectionID: UInt64 = 0
    package var remoteAddress = SocketAddress()
    package var directRemoteAddress = SocketAddress()
    package var localAddress = SocketAddress()
    package var upstreamRemoteAddress = SocketAddress()
    package var upstreamLocalAddress = SocketAddress()
    /// Of a tunnel (`tunneling_config`): its last answer, and its request's id under a key; empty: none.
    package var tunnelHeaders: MessageHead?
    package var tunnelTrailers: MessageHead?
    package var tunnelIDKey = Bytes.empty
    package var tunnelID: (UInt64, UInt64) = (0, 0)
    package init() {}
}

/// Which event a line of an access log is about.
package enum AccessLogType: UInt8, BitwiseCopyable, CaseIterable {
    case notSet, tcpUpstreamConnected, tcpPeriodic, tcpConnectionEnd, downstreamStart, downstreamPeriodic, downstreamEnd
    case upstreamPoolReady, upstreamPeriodic, upstreamEnd, downstreamTunnelSuccessfullyEstablished
    case udpTunnelUpstreamConnected, udpPeriodic, udpSessionEnd, tcpConnectionStart

    package var name: StaticString {
        switch self {
        case .notSet: "NotSet"
        case .tcpUpstreamConnected: "TcpUpstreamConnected"
        case .tcpPeriodic: "TcpPeriodic"
        case .tcpConnectionEnd: "TcpConnectionEnd"
        case .downstreamStart: "DownstreamStart"
        case .downstreamPeriodic: "DownstreamPeriodic"
        case .downstreamEnd: "DownstreamEnd"
        case .upstreamPoolReady: "UpstreamPoolReady"
        case .upstreamPeriodic: "UpstreamPeriodic"
        case .upstreamEnd: "UpstreamEnd"
        case .downstreamTunnelSuccessfullyEstablished: "DownstreamTunnelSuccessfullyEstablished"
        case .udpTunnelUpstreamConnected: "UdpTunnelUpstreamConnected"
        case .udpPeriodic: "UdpPeriodic"
        case .udpSessionEnd: "UdpSessionEnd"
        case .tcpConnectionStart: "TcpConnectionStart"
        }
    }
}

@safe
package struct FormatSource {
    /// One of the two.
    package var stream: UnsafePointer<HTTPStream>?
    package var tcp: UnsafePointer<TCPLogInfo>?
    package var clusterName = Bytes.empty
    /// Where it is known which one it is.
    var cluster: UnsafePointer<ClusterConfig>?
    /// What listener filters have found out; nil: there were none.
    var inspection: UnsafePointer<Inspection>?
    /// Nil: the stream has no span.
    var trace: UnsafePointer<TraceState>?
    /// The host that was chosen; nil: none.
    package var host: UnsafePointer<HostConfig>?
    /// The worker's time of this turn.
    package var nowNs: UInt64
    package var logType = AccessLogType.notSet
    /// Told from a try's side (`upstream_log`).
    var isTry = false
    /// Expressions see no heads.
    var isHeadless = false
    /// `%LOCAL_REPLY_BODY%`.
    package var localReplyBody = Bytes.empty
    /// `%RESPONSE_CODE%` and `%RESP(:status)%` of a reply that is being made; nil: the response head's.
    package var status: UInt16?

    package init(stream: UnsafePointer<HTTPStream>, nowNs: UInt64) {
        unsafe self.stream = unsafe stream
        self.nowNs = nowNs
    }

    package init(tcp: UnsafePointer<TCPLogInfo>, nowNs: UInt64) {
        unsafe self.tcp = unsafe tcp
        self.nowNs = nowNs
    }

    /// The cluster's `alt_stat_name`, else its name.
    var observabilityName: Bytes {
        guard let cluster = unsafe cluster, unsafe !cluster.pointee.observabilityName.isEmpty else { return clusterName }
        return unsafe cluster.pointee.observabilityName
    }

    /// What the client's hello named, where a listener filter has read it.
    var serverName: Bytes { unsafe inspection?.pointee.serverName ?? .empty }
}

extension Worker {
    // HOT: per message.
    /// The stream with what this worker knows of its cluster and host.
    package func formatSource(_ stream: UnsafeMutablePointer<HTTPStream>) -> FormatSource {
        var source = unsafe FormatSource(stream: UnsafePointer(stream), nowNs: nowNs)
        if let host = unsafe hosts[stream.pointee.host] { unsafe source.host = unsafe UnsafePointer(host.hostConfig) }
        // SkyWalking and Datadog do not tell their ids (Envoy).
        if let trace = unsafe tracing.traces[stream.pointee.trace], unsafe trace.pointee.held == .max && !trace.pointee.isSilent {
            unsafe source.trace = unsafe UnsafePointer(trace)
        }
        if unsafe stream.pointee.isInspected { unsafe source.inspection = unsafe inspection(of: stream.pointee.downstream) }
        var slot = unsafe stream.pointee.clusterSlot
        if slot == RouteConfig.noSlot, let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward {
            // Known from the route on, also where the request never came to be forwarded.
            slot = unsafe chooseCluster(stream, route) ?? slot
        }
        // A route to no cluster has none (Envoy).
        guard slot != RouteConfig.noSlot, let cluster = unsafe cluster(slot) else { return source }
        unsafe source.cluster = unsafe cluster.pointee.config
        source.clusterName = unsafe cluster.pointee.config.pointee.name
        // An entry of a weighted list may take its cluster's name from a header.
        if let entry = unsafe stream.pointee.chosen, unsafe !entry.pointee.name.isEmpty { source.clusterName = unsafe entry.pointee.name }
        return source
    }

    func inspection(of connection: Handle) -> UnsafePointer<Inspection>? {
        guard let connection = unsafe connections.slab[connection], let inspection = unsafe inspections[connection.pointee.inspection]
        else { return nil }
        return unsafe UnsafePointer(inspection)
    }

    /// The same for a TCP connection; `host` as the upstream connection had it.
    package func formatSource(
        _ info: UnsafePointer<TCPLogInfo>, host: Handle, cluster slot: UInt32
    ) -> FormatSource {
        var source = unsafe FormatSource(tcp: info, nowNs: nowNs)
        source.logType = .tcpConnectionEnd
        if let host = unsafe hosts[host] { unsafe source.host = unsafe UnsafePointer(host.hostConfig) }
        if let cluster = unsafe cluster(slot) {
            unsafe source.cluster = unsafe cluster.pointee.config
            source.clusterName = unsafe cluster.pointee.config.pointee.name
        }
        return source
    }
}

extension UnsafeMutablePointer where Pointee == Host {
    var hostConfig: UnsafeMutablePointer<HostConfig> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<Host>.offset(of: \.config).unsafelyUnwrapped)
            .assumingMemoryBound(to: HostConfig.self)
    }
}

extension UnsafeMutablePointer where Pointee == HTTPStream {
    /// The heads in place, for `FormatWriter.apply`.
    package var requestHead: UnsafeMutablePointer<MessageHead> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<HTTPStream>.offset(of: \.request).unsafelyUnwrapped)
            .assumingMemoryBound(to: MessageHead.self)
    }
    package var responseHead: UnsafeMutablePointer<MessageHead> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<HTTPStream>.offset(of: \.response).unsafelyUnwrapped)
            .assumingMemoryBound(to: MessageHead.self)
    }
}
