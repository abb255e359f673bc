// All connections of one worker, and the operations on them. Completions come in as values and leave as events: this
// layer knows bytes and descriptors, not protocols, and calls nobody above it.
//
// Order of a turn: completions → events → the Pipeline queues bytes (`out`) and marks connections dirty → `flushAll`
// prepares one send per dirty connection → the ring's next enter submits everything.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats

@safe
package enum ReceiveEvent {
    /// `bytes` bytes in `count` receive buffers from place `position` on; the receiver owns one hold of each.
    case data(UnsafeMutablePointer<Connection>, position: UInt16, count: Int, bytes: Int)
    /// The peer has ended its direction.
    case ended(UnsafeMutablePointer<Connection>)
    /// Connection reset or another errno.
    case failed(UnsafeMutablePointer<Connection>, Int32)
    /// Nothing for the Pipeline.
    case nothing
}

@safe
package enum SendEvent {
    /// Some bytes left; `out` holds what is still to go.
    case sent(UnsafeMutablePointer<Connection>, Int)
    case failed(UnsafeMutablePointer<Connection>, Int32)
    case nothing
}

@safe
package enum ConnectEvent {
    case connected(UnsafeMutablePointer<Connection>)
    case failed(UnsafeMutablePointer<Connection>, Int32)
    case nothing
}

