/// `cluster.<name>.circuit_breakers.<default|high>.`, with `track_remaining`.
@frozen public enum CircuitBreakerRemainingStat: UInt32, StatLeaf {
    case remainingCx, remainingCxPools, remainingPending, remainingRetries, remainingRq

    public static let schema = StatSchema(CircuitBreakerRemainingStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .remainingCx: .gauge("remaining_cx")
        case .remainingCxPools: .gauge("remaining_cx_pools")
        case .remainingPending: .gauge("remaining_pending")
        case .remainingRetries: .gauge("remaining_retries")
        case .remainingRq: .gauge("remaining_rq")
        }
    }
}

/// `cluster.<name>.`, with `track_cluster_stats.request_response_sizes`.
@frozen public enum RequestResponseSizeStat: UInt32, StatLeaf {
    case upstreamRqBodySize, upstreamRqHeadersCount, upstreamRqHeadersSize, upstreamRsBodySize
    case upstreamRsHeadersCount, upstreamRsHeadersSize

    public static let schema = StatSchema(RequestResponseSizeStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .upstreamRqBodySize: .histogram("upstream_rq_body_size", .bytes)
        case .upstreamRqHeadersCount: .histogram("upstream_rq_headers_count", .unspecified)
        case .upstreamRqHeadersSize: .histogram("upstream_rq_headers_size", .bytes)
        case .upstreamRsBodySize: .histogram("upstream_rs_body_size", .bytes)
        case .upstreamRsHeadersCount: .histogram("upstream_rs_headers_count", .unspecified)
        case .upstreamRsHeadersSize: .histogram("upstream_rs_headers_size", .bytes)
        }
    }
}

/// `cluster.<name>.`, with `track_cluster_stats.timeout_budgets`.
@frozen public enum TimeoutBudgetStat: UInt32, StatLeaf {
    case upstreamRqTimeoutBudgetPerTryPercentUsed, upstreamRqTimeoutBudgetPercentUsed

    public static let schema = StatSchema(TimeoutBudgetStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .upstreamRqTimeoutBudgetPerTryPercentUsed:
            .histogram("upstream_rq_timeout_budget_per_try_percent_used", .unspecified)
        case .upstreamRqTimeoutBudgetPercentUsed: .histogram("upstream_rq_timeout_budget_percent_used", .unspecified)
        }
    }
}

/// `cluster.<name>.ring_hash_lb.`, with `RING_HASH`.
@frozen public enum RingHashStat: UInt32, StatLeaf {
    case maxHashesPerHost, minHashesPerHost, size

    public static let schema = StatSchema(RingHashStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .maxHashesPerHost: .gauge("max_hashes_per_host")
        case .minHashesPerHost: .gauge("min_hashes_per_host")
        case .size: .gauge("size")
        }
    }
}

/// `cluster.<name>.maglev_lb.`, with `MAGLEV`.
@frozen public enum MaglevStat: UInt32, StatLeaf {
    case maxEntriesPerHost, minEntriesPerHost

    public static let schema = StatSchema(MaglevStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .maxEntriesPerHost: .gauge("max_entries_per_host")
        case .minEntriesPerHost: .gauge("min_entries_per_host")
        }
    }
}
