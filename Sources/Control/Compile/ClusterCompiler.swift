// One cluster: its options frozen, its endpoints as main keeps them (DNS and health checks work on those).

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

enum ClusterDiscovery {
    case fixed
    case strictDNS(DNSOptions)
    case logicalDNS(DNSOptions)

    var isLogical: Bool {
        if case .logicalDNS = self { true } else { false }
    }

    /// Its hosts stand in the configuration.
    var isStatic: Bool {
        if case .fixed = self { true } else { false }
    }

    var dns: DNSOptions? {
        switch self {
        case .fixed: nil
        case .strictDNS(let options), .logicalDNS(let options): options
        }
    }
}

/// A cluster that is compiled but has no number yet.
@safe
struct ClusterDraft {
    var part: PlanPart
    /// In the part's arena: no worker sees it before it is numbered.
    let frozen: UnsafeMutablePointer<ClusterConfig>
    var discovery: ClusterDiscovery
    var endpoints: [EndpointSpec]
    var balancing: BalancingOptions
    var statName: String
    /// `node.locality.zone`; empty: none.
    var localZone: String
    /// With a hashing policy.
    var ring: StatScope<RingHashStat>?
    var maglev: StatScope<MaglevStat>?
    var subsets: StatScope<SubsetStat>?
    var tls: [TLSDraft]
    /// Of `transport_socket_matches`.
    var matches: [StatScope<TransportSocketMatchStat>]
    /// With `track_remaining`.
    var remaining: (normal: StatScope<CircuitBreakerRemainingStat>?, high: StatScope<CircuitBreakerRemainingStat>?)
    /// `track_cluster_stats.per_endpoint_stats`
    var showsEndpoints: Bool

    var config: ClusterConfig { unsafe frozen.pointee }
}

/// How hosts of different priorities share the load.
struct BalancingOptions {
    var overprovisioning: UInt32 = 140
    var panicThresholdPercent = 50.0
    var weighsLocalities = false
    var zones = ZoneSpec()
    /// `upstream.zone_routing.min_cluster_size`
    var zoneSizeMinCell: RuntimeCell?
    /// `cluster_manager.local_cluster_name`; empty: there is none.
    var localCluster = ""
    /// That of this process.
    var ownLocality: [String] = []
    var subsets: SubsetSpec?
}

struct ClusterCompiler {
    let compilation: Compilation
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// `type` by the name of its factory, which needs no `typed_config`.
    private static let factories: [String: ClusterMessage.DiscoveryType] = [
        "envoy.cluster.static": .static, "envoy.cluster.strict_dns": .strictDns, "envoy.cluster.logical_dns": .logicalDns,
        "envoy.cluster.original_dst": .originalDst, "envoy.cluster.eds": .eds,
    ]

