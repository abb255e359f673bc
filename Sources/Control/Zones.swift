// Zone aware routing, main's part: what the local cluster's hosts say of the localities of another, and who is to be looked at
// again when they change.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

extension Configurator {
    private var served: [LiveCluster] { arriving.isEmpty ? clusters : arriving }

    /// What zones are to come to for `live`.
    func zoneSpec(_ live: LiveCluster) -> ZoneSpec {
        let options = live.draft.balancing
        var spec = live.zoneOptions
        // Within the local cluster zones do not count (Envoy).
        guard !options.localCluster.isEmpty, live.name != options.localCluster,
            let local = served.first(where: { $0.name == options.localCluster }), local.hosts != nil
        else { return spec }
        spec.local = LocalityCount(local, hosts: local.hostConfigs, countsWeights: spec.countsWeights).seen(from: live, ownLocality: options.ownLocality)
        return spec
    }

    /// The local cluster has other hosts: what others have made of them is made again.
    func rezone(after live: LiveCluster) {
        guard live.name == live.draft.balancing.localCluster else { return }
        // One that serves while its successor warms goes by the same shares, and tells nothing: the statistics are the newer one's.
        for other in served.flatMap({ [$0, $0.predecessor].compactMap { $0 } })
        where other !== live && other.hosts != nil && !other.draft.config.policy.isHashing {
            if unsafe other.draft.config.originalDst == nil { buildHosts(other, tells: served.contains { $0 === other }) }
        }
    }

    /// Envoy has a balancer for each worker and for main, and each of them looks.
    func count(_ facts: ZoneFacts, _ live: LiveCluster) {
        let cells = environment.stats.mainCells
        let threads = UInt64(environment.workers + 1)
        let base = live.draft.config.stats
        // Of a subset it looks once more when there is none of its hosts yet.
        let isBegun = live.hosts != nil || live.draft.balancing.subsets == nil
        let counts: [(UInt32, ClusterStat)] = [
            (facts.recalculated * (isBegun ? 1 : 2), .lbRecalculateZoneStructures), (facts.localNotOK, .lbLocalClusterNotOk),
            (facts.tooSmall, .lbZoneClusterTooSmall),
        ]
        for (count, leaf) in counts where count > 0 { cells.add(base &+ leaf.rawValue, UInt64(count) * threads) }
    }
}

/// The local cluster's hosts of priority 0, by the names of their localities.
struct LocalityCount {
    private var names: Set<[String]> = []
    private var healthy: [[String]: UInt64] = [:]
    private var hostCount = 0
    private var availableCount = 0

    init(_ cluster: LiveCluster, hosts: [HostConfig], countsWeights: Bool) {
        let places = LocalityCount.names(cluster)
        for host in hosts where host.priority == 0 {
            let name = places[host.locality] ?? ["", "", ""]
            names.insert(name)
            if !host.isExcluded { hostCount += 1 }
            guard host.isHealthy else { continue }
            availableCount += 1
            if !host.isDegraded { healthy[name, default: 0] += countsWeights ? UInt64(host.weight) : 1 }
        }
    }

    /// In terms of another cluster's localities.
    func seen(from cluster: LiveCluster, ownLocality: [String]) -> ZoneSpec.Local {
        var local = ZoneSpec.Local()
        for (place, name) in LocalityCount.names(cluster) {
            if let count = healthy[name] { local.shares[place] = count }
            if name == ownLocality { local.own = place }
        }
        local.total = healthy.values.reduce(0, +)
        local.localityCount = names.count
        local.hasOwn = names.contains(ownLocality)
        local.hostCount = hostCount
        local.availableCount = availableCount
        return local
    }

    /// Localities by their places.
    static func names(_ cluster: LiveCluster) -> [UInt32: [String]] {
        let localities = cluster.message.loadAssignment.endpoints
        return Dictionary(
            cluster.draft.endpoints.filter { $0.group < localities.count }.map { ($0.locality, LocalityOrder.name(localities[$0.group].locality)) }
        ) { first, _ in first }
    }
}
