// One proxied TCP connection from its first byte to its log line: what is known beside the two connections.
//
// Owner: one worker. Named by `Connection.session` of both sides. Trivial.

import Primitives
import Transport
import Upstream
import Wire

@safe
package struct TCPSession {
    package var handle: Handle
    package let config: UnsafePointer<TCPProxyConfig>
    package var downstream: Handle
    /// None between two attempts and before the first.
    package var upstream: Handle = .none
    /// The host that was tried last.
    package var host: Handle = .none
    package var clusterSlot = RouteConfig.noSlot
    package var metadataMatch: UnsafePointer<MetadataCriteria>?
    package var attempts: UInt16 = 0
    package var isConnected = false
    /// The request whose content the bytes are (`tunneling_config`).
    package var stream: Handle = .none
    package var tunnel = TunnelState()
    /// Counts among the cluster's pending requests.
    package var isPending = false
    /// Stands in its host's line (`TCPWaiting`).
    package var isWaiting = false
    package var nextWaiting: Handle = .none
    package var previousWaiting: Handle = .none
    /// Data came before the upstream was there.
    package var hasEarlyData = false
    /// Waits for the upstream.
    package var early = ByteQueue()
    /// What the host has said before there was a client.
    package var held = ByteQueue()
    /// Bound of the next pause between two attempts.
    package var backoffMs: UInt64 = 0
    package var retryAtMs: UInt64 = 0
    package var endAtMs: UInt64 = 0
    /// The next periodic line of the access logs.
    package var logAtMs: UInt64 = 0

    // For the log.
    package var flags: ResponseFlags = []
    package var downstreamClose = CloseType.normal
    package var upstreamClose = CloseType.normal
    package var closedFor = LocalClose.none
    package var startNs: UInt64 = 0
    package var startWallNs: UInt64 = 0
    package var upstreamErrno: Int32 = 0
    var upstreamTimes = UpstreamTimes()
    /// Why the TLS handshake with the upstream failed; interned.
    package var transportFailure = Bytes.empty
    package var connectTimedOut = false
    package var upstreamRemoteAddress = SocketAddress()
    package var upstreamLocalAddress = SocketAddress()
    package var upstreamConnectionID: UInt64 = 0
    package var upstreamBytesSent: UInt64 = 0
    package var upstreamBytesReceived: UInt64 = 0
    /// By the attempts before the one that goes on.
    package var upstreamBytesSentBefore: UInt64 = 0
    package var upstreamBytesReceivedBefore: UInt64 = 0

    package init(handle: Handle, config: UnsafePointer<TCPProxyConfig>, downstream: Handle) {
        self.handle = handle
        unsafe self.config = unsafe config
        self.downstream = downstream
    }
}

/// What a session keeps of its tunnel.
package struct TunnelState {
    /// There is no tunnel any more; the client gets what is queued.
    package var isOver = false
    package var bytesToClient: UInt64 = 0
    package var hasRequestID = false
    package var requestID: (UInt64, UInt64) = (0, 0)
    /// Of the last answer, where they are asked for.
    package var headers: MessageHead?
    package var trailers: MessageHead?
    package var tls: TLSDescription?

    mutating func keep(headers head: MessageHead) {
        headers?.destroy()
        headers = head.copied()
    }

    mutating func keep(trailers head: MessageHead) {
        trailers?.destroy()
        trailers = head.copied()
    }

    mutating func destroy() {
        headers?.destroy()
        trailers?.destroy()
        tls?.release()
        headers = nil
        trailers = nil
        tls = nil
    }
}
