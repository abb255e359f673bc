/// `listener.<address>.`
@frozen public enum ListenerStat: UInt32, StatLeaf {
    case connectionsAcceptedPerSocketEvent, downstreamCxActive, downstreamCxDestroy, downstreamCxLengthMs
    case downstreamCxOverflow, downstreamCxOverloadReject, downstreamCxTotal
    case downstreamCxTransportSocketConnectTimeout, downstreamGlobalCxOverflow, downstreamListenerFilterError
    case downstreamListenerFilterRemoteClose, downstreamPreCxActive, downstreamPreCxTimeout, extensionConfigMissing
    case networkExtensionConfigMissing, noFilterChainMatch
    /// Ours: times that accepting rested because the system had no descriptor or memory left.
    case acceptPaused

    public static let schema = StatSchema(ListenerStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .acceptPaused: .counter("accept_paused")
        case .connectionsAcceptedPerSocketEvent: .histogram("connections_accepted_per_socket_event", .unspecified)
        case .downstreamCxActive: .gauge("downstream_cx_active")
        case .downstreamCxDestroy: .counter("downstream_cx_destroy")
        case .downstreamCxLengthMs: .histogram("downstream_cx_length_ms", .milliseconds)
        case .downstreamCxOverflow: .counter("downstream_cx_overflow")
        case .downstreamCxOverloadReject: .counter("downstream_cx_overload_reject")
        case .downstreamCxTotal: .counter("downstream_cx_total")
        case .downstreamCxTransportSocketConnectTimeout: .counter("downstream_cx_transport_socket_connect_timeout")
        case .downstreamGlobalCxOverflow: .counter("downstream_global_cx_overflow")
        case .downstreamListenerFilterError: .counter("downstream_listener_filter_error")
        case .downstreamListenerFilterRemoteClose: .counter("downstream_listener_filter_remote_close")
        case .downstreamPreCxActive: .gauge("downstream_pre_cx_active")
        case .downstreamPreCxTimeout: .counter("downstream_pre_cx_timeout")
        case .extensionConfigMissing: .counter("extension_config_missing")
        case .networkExtensionConfigMissing: .counter("network_extension_config_missing")
        case .noFilterChainMatch: .counter("no_filter_chain_match")
        }
    }
}

/// `listener.<address>.worker_<n>.`, `listener.admin.main_thread.`: one scope per thread, written by that thread alone.
@frozen public enum ListenerWorkerStat: UInt32, StatLeaf {
    case downstreamCxActive, downstreamCxTotal

    public static let schema = StatSchema(ListenerWorkerStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .downstreamCxActive: .gauge("downstream_cx_active")
        case .downstreamCxTotal: .counter("downstream_cx_total")
        }
    }
}

/// `listener.<address>.http.<stat_prefix>.`
@frozen public enum ListenerHTTPStat: UInt32, StatLeaf {
    case downstreamRq1xx, downstreamRq2xx, downstreamRq3xx, downstreamRq4xx, downstreamRq5xx, downstreamRqCompleted

    public static let schema = StatSchema(ListenerHTTPStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .downstreamRq1xx: .counter("downstream_rq_1xx")
        case .downstreamRq2xx: .counter("downstream_rq_2xx")
        case .downstreamRq3xx: .counter("downstream_rq_3xx")
        case .downstreamRq4xx: .counter("downstream_rq_4xx")
        case .downstreamRq5xx: .counter("downstream_rq_5xx")
        case .downstreamRqCompleted: .counter("downstream_rq_completed")
        }
    }
}
