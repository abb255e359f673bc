// `lb_policy`, and `load_balancing_policy` that wins over it.

import EnvoyAPI
import Upstream

struct LoadBalancingCompiler {
    let diagnostics: Diagnostics

    func compile(_ message: ClusterMessage, _ place: Place, _ config: inout ClusterConfig) {
        common(message.commonLbConfig, place.at("common_lb_config"))
        if message.hasLoadBalancingPolicy {
            return policies(message.loadBalancingPolicy, place.at("load_balancing_policy"), &config)
        }
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
            if options.hasActiveRequestBias { config.activeRequestBias = options.activeRequestBias.defaultValue }
            diagnostics.unsupported(
                place.at("least_request_lb_config"), "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
                ["slow_start_config": options.hasSlowStartConfig])
        case .roundRobinLbConfig(let options):
            diagnostics.unsupported(
                place.at("round_robin_lb_config"), "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig",
                ["slow_start_config": options.hasSlowStartConfig])
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

    private func ringHash(_ any: ProtobufAny, _ place: Place, _ config: inout ClusterConfig) {
        config.policy = .ringHash
        guard
            let options = try? Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash(serializedBytes: any.value)
        else { return }
        config.hashing.function = options.hashFunction == .murmurHash2 ? .murmurHash2 : .xxHash
        ring(
            min: options.hasMinimumRingSize ? options.minimumRingSize.value : nil,
            max: options.hasMaximumRingSize ? options.maximumRingSize.value : nil, place, &config)
        config.hashing.usesHostname = options.useHostnameForHashing
        config.hashing.balanceFactor = options.hashBalanceFactor.value
        if options.hasConsistentHashingLbConfig {
            consistent(options.consistentHashingLbConfig, place.at("consistent_hashing_lb_config"), &config)
        }
        diagnostics.unsupported(
            place, "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
            ["locality_weighted_lb_config": options.hasLocalityWeightedLbConfig])
    }

    private func maglev(_ any: ProtobufAny, _ place: Place, _ config: inout ClusterConfig) {
        config.policy = .maglev
        guard let options = try? Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev(serializedBytes: any.value)
        else { return }
        if options.hasTableSize { table(options.tableSize.value, place.at("table_size"), &config) }
        if options.hasConsistentHashingLbConfig {
            consistent(options.consistentHashingLbConfig, place.at("consistent_hashing_lb_config"), &config)
        }
        diagnostics.unsupported(
            place, "envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
            ["locality_weighted_lb_config": options.hasLocalityWeightedLbConfig])
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
        _ message: Envoy_Config_Cluster_V3_LoadBalancingPolicy, _ place: Place, _ config: inout ClusterConfig
    ) {
        for (i, policy) in message.policies.enumerated() {
            let at = place.at("policies", i).at("typed_extension_config").at("typed_config")
            let any = policy.typedExtensionConfig.typedConfig
            switch any.messageName {
            case Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.protoMessageName:
                let options = try? Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin(
                    serializedBytes: any.value)
                config.policy = .roundRobin
                diagnostics.unsupported(
                    at, "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
                    [
                        "slow_start_config": options?.hasSlowStartConfig ?? false,
                        "locality_lb_config": options?.hasLocalityLbConfig ?? false,
                    ])
                return
            case Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest.protoMessageName:
                leastRequest(any, at, &config)
                return
            case Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash.protoMessageName:
                ringHash(any, at, &config)
                return
            case Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev.protoMessageName:
                maglev(any, at, &config)
                return
            case Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random.protoMessageName:
                let options = try? Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random(serializedBytes: any.value)
                config.policy = .random
                diagnostics.unsupported(
                    at, "envoy.extensions.load_balancing_policies.random.v3.Random",
                    ["locality_lb_config": options?.hasLocalityLbConfig ?? false])
                return
            default: continue
            }
        }
        let names = message.policies.map(\.typedExtensionConfig.name).joined(separator: ", ")
        diagnostics.error(
            place, "cluster: didn't find a registered load balancer factory with the names from [\(names)]",
            expected: "round_robin, least_request, random, ring_hash or maglev")
    }

    private func leastRequest(_ any: ProtobufAny, _ place: Place, _ config: inout ClusterConfig) {
        config.policy = .leastRequest
        guard
            let options = try? Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest(
                serializedBytes: any.value)
        else { return }
        if options.hasChoiceCount { config.choiceCount = options.choiceCount.value }
        if options.hasActiveRequestBias { config.activeRequestBias = options.activeRequestBias.defaultValue }
        config.scansAllHosts = options.enableFullScan.value || options.selectionMethod == .fullScan
        diagnostics.unsupported(
            place, "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
            [
                "slow_start_config": options.hasSlowStartConfig,
                "locality_lb_config": options.hasLocalityLbConfig,
            ])
    }

    private func common(_ message: ClusterMessage.CommonLbConfig, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.cluster.v3.Cluster.CommonLbConfig",
            [
                "locality_weighted_lb_config": message.localityConfigSpecifier == .localityWeightedLbConfig(.init()),
                "ignore_new_hosts_until_first_hc": message.ignoreNewHostsUntilFirstHc,
                "close_connections_on_host_set_change": message.closeConnectionsOnHostSetChange,
                "override_host_status": message.hasOverrideHostStatus,
            ])
    }

    private func refuse(_ policy: String, _ place: Place) {
        diagnostics.error(
            place, "lb_policy \(policy) is not supported by Martlet yet",
            expected: "ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH or MAGLEV")
    }
}
