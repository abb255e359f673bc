/// `server.`
@frozen public enum ServerStat: UInt32, StatLeaf {
    case compilationSettingsFipsMode, concurrency, daysUntilFirstCertExpiring, debugAssertionFailures
    case droppedStatFlushes, dynamicUnknownFields, envoyBugFailures, envoyNotifications, hotRestartEpoch
    case initializationTimeMs, live, memoryAllocated, memoryHeapSize, memoryPhysicalSize, parentConnections
    case secondsUntilFirstOcspResponseExpiring, state, staticUnknownFields, statsRecentLookups, totalConnections
    case uptime, version, wipProtos

    public static let schema = StatSchema(ServerStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .compilationSettingsFipsMode: .gauge("compilation_settings.fips_mode")
        case .concurrency: .gauge("concurrency")
        case .daysUntilFirstCertExpiring: .gauge("days_until_first_cert_expiring")
        case .debugAssertionFailures: .counter("debug_assertion_failures")
        case .droppedStatFlushes: .counter("dropped_stat_flushes")
        case .dynamicUnknownFields: .counter("dynamic_unknown_fields")
        case .envoyBugFailures: .counter("envoy_bug_failures")
        case .envoyNotifications: .counter("envoy_notifications")
        case .hotRestartEpoch: .gauge("hot_restart_epoch")
        case .initializationTimeMs: .histogram("initialization_time_ms", .milliseconds)
        case .live: .gauge("live")
        case .memoryAllocated: .gauge("memory_allocated")
        case .memoryHeapSize: .gauge("memory_heap_size")
        case .memoryPhysicalSize: .gauge("memory_physical_size")
        case .parentConnections: .gauge("parent_connections")
        case .secondsUntilFirstOcspResponseExpiring: .gauge("seconds_until_first_ocsp_response_expiring")
        case .state: .gauge("state")
        case .staticUnknownFields: .counter("static_unknown_fields")
        case .statsRecentLookups: .gauge("stats_recent_lookups")
        case .totalConnections: .gauge("total_connections")
        case .uptime: .gauge("uptime")
        case .version: .gauge("version")
        case .wipProtos: .counter("wip_protos")
        }
    }
}

/// `server.worker_<n>.`, `server.main_thread.`, `workers.`, `main_thread.`
@frozen public enum WatchdogStat: UInt32, StatLeaf {
    case watchdogMegaMiss, watchdogMiss

    public static let schema = StatSchema(WatchdogStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .watchdogMegaMiss: .counter("watchdog_mega_miss")
        case .watchdogMiss: .counter("watchdog_miss")
        }
    }
}

/// `watchdog.profile_action.`
@frozen public enum WatchdogProfileStat: UInt32, StatLeaf {
    case attempted, successfullyCaptured

    public static let schema = StatSchema(WatchdogProfileStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .attempted: .counter("attempted")
        case .successfullyCaptured: .counter("successfully_captured")
        }
    }
}

/// `watchdog.backtrace_action.`
@frozen public enum WatchdogBacktraceStat: UInt32, StatLeaf {
    case backtracesFailed, backtracesLogged

    public static let schema = StatSchema(WatchdogBacktraceStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .backtracesFailed: .counter("backtraces_failed")
        case .backtracesLogged: .counter("backtraces_logged")
        }
    }
}
