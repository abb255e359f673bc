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

/// `tracing.skywalking.`
package enum SkyWalkingStat: UInt32, StatLeaf {
    case cacheFlushed, segmentsDropped, segmentsFlushed, segmentsSent

    package static let schema = StatSchema(SkyWalkingStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .cacheFlushed: .counter("cache_flushed")
        case .segmentsDropped: .counter("segments_dropped")
        case .segmentsFlushed: .counter("segments_flushed")
        case .segmentsSent: .counter("segments_sent")
        }
    }
}

/// `tracing.datadog.`
package enum DatadogStat: UInt32, StatLeaf {
    case reportsDropped, reportsFailed, reportsSent, reportsSkippedNoCluster, tracesDropped

    package static let schema = StatSchema(DatadogStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .reportsDropped: .counter("reports_dropped")
        case .reportsFailed: .counter("reports_failed")
        case .reportsSent: .counter("reports_sent")
        case .reportsSkippedNoCluster: .counter("reports_skipped_no_cluster")
        case .tracesDropped: .counter("traces_dropped")
        }
    }
}
