/// `cluster.<name>.endpoint.<address>.`, with `track_cluster_stats.per_endpoint_stats`: what `HostStat` has of a host, under names.
/// A view without cells of its own, in the order of Envoy's lines.
@frozen public enum EndpointStat: UInt32, StatLeaf {
    case cxConnectFail, cxTotal, rqError, rqSuccess, rqTimeout, rqTotal, cxActive, rqActive, rqPendingActive, healthy

    public static let schema = StatSchema(EndpointStat.self, writers: .main, isListed: false)

    public var descriptor: StatDescriptor {
        switch self {
        case .cxConnectFail: .counter("cx_connect_fail")
        case .cxTotal: .counter("cx_total")
        case .rqError: .counter("rq_error")
        case .rqSuccess: .counter("rq_success")
        case .rqTimeout: .counter("rq_timeout")
        case .rqTotal: .counter("rq_total")
        case .cxActive: .gauge("cx_active")
        case .rqActive: .gauge("rq_active")
        case .rqPendingActive: .gauge("rq_pending_active")
        case .healthy: .gauge("healthy")
        }
    }

    /// Where it is counted. Nil: the endpoint says it itself.
    package var source: HostStat? {
        switch self {
        case .cxConnectFail: .cxConnectFail
        case .cxTotal: .cxTotal
        case .rqError: .rqError
        case .rqSuccess: .rqSuccess
        case .rqTimeout: .rqTimeout
        case .rqTotal: .rqTotal
        case .cxActive: .cxActive
        case .rqActive: .rqActive
        case .rqPendingActive: .rqPendingActive
        case .healthy: nil
        }
    }
}