    /// Nil after an error.
    func compile(_ written: ClusterMessage, _ place: Place, _ hash: ContentHash) -> ClusterDraft? {
        var message = written
        if case .clusterType(let custom) = written.clusterDiscoveryType, !custom.hasTypedConfig, let type = ClusterCompiler.factories[custom.name] {
            message.type = type
        }
        let before = diagnostics.errors.count
        let matcher = StatNameMatcher.compile(message.statsMatcher, place.at("stats_matcher"), diagnostics)
        let part = compilation.part(.cluster, message.name, hash, matcher: matcher)
        refuseUnsupported(message, place)
        let statName = message.altStatName.isEmpty ? message.name : message.altStatName
        var config = ClusterConfig()
        config.name = part.arena.text(message.name)
        config.observabilityName = part.arena.text(statName)
        config.statPrefix = part.arena.text(StatPrefix.cluster(statName))
        config.slot = part.slot(compilation.environment.clusterSlots, message.name)
        config.stats = part.scope(compilation.stats, StatPrefix.cluster(statName), ClusterStat.self).base
        config.metadata = ShownMetadata(message.metadata).frozen(part.arena)
        if message.hasConnectTimeout { config.connectTimeoutMs = max(1, message.connectTimeout.milliseconds) }
        if message.hasPerConnectionBufferLimitBytes {
            config.bufferLimit = BufferLimit.bytes(message.perConnectionBufferLimitBytes.value)
        }
        breakers(message, place, part, &config)
        let preconnect = message.preconnectPolicy
        if preconnect.hasPerUpstreamPreconnectRatio { config.preconnectRatio = preconnect.perUpstreamPreconnectRatio.value }
        if preconnect.hasPredictivePreconnectRatio { config.predictiveRatio = preconnect.predictivePreconnectRatio.value }
        var remaining: (normal: StatScope<CircuitBreakerRemainingStat>?, high: StatScope<CircuitBreakerRemainingStat>?)
        for thresholds in message.circuitBreakers.thresholds where thresholds.trackRemaining {
            let name = thresholds.priority == .high ? "high" : "default"
            let scope = part.scope(
                compilation.stats, StatPrefix.cluster(statName) + "circuit_breakers.\(name).", CircuitBreakerRemainingStat.self)
            if thresholds.priority == .high { remaining.high = scope } else { remaining.normal = scope }
        }
        config.closesOnHostChange = message.commonLbConfig.closeConnectionsOnHostSetChange
        tracking(message, part, statName, &config)
        connections(message, place, part.arena, &config)
        var balanced = CompiledBalancing(config: config)
        LoadBalancingCompiler(diagnostics: diagnostics, part: part, runtime: compilation.runtime(part)).compile(message, place, &balanced)
        config = balanced.config
        if config.policy.isHashing, config.hashing.usesHostname, message.type == .static, message.clusterType.name.isEmpty {
            diagnostics.error(
                place, "Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'",
                suggestion: "give the endpoints a 'hash_key' in their 'envoy.lb' metadata")
        }
        if message.type == .originalDst { unsafe config.originalDst = unsafe part.arena.store(originalDst(message, place, part, statName)) }
        HTTPUpstreamCompiler(diagnostics: diagnostics, arena: part.arena, runtime: compilation.runtime(part)).compile(message, place, &config)
        if config.upstreamProtocol != .http1 {
            config.http2Stats = part.scope(
                compilation.stats, StatPrefix.cluster(statName) + "http2.", HTTP2CodecStat.self).base
        }
        let discovery = discovery(message, place)
        let endpoints = EndpointCompiler(diagnostics: diagnostics, part: part)
            .compile(message, resolves: discovery?.dns != nil, place.at("load_assignment"))
        if case .logicalDNS = discovery { checkLogical(message, place) }
        let transport = ClusterTransportCompiler(compilation: compilation, part: part, name: message.name, statName: statName)
        let tls = transport.compile(message, place, &config)
        var balancing = BalancingOptions()
        balancing.weighsLocalities = balanced.weighsLocalities
        balancing.subsets = balanced.subsets
        zones(balanced.zones, part, &balancing, &config)
        if message.loadAssignment.policy.hasOverprovisioningFactor {
            balancing.overprovisioning = message.loadAssignment.policy.overprovisioningFactor.value
        }
        if message.commonLbConfig.hasHealthyPanicThreshold {
            balancing.panicThresholdPercent = message.commonLbConfig.healthyPanicThreshold.value
        }
        guard diagnostics.errors.count == before, let discovery else { return nil }
        let prefix = StatPrefix.cluster(statName)
        let ring = config.policy == .ringHash ? part.scope(compilation.stats, prefix + "ring_hash_lb.", RingHashStat.self) : nil
        let maglev = config.policy == .maglev ? part.scope(compilation.stats, prefix + "maglev_lb.", MaglevStat.self) : nil
        let subsets = balancing.subsets == nil ? nil : part.scope(compilation.stats, prefix, SubsetStat.self)
        keepZones(message, part, statName)
        return unsafe ClusterDraft(
            part: part, frozen: UnsafeMutablePointer(mutating: part.arena.store(config)), discovery: discovery, endpoints: endpoints, balancing: balancing,
            statName: statName, localZone: compilation.bootstrap.node.locality.zone, ring: ring, maglev: maglev, subsets: subsets, tls: tls,
            matches: message.transportSocketMatches.map {
                part.scope(compilation.stats, prefix + $0.name + ".", TransportSocketMatchStat.self)
            },
            remaining: remaining, showsEndpoints: message.trackClusterStats.perEndpointStats)
    }

    /// What a zone's hosts have counted stays as long as the cluster, whichever hosts it has just now.
    private func keepZones(_ message: ClusterMessage, _ part: PlanPart, _ statName: String) {
        let local = compilation.bootstrap.node.locality.zone
        let zones = Set(message.loadAssignment.endpoints.map(\.locality.zone)).subtracting([""])
        guard !local.isEmpty else { return }
        for zone in zones {
            _ = part.scope(compilation.stats, StatPrefix.zone(statName, from: local, to: zone), ClusterZoneStat.self)
        }
    }

