import Stats

/// `http.<stat_prefix>.health_check.`: health checks that were answered here.
enum HealthCheckStat: UInt32, StatLeaf {
    case cachedResponse, degraded, failed, failedClusterEmpty, failedClusterNotFound, failedClusterUnhealthy, ok
    case requestTotal

    static let schema = StatSchema(HealthCheckStat.self, writers: .workers)

    var descriptor: StatDescriptor {
        switch self {
        case .cachedResponse: .counter("cached_response")
        case .degraded: .counter("degraded")
        case .failed: .counter("failed")
        case .failedClusterEmpty: .counter("failed_cluster_empty")
        case .failedClusterNotFound: .counter("failed_cluster_not_found")
        case .failedClusterUnhealthy: .counter("failed_cluster_unhealthy")
        case .ok: .counter("ok")
        case .requestTotal: .counter("request_total")
        }
    }
}
