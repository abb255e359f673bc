// How bytes go out: what a turn has queued leaves in one send per connection, prepared at the turn's end.

import CLiburing
import Glibc
import Primitives
import Ring

extension Connections {
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
}