    private func board(_ part: PlanPart, _ statName: String) -> OriginalHostBoard {
        let prefix = StatPrefix.cluster(statName) + "host.original_dst."
        let stats = (0..<OriginalHostBoard.placesMax).map {
            part.scope(compilation.stats, "\(prefix)\($0).", HostStat.self).base
        }
        let owner = OriginalHostBoardOwner(OriginalHostBoard(workers: compilation.environment.workers, stats: part.arena.array(stats)))
        part.own(owner)
        return owner.board
    }

    private func originalDst(
        _ message: ClusterMessage, _ place: Place, _ part: PlanPart, _ statName: String
    ) -> OriginalDstConfig {
        var config = OriginalDstConfig()
        config.hostStats = part.scope(compilation.stats, StatPrefix.cluster(statName) + "host.original_dst.", HostStat.self).base
        config.board = board(part, statName)
        if message.hasCleanupInterval { config.cleanupMs = max(message.cleanupInterval.milliseconds, 1) }
        guard case .originalDstLbConfig(let options) = message.lbConfig else { return config }
        let at = place.at("original_dst_lb_config")
        // Metadata of a connection is never deeper than one key: a longer path leads nowhere.
        if options.hasMetadataKey, options.metadataKey.path.count == 1, case .key(let key) = options.metadataKey.path[0].segment {
            config.metadataNamespace = part.arena.text(options.metadataKey.key)
            config.metadataKey = part.arena.text(key)
        }
        if options.useHTTPHeader {
            let name = options.httpHeaderName.isEmpty ? "x-envoy-original-dst-host" : options.httpHeaderName.lowercased()
            config.header = part.arena.text(name)
        } else if !options.httpHeaderName.isEmpty {
            diagnostics.error(at, "ORIGINAL_DST cluster: invalid config http_header_name=\(options.httpHeaderName) and use_http_header=false")
        }
        if options.hasUpstreamPortOverride { config.port = UInt16(truncatingIfNeeded: options.upstreamPortOverride.value) }
        return config
    }

    private func discovery(_ message: ClusterMessage, _ place: Place) -> ClusterDiscovery? {
        switch message.clusterDiscoveryType {
        case .none, .type(.static): return .fixed
        case .type(.strictDns):
            return DNSOptionsCompiler(compilation: compilation).options(message, place).map { .strictDNS($0) }
        case .type(.logicalDns):
            return DNSOptionsCompiler(compilation: compilation).options(message, place).map { .logicalDNS($0) }
        case .type(.eds):
            diagnostics.error(
                place.at("type"), "cannot create an EDS cluster without an EDS config (cluster '\(message.name)')",
                expected: "STATIC, STRICT_DNS or LOGICAL_DNS",
                suggestion: "endpoint discovery is not supported by Martlet yet")
            return nil
        case .type(.originalDst):
            if message.lbPolicy != .clusterProvided {
                diagnostics.error(
                    place.at("lb_policy"),
                    "cluster: LB policy \(message.lbPolicy.envoyName) is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'",
                    expected: "lb_policy: CLUSTER_PROVIDED")
            }
            if message.hasLoadAssignment {
                diagnostics.error(
                    place.at("load_assignment"), "ORIGINAL_DST clusters must have no load assignment configured",
                    expected: "no load_assignment: hosts are what connections were meant for")
            }
            return .fixed
        case .type(.UNRECOGNIZED): return nil
        case .clusterType(let type): return custom(type, place.at("cluster_type"))
        }
    }

    private func custom(_ type: ClusterMessage.CustomClusterType, _ place: Place) -> ClusterDiscovery? {
        let name = type.typedConfig.messageName
        guard name == Envoy_Extensions_Clusters_Dns_V3_DnsCluster.protoMessageName,
            let dns = try? Envoy_Extensions_Clusters_Dns_V3_DnsCluster(serializedBytes: type.typedConfig.value)
        else {
            diagnostics.error(
                place, "Didn't find a registered cluster factory implementation for name: '\(type.name)'",
                found: name.isEmpty ? nil : name, expected: "envoy.cluster.dns")
            return nil
        }
        let compiler = DNSOptionsCompiler(compilation: compilation)
        return compiler.options(dns, place.at("typed_config")).map {
            dns.allAddressesInSingleEndpoint ? .logicalDNS($0) : .strictDNS($0)
        }
    }

