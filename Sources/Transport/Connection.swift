// One TCP or UNIX connection of one worker: descriptor, what waits to be sent, and what the kernel still owes us.
//
// Lives in the worker's connection slab; trivial. Its role says which part of the Pipeline reads it. The slot is given
// back only when no operation of it is left in the kernel, so a completion always finds either its connection or a
// newer generation.

import Primitives
import Ring

/// Which machine reads this connection's bytes. Owned by the Pipeline; the Transport only carries it.
package enum ConnectionRole: UInt8 {
    case none, tcpDownstream, tcpUpstream, http1Downstream, http1Upstream, echo, directResponse
    /// Nothing is read any more: it closes when what is queued is out.
    case closing
}

@safe
package struct Connection {
    package var handle: Handle
    package var descriptor: Int32
    /// Counts up over all connections of a worker, for logs.
    package var id: UInt64 = 0
    package var role: ConnectionRole
    /// The machine's own object: a slot of the Pipeline's choosing.
    package var session: Handle = .none
    /// The connection on the other side, where the pair is fixed (TCP proxy, tunnels).
    package var peer: Handle = .none
    /// Downstream: the part number of the listener that it came by, pinned while the connection lives.
    package var owner: UInt32 = 0
    /// Downstream: that listener's configuration.
    package var listener: UnsafeRawPointer?
    /// Upstream: the host.
    package var host: Handle = .none
    /// The configuration of the machine that reads it, in the listener's part.
    package var config: UnsafeRawPointer?

    /// Upstream: which attempt of its request or pair this is, from 1.
    package var attempt: UInt16 = 0

    package var out = ByteQueue()
    package var timer: TimerNode
    package var bytesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var openedNs: UInt64 = 0
    /// When bytes last moved, in milliseconds of the worker's clock.
    package var activeMs: UInt64 = 0
    package var remote = SocketAddress()
    package var local = SocketAddress()

    /// Operations that the kernel will still complete.
    package internal(set) var inFlight: UInt16 = 0
    package internal(set) var isConnecting = false
    package internal(set) var isConnected = false
    package internal(set) var isReceiving = false
    package internal(set) var isCancellingReceive = false
    package internal(set) var isPaused = false
    package internal(set) var isStarved = false
    package internal(set) var isSending = false
    package internal(set) var isDirty = false
    package internal(set) var isClosing = false
    /// The peer will send nothing more.
    package internal(set) var sawEnd = false
    /// We have told the peer, or will once `out` is empty, that nothing more comes.
    package internal(set) var isEnding = false
    package internal(set) var didEnd = false
    package internal(set) var closesWhenSent = false
    /// Set by the Pipeline while `out` is above its limit.
    package var isAboveHigh = false

    package init(handle: Handle, descriptor: Int32, role: ConnectionRole) {
        self.handle = handle
        self.descriptor = descriptor
        self.role = role
        timer = TimerNode(token: Operation.timer.token(handle))
    }
}

/// What a completion or a timer is about: the top byte of its token.
package enum Operation: UInt8 {
    case none, accept, receive, send, connect, shutdown, close, cancel, timer, message, poll, read, streamTimer, acceptTimer,
        other

    @inline(__always)
    package func token(_ handle: Handle) -> UInt64 { UInt64(rawValue) << 56 | handle.raw }

    @inline(__always)
    package static func of(_ token: UInt64) -> Operation {
        Operation(rawValue: UInt8(truncatingIfNeeded: token >> 56)) ?? .none
    }
}
