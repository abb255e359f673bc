// Which certificates answer which server name: a sorted table, asked once per handshake.
//
// Each worker has a context of OpenSSL for every set of certificates (one of each key type); the server name's callback
// moves a handshake from the first to the one that its name calls for.

import COpenSSL
import Glibc
import Primitives

@safe
package struct TLSServerName: BitwiseCopyable {
    /// In lower case; of `*.example.com` what is behind the star.
    package var name: Bytes
    package var set: UInt32
    package init(name: Bytes, set: UInt32) {
        self.name = name
        self.set = set
    }
}

@safe
package struct TLSServerNames: BitwiseCopyable {
    /// In bytewise order.
    package var names = FrozenArray<TLSServerName>()
    /// `SSL_CTX` of each set, as bit patterns; the first one is for hellos without a name.
    package var contexts = FrozenArray<UInt>()
    /// For names that are not in the table.
    package var otherSet = 0
    package var requiresName = false
    package init() {}

    private static let nameMax = 255

    /// RFC 6066 §3: names are compared without case.
    package func set(_ name: Bytes) -> Int {
        guard name.count > 0 else { return 0 }
        guard !names.isEmpty, name.count <= TLSServerNames.nameMax else { return otherSet }
        return unsafe withUnsafeTemporaryAllocation(byteCount: name.count, alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return otherSet }
            for i in 0..<name.count {
                let byte = name[i]
                unsafe base.storeBytes(of: byte &- 65 < 26 ? byte | 32 : byte, toByteOffset: i, as: UInt8.self)
            }
            let folded = unsafe Bytes(UnsafeRawPointer(base), name.count)
            if let set = find(folded) { return set }
            // A wildcard stands for one label.
            var dot = 0
            while dot < folded.count, folded[dot] != UInt8(ascii: ".") { dot &+= 1 }
            guard dot > 0, dot < folded.count else { return otherSet }
            return find(folded.from(dot)) ?? otherSet
        }
    }

    private func find(_ name: Bytes) -> Int? {
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low &+ high) / 2
            if TLSServerNames.isLess(names[middle].name, name) { low = middle &+ 1 } else { high = middle }
        }
        guard low < names.count, names[low].name.equals(name) else { return nil }
        return Int(names[low].set)
    }

    package static func isLess(_ a: Bytes, _ b: Bytes) -> Bool {
        let order = unsafe memcmp(a.base, b.base, min(a.count, b.count))
        return order < 0 || (order == 0 && a.count < b.count)
    }

    /// OpenSSL asks with every ClientHello, whether it names a server or not. `argument`: the thread's `TLSServerNames`.
    package static let choose:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
            ssl, alert, argument in
            guard let ssl = unsafe ssl, let argument = unsafe argument else { return SSL_TLSEXT_ERR_NOACK }
            let names = unsafe argument.assumingMemoryBound(to: TLSServerNames.self)
            guard let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
                if unsafe !names.pointee.requiresName { return SSL_TLSEXT_ERR_NOACK }
                unsafe alert?.pointee = SSL_AD_HANDSHAKE_FAILURE
                return SSL_TLSEXT_ERR_ALERT_FATAL
            }
            let set = unsafe names.pointee.set(Bytes(UnsafeRawPointer(name), strlen(name)))
            if set > 0, unsafe set < names.pointee.contexts.count {
                unsafe SSL_set_SSL_CTX(ssl, OpaquePointer(bitPattern: names.pointee.contexts[set]))
            }
            return SSL_TLSEXT_ERR_OK
        }
}
