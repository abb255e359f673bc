// One proxied TCP connection from its first byte to its log line: what is known beside the two connections.
//
// Owner: one worker. Named by `Connection.session` of both sides. Trivial.

import Primitives
import Transport
import Upstream

@safe
package struct TCPSession {
    package var handle: Handle
    package let config: UnsafePointer<TCPProxyConfig>
    package var downstream: Handle
    /// None between two attempts and before the first.
    package var upstream: Handle = .none
    /// The host that was tried last.
    package var host: Handle = .none
    package var clusterSlot: UInt32 = 0
    package var metadataMatch: UnsafePointer<MetadataCriteria>?
    package var attempts: UInt16 = 0
    package var isConnected = false
    /// Counts among the cluster's pending requests.
    package var isPending = false
    /// Data came before the upstream was there.
    package var hasEarlyData = false
    /// Waits for the upstream.
    package var early = ByteQueue()
    /// Bound of the next pause between two attempts.
    package var backoffMs: UInt64 = 0
    package var retryAtMs: UInt64 = 0
    package var endAtMs: UInt64 = 0
    /// The next periodic line of the access logs.
    package var logAtMs: UInt64 = 0

    // For the log.
    package var flags: ResponseFlags = []
    package var startNs: UInt64 = 0
    package var startWallNs: UInt64 = 0
    package var upstreamErrno: Int32 = 0
    /// Why the TLS handshake with the upstream failed; interned.
    package var transportFailure = Bytes.empty
    package var connectTimedOut = false
    package var upstreamRemoteAddress = SocketAddress()
    package var upstreamLocalAddress = SocketAddress()
    package var upstreamConnectionID: UInt64 = 0
    package var upstreamBytesSent: UInt64 = 0
    package var upstreamBytesReceived: UInt64 = 0

    package init(handle: Handle, config: UnsafePointer<TCPProxyConfig>, downstream: Handle) {
        self.handle = handle
        unsafe self.config = unsafe config
        self.downstream = downstream
    }
}
