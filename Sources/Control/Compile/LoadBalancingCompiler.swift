// `lb_policy`, and `load_balancing_policy` that wins over it.

import EnvoyAPI
import Upstream

/// What one cluster's balancing comes to: what workers read, and what main builds host sets by.
struct CompiledBalancing {
    var config: ClusterConfig
    var weighsLocalities = false
    var zones = ZoneSpec()
    var subsets: SubsetSpec?
}

struct LoadBalancingCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart
    let runtime: RuntimeCompiler

    func compile(_ message: ClusterMessage, _ place: Place, _ result: inout CompiledBalancing) {
        common(message.commonLbConfig, place.at("common_lb_config"))
        if message.hasLoadBalancingPolicy {
            return policies(message.loadBalancingPolicy, place.at("load_balancing_policy"), &result)
        }
        switch message.commonLbConfig.localityConfigSpecifier {
        case .localityWeightedLbConfig: result.weighsLocalities = true
        case .zoneAwareLbConfig(let options):
            if options.hasRoutingEnabled { result.config.zonePercent = LoadBalancingCompiler.rounded(options.routingEnabled) }
            if options.hasMinClusterSize { result.zones.clusterSizeMin = options.minClusterSize.value }
            result.zones.failsOnPanic = options.failTrafficOnPanic
        case .none: break
        }
        policy(message, place, &result.config)
        guard message.hasLbSubsetConfig else { return }
        if message.lbPolicy == .clusterProvided {
            diagnostics.error(
                place.at("lb_subset_config"), "cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config")
        }
        result.subsets = SubsetCompiler(diagnostics: diagnostics, arena: part.arena).compile(
            message.lbSubsetConfig, weighsLocalities: result.weighsLocalities, place.at("lb_subset_config"), &result.config)
    }

    private func policy(_ message: ClusterMessage, _ place: Place, _ config: inout ClusterConfig) {
        switch message.lbPolicy {
        case .roundRobin: config.policy = .roundRobin
        case .leastRequest: config.policy = .leastRequest
        case .random: config.policy = .random
        case .ringHash: config.policy = .ringHash
        case .maglev: config.policy = .maglev
        case .clusterProvided: if message.type != .originalDst { refuse("CLUSTER_PROVIDED", place.at("lb_policy")) }
        case .loadBalancingPolicyConfig:
            diagnostics.error(
                place.at("lb_policy"), "cluster: field load_balancing_policy need to be set")
        case .UNRECOGNIZED: break
        }
        switch message.lbConfig {
        case .leastRequestLbConfig(let options):
            if options.hasChoiceCount { config.choiceCount = options.choiceCount.value }
            if options.hasActiveRequestBias { bias(options.activeRequestBias, &config) }
            if options.hasSlowStartConfig { config.slowStart = slowStart(options.slowStartConfig) }
        case .roundRobinLbConfig(let options):
            if options.hasSlowStartConfig { config.slowStart = slowStart(options.slowStartConfig) }
        case .ringHashLbConfig(let options):
            config.hashing.function = options.hashFunction == .murmurHash2 ? .murmurHash2 : .xxHash
            ring(
                min: options.hasMinimumRingSize ? options.minimumRingSize.value : nil,
                max: options.hasMaximumRingSize ? options.maximumRingSize.value : nil, place.at("ring_hash_lb_config"), &config)
        case .maglevLbConfig(let options):
            if options.hasTableSize { table(options.tableSize.value, place.at("maglev_lb_config").at("table_size"), &config) }
        case .originalDstLbConfig, .none: break
        }
        let hashing = message.commonLbConfig.consistentHashingLbConfig
        config.hashing.usesHostname = hashing.useHostnameForHashing
        config.hashing.balanceFactor = hashing.hashBalanceFactor.value
    }

    // MARK: Slow start

    private func bias(_ message: Envoy_Config_Core_V3_RuntimeDouble, _ config: inout ClusterConfig) {
        config.activeRequestBias = message.defaultValue
        config.activeRequestBiasCell = runtime.cell(message.runtimeKey)
    }

    /// Nil: no window, so no slow start.
    private func slowStart(_ message: ClusterMessage.SlowStartConfig) -> SlowStart? {
        slowStart(
            windowMs: message.slowStartWindow.milliseconds, message.hasAggression ? message.aggression : nil,
            message.hasMinWeightPercent ? message.minWeightPercent.value : nil)
    }

    private func slowStart(_ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_SlowStartConfig) -> SlowStart? {
        slowStart(
            windowMs: message.slowStartWindow.milliseconds, message.hasAggression ? message.aggression : nil,
            message.hasMinWeightPercent ? message.minWeightPercent.value : nil)
    }

    private func slowStart(
        windowMs: UInt64, _ aggression: Envoy_Config_Core_V3_RuntimeDouble?, _ percentMin: Double?
    ) -> SlowStart? {
        guard windowMs > 0 else { return nil }
        var result = SlowStart(windowMs: windowMs)
        if let aggression {
            result.aggression = aggression.defaultValue
            result.aggressionCell = runtime.cell(aggression.runtimeKey)
        }
        if let percentMin { result.weightMin = percentMin / 100 }
        return result
    }

    // MARK: Consistent hashing

    private func ring(min least: UInt64?, max most: UInt64?, _ place: Place, _ config: inout ClusterConfig) {
        if let least { config.hashing.ringSizeMin = least }
        if let most { config.hashing.ringSizeMax = most }
        if config.hashing.ringSizeMin > config.hashing.ringSizeMax {
            diagnostics.error(
                place.at("minimum_ring_size"),
                "ring hash: minimum_ring_size (\(config.hashing.ringSizeMin)) > maximum_ring_size (\(config.hashing.ringSizeMax))")
        }
    }

    private func table(_ size: UInt64, _ place: Place, _ config: inout ClusterConfig) {
        config.hashing.tableSize = size
        if !LoadBalancingCompiler.isPrime(size) {
            diagnostics.error(place, "The table size of maglev must be prime number", found: "\(size)")
        }
    }

    /// At most 5,000,011: the constraint of the field.
    private static func isPrime(_ number: UInt64) -> Bool {
        guard number > 1 else { return false }
        var divisor: UInt64 = 2
        while divisor * divisor <= number {
            if number % divisor == 0 { return false }
            divisor += 1
        }
        return true
    }

    private func ringHash(_ any: ProtobufAny, _ place: Place, _ result: inout CompiledBalancing) {
        result.config.policy = .ringHash
        guard
            let options = try? Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash(serializedBytes: any.value)
        else { return }
        result.config.hashing.function = options.hashFunction == .murmurHash2 ? .murmurHash2 : .xxHash
        ring(
            min: options.hasMinimumRingSize ? options.minimumRingSize.value : nil,
            max: options.hasMaximumRingSize ? options.maximumRingSize.value : nil, place, &result.config)
        result.config.hashing.usesHostname = options.useHostnameForHashing
        result.config.hashing.balanceFactor = options.hashBalanceFactor.value
        if options.hasConsistentHashingLbConfig {
            consistent(options.consistentHashingLbConfig, place.at("consistent_hashing_lb_config"), &result.config)
        }
        result.weighsLocalities = options.hasLocalityWeightedLbConfig
    }

    private func maglev(_ any: ProtobufAny, _ place: Place, _ result: inout CompiledBalancing) {
        result.config.policy = .maglev
        guard let options = try? Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev(serializedBytes: any.value)
        else { return }
        if options.hasTableSize { table(options.tableSize.value, place.at("table_size"), &result.config) }
        if options.hasConsistentHashingLbConfig {
            consistent(options.consistentHashingLbConfig, place.at("consistent_hashing_lb_config"), &result.config)
        }
        result.weighsLocalities = options.hasLocalityWeightedLbConfig
    }

    private func consistent(
        _ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_ConsistentHashingLbConfig, _ place: Place,
        _ config: inout ClusterConfig
    ) {
        config.hashing.usesHostname = message.useHostnameForHashing
        config.hashing.balanceFactor = message.hashBalanceFactor.value
        diagnostics.unsupported(
            place, "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig",
            ["hash_policy": !message.hashPolicy.isEmpty])
    }

    /// The first policy of the list that is known counts.
    private func policies(
        _ message: Envoy_Config_Cluster_V3_LoadBalancingPolicy, _ place: Place, _ result: inout CompiledBalancing
    ) {
        for (i, policy) in message.policies.enumerated() {
            let at = place.at("policies", i).at("typed_extension_config").at("typed_config")
            let any = policy.typedExtensionConfig.typedConfig
            switch any.messageName {
            case Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.protoMessageName:
                return roundRobin(any, &result)
            case Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest.protoMessageName:
                return leastRequest(any, &result)
            case Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash.protoMessageName:
                return ringHash(any, at, &result)
            case Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev.protoMessageName:
                return maglev(any, at, &result)
            case Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random.protoMessageName:
                return random(any, &result)
            case Envoy_Extensions_LoadBalancingPolicies_Subset_V3_Subset.protoMessageName:
                return subset(any, at, &result)
            default: continue
            }
        }
        let names = message.policies.map(\.typedExtensionConfig.name).joined(separator: ", ")
        diagnostics.error(
            place, "cluster: didn't find a registered load balancer factory with the names from [\(names)]",
            expected: "round_robin, least_request, random, ring_hash, maglev or subset")
    }

    private func roundRobin(_ any: ProtobufAny, _ result: inout CompiledBalancing) {
        result.config.policy = .roundRobin
        guard
            let options = try? Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin(serializedBytes: any.value)
        else { return }
        if options.hasSlowStartConfig { result.config.slowStart = slowStart(options.slowStartConfig) }
        localities(options.localityLbConfig, &result)
    }

    private func random(_ any: ProtobufAny, _ result: inout CompiledBalancing) {
        result.config.policy = .random
        guard let options = try? Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random(serializedBytes: any.value) else { return }
        localities(options.localityLbConfig, &result)
    }

    private func leastRequest(_ any: ProtobufAny, _ result: inout CompiledBalancing) {
        result.config.policy = .leastRequest
        guard
            let options = try? Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest(
                serializedBytes: any.value)
        else { return }
        if options.hasChoiceCount { result.config.choiceCount = options.choiceCount.value }
        if options.hasActiveRequestBias { bias(options.activeRequestBias, &result.config) }
        result.config.scansAllHosts = options.enableFullScan.value || options.selectionMethod == .fullScan
        if options.hasSlowStartConfig { result.config.slowStart = slowStart(options.slowStartConfig) }
        localities(options.localityLbConfig, &result)
    }

    private func localities(
        _ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_LocalityLbConfig, _ result: inout CompiledBalancing
    ) {
        switch message.localityConfigSpecifier {
        case .localityWeightedLbConfig: result.weighsLocalities = true
        case .zoneAwareLbConfig(let options):
            if options.hasRoutingEnabled { result.config.zonePercent = LoadBalancingCompiler.rounded(options.routingEnabled) }
            if options.hasMinClusterSize { result.zones.clusterSizeMin = options.minClusterSize.value }
            result.zones.failsOnPanic = options.failTrafficOnPanic
            result.zones.countsWeights = options.localityBasis == .healthyHostsWeight
            // The older name of a `force_local_zone` without options, which goes before it.
            if options.hasForceLocalZone {
                result.zones.ownSizeMin = options.forceLocalZone.hasMinSize ? UInt64(options.forceLocalZone.minSize.value) : 1
            } else if options.forceLocalityDirectRouting {
                result.zones.ownSizeMin = 1
            }
        case .none: break
        }
    }

    /// Of 100.
    private static func rounded(_ percent: Envoy_Type_V3_Percent) -> UInt32 {
        UInt32(min(100, max(0, percent.value.rounded())))
    }

    /// The older message has the same fields under the same numbers, but for the policy below it and the redundant keys.
    private func subset(_ any: ProtobufAny, _ place: Place, _ result: inout CompiledBalancing) {
        guard let options = try? Envoy_Extensions_LoadBalancingPolicies_Subset_V3_Subset(serializedBytes: any.value),
            let older = try? LbSubsetConfig(serializedBytes: any.value)
        else { return }
        policies(options.subsetLbPolicy, place.at("subset_lb_policy"), &result)
        // What `locality_weight_aware` needs is the policy's to say here; Envoy does not ask for it.
        result.subsets = SubsetCompiler(diagnostics: diagnostics, arena: part.arena).compile(
            older, weighsLocalities: true, allowsRedundantKeys: options.allowRedundantKeys, place, &result.config)
    }

    private func common(_ message: ClusterMessage.CommonLbConfig, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.cluster.v3.Cluster.CommonLbConfig",
            [
                "ignore_new_hosts_until_first_hc": message.ignoreNewHostsUntilFirstHc,
                "override_host_status": message.hasOverrideHostStatus,
            ])
    }

    private func refuse(_ policy: String, _ place: Place) {
        diagnostics.error(
            place, "lb_policy \(policy) is not supported by Martlet yet",
            expected: "ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH or MAGLEV")
    }
}
