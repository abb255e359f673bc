// What the admin interface shows of a cluster's hosts: the configuration's endpoints with the addresses that they have now.

import EnvoyAPI
import Primitives
import Stats
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
    /// First of its statistics (`HostStat`).
    package let stats: StatID
    /// As its endpoint has it; nil: none, or not known.
    package var metadata: Envoy_Config_Core_V3_Metadata?
    /// Of a host that workers found by themselves: where each of them counts it, instead.
    package var shares: [(worker: Int, stats: StatID)] = []

    package enum Health { case healthy, degraded, draining, unhealthy }
}

extension LiveCluster {
    package var hostViews: [HostView] { unsafe config?.pointee.originalDst == nil ? listedHosts : originalHosts }

    /// Hosts of an ORIGINAL_DST cluster, of all workers: those that have a place on its board.
    private var originalHosts: [HostView] {
        guard let board = unsafe config?.pointee.originalDst?.pointee.board else { return [] }
        var views: [HostView] = []
        for entry in board.entries {
            let share = (worker: entry.worker, stats: board.stats[entry.place])
            if let i = views.firstIndex(where: { $0.address == entry.address }) {
                views[i].shares.append(share)
            } else {
                // As in Envoy the name is the cluster's and the address in one.
                views.append(
                    HostView(
                        address: entry.address, hostname: "\(name)\(entry.address)", weight: 1, priority: 0, health: .healthy,
                        isCanary: false, region: "", zone: "", subZone: "", stats: 0, shares: [share]))
            }
        }
        return views
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
                zone: locality.zone, subZone: locality.subZone, stats: config.stats,
                metadata: message.flatMap { $0.hasMetadata ? $0.metadata : nil })
        }
    }

    /// `alt_stat_name`, or the name.
    package var observabilityName: String { message.altStatName.isEmpty ? message.name : message.altStatName }
}

extension HostView.Health {
    fileprivate init(_ config: HostConfig) {
        self = config.isExcluded ? .draining : !config.isHealthy ? .unhealthy : config.isDegraded ? .degraded : .healthy
    }
}
