// `tcp_proxy`.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

struct TCPProxyCompiler {
    let compilation: Compilation
    let part: PlanPart
    let bufferLimit: Int
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: TCPProxyMessage, _ place: Place) -> UnsafePointer<TCPProxyConfig>? {
        refuseUnsupported(message, place)
        var config = TCPProxyConfig()
        config.stats = part.scope(compilation.stats, StatPrefix.tcp(message.statPrefix), TCPProxyStat.self).base
        config.bufferLimit = bufferLimit
        if message.hasIdleTimeout { config.idleTimeoutMs = message.idleTimeout.milliseconds }
        if message.hasMaxConnectAttempts { config.connectAttemptsMax = message.maxConnectAttempts.value }
        if message.hasMaxDownstreamConnectionDuration {
            config.connectionDurationMaxMs = message.maxDownstreamConnectionDuration.milliseconds
        }
        config.clusters = part.arena.array(clusters(message, place))
        config.accessLogs = AccessLogCompiler(compilation: compilation, part: part).compile(message.accessLog, place)
        config.logsConnected = message.accessLogOptions.flushAccessLogOnConnected
        return unsafe part.arena.store(config)
    }

    private func clusters(_ message: TCPProxyMessage, _ place: Place) -> [WeightedCluster] {
        switch message.clusterSpecifier {
        case .cluster(let name):
            // Envoy finds out per connection; nobody wants to.
            return slot(name, place.at("cluster")).map { [WeightedCluster(slot: $0, cumulativeWeight: 1)] } ?? []
        case .weightedClusters(let weighted):
            var sum: UInt64 = 0
            var result: [WeightedCluster] = []
            for (i, entry) in weighted.clusters.enumerated() {
                let at = place.at("weighted_clusters").at("clusters", i)
                sum += UInt64(entry.weight)
                diagnostics.unsupported(
                    at, "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
                    ["metadata_match": entry.hasMetadataMatch])
                guard let slot = slot(entry.name, at.at("name")) else { continue }
                result.append(WeightedCluster(slot: slot, cumulativeWeight: sum))
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

    private func refuseUnsupported(_ message: TCPProxyMessage, _ place: Place) {
        diagnostics.unsupported(
            place.at("access_log_options"), "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions",
            ["access_log_flush_interval": message.accessLogOptions.hasAccessLogFlushInterval])
        diagnostics.unsupported(
            place, "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            [
                "metadata_match": message.hasMetadataMatch,
                "downstream_idle_timeout": message.hasDownstreamIdleTimeout,
                "upstream_idle_timeout": message.hasUpstreamIdleTimeout,
                "backoff_options": message.hasBackoffOptions,
                "hash_policy": !message.hashPolicy.isEmpty,
                "tunneling_config": message.hasTunnelingConfig,
                "max_downstream_connection_duration_jitter_percentage":
                    message.hasMaxDownstreamConnectionDurationJitterPercentage,
                "proxy_protocol_tlvs": !message.proxyProtocolTlvs.isEmpty,
                "upstream_connect_mode": message.upstreamConnectMode != .immediate,
            ])
    }
}
