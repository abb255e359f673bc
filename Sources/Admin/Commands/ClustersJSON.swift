// `/clusters?format=json`: an `envoy.admin.v3.Clusters`, a host at a time: a cluster may have thousands.

import Control
import Stats
import StatsStore
import Upstream

final class ClustersJSON: JSONListBody {
    private let clusters: [LiveCluster]
    private let stats: StatRegistry
    /// The cluster that is being written, and the next of its hosts.
    private var hosts: HostList?
    private var place = 0

    init(_ clusters: [LiveCluster], _ stats: StatRegistry) {
        self.clusters = clusters
        self.stats = stats
        super.init("cluster_statuses", count: clusters.count)
    }

    override func write(_ index: Int, _ json: inout JSONWriter) -> Bool {
        let cluster = clusters[index]
        guard let hosts else {
            json.next()
            json.open("{")
            json.member("name", cluster.name)
            let hosts = cluster.hostList
            if hosts.count > 0 {
                json.key("host_statuses")
                json.open("[")
            }
            self.hosts = hosts
            place = 0
            return false
        }
        if place < hosts.count {
            if let host = hosts.host(place) { json.element { self.host(&$0, host) } }
            place += 1
            return false
        }
        if hosts.count > 0 { json.close("]") }
        finish(&json, cluster)
        self.hosts = nil
        return true
    }

    private func finish(_ json: inout JSONWriter, _ cluster: LiveCluster) {
        json.object("circuit_breakers") { json in
            json.array("thresholds") { json in
                for (priority, limits) in [("", cluster.limits.normal), ("HIGH", cluster.limits.high)] {
                    json.element { json in
                        if !priority.isEmpty { json.member("priority", priority) }
                        json.member("max_connections", limits.connections)
                        json.member("max_pending_requests", limits.pendingRequests)
                        json.member("max_requests", limits.requests)
                        json.member("max_retries", limits.retries)
                    }
                }
            }
        }
        json.member("observability_name", cluster.observabilityName)
        json.close("}")
    }

    private func host(_ json: inout JSONWriter, _ host: HostView) {
        json.object("address") { $0.address(host.address) }
        let counts = HostCounts(stats: stats, host: host)
        json.array("stats") { json in
            for leaf in HostCounts.counters { json.element { Self.metric(&$0, leaf, counts[leaf], isGauge: false) } }
            for leaf in HostCounts.gauges { json.element { Self.metric(&$0, leaf, counts[leaf], isGauge: true) } }
        }
        json.object("health_status") { json in
            let health =
                switch host.health {
                case .healthy: "HEALTHY"
                case .degraded: "DEGRADED"
                case .draining: "DRAINING"
                case .unhealthy: "UNHEALTHY"
                }
            json.member("eds_health_status", health)
        }
        json.member("weight", host.weight)
        if !host.hostname.isEmpty { json.member("hostname", host.hostname) }
        if host.priority > 0 { json.member("priority", host.priority) }
        json.object("locality") { json in
            if !host.region.isEmpty { json.member("region", host.region) }
            if !host.zone.isEmpty { json.member("zone", host.zone) }
            if !host.subZone.isEmpty { json.member("sub_zone", host.subZone) }
        }
    }

    private static func metric(_ json: inout JSONWriter, _ leaf: HostStat, _ value: UInt64, isGauge: Bool) {
        if isGauge { json.member("type", "GAUGE") }
        if value > 0 { json.member("value", long: value) }
        json.member("name", "\(leaf.descriptor.name)")
    }
}
