// `virtual_clusters` of a virtual host: requests that the operator counts by themselves, whatever cluster they go to.

import Primitives
import Routing
import Stats
import Wire

package struct VirtualClusterConfig: BitwiseCopyable {
    package var name: Bytes
    /// First statistic of `vhost.<virtual host>.vcluster.<name>.`
    package var stats: UInt32
    package init(name: Bytes, stats: UInt32) {
        self.name = name
        self.stats = stats
    }
}

package struct VirtualClusters: BitwiseCopyable {
    package var groups: HeaderGroups
    /// One per group, and behind them `other` for the requests that none takes.
    package var clusters: FrozenArray<VirtualClusterConfig>
    package init(groups: HeaderGroups, clusters: FrozenArray<VirtualClusterConfig>) {
        self.groups = groups
        self.clusters = clusters
    }
}

extension Worker {
    // HOT: per message.
    /// By the head as the filters left it, before the route changes it.
    func chooseVirtualCluster(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        let hosts = unsafe stream.pointee.http.pointee.routes.pointee.virtualHosts
        let number = unsafe Int(route.pointee.virtualHost)
        // A call of ours has a route and no virtual host.
        guard number < hosts.count, unsafe !stream.pointee.isCall, let all = hosts[number].virtualClusters else { return }
        let place = unsafe all.groups.first(stream.pointee.request) ?? all.clusters.count &- 1
        unsafe stream.pointee.virtualCluster = unsafe all.clusters.pointer(place)
    }

    // HOT: per message.
    /// What is counted beside the cluster: the route's own statistics (`stat_prefix`) and the virtual cluster's.
    @inline(__always)
    func countRoute(_ stream: StreamPointer, _ leaf: VirtualClusterStat) {
        if let route = unsafe stream.pointee.route, unsafe route.pointee.stats != 0 {
            unsafe cells.increment(route.pointee.stats &+ leaf.rawValue)
        }
        if let virtual = unsafe stream.pointee.virtualCluster { unsafe cells.increment(virtual.pointee.stats &+ leaf.rawValue) }
    }
}
