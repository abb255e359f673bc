/// `tracing.opentelemetry.`
@frozen public enum OpenTelemetryStat: UInt32, StatLeaf {
    case spansDropped, spansSent, timerFlushed

    public static let schema = StatSchema(OpenTelemetryStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .spansDropped: .counter("spans_dropped")
        case .spansSent: .counter("spans_sent")
        case .timerFlushed: .counter("timer_flushed")
        }
    }
}

/// `tracing.zipkin.`
@frozen public enum ZipkinStat: UInt32, StatLeaf {
    case reportsDropped, reportsFailed, reportsSent, reportsSkippedNoCluster, spansDropped, spansSent, timerFlushed

    public static let schema = StatSchema(ZipkinStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .reportsDropped: .counter("reports_dropped")
        case .reportsFailed: .counter("reports_failed")
        case .reportsSent: .counter("reports_sent")
        case .reportsSkippedNoCluster: .counter("reports_skipped_no_cluster")
        case .spansDropped: .counter("spans_dropped")
        case .spansSent: .counter("spans_sent")
        case .timerFlushed: .counter("timer_flushed")
        }
    }
}
