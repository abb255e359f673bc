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

    package enum Health { case healthy, degraded, unhealthy }
}

extension LiveCluster {
    package var hostViews: [HostView] {
        let localities = message.loadAssignment.endpoints
        let places = zip(draft.endpoints, addresses).flatMap { endpoint, addresses in addresses.map { _ in endpoint } }
        return hostConfigs.enumerated().map { i, config in
            // Hosts that a changed cluster has kept from its predecessor for now belong to no endpoint of it.
            let endpoint = places.count == hostConfigs.count ? places[i] : nil
            let index = endpoint.map { Int($0.locality) } ?? localities.count
            let locality = index < localities.count ? localities[index].locality : .init()
            return HostView(
                address: config.address, hostname: String(config.hostname), weight: config.weight,
                priority: config.priority, health: HostView.Health(config), isCanary: false, region: locality.region,
                zone: locality.zone, subZone: locality.subZone, stats: config.stats)
        }
    }

    /// `alt_stat_name`, or the name.
    package var observabilityName: String { message.altStatName.isEmpty ? message.name : message.altStatName }
}

extension HostView.Health {
    fileprivate init(_ config: HostConfig) {
        self = !config.isHealthy ? .unhealthy : config.isDegraded ? .degraded : .healthy
    }
}