    private func checkLogical(_ message: ClusterMessage, _ place: Place) {
        let localities = message.loadAssignment.endpoints
        guard localities.count == 1, localities[0].lbEndpoints.count == 1 else {
            diagnostics.error(
                place.at("load_assignment"),
                "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
                found: "\(localities.count) and \(localities.reduce(0) { $0 + $1.lbEndpoints.count })")
            return
        }
    }

    private func breakers(
        _ message: ClusterMessage, _ place: Place, _ part: PlanPart, _ config: inout ClusterConfig
    ) {
        var priorities: Set<Int> = []
        for (i, thresholds) in message.circuitBreakers.thresholds.enumerated() {
            guard priorities.insert(thresholds.priority.rawValue).inserted else {
                diagnostics.warning(
                    place.at("circuit_breakers").at("thresholds", i), "the first thresholds of a priority count; these have no effect")
                continue
            }
            var limits = CircuitLimits()
            if thresholds.hasMaxConnections { limits.connections = thresholds.maxConnections.value }
            if thresholds.hasMaxPendingRequests { limits.pendingRequests = thresholds.maxPendingRequests.value }
            if thresholds.hasMaxRequests { limits.requests = thresholds.maxRequests.value }
            if thresholds.hasMaxRetries { limits.retries = thresholds.maxRetries.value }
            if thresholds.hasMaxConnectionPools { limits.pools = thresholds.maxConnectionPools.value }
            if thresholds.hasRetryBudget {
                var budget = RetryBudget()
                if thresholds.retryBudget.hasBudgetPercent { budget.percent = thresholds.retryBudget.budgetPercent.value }
                if thresholds.retryBudget.hasMinRetryConcurrency {
                    budget.concurrencyMin = thresholds.retryBudget.minRetryConcurrency.value
                }
                budget.intervalMs = thresholds.retryBudget.budgetInterval.milliseconds
                limits.retryBudget = budget
            }
            if thresholds.priority == .high { config.highLimits = limits } else { config.defaultLimits = limits }
        }
        for (i, thresholds) in message.circuitBreakers.perHostThresholds.enumerated() {
            perHost(thresholds, place.at("circuit_breakers").at("per_host_thresholds", i), &config)
        }
        let owner = BreakersOwner(
            Breakers(
                normal: config.defaultLimits, high: config.highLimits, threads: compilation.environment.workers + 1))
        part.own(owner)
        config.breakers = owner.breakers
        if config.defaultLimits.pools != nil || config.highLimits.pools != nil {
            let owner = BreakersOwner(
                Breakers(
                    normal: pools(config.defaultLimits), high: pools(config.highLimits), threads: compilation.environment.workers + 1))
            part.own(owner)
            config.poolBreakers = owner.breakers
        }
        guard let window = RetryWindow(
            normal: config.defaultLimits, high: config.highLimits, threads: compilation.environment.workers + 1)
        else { return }
        part.own(RetryWindowOwner(window))
        config.retryWindow = window
    }

    private func pools(_ limits: CircuitLimits) -> CircuitLimits {
        var pools = CircuitLimits()
        pools.connections = limits.pools ?? .max
        return pools
    }

    /// The first of a priority counts.
    private func perHost(
        _ thresholds: Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds, _ place: Place, _ config: inout ClusterConfig
    ) {
        if thresholds.hasMaxPendingRequests || thresholds.hasMaxRequests || thresholds.hasMaxRetries || thresholds.hasRetryBudget
            || thresholds.hasMaxConnectionPools
        {
            diagnostics.error(place, "Unsupported field in per_host_thresholds", expected: "max_connections alone")
        }
        let most = thresholds.hasMaxConnections ? thresholds.maxConnections.value : .max
        if thresholds.priority == .high {
            config.highLimits.connectionsPerHost = config.highLimits.connectionsPerHost ?? most
        } else {
            config.defaultLimits.connectionsPerHost = config.defaultLimits.connectionsPerHost ?? most
        }
    }

