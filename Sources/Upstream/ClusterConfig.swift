// What configuration says of a cluster and its hosts, frozen: read by every worker, changed by none.

import Glibc
import Primitives
import Wire

package enum BalancingPolicy: UInt8, BitwiseCopyable { case roundRobin, leastRequest, random, ringHash, maglev }

extension BalancingPolicy {
    /// The host depends on a hash of the request.
    package var isHashing: Bool { self == .ringHash || self == .maglev }
}

package struct CircuitLimits: BitwiseCopyable {
    package var connections: UInt32 = 1024
    package var pendingRequests: UInt32 = 1024
    package var requests: UInt32 = 1024
    package var retries: UInt32 = 3
    /// `per_host_thresholds`; nil: no limit of a host's own.
    package var connectionsPerHost: UInt32?
    /// `max_connection_pools`; nil: no limit.
    package var pools: UInt32?
    /// Takes the place of `retries`.
    package var retryBudget: RetryBudget?
    package init() {}
}

/// Active retries may be this share of what is active and waits, or of what has begun within the interval, and always
/// `concurrencyMin`.
package struct RetryBudget: BitwiseCopyable {
    package var percent = 20.0
    package var concurrencyMin: UInt32 = 3
    /// `budget_interval`; 0: none.
    package var intervalMs: UInt64 = 0
    package init() {}
}

/// Which HTTP is spoken to a cluster's hosts; `auto`: what each handshake says.
package enum UpstreamProtocol: UInt8, BitwiseCopyable { case http1, http2, downstream, auto }

@safe
package struct ClusterConfig: BitwiseCopyable {
    /// Stable number of the cluster, reused after it is gone.
    package var slot: UInt32 = 0
    package var part: UInt32 = 0
    package var name = Bytes.empty
    /// `cluster.<name>.`
    package var statPrefix = Bytes.empty
    /// Where the client's protocol decides: tunnels of `tcp_proxy`, whose clients speak none, go over HTTP/2.
    package var tunnelsOverHTTP2 = false
    /// First statistic of `cluster.<name>.`.
    package var stats: UInt32 = 0
    /// `track_cluster_stats`: some of the two below are there.
    package var tracksTries = false
    /// First statistics of `RequestResponseSizeStat` and of `TimeoutBudgetStat`; 0: they are not asked for.
    package var sizeStats: UInt32 = 0
    package var budgetStats: UInt32 = 0
    package var policy = BalancingPolicy.roundRobin
    package var hashing = HashingOptions()
    /// Least request: hosts compared per choice.
    package var choiceCount: UInt32 = 2
    package var connectTimeoutMs: UInt64 = 5000
    /// 0: never.
    package var idleTimeoutMs: UInt64 = 3_600_000
    /// `TcpProtocolOptions`: how long a connection that `tcp_proxy` has opened ahead waits for a client; 0: for ever.
    package var tcpIdleTimeoutMs: UInt64 = 600_000
    /// 0: no limit.
    package var connectionDurationMaxMs: UInt64 = 0
    /// Up to as much is added by chance.
    package var connectionDurationJitterMs: UInt64 = 0
    package var requestsPerConnectionMax: UInt64 = 0
    /// `max_stream_duration`: as long as a request may be on a connection; 0: no limit.
    package var streamDurationMaxMs: UInt64 = 0
    package var bufferLimit: Int = 1 << 20
    package var defaultLimits = CircuitLimits()
    package var highLimits = CircuitLimits()
    /// What all workers together use of the limits. Nil: no limits (tests).
    package var breakers: Breakers?
    /// Its `connections` are pools, where `max_connection_pools` limits those of a priority.
    package var poolBreakers: Breakers?
    /// A host that comes or goes ends the connections of all others too.
    package var closesOnHostChange = false
    /// Nil: no retry budget has an interval.
    package var retryWindow: RetryWindow?
    /// Least request with weights: how much active requests weigh.
    package var activeRequestBias = 1.0
    /// Least request: every host is compared.
    package var scansAllHosts = false
    /// Zone aware routing: for how many of 100 requests zones count. A runtime value goes first.
    package var zonePercent: UInt32 = 100
    package var zonePercentCell: RuntimeCell?
    /// `preconnect_policy`; 1: as many connections as are needed.
    package var preconnectRatio = 1.0
    package var predictiveRatio = 1.0
    package var activeRequestBiasCell: RuntimeCell?
    package var slowStart: SlowStart?
    /// `lb_subset_config`; nil: none.
    package var subsets: UnsafePointer<SubsetConfig>?
    package var tcpKeepaliveProbes: UInt32 = 0
    package var tcpKeepaliveTimeS: UInt32 = 0
    package var tcpKeepaliveIntervalS: UInt32 = 0
    package var hasTCPKeepalive = false
    package var bindAddress = SocketAddress()
    /// Of its connections over IPv4 and over IPv6, set before they are bound.
    package var socketSettings4 = FrozenArray<SocketSetting>()
    package var socketSettings6 = FrozenArray<SocketSetting>()
    /// `transport_socket`, and for hosts whose metadata say so those of `transport_socket_matches`.
    package var transport = ClusterTransport()
    package var transportMatches = FrozenArray<ClusterTransport>()
    /// One of them begins with a PROXY header.
    package var hasProxyHeaders = false
    /// `auto_sni` and `auto_san_validation`: each request's own server name, out of its host or of this header.
    package var setsServerName = false
    package var checksServerName = false
    package var serverNameHeader = Bytes.empty
    package var metadata: FrozenMetadata?
    /// ORIGINAL_DST; nil: hosts are listed.
    package var originalDst: UnsafePointer<OriginalDstConfig>?
    /// Not every request may use every connection.
    package var hasKeyedConnections: Bool { hasProxyHeaders || setsServerName || checksServerName }
    // HTTP/1 towards the hosts.
    package var headersMax: UInt32 = 100
    package var headBytesMax: Int = 80 << 10
    package var enableTrailers = false
    package var properCaseHeaders = false
    package var sendFullyQualifiedURL = false
    // HTTP/2 towards the hosts.
    package var upstreamProtocol = UpstreamProtocol.http1
    package var http2 = H2Options()
    /// First statistic of `cluster.<name>.http2.`
    package var http2Stats: UInt32 = 0
    /// `alt_stat_name`, else the name.
    package var observabilityName = Bytes.empty
    package init() {}

    var balancerOptions: BalancerOptions {
        var options = BalancerOptions()
        options.policy = policy
        options.choiceCount = max(choiceCount, 1)
        options.activeRequestBias = activeRequestBias
        options.activeRequestBiasCell = activeRequestBiasCell
        options.scansAll = scansAllHosts
        options.balanceFactor = hashing.balanceFactor
        options.slowStart = slowStart
        options.zonePercent = zonePercent
        options.zonePercentCell = zonePercentCell
        return options
    }

    /// How this host is reached.
    package func transport(of host: HostConfig) -> ClusterTransport {
        let match = Int(host.transportMatch)
        return match > 0 && match <= transportMatches.count ? transportMatches[match - 1] : transport
    }
}

