// Statistics of single endpoints, of clusters with `track_cluster_stats.per_endpoint_stats`: a view over what is counted of each
// host anyway. Nothing of it is a scope: names and tags are put together when somebody asks, an endpoint at a time, so that a
// host that nobody looks at costs nothing.

import Stats

/// A cluster whose endpoints are shown, as it was when an output began.
package struct EndpointGroup {
    /// Its name in statistics, sanitised.
    package let cluster: String
    package let count: Int
    /// The endpoint at a place below `count`; nil: it has gone meanwhile.
    package let endpoint: (Int) -> StatEndpoint?

    package init(cluster: String, count: Int, endpoint: @escaping (Int) -> StatEndpoint?) {
        self.cluster = cluster
        self.count = count
        self.endpoint = endpoint
    }
}

package struct StatEndpoint {
    /// As it is written in `/clusters`: `10.0.0.1:80`, `[::1]:80`, a path.
    package let address: String
    /// Empty: none.
    package let hostname: String
    /// Neither unhealthy nor degraded nor drained.
    package let isHealthy: Bool
    package let cells: HostCells

    package init(address: String, hostname: String, isHealthy: Bool, cells: HostCells) {
        self.address = address
        self.hostname = hostname
        self.isHealthy = isHealthy
        self.cells = cells
    }
}

extension StatRegistry {
    func value(_ stat: EndpointStat, of endpoint: StatEndpoint) -> UInt64 {
        guard let source = stat.source else { return endpoint.isHealthy ? 1 : 0 }
        return value(source, of: endpoint.cells)
    }
}
