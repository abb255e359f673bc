/// `listener_manager.lds.`, `cluster_manager.cds.`, `http.<stat_prefix>.rds.<route>.`,
/// `cluster.<name>.` for endpoints: one xDS subscription.
@frozen public enum SubscriptionStat: UInt32, StatLeaf {
    case initFetchTimeout, updateAttempt, updateDuration, updateFailure, updateRejected, updateSuccess, updateTime
    case version, versionText

    public static let schema = StatSchema(SubscriptionStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .initFetchTimeout: .counter("init_fetch_timeout")
        case .updateAttempt: .counter("update_attempt")
        case .updateDuration: .histogram("update_duration", .milliseconds)
        case .updateFailure: .counter("update_failure")
        case .updateRejected: .counter("update_rejected")
        case .updateSuccess: .counter("update_success")
        case .updateTime: .gauge("update_time")
        case .version: .gauge("version")
        case .versionText: .text("version_text")
        }
    }
}

/// Beside `SubscriptionStat` for `cluster_manager.cds.` and `http.<stat_prefix>.rds.<route>.`
@frozen public enum ConfigReloadStat: UInt32, StatLeaf {
    case configReload, configReloadTimeMs

    public static let schema = StatSchema(ConfigReloadStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .configReload: .counter("config_reload")
        case .configReloadTimeMs: .gauge("config_reload_time_ms")
        }
    }
}
