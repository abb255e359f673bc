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

extension LiveCluster {
    package var hostViews: [HostView] { unsafe config?.pointee.originalDst == nil ? listedHosts : originalHosts }

    /// Hosts of an ORIGINAL_DST cluster, of all workers: those that have a place on its board.
    private var originalHosts: [HostView] {
        guard let board = unsafe config?.pointee.originalDst?.pointee.board else { return [] }
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

    private var listedHosts: [HostView] {
        let localities = message.loadAssignment.endpoints
        let messages = localities.flatMap(\.lbEndpoints)
        let places = addresses.indices.flatMap { i in addresses[i].map { _ in i } }
        return hostConfigs.enumerated().map { i, config in
            // Hosts that a changed cluster has kept from its predecessor for now belong to no endpoint of it.
            let place = places.count == hostConfigs.count ? places[i] : nil
            let locality = place.map { localities[draft.endpoints[$0].group].locality } ?? .init()
            let message = place.flatMap { $0 < messages.count ? messages[$0] : nil }
            return HostView(
                address: config.address, hostname: String(config.hostname), weight: config.weight,
                priority: config.priority, health: HostView.Health(config), isCanary: config.isCanary, region: locality.region,
                zone: locality.zone, subZone: locality.subZone, cells: .scope(config.stats),
                metadata: message.flatMap { $0.hasMetadata ? $0.metadata : nil })
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
