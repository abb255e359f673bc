/// `vhost.<virtual host>.vcluster.<virtual cluster>.` and `vhost.<virtual host>.route.<stat_prefix>.`
@frozen public enum VirtualClusterStat: UInt32, StatLeaf {
    case upstreamRqRetry, upstreamRqRetryLimitExceeded, upstreamRqRetryOverflow, upstreamRqRetrySuccess
    case upstreamRqTimeout, upstreamRqTotal, responseCodes, upstreamRqTime

    public static let schema = StatSchema(VirtualClusterStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .upstreamRqRetry: .counter("upstream_rq_retry")
        case .upstreamRqRetryLimitExceeded: .counter("upstream_rq_retry_limit_exceeded")
        case .upstreamRqRetryOverflow: .counter("upstream_rq_retry_overflow")
        case .upstreamRqRetrySuccess: .counter("upstream_rq_retry_success")
        case .upstreamRqTimeout: .counter("upstream_rq_timeout")
        case .upstreamRqTotal: .counter("upstream_rq_total")
        case .responseCodes: .responseCodes("upstream_rq_", withCompleted: true)
        case .upstreamRqTime: .histogram("upstream_rq_time", .milliseconds, .whenUsed)
        }
    }
}
