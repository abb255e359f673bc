// The sending half: what waits in `out` becomes records just before it is sent, and the end of a connection says so.

import CLiburing
import COpenSSL
import Glibc
import Primitives
import Ring

extension Connections {
    /// Records that one send carries at the most: beyond it plaintext waits in `out`, where its limit is looked at.
    private static let cipherMax = 64 << 10
    /// The same, beyond which a peer that makes us write while it sends, and takes none of it, is given up.
    static let answeredMax = cipherMax &+ 64 << 10
    /// RFC 8446 §5.1: plaintext of one record.
    package static let recordMax = 16 << 10

    // HOT: per turn.
    /// Makes records of what waits. True when `cipher` holds something to send.
    mutating func seal(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) -> Bool {
        unsafe tls.pointee.ticketBytes = 0
        if unsafe !tls.pointee.isHandshaking, unsafe !tls.pointee.hasFailed {
            while unsafe tls.pointee.sealed < connection.pointee.out.count, unsafe tls.pointee.cipher.count < Connections.cipherMax {
                guard unsafe sealRecord(connection, tls) else { break }
            }
            let isLast = unsafe tls.pointee.sealed == connection.pointee.out.count
            if isLast, unsafe connection.pointee.closesWhenSent || connection.pointee.isEnding { unsafe sayClose(tls) }
        }
        return unsafe !tls.pointee.cipher.isEmpty
    }

    /// One record of the next bytes of `out`: pieces are copied together, so that a small answer is one record.
    private mutating func sealRecord(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>
    ) -> Bool {
        guard let ssl = unsafe tls.pointee.ssl else { return false }
        let run = unsafe connection.pointee.out.run(from: tls.pointee.sealed)
        let wanted = unsafe min(connection.pointee.out.count &- tls.pointee.sealed, Connections.recordMax)
        var source = unsafe UnsafeRawPointer(run.base)
        if run.count < wanted {
            unsafe connection.pointee.out.copy(from: tls.pointee.sealed, count: wanted, into: sealScratch)
            unsafe source = unsafe UnsafeRawPointer(sealScratch)
        }
        var written = 0
        martlet_err_clear()
        guard unsafe SSL_write_ex(ssl, source, wanted, &written) == 1 else {
            // No memory, or a connection that an error has ended: whoever reads it is told by the socket's end.
            unsafe tls.pointee.hasFailed = true
            unsafe tls.pointee.failure = .taken()
            _ = unsafe Glibc.shutdown(connection.pointee.descriptor, Int32(SHUT_RDWR))
            return false
        }
        unsafe tls.pointee.sealed &+= written
        return true
    }

    /// RFC 8446 §6.1: who will send nothing more says so, or the peer takes the end for an attack.
    func sayClose(_ tls: UnsafeMutablePointer<TLSConnection>) {
        guard let ssl = unsafe tls.pointee.ssl, unsafe !tls.pointee.saidClose, unsafe !tls.pointee.isHandshaking else { return }
        unsafe tls.pointee.saidClose = true
        martlet_err_clear()
        unsafe SSL_shutdown(ssl)
        martlet_err_clear()
    }

    /// The connection will end in a reset, and without `close_notify`: RFC 8446 §6.1, a peer that saw one would take what it
    /// has got for the whole.
    package func cutTLS(_ connection: UnsafeMutablePointer<Connection>) {
        guard let tls = unsafe connection.pointee.tls else { return }
        unsafe tls.pointee.saidClose = true
    }

    /// An error of the peer's has ended it: nothing more is read, whether its end has come or not.
    package func noteEnd(_ connection: UnsafeMutablePointer<Connection>) { unsafe connection.pointee.sawEnd = true }

    /// All of `cipher` has left: so has the plaintext that it carried. How much that was.
    mutating func sealedLeft(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) -> Int {
        guard unsafe tls.pointee.cipher.isEmpty else { return 0 }
        let count = unsafe tls.pointee.sealed
        unsafe tls.pointee.sealed = 0
        return count
    }

    /// The connection closes at once: an alert, or `close_notify`, that the socket has room for still goes. Nothing waits
    /// for it.
    mutating func endTLS(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        if unsafe !connection.pointee.isSending, unsafe connection.pointee.isConnected {
            let isWhole = unsafe connection.pointee.out.isEmpty
            if unsafe !tls.pointee.hasFailed, isWhole { unsafe sayClose(tls) }
            let descriptor = unsafe connection.pointee.descriptor
            let flags = martlet_send_now_flags()
            // A piece that does not go whole is the last one: no record may have a gap.
            var goes = true
            unsafe tls.pointee.cipher.forEach { bytes in
                if goes, !bytes.isEmpty { goes = unsafe Glibc.send(descriptor, bytes.base, bytes.count, flags) == bytes.count }
            }
        }
        // A handshake that is not complete ends with a FIN before the close, as in Envoy: what of it was not read would make the
        // close a reset, and of that the peer would hear first.
        if unsafe tls.pointee.isHandshaking, unsafe connection.pointee.isConnected {
            _ = unsafe Glibc.shutdown(connection.pointee.descriptor, Int32(SHUT_WR))
        }
        guard let ssl = unsafe tls.pointee.ssl else { return }
        // A connection that was cut is no reason to forget its session: what was agreed on was agreed on.
        if unsafe !tls.pointee.hasFailed { unsafe SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
        unsafe SSL_free(ssl)
        unsafe tls.pointee.ssl = nil
    }

    /// Nothing of the connection is in the kernel any more.
    mutating func freeTLS(_ tls: UnsafeMutablePointer<TLSConnection>) {
        unsafe tls.pointee.cipher.removeAll(memory)
        unsafe tls.pointee.waiting.removeAll(memory)
        unsafe tls.pointee.keyLines.removeAll(memory)
        unsafe tls.pointee.description?.release()
        if let refused = unsafe tls.pointee.refused { unsafe martlet_chain_free(refused) }
        if let checked = unsafe tls.pointee.checked { memory.blocks.free(checked) }
        unsafe tlsSlab.free(tls.pointee.handle)
    }
}
