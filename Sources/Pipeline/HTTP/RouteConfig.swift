// What configuration says of routes, frozen: the compiled table of Routing, and beside it, by the table's flat index,
// what to do with a request that matched.

import Primitives
import Routing
import Upstream
import Wire

package enum HeaderAction: UInt8, BitwiseCopyable {
    case appendIfExistsOrAdd, addIfAbsent, overwriteIfExistsOrAdd, overwriteIfExists, remove
}

/// One header added or removed; the value is a format with operators.
package struct HeaderMutation: BitwiseCopyable {
    /// Lower case.
    package var name: Bytes
    package var value: Format
    package var action: HeaderAction
    package var keepsEmpty: Bool
    /// An overwritten header moves to the end (filters), or keeps its place (routes).
    package var movesToEnd = false
    package init(name: Bytes, value: Format, action: HeaderAction, keepsEmpty: Bool = false) {
        self.name = name
        self.value = value
        self.action = action
        self.keepsEmpty = keepsEmpty
    }
}

package struct HeaderMutations: BitwiseCopyable {
    package var request = FrozenArray<HeaderMutation>()
    package var response = FrozenArray<HeaderMutation>()
    package init() {}
}

package enum ClusterChoice: UInt8, BitwiseCopyable { case single, header, weighted }

@safe
package struct RouteCluster: BitwiseCopyable {
    /// `noSlot` when the cluster does not exist.
    package var slot: UInt32
    package var name: Bytes
    /// `weighted_clusters.clusters[].cluster_header`; empty: none.
    package var header = Bytes.empty
    /// Sum of the weights up to and including this one.
    package var cumulativeWeight: UInt64 = 1
    package var weight: UInt64 = 1
    /// `runtime_key_prefix` and the cluster's name: a weight of the runtime.
    package var weightCell: RuntimeCell?
    /// `typed_per_filter_config`: goes before what the route says.
    package var filterConfigs = FrozenArray<RouteFilterConfig>()
    package var mutations = HeaderMutations()
    package var hostRewrite = Bytes.empty
    /// `metadata_match`, merged over the route's; nil: the entry asks for nothing of its own.
    package var metadataMatch: UnsafePointer<MetadataCriteria>?
    package init(slot: UInt32, name: Bytes) {
        self.slot = slot
        self.name = name
    }
}

package enum RouteAction: UInt8, BitwiseCopyable { case forward, redirect, directResponse, none }

package enum HostRewriteKind: UInt8, BitwiseCopyable { case none, literal, auto, header, pathRegex, format }

/// `proxy_protocol_config` of a route's `connect_config`.
package enum ConnectHeader: UInt8, BitwiseCopyable { case none, version1, version2 }

