// Handshakes are the most that a worker does at a stretch: a signature takes as long as hundreds of requests. So a turn has
// room for a few steps of them; what comes beyond waits, oldest first, and the other connections of the worker wait for no
// more than one turn's worth.

import Glibc
import Primitives
import Ring
import Transport

extension Worker {
    /// Steps of handshakes in one turn (`docs/limits.md`).
    static let handshakesPerTurn = 16

    // HOT: per completion.
    @inline(__always)
    func mustWait(_ tls: UnsafeMutablePointer<TLSConnection>) -> Bool {
        unsafe tls.pointee.isHandshaking && (tls.pointee.isWaiting || handshakesLeft <= 0)
    }

    /// Ciphertext for which there is no room in this turn. Nothing more is received until it has been read.
    func keep(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>, _ position: UInt16,
        _ count: Int, _ bytes: Int
    ) {
        var isWhole = true
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, bytes in
            isWhole = unsafe tls.pointee.waiting.append(copying: bytes, memory) && isWhole
            memory.buffers.release(id)
        }
        guard isWhole else {
            return unsafe connection.pointee.isShakingHands ? handshakeBroken(connection, ENOMEM) : received(ENOMEM, connection)
        }
        unsafe wait(connection, tls)
    }

    func wait(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        unsafe connections.hold(connection)
        guard unsafe !tls.pointee.isWaiting else { return }
        unsafe tls.pointee.isWaiting = true
        unsafe waitingHandshakes.append(connection.pointee.handle.raw)
    }

    /// At the beginning of a turn.
    func goOnWithHandshakes() {
        var taken = 0
        while taken < waitingHandshakes.count, handshakesLeft > 0 {
            let handle = Handle(raw: waitingHandshakes[taken])
            taken &+= 1
            guard let connection = unsafe connections.slab[handle], unsafe !connection.pointee.isClosing,
                let tls = unsafe connection.pointee.tls
            else { continue }
            unsafe goOn(handle, connection, tls)
        }
        waitingHandshakes.removeFirst(taken)
    }

    private func goOn(
        _ handle: Handle, _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>
    ) {
        unsafe tls.pointee.isWaiting = false
        var waiting = unsafe tls.pointee.waiting
        unsafe tls.pointee.waiting = ByteQueue()
        unsafe connections.letGo(connection)
        // One towards an upstream that has not said its hello yet.
        if waiting.isEmpty { unsafe tlsAdvance(handle, connection, tls) }
        while let run = waiting.first, unsafe isOpen(handle, connection), unsafe !tls.pointee.hasFailed {
            unsafe connections.feed(tls, run)
            unsafe tlsAdvance(handle, connection, tls)
            waiting.consume(run.count, memory)
        }
        waiting.removeAll(memory)
        guard unsafe isOpen(handle, connection) else { return }
        if unsafe tls.pointee.endsBehind {
            unsafe tls.pointee.endsBehind = false
            if unsafe tlsEnded(connection) { unsafe received(end: connection) }
            return
        }
        if unsafe !connection.pointee.isPaused { unsafe connections.receive(connection) }
    }
}
