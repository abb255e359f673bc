/// `filesystem.`
@frozen public enum FilesystemStat: UInt32, StatLeaf {
    case flushedByTimer, reopenFailed, writeBuffered, writeCompleted, writeFailed, writeTotalBuffered
    /// Ours: lines that a slow or full sink made workers drop.
    case writeDropped

    public static let schema = StatSchema(FilesystemStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .flushedByTimer: .counter("flushed_by_timer")
        case .reopenFailed: .counter("reopen_failed")
        case .writeBuffered: .counter("write_buffered")
        case .writeCompleted: .counter("write_completed")
        case .writeFailed: .counter("write_failed")
        case .writeTotalBuffered: .gauge("write_total_buffered")
        case .writeDropped: .counter("write_dropped")
        }
    }
}

/// `runtime.`
@frozen public enum RuntimeStat: UInt32, StatLeaf {
    case adminOverridesActive, deprecatedFeatureSeenSinceProcessStart, deprecatedFeatureUse, loadError, loadSuccess
    case numKeys, numLayers, overrideDirExists, overrideDirNotExists

    public static let schema = StatSchema(RuntimeStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .adminOverridesActive: .gauge("admin_overrides_active")
        case .deprecatedFeatureSeenSinceProcessStart: .gauge("deprecated_feature_seen_since_process_start")
        case .deprecatedFeatureUse: .counter("deprecated_feature_use")
        case .loadError: .counter("load_error")
        case .loadSuccess: .counter("load_success")
        case .numKeys: .gauge("num_keys")
        case .numLayers: .gauge("num_layers")
        case .overrideDirExists: .counter("override_dir_exists")
        case .overrideDirNotExists: .counter("override_dir_not_exists")
        }
    }
}

/// `dns.cares.`
@frozen public enum DNSStat: UInt32, StatLeaf {
    case getAddrFailure, notFound, pendingResolutions, reinits, resolveTotal, timeouts

    public static let schema = StatSchema(DNSStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .getAddrFailure: .counter("get_addr_failure")
        case .notFound: .counter("not_found")
        case .pendingResolutions: .gauge("pending_resolutions")
        case .reinits: .counter("reinits")
        case .resolveTotal: .counter("resolve_total")
        case .timeouts: .counter("timeouts")
        }
    }
}

/// `overload.`
@frozen public enum OverloadStat: UInt32, StatLeaf {
    case refreshIntervalDelay

    public static let schema = StatSchema(OverloadStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .refreshIntervalDelay: .histogram("refresh_interval_delay", .milliseconds)
        }
    }
}

/// `envoy.overload_actions.reset_high_memory_stream.`
@frozen public enum OverloadActionStat: UInt32, StatLeaf {
    case count

    public static let schema = StatSchema(OverloadActionStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .count: .counter("count")
        }
    }
}