    private func zones(_ spec: ZoneSpec, _ part: PlanPart, _ balancing: inout BalancingOptions, _ config: inout ClusterConfig) {
        balancing.zones = spec
        balancing.localCluster = compilation.bootstrap.clusterManager.localClusterName
        guard !balancing.localCluster.isEmpty, !config.policy.isHashing else { return }
        let node = compilation.bootstrap.node
        if node.hasLocality { balancing.ownLocality = LocalityOrder.name(node.locality) }
        config.zonePercentCell = compilation.runtime(part).cell("upstream.zone_routing.enabled")
        balancing.zoneSizeMinCell = compilation.runtime(part).cell("upstream.zone_routing.min_cluster_size")
    }

    private func connections(_ message: ClusterMessage, _ place: Place, _ arena: FrozenArena, _ config: inout ClusterConfig) {
        let options = message.upstreamConnectionOptions
        if options.hasTcpKeepalive, options.tcpKeepalive.isOn {
            config.hasTCPKeepalive = true
            config.tcpKeepaliveProbes = options.tcpKeepalive.keepaliveProbes.value
            config.tcpKeepaliveTimeS = options.tcpKeepalive.keepaliveTime.value
            config.tcpKeepaliveIntervalS = options.tcpKeepalive.keepaliveInterval.value
        }
        let manager = compilation.bootstrap.clusterManager
        let own = message.hasUpstreamBindConfig
        let bind = own ? message.upstreamBindConfig : manager.upstreamBindConfig
        guard own || manager.hasUpstreamBindConfig else { return }
        let at =
            own
            ? place.at("upstream_bind_config") : Place.root.at("cluster_manager").at("upstream_bind_config")
        diagnostics.unsupported(
            at, "envoy.config.core.v3.BindConfig",
            [
                "extra_source_addresses": !bind.extraSourceAddresses.isEmpty,
                "additional_source_addresses": !bind.additionalSourceAddresses.isEmpty,
                "local_address_selector": bind.hasLocalAddressSelector,
            ])
        if bind.hasSourceAddress,
            let address = AddressCompiler.numeric(bind.sourceAddress, at.at("source_address"), diagnostics)
        {
            config.bindAddress = address
        }
        // Each of the two is the manager's where the cluster's own configuration does not say it.
        let common = manager.upstreamBindConfig
        let frees = bind.hasFreebind ? bind.freebind.value : common.freebind.value
        let settings = { (family: SocketAddress.Family) -> FrozenArray<SocketSetting> in
            let compiler = SocketSettingCompiler(arena: arena, family: family)
            let listed = compiler.compile(bind.socketOptions.isEmpty ? common.socketOptions : bind.socketOptions)
            return arena.array((frees ? compiler.freebind() : []) + listed.filter { $0.state == .beforeBind })
        }
        config.socketSettings4 = settings(.ipv4)
        config.socketSettings6 = settings(.ipv6)
    }

    /// What is measured of each try, for those who ask for it.
    private func tracking(
        _ message: ClusterMessage, _ part: PlanPart, _ statName: String, _ config: inout ClusterConfig
    ) {
        let options = message.trackClusterStats
        let prefix = StatPrefix.cluster(statName)
        if options.requestResponseSizes { config.sizeStats = part.scope(compilation.stats, prefix, RequestResponseSizeStat.self).base }
        if options.timeoutBudgets || message.trackTimeoutBudgets {
            config.budgetStats = part.scope(compilation.stats, prefix, TimeoutBudgetStat.self).base
        }
        config.tracksTries = config.sizeStats != 0 || config.budgetStats != 0
    }

    private func refuseUnsupported(_ message: ClusterMessage, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.cluster.v3.Cluster",
            [
                "health_checks": !message.healthChecks.isEmpty,
                "outlier_detection": message.hasOutlierDetection,
                "filters": !message.filters.isEmpty,
                "upstream_config": message.hasUpstreamConfig,
                "connection_pool_per_downstream_connection": message.connectionPoolPerDownstreamConnection,
            ])
    }
}

extension ClusterMessage.LbPolicy {
    /// As it is written in a configuration.
    fileprivate var envoyName: String {
        switch self {
        case .roundRobin: "ROUND_ROBIN"
        case .leastRequest: "LEAST_REQUEST"
        case .ringHash: "RING_HASH"
        case .random: "RANDOM"
        case .maglev: "MAGLEV"
        case .clusterProvided: "CLUSTER_PROVIDED"
        case .loadBalancingPolicyConfig: "LOAD_BALANCING_POLICY_CONFIG"
        case .UNRECOGNIZED(let number): "\(number)"
        }
    }
}
