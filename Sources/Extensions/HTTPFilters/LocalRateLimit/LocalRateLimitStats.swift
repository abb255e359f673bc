import Stats

/// `<stat_prefix>.http_local_rate_limit.`
enum LocalRateLimitStat: UInt32, StatLeaf {
    case enabled, enforced, ok, rateLimited, shadowMode

    static let schema = StatSchema(LocalRateLimitStat.self, writers: .workers)

    var descriptor: StatDescriptor {
        switch self {
        case .enabled: .counter("enabled")
        case .enforced: .counter("enforced")
        case .ok: .counter("ok")
        case .rateLimited: .counter("rate_limited")
        case .shadowMode: .counter("shadow_mode")
        }
    }
}
