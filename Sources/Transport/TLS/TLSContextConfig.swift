// What configuration says of one TLS context, frozen: a downstream one of a filter chain, or an upstream one of a cluster.
//
// Main makes the contexts of OpenSSL, one set per worker, so that no worker touches the counts of another's; they live as
// long as the plan part. A connection pins the part and keeps the context that it began with.

import COpenSSL
import Primitives

/// A counter whose name is what was negotiated: `ciphers.TLS_AES_256_GCM_SHA384`.
@safe
package struct NegotiatedStat: BitwiseCopyable {
    /// OpenSSL's number of it: a cipher's protocol id, a group's or a signature scheme's number, a version.
    package var number: UInt32
    package var stat: UInt32
    package init(number: UInt32, stat: UInt32) {
        self.number = number
        self.stat = stat
    }
}

@safe
package struct TLSContextConfig: BitwiseCopyable {
    package var part: UInt32 = 0
    package var isServer = true
    /// A certificate of the peer is held against something.
    package var validates = false
    /// The peer's certificate must be for the server name that was asked for.
    package var checksServerName = false
    /// `alpn_protocols` are named.
    package var hasProtocols = false
    /// The `SSL_CTX` of each thread, as bit patterns: the first of its set.
    package var contexts = FrozenArray<UInt>()
    /// The Pipeline's `TLSKeyLog`; nil: keys are nobody's to see.
    package var keyLog: UnsafeRawPointer?
    /// First statistic of the socket factory's (`TLSSocketFactoryStat`).
    package var factoryStats: UInt32 = 0
    /// First statistic of `listener.<address>.ssl.` or `cluster.<name>.ssl.` (`TLSStat`).
    package var stats: UInt32 = 0
    package var versions = FrozenArray<NegotiatedStat>()
    package var ciphers = FrozenArray<NegotiatedStat>()
    package var curves = FrozenArray<NegotiatedStat>()
    package var signatures = FrozenArray<NegotiatedStat>()
    package init() {}

    @inline(__always)
    package func context(thread: Int) -> OpaquePointer? {
        guard thread < contexts.count else { return nil }
        return unsafe OpaquePointer(bitPattern: contexts[thread])
    }
}