/// What lies between the socket and the protocol of a connection to a host.
@safe
package struct ClusterTransport: BitwiseCopyable {
    /// The TLS context towards its hosts (`Plan.tls`); `.max`: cleartext.
    package var tlsSlot = UInt32.max
    /// What is asked for in every handshake; empty: nothing.
    package var serverName = Bytes.empty
    /// A host's own name goes before it, where it has one.
    package var prefersHostName = false
    /// The PROXY header of each connection; nil: none.
    package var proxyHeader: UnsafePointer<UpstreamProxyConfig>?
    package init() {}
}

package struct HostConfig: BitwiseCopyable {
    package var address = SocketAddress()
    package var hostname = Bytes.empty
    /// By what consistent hashing places it, where its metadata says so.
    package var hashKey = Bytes.empty
    package var weight: UInt32 = 1
    package var priority: UInt32 = 0
    package var isHealthy = true
    package var isDegraded = false
    /// Being drained: not healthy, and no part of what its priority's health is measured by.
    package var isExcluded = false
    /// LOGICAL_DNS: the host stays the same when its address changes.
    package var isLogical = false
    /// Which of `transport_socket_matches`, counted from 1; 0: none of them.
    package var transportMatch: UInt32 = 0
    /// TLVs of its own in PROXY headers, as on the wire: its metadata's `PerHostConfig`.
    package var proxyTLVs = Bytes.empty
    /// Its locality's place in the order of their names, and that one's weight in this priority; 0: none.
    package var locality: UInt32 = 0
    package var localityWeight: UInt32 = 0
    /// Its locality's zone; empty: none.
    package var zone = Bytes.empty
    /// `canary` of its `envoy.lb` metadata.
    package var isCanary = false
    package var metadata: FrozenMetadata?
    /// Since when the cluster has had it, in milliseconds of the monotonic clock.
    package var addedMs: UInt64 = 0
    /// What all workers together have open to it, where `per_host_thresholds` limit that.
    package var connections: HostConnections?
    /// First of the host's statistics (`cx_active`, `rq_total`, …).
    package var stats: UInt32 = 0
    /// First of `cluster.<name>.zone.<from>.<to>.`; 0: this process or the host has no zone.
    package var zoneStats: UInt32 = 0
    package init() {}
}