@safe
package struct Connections {
    /// Receive buffers that one connection's queue may refer to; more is copied to blocks. `docs/limits.md`.
    package static let heldBuffersMax = 24
    private static let vectorsMax = 32

    package let ring: Ring
    package let memory: Memory
    package var slab: Slab<Connection>
    var tlsSlab: Slab<TLSConnection>
    /// For records that are made of several pieces.
    let sealScratch: UnsafeMutableRawPointer
    /// What OpenSSL's callbacks reach the memory by.
    let sharedMemory: UnsafeMutablePointer<Memory>
    let sharedText: UnsafeMutablePointer<TLSFailureText>
    /// Why the handshake that failed last did.
    package var tlsFailureText: Bytes { unsafe sharedText.pointee.bytes }
    package func describe(brokenBy error: Int32) { unsafe sharedText.pointee.write(brokenBy: error) }
    private var dirty = PlainArray<UInt32>(capacity: 256)
    /// Connections with `closeWhenSent` whose bytes are out: the Pipeline closes them (`takeFinished`).
    private var finished = PlainArray<UInt64>(capacity: 16)
    private var nextID: UInt64 = 1
    private var starved = PlainArray<UInt64>(capacity: 64)
    /// Whose receive has ended with bytes.
    private var again = PlainArray<UInt64>(capacity: 64)
    /// How long `receiveLater` waits.
    private static let laterMs: UInt64 = 2
    private var later = PlainArray<UInt64>(capacity: 64)
    private var laterSinceMs: UInt64 = 0
    private let vectors: UnsafeMutablePointer<iovec>
    private let messages: UnsafeMutablePointer<msghdr>
    private var nextMessage = 0
    /// The worker's statistics; nil: nobody keeps any (tests).
    package var cells: StatCells?
    /// Times that a receive found no buffer.
    package private(set) var starvations: UInt64 = 0

    package init(ring: Ring, memory: Memory, capacity: Int) {
        self.ring = ring
        self.memory = memory
        slab = Slab(capacity: capacity)
        tlsSlab = Slab(capacity: capacity)
        unsafe sealScratch = .allocate(byteCount: Connections.recordMax, alignment: 64)
        unsafe sharedMemory = .allocate(capacity: 1)
        unsafe sharedMemory.initialize(to: memory)
        unsafe sharedText = .allocate(capacity: 1)
        unsafe sharedText.initialize(to: TLSFailureText())
        unsafe vectors = .allocate(capacity: Int(Ring.submissionEntries) * Connections.vectorsMax)
        unsafe messages = .allocate(capacity: Int(Ring.submissionEntries))
    }

    package func destroy() {
        slab.destroy()
        tlsSlab.destroy()
        unsafe sealScratch.deallocate()
        unsafe sharedMemory.deallocate()
        unsafe sharedText.pointee.destroy()
        unsafe sharedText.deallocate()
        dirty.destroy()
        starved.destroy()
        again.destroy()
        later.destroy()
        finished.destroy()
        unsafe vectors.deallocate()
        unsafe messages.deallocate()
    }

    // MARK: Opening

    /// A connection for an accepted or connected descriptor; nil when the slab is full (the caller closes it).
    package mutating func adopt(descriptor: Int32, role: ConnectionRole, nowNs: UInt64)
        -> UnsafeMutablePointer<Connection>?
    {
        guard let (handle, connection) = unsafe slab.allocate() else { return nil }
        unsafe connection.initialize(to: Connection(handle: handle, descriptor: descriptor, role: role))
        unsafe connection.pointee.isConnected = true
        unsafe connection.pointee.openedNs = nowNs
        unsafe connection.pointee.id = nextID
        nextID &+= 1
        return unsafe connection
    }

    /// Starts to connect. `address` (kernel form) must stay until the next turn has begun.
    package mutating func connect(
        _ address: UnsafePointer<sockaddr>, count: UInt32, descriptor: Int32, role: ConnectionRole, nowNs: UInt64
    ) -> UnsafeMutablePointer<Connection>? {
        guard let connection = unsafe adopt(descriptor: descriptor, role: role, nowNs: nowNs) else { return nil }
        unsafe connection.pointee.isConnected = false
        unsafe connection.pointee.isConnecting = true
        unsafe connection.pointee.inFlight &+= 1
        unsafe martlet_prep_connect(
            ring.entry(), descriptor, address, count, Operation.connect.token(connection.pointee.handle))
        return unsafe connection
    }

    package mutating func connected(_ completion: Completion) -> ConnectEvent {
        guard let connection = unsafe slab[Handle(raw: completion.user_data)] else { return .nothing }
        unsafe connection.pointee.inFlight &-= 1
        unsafe connection.pointee.isConnecting = false
        if unsafe connection.pointee.isClosing {
            unsafe release(connection)
            return .nothing
        }
        guard completion.result == 0 else { return unsafe .failed(connection, -completion.result) }
        unsafe connection.pointee.isConnected = true
        return unsafe .connected(connection)
    }

    // MARK: Receiving

    // HOT: per connection, and per resume.
    /// Asks the kernel for everything that arrives, until it ends, fails or is paused.
    package mutating func receive(_ connection: UnsafeMutablePointer<Connection>, pollFirst: Bool = false) {
        unsafe connection.pointee.isPaused = false
        // One that was armed for its first bytes only goes on behind them.
        unsafe connection.pointee.receivesOnce = false
        guard unsafe mayReceive(connection) else { return }
        unsafe connection.pointee.isReceiving = true
        unsafe connection.pointee.inFlight &+= 1
        unsafe martlet_prep_recv_multishot(
            ring.entry(), connection.pointee.descriptor, ProvidedBuffers.group, ring.hasBundles ? 1 : 0,
            pollFirst ? 1 : 0, Operation.receive.token(connection.pointee.handle))
    }

    // HOT: per connection.
    /// Asks for what arrives first and leaves nothing armed: most connections of one request send it in one piece, and
    /// arming and cancelling a receive for them would be work for nothing. Who reads the bytes goes on with `receive`,
    /// or with `receiveLater` where the end may come first.
    package mutating func receiveOnce(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe mayReceive(connection) else { return }
        unsafe connection.pointee.isReceiving = true
        unsafe connection.pointee.receivesOnce = true
        unsafe connection.pointee.inFlight &+= 1
        unsafe martlet_prep_recv_once(
            ring.entry(), connection.pointee.descriptor, ProvidedBuffers.group,
            Operation.receive.token(connection.pointee.handle))
    }

    // HOT: per connection.
    /// Receives again in a moment, unless the connection has been closed by then.
    package mutating func receiveLater(_ connection: UnsafeMutablePointer<Connection>, nowMs: UInt64) {
        if later.isEmpty { laterSinceMs = nowMs }
        unsafe later.append(connection.pointee.handle.raw)
    }

    /// Milliseconds until `resumeLater` wants to be called; nil when nobody waits for it.
    package func untilLater(nowMs: UInt64) -> UInt64? {
        if later.isEmpty { return nil }
        let due = laterSinceMs &+ Connections.laterMs
        return due > nowMs ? due &- nowMs : 0
    }

    // HOT: per turn.
    package mutating func resumeLater(nowMs: UInt64) {
        guard !later.isEmpty, nowMs >= laterSinceMs &+ Connections.laterMs else { return }
        for i in 0..<later.count {
            guard let connection = unsafe slab[Handle(raw: later[i])], unsafe !connection.pointee.isPaused else { continue }
            unsafe receive(connection)
        }
        later.removeAll()
    }

    /// Stops receiving: back-pressure. What the kernel has taken already still arrives.
    package mutating func pause(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.isPaused = true
        unsafe cancelReceive(connection)
    }

    @inline(__always)
    private func mayReceive(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        unsafe !connection.pointee.isReceiving && !connection.pointee.sawEnd && !connection.pointee.isClosing
            && !connection.pointee.isHeld
    }

    /// Nothing is received until `letGo`.
    package mutating func hold(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.isHeld = true
        unsafe cancelReceive(connection)
    }

    /// What waited is read; whoever wants more receives.
    package func letGo(_ connection: UnsafeMutablePointer<Connection>) { unsafe connection.pointee.isHeld = false }

    private func cancelReceive(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe connection.pointee.isReceiving, unsafe !connection.pointee.isCancellingReceive else { return }
        unsafe connection.pointee.isCancellingReceive = true
        unsafe martlet_prep_cancel(
            ring.entry(), Operation.receive.token(connection.pointee.handle), Operation.cancel.token(.none))
    }

    // HOT: per completion.
    package mutating func received(_ completion: Completion) -> ReceiveEvent {
        let result = completion.result
        var claimed = (position: UInt16(0), count: 0)
        if completion.hasBuffer {
            claimed = memory.buffers.claim(first: completion.bufferID, bytes: Int(max(result, 0)))
        }
        guard let connection = unsafe slab[Handle(raw: completion.user_data)] else {
            drop(claimed)
            return .nothing
        }
        if !completion.more {
            unsafe connection.pointee.inFlight &-= 1
            unsafe connection.pointee.isReceiving = false
            unsafe connection.pointee.isCancellingReceive = false
        }
        if unsafe connection.pointee.isClosing {
            drop(claimed)
            unsafe release(connection)
            return .nothing
        }
        if result > 0 {
            unsafe connection.pointee.bytesReceived &+= UInt64(result)
            if unsafe connection.pointee.tls == nil { unsafe noteRead(connection, Int(result)) }
            if unsafe connection.pointee.receivesOnce {
                unsafe connection.pointee.receivesOnce = false
            } else if !completion.more {
                // Behind this turn: these bytes may pause it, and a receive takes another turn's worth at once.
                unsafe again.append(connection.pointee.handle.raw)
            }
            return unsafe .data(connection, position: claimed.position, count: claimed.count, bytes: Int(result))
        }
        drop(claimed)
        switch -result {
        case 0:
            // Behind `close_notify` the end has been told already.
            let isNews = unsafe !connection.pointee.sawEnd
            unsafe connection.pointee.sawEnd = true
            return unsafe isNews ? .ended(connection) : .nothing
        case ENOBUFS:
            starvations &+= 1
            if unsafe !connection.pointee.isStarved {
                unsafe connection.pointee.isStarved = true
                unsafe starved.append(connection.pointee.handle.raw)
            }
            return .nothing
        case ECANCELED:
            // Cancelled to push back; resumed in the meantime, perhaps.
            if unsafe !connection.pointee.isPaused { unsafe receive(connection) }
            return .nothing
        default:
            unsafe connection.pointee.sawEnd = true
            return unsafe .failed(connection, -result)
        }
    }

    /// Whether the kernel holds bytes that have not been received: a look before an idle connection is closed.
    package func hasUnread(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        var byte: UInt8 = 0
        return unsafe recv(connection.pointee.descriptor, &byte, 1, Int32(truncatingIfNeeded: Int(MSG_PEEK) | Int(MSG_DONTWAIT))) > 0
    }

    private func drop(_ claimed: (position: UInt16, count: Int)) {
        var i = 0
        while i < claimed.count {
            memory.buffers.release(memory.buffers.identifier(at: claimed.position &+ UInt16(truncatingIfNeeded: i)))
            i &+= 1
        }
    }

    private var mustWaitForBuffers: Bool { memory.buffers.free < memory.buffers.count / 4 }

    /// Connections whose receive has ended receive again; those that found no buffer, once a quarter of the buffers is back
    /// (hysteresis).
    package mutating func resumeStarved() {
        for i in 0..<again.count {
            guard let connection = unsafe slab[Handle(raw: again[i])], unsafe !connection.pointee.isPaused else { continue }
            unsafe receive(connection)
        }
        again.removeAll()
        guard !starved.isEmpty, !mustWaitForBuffers else { return }
        let waiting = min(starved.count, memory.buffers.free)
        for i in 0..<waiting {
            guard let connection = unsafe slab[Handle(raw: starved[i])] else { continue }
            unsafe connection.pointee.isStarved = false
            if unsafe !connection.pointee.isPaused { unsafe receive(connection) }
        }
        starved.removeFirst(waiting)
    }

    /// Whether bytes in a receive buffer should be copied rather than referred to by this connection's queue.
    @inline(__always)
    package func shouldCopy(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) -> Bool {
        unsafe bytes <= ByteQueue.copyMax || connection.pointee.out.bufferCount >= Connections.heldBuffersMax
            || mustWaitForBuffers
    }

    // HOT: per frame.
    /// Queues part of a receive buffer and takes over one hold of it. False when there is no memory.
    package mutating func send(
        _ connection: UnsafeMutablePointer<Connection>, buffer id: UInt16, _ bytes: Bytes
    ) -> Bool {
        var queued = true
        if unsafe shouldCopy(connection, bytes.count) {
            queued = unsafe connection.pointee.out.append(copying: bytes, memory)
            memory.buffers.release(id)
        } else {
            unsafe connection.pointee.out.append(buffer: id, bytes, memory)
        }
        unsafe markDirty(connection)
        return queued
    }

    // MARK: Sending

    // HOT: per message.
    /// `out` has bytes, or an end to send: look at it at the end of the turn.
    @inline(__always)
    package mutating func markDirty(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe !connection.pointee.isDirty else { return }
        unsafe connection.pointee.isDirty = true
        unsafe dirty.append(connection.pointee.handle.slot)
    }

    /// Nothing more will be sent: a FIN once `out` is empty.
    package mutating func end(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.isEnding = true
        unsafe markDirty(connection)
    }

    /// Sends what is queued, then closes.
    package mutating func closeWhenSent(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.closesWhenSent = true
        unsafe markDirty(connection)
    }

    /// Hands out a connection that has sent everything and is to be closed; nil when there is none.
    package mutating func takeFinished() -> UnsafeMutablePointer<Connection>? {
        while let raw = finished.popLast() {
            if let connection = unsafe slab[Handle(raw: raw)] { return unsafe connection }
        }
        return nil
    }

    // HOT: per turn.
    package mutating func flushAll() {
        var i = 0
        while i < dirty.count {
            // One that has been closed since is not dirty any more, nor is whoever has its slot now.
            if let connection = unsafe slab.current(dirty[i]), unsafe connection.pointee.isDirty {
                unsafe connection.pointee.isDirty = false
                unsafe flush(connection)
            }
            i &+= 1
        }
        dirty.removeAll()
    }

    private mutating func flush(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe !connection.pointee.isSending, unsafe connection.pointee.isConnected, unsafe !connection.pointee.isClosing else {
            // More has been queued behind a send that waits for the peer.
            if unsafe connection.pointee.isSending { unsafe noteWaiting(connection, connection.pointee.out.count) }
            return
        }
        if unsafe connection.pointee.out.count > Connections.shownInFlight { unsafe noteWaiting(connection, connection.pointee.out.count) }
        if let tls = unsafe connection.pointee.tls {
            if unsafe seal(connection, tls) {
                // What is sealed is sent whole before an end: the end is in it.
                unsafe send(connection, tls.pointee.cipher, endsBehind: tls.pointee.saidClose && connection.pointee.closesWhenSent)
            } else if unsafe tls.pointee.isHandshaking && !tls.pointee.hasFailed && !connection.pointee.out.isEmpty {
                // What waits for the handshake goes with it, and the close behind it.
                return
            } else {
                unsafe flushed(connection)
            }
        } else if unsafe !connection.pointee.out.isEmpty {
            // The FIN rides on the last bytes: a segment less on the wire, and for the peer.
            unsafe send(
                connection, connection.pointee.out,
                endsBehind: connection.pointee.isEnding || connection.pointee.closesWhenSent)
        } else {
            unsafe flushed(connection)
        }
    }

    /// Everything is out.
    private mutating func flushed(_ connection: UnsafeMutablePointer<Connection>) {
        if unsafe connection.pointee.closesWhenSent {
            unsafe finished.append(connection.pointee.handle.raw)
        } else if unsafe connection.pointee.isEnding, unsafe !connection.pointee.didEnd {
            unsafe connection.pointee.didEnd = true
            // With TLS `close_notify` is the end. The socket stays open for what the peer still says, as in Envoy.
            if unsafe connection.pointee.tls != nil { return }
            // Not through the ring: the kernel hands that operation to a thread of its own (two context switches),
            // while the call itself never blocks.
            _ = unsafe Glibc.shutdown(connection.pointee.descriptor, Int32(SHUT_WR))
        }
    }

    // HOT: per turn and connection.
    @inline(__always)
    private mutating func send(
        _ connection: UnsafeMutablePointer<Connection>, _ queue: borrowing ByteQueue, endsBehind: Bool
    ) {
        guard let first = queue.first else { return }
        unsafe connection.pointee.isSending = true
        unsafe connection.pointee.inFlight &+= 1
        let token = unsafe Operation.send.token(connection.pointee.handle)
        if first.count == queue.count {
            unsafe martlet_prep_send(
                ring.entry(), connection.pointee.descriptor, first.base, UInt32(truncatingIfNeeded: first.count),
                endsBehind ? 1 : 0, token)
            return
        }
        // The vectors must stay until the ring has submitted, which an enter may do in part only: as many places as the
        // ring has entries, used in turn, and written once there is an entry for them.
        ring.reserve()
        let index = nextMessage & (Int(Ring.submissionEntries) &- 1)
        nextMessage &+= 1
        let run = unsafe vectors + index &* Connections.vectorsMax
        let gathered = unsafe queue.gather(run, max: Connections.vectorsMax)
        let message = unsafe messages + index
        unsafe message.initialize(to: msghdr())
        unsafe message.pointee.msg_iov = unsafe run
        unsafe message.pointee.msg_iovlen = gathered.vectors
        unsafe martlet_prep_sendmsg(
            ring.entry(), connection.pointee.descriptor, message, endsBehind ? 1 : 0, token)
    }

    // HOT: per completion.
    package mutating func sent(_ completion: Completion) -> SendEvent {
        guard let connection = unsafe slab[Handle(raw: completion.user_data)] else { return .nothing }
        unsafe connection.pointee.inFlight &-= 1
        unsafe connection.pointee.isSending = false
        if unsafe connection.pointee.isClosing {
            unsafe release(connection)
            return .nothing
        }
        guard completion.result >= 0 else {
            return unsafe .failed(connection, -completion.result)
        }
        var count = Int(completion.result)
        if let tls = unsafe connection.pointee.tls {
            unsafe tls.pointee.cipher.consume(count, memory)
            count = unsafe sealedLeft(connection, tls)
            if unsafe !tls.pointee.cipher.isEmpty { unsafe markDirty(connection) }
        }
        unsafe connection.pointee.bytesSent &+= UInt64(count)
        if count > 0 { unsafe connection.pointee.out.consume(count, memory) }
        unsafe noteWaiting(connection, connection.pointee.out.count)
        if unsafe !connection.pointee.out.isEmpty || connection.pointee.isEnding || connection.pointee.closesWhenSent {
            unsafe markDirty(connection)
        }
        return unsafe .sent(connection, count)
    }

    // MARK: Closing

    /// Closes at once; bytes that wait are dropped. The entry goes when the kernel is done with it.
    package mutating func close(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe !connection.pointee.isClosing else { return }
        unsafe connection.pointee.isClosing = true
        unsafe hideBuffered(connection)
        if let tls = unsafe connection.pointee.tls { unsafe endTLS(connection, tls) }
        unsafe cancelReceive(connection)
        if unsafe connection.pointee.isSending || connection.pointee.isConnecting {
            unsafe martlet_prep_cancel_fd(ring.entry(), connection.pointee.descriptor, Operation.cancel.token(.none))
        }
        // Entries are submitted in order: what is in flight has been cancelled when the descriptor goes. From here on the
        // number may belong to a newer connection, so nothing may name it any more.
        let entry = unsafe ring.entry()
        unsafe martlet_prep_close(entry, connection.pointee.descriptor, Operation.close.token(.none))
        unsafe martlet_sqe_silent(entry)
        unsafe connection.pointee.descriptor = -1
        unsafe release(connection)
    }

    /// Gives the slot back when nothing is in flight any more.
    private mutating func release(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe connection.pointee.inFlight == 0 else { return }
        unsafe connection.pointee.isDirty = false
        unsafe connection.pointee.out.removeAll(memory)
        if let tls = unsafe connection.pointee.tls { unsafe freeTLS(tls) }
        unsafe slab.free(connection.pointee.handle)
    }
}
