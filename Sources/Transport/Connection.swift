// One TCP or UNIX connection of one worker: descriptor, what waits to be sent, and what the kernel still owes us.
//
// Lives in the worker's connection slab; trivial. Its role says which part of the Pipeline reads it. The slot is given
// back only when no operation of it is left in the kernel, so a completion always finds either its connection or a
// newer generation.

import Primitives
import Ring

/// Which machine reads this connection's bytes. Owned by the Pipeline; the Transport only carries it.
public enum ConnectionRole: UInt8 {
    case none, inspecting, tcpDownstream, tcpUpstream
    /// To a host of `tcp_proxy`, and nobody's yet.
    case tcpAhead
    case http1Downstream, http1Upstream, http2Downstream, http2Upstream, echo
    case directResponse
    /// Nothing is read any more: it closes when what is queued is out.
    case closing
}

@safe
public struct Connection {
    public var handle: Handle
    public var descriptor: Int32
    /// Counts up over all connections of a worker, for logs.
    public var id: UInt64 = 0
    public var role: ConnectionRole
    /// The machine's own object: a slot of the Pipeline's choosing.
    public var session: Handle = .none
    /// The connection on the other side, where the pair is fixed (TCP proxy, tunnels).
    public var peer: Handle = .none
    /// Downstream: the part number of the listener that it came by, pinned while the connection lives.
    public var owner: UInt32 = 0
    /// Downstream: that listener's configuration.
    public var listener: UnsafeRawPointer?
    /// Downstream: its filter chain's configuration, in the same part; nil: it has got none.
    package var filterChain: UnsafeRawPointer?
    /// Downstream: it has got a filter chain, and counts among the listener's connections.
    package var isCounted = false
    /// What was read before its filter chain was chosen: a slot of the Pipeline's.
    package var inspection: Handle = .none
    /// Upstream: the host.
    public var host: Handle = .none
    /// The configuration of the machine that reads it, in the listener's part.
    public var config: UnsafeRawPointer?

    /// While it only has to be emptied: how long none of it may leave, in milliseconds.
    public var stallMs: UInt64 = 0
    /// Bytes that its peer had acknowledged when they were last looked at, while it is to end.
    package var acknowledged: UInt64 = 0

    /// Upstream: counts among the cluster's connections of high priority.
    public var isHigh = false

    /// TLS over it; nil: none.
    package internal(set) var tls: UnsafeMutablePointer<TLSConnection>?

    /// Upstream: bytes at the front of `out` that go out when the connection is there, ahead of TLS (a PROXY header).
    package var aheadBytes: UInt32 = 0

    public var out = ByteQueue()
    public var timer: TimerNode
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    public var openedNs: UInt64 = 0
    /// When it was there, and when its handshake was complete, in nanoseconds of the worker's clock; 0: not so far.
    public var connectedNs: UInt64 = 0
    public var securedNs: UInt64 = 0
    /// Downstream: response flags of the connection itself, for its listener's log.
    public var logFlags: UInt32 = 0
    /// Downstream: its first bytes could not be read, so that nobody knows what they spoke; and why we closed it.
    package var isUnread = false
    package var closeReason = Bytes.empty
    /// When bytes last moved, in milliseconds of the worker's clock.
    public var activeMs: UInt64 = 0
    package internal(set) var buffered = BufferedBytes()
    public var remote = SocketAddress()
    public var local = SocketAddress()

    /// Operations that the kernel will still complete.
    public internal(set) var inFlight: UInt16 = 0
    public internal(set) var isConnecting = false
    public internal(set) var isConnected = false
    /// Upstream: connected, and the TLS handshake is under way. For whoever waits it is connecting still.
    package var isShakingHands = false
    public internal(set) var isReceiving = false
    public internal(set) var isCancellingReceive = false
    /// The receive in flight is the only one: its bytes do not arm the next.
    public internal(set) var receivesOnce = false
    public internal(set) var isPaused = false
    /// Bytes that have come wait for their turn (a handshake's): nothing is received, whoever asks for it. Not the same as
    /// `isPaused`, which is the flow control of whoever reads the connection.
    package internal(set) var isHeld = false
    public internal(set) var isStarved = false
    public internal(set) var isSending = false
    public internal(set) var isDirty = false
    public internal(set) var isClosing = false
    /// The peer will send nothing more.
    public internal(set) var sawEnd = false
    /// We have told the peer, or will once `out` is empty, that nothing more comes.
    public internal(set) var isEnding = false
    public internal(set) var didEnd = false
    public internal(set) var closesWhenSent = false
    /// Set by the Pipeline while `out` is above its limit.
    public var isAboveHigh = false

    public init(handle: Handle, descriptor: Int32, role: ConnectionRole) {
        self.handle = handle
        self.descriptor = descriptor
        self.role = role
        timer = TimerNode(token: Operation.timer.token(handle))
    }
}

/// What a completion or a timer is about: the top byte of its token.
public enum Operation: UInt8 {
    case none, accept, receive, send, connect, close, cancel, timer, message, poll, read, streamTimer, acceptTimer,
        codecTimer, handshakeTimer, hostTimer, handover, handoverFailed, exportTimer, other, memoryTimer

    @inline(__always)
    public func token(_ handle: Handle) -> UInt64 { UInt64(rawValue) << 56 | handle.raw }

    @inline(__always)
    public static func of(_ token: UInt64) -> Operation {
        Operation(rawValue: UInt8(truncatingIfNeeded: token >> 56)) ?? .none
    }
}
