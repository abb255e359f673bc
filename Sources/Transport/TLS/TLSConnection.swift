// The TLS half of a connection: OpenSSL's object, what it reads from, and the records that wait to be sent.
//
// Lives in a slab of its own, so that a plain connection is no larger for it. Entries never move: OpenSSL keeps a pointer
// to `io`, and `io` one to the entry. Plaintext that is to be sent stays in the connection's `out` until its records have
// left; so whoever looks at `out` for back-pressure, or to know whether all is out, need not know about TLS.

import COpenSSL
import Primitives

@safe
package struct TLSConnection {
    package var handle: Handle
    package var connection: Handle
    package var config: UnsafePointer<TLSContextConfig>
    var ssl: OpaquePointer?
    package var io = unsafe martlet_tls_io()
    /// Records that wait to be sent.
    package internal(set) var cipher = ByteQueue()
    /// Bytes at the front of the connection's `out` that `cipher` carries.
    var sealed = 0
    /// Of `cipher`, what waits for the first answer: session tickets.
    var ticketBytes = 0
    package internal(set) var isHandshaking = true
    var first: FirstMessage
    /// Lines for a key log.
    package var keyLines = ByteQueue()
    /// Ciphertext that waits for the handshake's next turn, and whether it is in the worker's queue.
    package var waiting = ByteQueue()
    package var isWaiting = false
    /// The peer's end came meanwhile.
    package var endsBehind = false
    /// `close_notify` is in `cipher`, or was.
    var saidClose = false
    /// An error of the protocol: nothing but its alert is sent any more.
    package internal(set) var hasFailed = false
    var memory: UnsafeMutablePointer<Memory>
    var description: TLSDescription?
    /// What the peer showed and we refused, its own certificate first, for logs; nil: nothing.
    package var refused: OpaquePointer?
    /// The worker's.
    package let text: UnsafeMutablePointer<TLSFailureText>
    package var timer: TimerNode
    /// What OpenSSL said when it failed.
    package internal(set) var failure = TLSFailure()
    /// The same in words, where a log wants it; whoever sets it keeps it.
    package var failureText = Bytes.empty
    /// Upstream: who waits for the handshake is told about this error.
    package var verdict = PeerVerdict()
    /// Upstream: the name that the peer's certificate must be for, of this connection's own.
    var checked: Block?
    var checkedCount = 0
    /// Downstream: the handshake took longer than it may.
    package var hasTimedOut = false
    package var staple = StapleOutcome.notAsked

    package var checkedName: Bytes { checked.map { unsafe Bytes(UnsafeRawPointer($0.base), checkedCount) } ?? .empty }

    init(
        handle: Handle, connection: Handle, config: UnsafePointer<TLSContextConfig>,
        memory: UnsafeMutablePointer<Memory>, text: UnsafeMutablePointer<TLSFailureText>
    ) {
        self.handle = handle
        self.connection = connection
        unsafe self.config = unsafe config
        first = unsafe FirstMessage(isAwaited: config.pointee.isServer)
        unsafe self.memory = unsafe memory
        unsafe self.text = unsafe text
        timer = TimerNode(token: Operation.handshakeTimer.token(connection))
    }
}

/// What is known of the peer's certificate beside OpenSSL's own word.
package struct PeerVerdict: BitwiseCopyable {
    package enum Failure: UInt8, BitwiseCopyable { case none, chain, noCertificate, name, hash }
    package var failure = Failure.none
    /// The certificate was there and every check passed.
    package var isValidated = false
    package init() {}
}

extension UnsafeMutablePointer where Pointee == TLSConnection {
    /// One line without its end; lost where there is no memory.
    package func keep(keyLine line: Bytes) {
        let memory = unsafe pointee.memory.pointee
        if unsafe pointee.keyLines.append(copying: line, memory) { _ = unsafe pointee.keyLines.append(copying: Bytes("\n" as StaticString), memory) }
    }

    @inline(__always)
    var ioPointer: UnsafeMutablePointer<martlet_tls_io> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<TLSConnection>.offset(of: \.io).unsafelyUnwrapped)
            .assumingMemoryBound(to: martlet_tls_io.self)
    }

    @inline(__always)
    package var timerNode: UnsafeMutablePointer<TimerNode> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<TLSConnection>.offset(of: \.timer).unsafelyUnwrapped)
            .assumingMemoryBound(to: TimerNode.self)
    }
}
