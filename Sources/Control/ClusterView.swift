// What the admin interface shows of a cluster's hosts: the configuration's endpoints with the addresses that they have now.

import EnvoyAPI
import Primitives
import Stats
import StatsStore
import Upstream

package struct HostView {
    package let address: SocketAddress
    package let hostname: String
    package let weight: UInt32
    package let priority: UInt32
    package let health: Health
    package let isCanary: Bool
    package let region: String
    package let zone: String
    package let subZone: String
    package let cells: HostCells
    /// As its endpoint has it; nil: none, or not known.
    package var metadata: Envoy_Config_Core_V3_Metadata?

    package enum Health { case healthy, degraded, draining, unhealthy }
}

/// The hosts of a cluster as they were when an answer came to it, for one that is made in pieces. A host that has gone by the time
/// it is asked for, and whose cells may be another's, is passed over.
package final class HostList {
    private enum Source {
        case none
        /// Of an ORIGINAL_DST cluster.
        case original([HostView])
        case listed(part: PlanPart, view: (Int) -> HostView)
    }
    package let count: Int
    private let cluster: LiveCluster
    private let keys: [String]
    private var source: Source
    /// Where those hosts are in the set that `source` is now, when it is another than at first.
    private var places: [String: Int]?

    fileprivate init(_ cluster: LiveCluster) {
        self.cluster = cluster
        if unsafe cluster.config?.pointee.originalDst != nil {
            let views = cluster.originalHosts
            (count, keys, source) = (views.count, [], .original(views))
        } else if let part = cluster.hosts {
            keys = HostList.keys(cluster)
            (count, source) = (keys.count, .listed(part: part, view: cluster.hostView(withMetadata: false)))
        } else {
            (count, keys, source) = (0, [], .none)
        }
    }

    /// One address may be in two priorities.
    private static func keys(_ cluster: LiveCluster) -> [String] { cluster.hostConfigs.map { "\($0.priority) \($0.address)" } }

    /// The host at a place below `count`; nil: it has gone meanwhile.
    package func host(_ place: Int) -> HostView? {
        switch source {
        case .none: return nil
        case .original(let views): return cluster.part.isGone ? nil : views[place]
        case .listed(let part, let view):
            if !part.isGone { return (places.map { $0[keys[place]] } ?? place).map(view) }
            // There is another set meanwhile; nearly always with the same hosts in it.
            guard let now = cluster.hosts, !now.isGone else { return nil }
            source = .listed(part: now, view: cluster.hostView(withMetadata: false))
            places = Dictionary(HostList.keys(cluster).enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            return host(place)
        }
    }
}

extension LiveCluster {
    package var hostViews: [HostView] {
        if unsafe config?.pointee.originalDst != nil { return originalHosts }
        return hostConfigs.indices.map(hostView(withMetadata: true))
    }

    package var hostList: HostList { HostList(self) }

    /// Hosts of an ORIGINAL_DST cluster, of all workers: those that have a place on its board.
    fileprivate var originalHosts: [HostView] {
        // The board goes with the part.
        guard !part.isGone, let board = unsafe config?.pointee.originalDst?.pointee.board else { return [] }
        var hosts: [(address: SocketAddress, shares: [(worker: Int, stats: StatID)])] = []
        for entry in board.entries {
            let share = (worker: entry.worker, stats: board.stats[entry.place])
            if let i = hosts.firstIndex(where: { $0.address == entry.address }) {
                hosts[i].shares.append(share)
            } else {
                hosts.append((entry.address, [share]))
            }
        }
        return hosts.map { host in
            // As in Envoy the name is the cluster's and the address in one.
            HostView(
                address: host.address, hostname: "\(name)\(host.address)", weight: 1, priority: 0, health: .healthy,
                isCanary: false, region: "", zone: "", subZone: "", cells: .shares(host.shares))
        }
    }

    /// For statistics of single endpoints, of a cluster that shows them. What an output sees is what was there when it began; a host
    /// that has gone meanwhile, and whose cells may be another's, is passed over.
    func endpointGroup(_ stats: StatRegistry) -> EndpointGroup {
        let cluster = StatPrefix.sanitize(observabilityName)
        if unsafe config?.pointee.originalDst != nil {
            let (views, part) = (originalHosts, self.part)
            return EndpointGroup(cluster: cluster, count: views.count) { i in part.isGone ? nil : StatEndpoint(views[i]) }
        }
        // The part keeps the bytes of names.
        let (configs, scopes, part) = (hostConfigs, hostScopes, hosts)
        // As in Envoy in the order of priorities; nearly always they are.
        let order = zip(configs, configs.dropFirst()).contains { $0.priority > $1.priority }
            ? configs.indices.sorted { (configs[$0].priority, $0) < (configs[$1].priority, $1) } : nil
        return EndpointGroup(cluster: cluster, count: configs.count) { i in
            let place = order?[i] ?? i
            guard part != nil, place < scopes.count, stats.isLive(scopes[place]) else { return nil }
            return StatEndpoint(configs[place])
        }
    }

    /// Nil: hosts are listed.
    var originalAddresses: Set<String>? {
        unsafe config?.pointee.originalDst == nil ? nil : Set(originalHosts.map { "\($0.address)" })
    }

    /// Makes the view of one: a cluster may have thousands. Metadata is much, and few show it.
    fileprivate func hostView(withMetadata: Bool) -> (Int) -> HostView {
        let (configs, groups) = (hostConfigs, draft.endpoints.map(\.group))
        let assigned = message.loadAssignment.endpoints
        let localities = assigned.map { (region: $0.locality.region, zone: $0.locality.zone, subZone: $0.locality.subZone) }
        let metadata = withMetadata ? assigned.flatMap(\.lbEndpoints).map { $0.hasMetadata ? $0.metadata : nil } : []
        let places = addresses.indices.flatMap { i in addresses[i].map { _ in i } }
        return { i in
            let config = configs[i]
            // Hosts that a changed cluster has kept from its predecessor for now belong to no endpoint of it.
            let place = places.count == configs.count ? places[i] : nil
            let locality = place.map { localities[groups[$0]] } ?? (region: "", zone: "", subZone: "")
            return HostView(
                address: config.address, hostname: String(config.hostname), weight: config.weight,
                priority: config.priority, health: HostView.Health(config), isCanary: config.isCanary, region: locality.region,
                zone: locality.zone, subZone: locality.subZone, cells: .scope(config.stats),
                metadata: place.flatMap { $0 < metadata.count ? metadata[$0] : nil })
        }
    }

    /// `alt_stat_name`, or the name.
    package var observabilityName: String { draft.statName }
}

extension StatEndpoint {
    fileprivate init(_ host: HostConfig) {
        self.init(
            address: "\(host.address)", hostname: String(host.hostname), isHealthy: host.isHealthy && !host.isDegraded,
            cells: .scope(host.stats))
    }

    fileprivate init(_ host: HostView) {
        self.init(address: "\(host.address)", hostname: host.hostname, isHealthy: true, cells: host.cells)
    }
}

extension HostView.Health {
    fileprivate init(_ config: HostConfig) {
        self = config.isExcluded ? .draining : !config.isHealthy ? .unhealthy : config.isDegraded ? .degraded : .healthy
    }
}
