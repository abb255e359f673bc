// What configuration says of a `tcp_proxy` filter, frozen.

import Primitives
import Upstream
import Wire

@safe
package struct WeightedCluster: BitwiseCopyable {
    package var slot: UInt32
    /// What is asked of hosts' metadata; nil: nothing.
    package var metadataMatch: UnsafePointer<MetadataCriteria>?
    /// Sum of the weights up to and including this one.
    package var cumulativeWeight: UInt64
    package init(slot: UInt32, cumulativeWeight: UInt64) {
        self.slot = slot
        self.cumulativeWeight = cumulativeWeight
    }
}

@safe
package struct TCPProxyConfig: BitwiseCopyable {
    /// Of the filter chain that it stands in, and of its listener.
    package var metadata = ChainMetadata()
    /// First statistic of `tcp.<stat_prefix>.`.
    package var stats: UInt32 = 0
    package var clusters = FrozenArray<WeightedCluster>()
    /// 0: never.
    package var idleTimeoutMs: UInt64 = 3_600_000
    /// `per_connection_buffer_limit_bytes` of the listener.
    package var bufferLimit = 1 << 20
    package var connectAttemptsMax: UInt32 = 1
    /// Pause before another attempt: a random time below a bound that doubles. 0: none.
    package var backoffBaseMs: UInt64 = 0
    package var backoffMaxMs: UInt64 = 0
    /// 0: no limit.
    package var connectionDurationMaxMs: UInt64 = 0
    /// Up to this much is added to the duration.
    package var durationJitterMs: UInt64 = 0
    /// `upstream_connect_mode: ON_DOWNSTREAM_DATA`.
    package var waitsForData = false
    /// `ON_DOWNSTREAM_TLS_HANDSHAKE`; a client without TLS has none to wait for.
    package var waitsForHandshake = false
    /// What is read before the upstream is there; nil: nothing.
    package var earlyBytesMax: Int?
    /// `hash_policy` with `source_ip`.
    package var hashesSourceIP = false
    package var accessLogs = FrozenArray<AccessLogConfig>()
    /// `flush_access_log_on_connected`
    package var logsConnected = false
    package var logsStart = false
    /// Milliseconds between the lines of a connection that goes on; 0: none.
    package var logIntervalMs: UInt64 = 0
    /// `proxy_protocol_tlvs`: what the client's PROXY header is to have said, where an upstream gets one.
    package var proxyTLVs = Bytes.empty
    package var formattedTLVs = FrozenArray<FormattedTLV>()
    package var tlvTypes = ProxyTLVSet()
    package var tlvMerge = TLVMerge.addIfAbsent
    /// `tunneling_config`; nil: bytes go to the host as they are.
    package var tunnel: UnsafePointer<TunnelConfig>?
    package init() {}

    /// `proxy_protocol_tlv_merge_policy`: what becomes of the header that the client did send.
    package enum TLVMerge: BitwiseCopyable { case addIfAbsent, overwrite, append }

    /// The client's bytes are read before there is an upstream.
    var takesEarlyData: Bool { waitsForData || earlyBytesMax != nil }

    var addsTLVs: Bool { !proxyTLVs.isEmpty || !formattedTLVs.isEmpty }
}

/// `tunneling_config`.
@safe
package struct TunnelConfig: BitwiseCopyable {
    /// What is asked for: the request's authority.
    package var hostname: Format
    /// POST with `postPath` instead of CONNECT.
    package var usesPost = false
    package var postPath = Bytes.empty
    package var headers = FrozenArray<HeaderMutation>()
    /// The answer's head and trailers are kept for formats (`%FILTER_STATE(…)%`).
    package var keepsHeaders = false
    package var keepsTrailers = false
    /// `request_id_extension`; empty: no id. The key: under which formats find it.
    package var requestIDHeader = Bytes.empty
    package var requestIDKey = Bytes.empty
    package init(hostname: Format) { self.hostname = hostname }
}