@safe
package struct RouteConfig: BitwiseCopyable {
    package static let noSlot = UInt32.max

    package var name = Bytes.empty
    package var action = RouteAction.none
    /// Position of the virtual host in `RouteTableConfig.virtualHosts`.
    package var virtualHost: UInt32 = 0

    // forward
    package var clusterChoice = ClusterChoice.single
    package var clusters = FrozenArray<RouteCluster>()
    /// `cluster_header`, or the header that picks among weighted clusters; empty: none.
    package var clusterHeader = Bytes.empty
    package var hasRuntimeWeights = false
    /// `use_hash_policy`: the hash draws among weighted clusters.
    package var weighsByHash = false
    package var hashRules = FrozenArray<HashRule>()
    package var metadataMatch: UnsafePointer<MetadataCriteria>?
    package var clusterNotFoundStatus: UInt16 = 503
    package var priority = Priority.normal
    // Milliseconds. `timeoutMs` 0: none. `idleTimeoutMs` nil: the connection manager's; 0: none.
    package var timeoutMs: UInt64 = 15_000
    package var idleTimeoutMs: UInt64?
    /// `flush_timeout`; nil: the connection manager's.
    package var flushTimeoutMs: UInt64?
    package var streamDurationMaxMs: UInt64?
    /// `max_grpc_timeout`, `grpc_timeout_offset`: a gRPC request's timeout is what its `grpc-timeout` says.
    package var grpcTimeoutMaxMs: UInt64?
    package var grpcTimeoutOffsetMs: UInt64 = 0
    /// `max_stream_duration` is there: `timeoutMs` and what stands beside it mean nothing.
    package var usesStreamDuration = false
    /// `grpc_timeout_header_max`, `grpc_timeout_header_offset`: the whole stream's, gRPC or not.
    package var grpcDurationMaxMs: UInt64?
    package var grpcDurationOffsetMs: UInt64 = 0
    /// `prefix_rewrite`, `regex_rewrite`; nil: none.
    package var prefixRewrite: Bytes?
    package var regexRewrite: UnsafePointer<RegexRewrite>?
    /// `path_rewrite`: a format, what operators lack is empty; nil: none.
    package var pathFormat: UnsafePointer<Format>?
    package var hostRewrite = HostRewriteKind.none
    /// The literal, or the header's name.
    package var hostRewriteText = Bytes.empty
    package var hostRewriteRegex: UnsafePointer<RegexRewrite>?
    /// `host_rewrite`: a format, what operators lack is `-`.
    package var hostFormat: UnsafePointer<Format>?
    package var appendForwardedHost = false
    /// Lower-case names of protocols that the route enables or disables against the connection manager.
    package var upgradesOn = FrozenArray<Bytes>()
    package var upgradesOff = FrozenArray<Bytes>()
    /// `connect_config`: CONNECT ends here, in a TCP connection of the cluster; `allow_post`: POST too.
    package var terminatesConnect = false
    package var terminatesPost = false
    /// The PROXY header that this connection begins with.
    package var connectHeader = ConnectHeader.none
    package var retry: UnsafePointer<RetryConfig>?
    /// `hedge_policy.hedge_on_per_try_timeout`
    package var hedgesOnTimeout = false
    package var internalRedirect: UnsafePointer<InternalRedirectConfig>?
    /// `request_mirror_policies` of the route, else of its virtual host, else of the route configuration.
    package var mirrors = FrozenArray<MirrorConfig>()
    package var includeAttemptCountInRequest = false
    package var includesIsTimeoutRetry = false
    package var includeAttemptCountInResponse = false
    /// `request_body_buffer_limit` or `per_request_buffer_limit_bytes`; nil: the listener's.
    package var bufferLimit: Int?

    package var redirect: UnsafePointer<RedirectConfig>?
    // directResponse
    package var directStatus: UInt16 = 200
    package var directBody = Bytes.empty
    /// `body_format`; nil: the body as it is.
    package var directFormat: UnsafePointer<LocalReplyBody>?

    /// In the order in which they are applied (route, virtual host, table; the other way with
    /// `most_specific_header_mutations_wins`), the weighted cluster's before all.
    package var mutations = HeaderMutations()
    /// `typed_per_filter_config` of route, virtual host and table, in this order: the first entry of a filter decides
    /// whether it runs, the first with a configuration is its configuration.
    package var filterConfigs = FrozenArray<RouteFilterConfig>()
    package var metadata: FrozenMetadata?
    package var rateLimits = FrozenArray<RateLimitRule>()
    /// `include_vh_rate_limits`
    package var includesHostRateLimits = false
    /// First statistic of `vhost.<v>.route.<stat_prefix>.`; 0: none.
    package var stats: UInt32 = 0
    /// What it says beside the connection manager's `tracing`, and its `decorator`.
    package var tracing: UnsafePointer<RouteTracing>?
    package var decorator: UnsafePointer<RouteDecorator>?
    package init() {}
}

@safe
package struct RedirectConfig: BitwiseCopyable {
    package var status: UInt16 = 301
    package var parts = RedirectParts()
    package var prefixRewrite: Bytes?
    package var regexRewrite: UnsafePointer<RegexRewrite>?
    /// `path_rewrite`; nil: none.
    package var pathFormat: UnsafePointer<Format>?
    package init() {}
}

/// What one level (route, virtual host, table) says of one filter.
package struct RouteFilterConfig: BitwiseCopyable {
    /// `config` of a level that only switches the filter on or off.
    package static let none = UInt32.max
    package var filter: UInt16
    package var config: UInt32
    package var isDisabled: Bool
    package init(filter: UInt16, config: UInt32, isDisabled: Bool) {
        self.filter = filter
        self.config = config
        self.isDisabled = isDisabled
    }
}

package struct VirtualHostConfig: BitwiseCopyable {
    package var name = Bytes.empty
    /// Mutations for replies that match the virtual host but no route.
    package var mutations = HeaderMutations()
    /// Nil: none.
    package var virtualClusters: VirtualClusters?
    package var metadata: FrozenMetadata?
    package var rateLimits = FrozenArray<RateLimitRule>()
    package init() {}
}

@safe
package struct RouteTableConfig: BitwiseCopyable {
    package var name = Bytes.empty
    package var table: RouteTable
    /// By the table's flat index.
    package var routes = FrozenArray<RouteConfig>()
    package var virtualHosts = FrozenArray<VirtualHostConfig>()
    /// `x-…` names that are removed from requests of untrusted origin (`internal_only_headers`).
    package var internalOnlyHeaders = FrozenArray<Bytes>()
    package init(table: RouteTable) { self.table = table }
}
