// What configuration says of an `http_connection_manager`, frozen.

import Primitives
import Wire

package enum ServerHeaderAction: UInt8, BitwiseCopyable { case overwrite, appendIfAbsent, passThrough }
package enum StripPort: UInt8, BitwiseCopyable { case none, matching, any }
package enum EscapedSlashes: UInt8, BitwiseCopyable { case keep, reject, unescapeAndRedirect, unescapeAndForward }

package struct AddressRange: BitwiseCopyable {
    package var address: SocketAddress
    package var prefixBits: UInt8
    package init(address: SocketAddress, prefixBits: UInt8) {
        self.address = address
        self.prefixBits = prefixBits
    }
}

/// `codec_type`. `auto`: the first bytes of a connection say (or, with TLS, ALPN).
package enum CodecType: UInt8, BitwiseCopyable { case auto, http1, http2 }

@safe
package struct HTTPConfig: BitwiseCopyable {
    /// Of the filter chain that it stands in, and of its listener.
    package var metadata = ChainMetadata()
    // First statistics of the scopes that requests are counted in.
    /// `http.<stat_prefix>.` (`HTTPConnectionManagerStat`).
    package var stats: UInt32 = 0
    /// `http.<stat_prefix>.` (`RouterStat`).
    package var routerStats: UInt32 = 0
    /// `http1.` (`HTTP1CodecStat`), one for the process.
    package var codecStats: UInt32 = 0
    /// `listener.<address>.http.<stat_prefix>.` (`ListenerHTTPStat`).
    package var listenerStats: UInt32 = 0

    /// `http2.` (`HTTP2CodecStat`), one for the process.
    package var http2Stats: UInt32 = 0

    package var codec = CodecType.auto
    package var http2 = H2Options()
    package var decoder = H1Options()
    package var properCaseHeaders = false
    /// `stream_error_on_invalid_http_message`: a 400 of ours does not close the connection.
    package var keepsOpenOnBadRequest = false
    /// `default_host_for_http_10`; empty: none.
    package var defaultHost10 = Bytes.empty
    package var bufferLimit = 1 << 20

    package var serverName = Bytes("envoy" as StaticString)
    package var serverAction = ServerHeaderAction.overwrite
    package var via = Bytes.empty
    package var useRemoteAddress = false
    package var trustedHops: UInt32 = 0
    /// The machine's own address: what a loopback client is called in `x-forwarded-for`.
    package var nodeAddress = SocketAddress()
    package var skipXffAppend = false
    /// `original_ip_detection_extensions`; empty: none.
    package var originDetections = FrozenArray<OriginDetection>()
    package var clientCertificate = ForwardClientCertificate.sanitize
    package var clientCertificateDetails: ClientCertificateDetails = []
    /// `forward_client_cert_matcher`: its actions take the place of the two above.
    package var clientCertificateMatcher: UnsafePointer<RequestMatcher>?
    package var clientCertificateActions = FrozenArray<ClientCertificateAction>()
    package var appendForwardedPort = false
    /// `add_user_agent`: node cluster and node id, when set.
    package var addUserAgent = false
    package var serviceCluster = Bytes.empty
    package var serviceNode = Bytes.empty
    package var generateRequestID = true
    package var preserveExternalRequestID = false
    package var requestIDInResponse = false
    package var packTraceReason = true
    package var suppressEnvoyHeaders = false
    /// `strict_check_headers` of the router.
    package var strictHeaders = StrictHeaders()
    package var respectExpectedTimeout = false
    /// `suppress_grpc_request_failure_code_stats`
    package var suppressesGRPCCodes = false
    /// What counts as internal; `hasInternalRanges` false: Envoy 1.40's default.
    package var internalRanges = FrozenArray<AddressRange>()
    package var hasInternalRanges = false
    /// `unix_sockets`: who comes by a UNIX socket is internal.
    package var unixIsInternal = false
    /// `scheme_header_transformation.scheme_to_overwrite`; empty: none.
    package var schemeOverwrite = Bytes.empty

    package var normalizePath = false
    package var mergeSlashes = false
    package var escapedSlashes = EscapedSlashes.keep
    package var stripPort = StripPort.none
    package var stripTrailingHostDot = false

    // Milliseconds; 0: none.
    package var idleTimeoutMs: UInt64 = 3_600_000
    package var streamIdleTimeoutMs: UInt64 = 300_000
    /// `stream_flush_timeout`, else the idle one: how long a client of HTTP/2 may leave the rest of an answer.
    package var streamFlushTimeoutMs: UInt64 = 300_000
    package var requestTimeoutMs: UInt64 = 0
    package var requestHeadersTimeoutMs: UInt64 = 0
    package var drainTimeoutMs: UInt64 = 5000
    package var drainTimeoutJitterMs: UInt64 = 0
    package var delayedCloseTimeoutMs: UInt64 = 1000
    package var connectionDurationMaxMs: UInt64 = 0
    /// Up to as much is added by chance.
    package var connectionDurationJitterMs: UInt64 = 0
    package var streamDurationMaxMs: UInt64 = 0
    /// 0: no limit.
    package var requestsPerConnectionMax: UInt64 = 0

    package var proxy100Continue = false
    /// Lower-case names of the protocols that `upgrade_configs` enables (`websocket`); `connect` for CONNECT.
    package var upgrades = FrozenArray<Bytes>()

    package var routes: UnsafePointer<RouteTableConfig>
    /// Number of the HTTP filter chain, unique while the part lives; workers keep their instances by it.
    package var filterChain: UInt32 = 0
    /// Numbers are used again once their part is gone; no two chains have the same serial.
    package var filterChainSerial: UInt64 = 0
    /// The `FilterChainSpec` to make them from; nil: nothing but the router. Main keeps it as long as the part.
    package var filterChainSpec: UnsafeRawPointer?
    /// Access logs: places in the list of loggers.
    package var accessLogs = FrozenArray<AccessLogConfig>()
    package var logTimes = AccessLogTimes()
    /// `upstream_log` and `upstream_log_options` of the router.
    package var upstreamLogs = FrozenArray<AccessLogConfig>()
    package var upstreamLogTimes = AccessLogTimes()
    /// Some format of it, or a log server's message, names bytes of the wire: they are counted (`WireMeter`), and an answer
    /// over HTTP/2 is framed before its log's line is written.
    package var metersWire = false
    /// Some format of it names `%ROUTE_RESOLUTION_TIME_US%`: the clock is read around each search.
    package var timesRoutes = false
    package var localReply: UnsafePointer<LocalReplyConfig>?
    package var proxyStatus: UnsafePointer<ProxyStatusConfig>?

    /// `add_proxy_protocol_connection_state`.
    package var addsProxyState = true

    /// `tracing`; nil: nothing is traced.
    package var tracing: UnsafePointer<TracingConfig>?

    package init(routes: UnsafePointer<RouteTableConfig>) { unsafe self.routes = unsafe routes }
}
