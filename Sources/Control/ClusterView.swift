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

/// The hosts of a cluster as they were when an answer came to it.
package struct HostList {
    package let count: Int
    /// The host at a place below `count`; nil: it has gone meanwhile.
    package let host: (Int) -> HostView?
}

extension LiveCluster {
    package var hostViews: [HostView] {
        if unsafe config?.pointee.originalDst != nil { return originalHosts }
        let view = listedHosts
        return hostConfigs.indices.map(view)
    }

    /// For an answer that is made in pieces: the hosts that there are now. One that has gone by the time it is asked for, and
    /// whose cells may be another's, is passed over.
    package var hostList: HostList {
        if unsafe config?.pointee.originalDst != nil {
            let (views, part) = (originalHosts, self.part)
            return HostList(count: views.count) { i in part.isGone ? nil : views[i] }
        }
        guard let part = hosts else { return HostList(count: 0) { _ in nil } }
        let view = listedHosts
        let addresses = hostConfigs.map(\.address)
        return HostList(count: addresses.count) { [self] i in
            if !part.isGone { return view(i) }
            // There is another set meanwhile; nearly always with the same hosts in it.
            guard let hosts, !hosts.isGone, let place = hostConfigs.firstIndex(where: { $0.address == addresses[i] }) else { return nil }
            return listedHosts(place)
        }
    }

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

    /// Makes the view of one: a cluster may have thousands.
    private var listedHosts: (Int) -> HostView {
        let (configs, groups) = (hostConfigs, draft.endpoints.map(\.group))
        let localities = message.loadAssignment.endpoints
        let messages = localities.flatMap(\.lbEndpoints)
        let places = addresses.indices.flatMap { i in addresses[i].map { _ in i } }
        return { i in
            let config = configs[i]
            // Hosts that a changed cluster has kept from its predecessor for now belong to no endpoint of it.
            let place = places.count == configs.count ? places[i] : nil
            let locality = place.map { localities[groups[$0]].locality } ?? .init()
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
