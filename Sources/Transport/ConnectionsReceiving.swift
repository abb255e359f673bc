// How bytes come in: the kernel fills receive buffers for as long as a connection wants more, and as there are buffers.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats

extension Connections {
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
    func mayReceive(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
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

    func cancelReceive(_ connection: UnsafeMutablePointer<Connection>) {
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
            memory.buffers.release(from: claimed.position, count: claimed.count)
            return .nothing
        }
        if !completion.more {
            unsafe connection.pointee.inFlight &-= 1
            unsafe connection.pointee.isReceiving = false
            unsafe connection.pointee.isCancellingReceive = false
        }
        if unsafe connection.pointee.isClosing {
            memory.buffers.release(from: claimed.position, count: claimed.count)
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
        memory.buffers.release(from: claimed.position, count: claimed.count)
        switch -result {
        case 0:
            // Behind `close_notify` the end has been told already.
            let isNews = unsafe !connection.pointee.sawEnd
            unsafe connection.pointee.sawEnd = true
            return unsafe isNews ? .ended(connection) : .nothing
        case ENOBUFS:
            starvations &+= 1
            count(.receivesWithoutBuffer)
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

    package func count(_ leaf: WorkerStat) {
        if let cells, let workerStats { cells.increment(workerStats &+ leaf.rawValue) }
    }

    /// Whether the kernel holds bytes that have not been received: a look before an idle connection is closed.
    package func hasUnread(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        var byte: UInt8 = 0
        return unsafe recv(connection.pointee.descriptor, &byte, 1, Int32(truncatingIfNeeded: Int(MSG_PEEK) | Int(MSG_DONTWAIT))) > 0
    }

    var mustWaitForBuffers: Bool { memory.buffers.free < memory.buffers.count / 4 }

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
}
