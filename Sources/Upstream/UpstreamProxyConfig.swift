// `upstream_proxy_protocol`: the PROXY header that goes ahead of each connection to a cluster's hosts, frozen.

import Primitives
import Wire

/// A TLV whose value is written for each header: the format is a `ProxyTLVFormat` of the Pipeline's, in the same memory.
@safe
package struct FormattedTLV: BitwiseCopyable {
    package var type: UInt8
    package var format: UnsafeRawPointer
    package init(type: UInt8, format: UnsafeRawPointer) {
        self.type = type
        unsafe self.format = unsafe format
    }
}

@safe
package struct UpstreamProxyConfig: BitwiseCopyable {
    package var isVersion2 = false
    /// TLVs of the client's own header that are passed on, as far as the listener lets.
    package var passedOn = ProxyTLVSet()
    /// TLVs that every header gets, as on the wire; of their types none is passed on.
    package var added = Bytes.empty
    /// Those that are written anew for each, behind `added`.
    package var formatted = FrozenArray<FormattedTLV>()
    package var addedTypes = ProxyTLVSet()
    /// Requests share a connection only where their headers' TLVs are the same.
    package var keyHasTLVs = false
    /// A client without IP addresses is said to be `UNSPEC`, not `LOCAL`.
    package var allowsUnspecified = false
    /// First statistic of `cluster.<name>.upstream.proxyprotocol.`.
    package var stats: UInt32 = 0
    package init() {}

    package func passes(_ type: UInt8) -> Bool { passedOn.contains(type) && !addedTypes.contains(type) }
}
