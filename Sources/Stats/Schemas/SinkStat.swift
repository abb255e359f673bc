/// `martlet.stats_sinks.`: there where sinks are. Ours.
@frozen public enum SinkStat: UInt32, StatLeaf {
    case linesDropped, linesSent

    public static let schema = StatSchema(SinkStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .linesDropped: .counter("lines_dropped")
        case .linesSent: .counter("lines_sent")
        }
    }
}

/// `statsd.`: of the sink over TCP.
@frozen public enum StatsdStat: UInt32, StatLeaf {
    case cxOverflow

    public static let schema = StatSchema(StatsdStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .cxOverflow: .counter("cx_overflow")
        }
    }
}

/// `martlet.stats_sinks.`: of the sinks that a worker sends for. Ours.
@frozen public enum MetricsSinkStat: UInt32, StatLeaf {
    case metricsDropped, metricsSent

    public static let schema = StatSchema(MetricsSinkStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .metricsDropped: .counter("metrics_dropped")
        case .metricsSent: .counter("metrics_sent")
        }
    }
}
