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
    package static let heldBuffersMax = 48
    static let vectorsMax = 32

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
    var dirty = PlainArray<UInt32>(capacity: 256)
    /// Connections with `closeWhenSent` whose bytes are out: the Pipeline closes them (`takeFinished`).
    var finished = PlainArray<UInt64>(capacity: 16)
    private var nextID: UInt64 = 1
    var starved = PlainArray<UInt64>(capacity: 64)
    /// Whose receive has ended with bytes.
    var again = PlainArray<UInt64>(capacity: 64)
    /// How long `receiveLater` waits.
    static let laterMs: UInt64 = 2
    var later = PlainArray<UInt64>(capacity: 64)
    var laterSinceMs: UInt64 = 0
    let vectors: UnsafeMutablePointer<iovec>
    let messages: UnsafeMutablePointer<msghdr>
    var nextMessage = 0
    /// The worker's statistics; nil: nobody keeps any (tests).
    package var cells: StatCells?
    /// Of the worker itself (`WorkerStat`).
    package var workerStats: UInt32?
    /// Times that a receive found no buffer.
    package internal(set) var starvations: UInt64 = 0

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
    mutating func release(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe connection.pointee.inFlight == 0 else { return }
        unsafe connection.pointee.isDirty = false
        unsafe connection.pointee.out.removeAll(memory)
        if let tls = unsafe connection.pointee.tls { unsafe freeTLS(tls) }
        unsafe slab.free(connection.pointee.handle)
    }
}
