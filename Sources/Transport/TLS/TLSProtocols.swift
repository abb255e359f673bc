// ALPN (RFC 7301): the server takes the first of its own protocols that the client offers too.

import COpenSSL
import Primitives

@safe
package struct TLSProtocols: BitwiseCopyable {
    /// As on the wire: a length and a name each.
    package var list = Bytes.empty
    package init(list: Bytes) { self.list = list }

    /// `argument`: the context's `TLSProtocols`. A client that shares none goes on without, as in Envoy.
    package static let choose:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { _, chosen, count, offered, offeredCount, argument in
            guard let argument = unsafe argument, let offered = unsafe offered, let chosen = unsafe chosen, let count = unsafe count
            else { return SSL_TLSEXT_ERR_NOACK }
            let own = unsafe argument.assumingMemoryBound(to: TLSProtocols.self).pointee.list
            let theirs = unsafe Bytes(offered, Int(offeredCount))
            var i = 0
            while i < own.count {
                let name = own.part(i &+ 1, min(own.count, i &+ 1 &+ Int(own[i])))
                if let place = find(name, theirs) {
                    unsafe chosen.pointee = unsafe offered + place
                    unsafe count.pointee = UInt8(truncatingIfNeeded: name.count)
                    return SSL_TLSEXT_ERR_OK
                }
                i &+= 1 &+ name.count
            }
            return SSL_TLSEXT_ERR_NOACK
        }

    private static func find(_ name: Bytes, _ list: Bytes) -> Int? {
        var i = 0
        while i < list.count {
            let end = i &+ 1 &+ Int(list[i])
            guard end <= list.count else { return nil }
            if list.part(i &+ 1, end).equals(name) { return i &+ 1 }
            i = end
        }
        return nil
    }
}
