// `tcp_proxy`.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

struct TCPProxyCompiler {
    let compilation: Compilation
    let part: PlanPart
    let bufferLimit: Int
    let metadata: ChainMetadata
    private var diagnostics: Diagnostics { compilation.diagnostics }
    private var criteria: MetadataCriteriaCompiler { MetadataCriteriaCompiler(diagnostics: diagnostics, arena: part.arena) }

    func compile(_ message: TCPProxyMessage, _ place: Place) -> UnsafePointer<TCPProxyConfig>? {
        var config = TCPProxyConfig()
        config.stats = part.scope(compilation.stats, StatPrefix.tcp(message.statPrefix), TCPProxyStat.self).base
        config.metadata = metadata
        config.bufferLimit = bufferLimit
        if message.hasIdleTimeout { config.idleTimeoutMs = message.idleTimeout.milliseconds }
        if message.hasMaxConnectAttempts { config.connectAttemptsMax = message.maxConnectAttempts.value }
        hashPolicy(message, place, &config)
        durations(message, place, &config)
        early(message, place, &config)
        config.clusters = part.arena.array(clusters(message, place))
        config.accessLogs = AccessLogCompiler(compilation: compilation, part: part).compile(message.accessLog, place)
        config.logsConnected = message.accessLogOptions.flushAccessLogOnConnected
        config.logsStart = message.accessLogOptions.flushAccessLogOnStart
        if message.accessLogOptions.hasAccessLogFlushInterval, !message.accessLog.isEmpty {
            config.logIntervalMs = max(1, message.accessLogOptions.accessLogFlushInterval.milliseconds)
        }
        let added = ProxyProtocolCompiler.added(message.proxyProtocolTlvs, place.at("proxy_protocol_tlvs"), part, diagnostics)
        config.proxyTLVs = part.arena.text(added.fixed)
        config.formattedTLVs = part.arena.array(added.formatted)
        config.tlvTypes = added.types
        config.tlvMerge =
            switch message.proxyProtocolTlvMergePolicy {
            case .overwriteByTypeIfExistsOrAdd: .overwrite
            case .appendIfExistsOrAdd: .append
            default: .addIfAbsent
            }
        if message.hasTunnelingConfig {
            unsafe config.tunnel = unsafe TunnelCompiler(compilation: compilation, part: part)
                .compile(message.tunnelingConfig, place.at("tunneling_config"))
        }
        return unsafe part.arena.store(config)
    }

    private func hashPolicy(_ message: TCPProxyMessage, _ place: Place, _ config: inout TCPProxyConfig) {
        for (i, policy) in message.hashPolicy.enumerated() {
            switch policy.policySpecifier {
            case .sourceIp: config.hashesSourceIP = true
            case .filterState(let state):
                diagnostics.error(
                    place.at("hash_policy", i).at("filter_state"),
                    "'filter_state' is not supported by Martlet yet: no filter sets '\(state.key)'", expected: "source_ip")
            case .none: break
            }
        }
    }

    private func durations(_ message: TCPProxyMessage, _ place: Place, _ config: inout TCPProxyConfig) {
        if message.hasMaxDownstreamConnectionDuration {
            config.connectionDurationMaxMs = message.maxDownstreamConnectionDuration.milliseconds
            let jitter = message.maxDownstreamConnectionDurationJitterPercentage.value
            config.durationJitterMs = UInt64(max(0, Double(config.connectionDurationMaxMs) * jitter / 100))
        }
        if message.hasBackoffOptions {
            let options = message.backoffOptions
            config.backoffBaseMs = max(1, options.baseInterval.milliseconds)
            config.backoffMaxMs = options.hasMaxInterval ? options.maxInterval.milliseconds : config.backoffBaseMs * 10
            if config.backoffMaxMs < config.backoffBaseMs {
                diagnostics.error(
                    place.at("backoff_options").at("max_interval"),
                    "max_backoff_interval must be greater or equal to base_backoff_interval")
            }
        }
        for (field, isSet) in [
            ("downstream_idle_timeout", message.hasDownstreamIdleTimeout),
            ("upstream_idle_timeout", message.hasUpstreamIdleTimeout),
        ] where isSet {
            diagnostics.warning(place, "\(field) has no effect, as in Envoy 1.40", suggestion: "set idle_timeout")
        }
    }

    private func early(_ message: TCPProxyMessage, _ place: Place, _ config: inout TCPProxyConfig) {
        if message.hasMaxEarlyDataBytes { config.earlyBytesMax = Int(message.maxEarlyDataBytes.value) }
        config.waitsForData = message.upstreamConnectMode == .onDownstreamData
        config.waitsForHandshake = message.upstreamConnectMode == .onDownstreamTlsHandshake
        if config.waitsForData || config.waitsForHandshake, !message.hasMaxEarlyDataBytes {
            diagnostics.error(
                place.at("upstream_connect_mode"), "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE")
        }
    }

    private func clusters(_ message: TCPProxyMessage, _ place: Place) -> [WeightedCluster] {
        switch message.clusterSpecifier {
        case .cluster(let name):
            // Envoy finds out per connection; nobody wants to.
            guard let slot = slot(name, place.at("cluster")) else { return [] }
            var cluster = WeightedCluster(slot: slot, cumulativeWeight: 1)
            if message.hasMetadataMatch {
                unsafe cluster.metadataMatch = unsafe criteria.compile(message.metadataMatch, place.at("metadata_match"))
            }
            return [cluster]
        case .weightedClusters(let weighted):
            var sum: UInt64 = 0
            var result: [WeightedCluster] = []
            for (i, entry) in weighted.clusters.enumerated() {
                let at = place.at("weighted_clusters").at("clusters", i)
                sum += UInt64(entry.weight)
                guard let slot = slot(entry.name, at.at("name")) else { continue }
                var cluster = WeightedCluster(slot: slot, cumulativeWeight: sum)
                if entry.hasMetadataMatch || message.hasMetadataMatch {
                    unsafe cluster.metadataMatch = unsafe criteria.compile(
                        entry.metadataMatch, over: message.hasMetadataMatch ? message.metadataMatch : nil, at.at("metadata_match"))
                }
                result.append(cluster)
            }
            return result
        case .none: return []
        }
    }

    private func slot(_ name: String, _ place: Place) -> UInt32? {
        guard compilation.clusterNames.contains(name) else {
            diagnostics.error(
                place, "tcp_proxy: unknown cluster '\(name)'", expected: "the name of a cluster",
                suggestion: nearestName(name, compilation.clusterNames))
            return nil
        }
        return part.slot(compilation.environment.clusterSlots, name)
    }
}
