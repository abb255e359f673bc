/// `access_logs.grpc_access_log.`, `access_logs.open_telemetry_access_log.`
@frozen public enum RemoteLogStat: UInt32, StatLeaf {
    case logsDropped, logsWritten

    public static let schema = StatSchema(RemoteLogStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .logsDropped: .counter("logs_dropped")
        case .logsWritten: .counter("logs_written")
        }
    }
}

/// The same, of those over gRPC.
@frozen public enum GRPCLogStat: UInt32, StatLeaf {
    case grpcEntriesFlushFailed, grpcEntriesFlushed

    public static let schema = StatSchema(GRPCLogStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .grpcEntriesFlushFailed: .counter("grpc_entries_flush_failed")
        case .grpcEntriesFlushed: .counter("grpc_entries_flushed")
        }
    }
}

/// `access_logs.fluentd.<stat_prefix>.`
@frozen public enum FluentdStat: UInt32, StatLeaf {
    case connectionsClosed, entriesBuffered, entriesLost, eventsSent, reconnectAttempts

    public static let schema = StatSchema(FluentdStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .connectionsClosed: .counter("connections_closed")
        case .entriesBuffered: .counter("entries_buffered")
        case .entriesLost: .counter("entries_lost")
        case .eventsSent: .counter("events_sent")
        case .reconnectAttempts: .counter("reconnect_attempts")
        }
    }
}
