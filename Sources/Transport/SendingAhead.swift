// Bytes that go out before anything else of a connection to an upstream, TLS included.

import COpenSSL
import Glibc
import Primitives

extension Connections {
    /// The connection is there: what goes ahead of everything is sent by a call of its own, which does not wait: a new
    /// connection has room for it. What it has no room for stays ahead.
    package mutating func sendAhead(_ connection: UnsafeMutablePointer<Connection>) {
        var left = unsafe Int(connection.pointee.aheadBytes)
        unsafe connection.pointee.aheadBytes = 0
        while left > 0, let run = unsafe connection.pointee.out.first {
            let count = min(run.count, left)
            let sent = unsafe Glibc.send(
                connection.pointee.descriptor, run.base, count, martlet_send_now_flags())
            guard sent > 0 else { break }
            unsafe connection.pointee.out.consume(sent, memory)
            left &-= sent
        }
        guard left > 0 else { return }
        unsafe markDirty(connection)
        guard let tls = unsafe connection.pointee.tls else { return }
        // Records are sealed from `out`: what is to go in the clear goes with the handshake's bytes.
        while left > 0, let run = unsafe connection.pointee.out.first {
            let count = min(run.count, left)
            _ = unsafe tls.pointee.cipher.append(copying: run.prefix(count), memory)
            unsafe connection.pointee.out.consume(count, memory)
            left &-= count
        }
    }
}
