/// `martlet.stats_sinks.`: there where sinks are. Ours.
package enum SinkStat: UInt32, StatLeaf {
    case linesDropped, linesSent

    package static let schema = StatSchema(SinkStat.self, writers: .main)

    package var descriptor: StatDescriptor {
        switch self {
        case .linesDropped: .counter("lines_dropped")
        case .linesSent: .counter("lines_sent")
        }
    }
}

/// `statsd.`: of the sink over TCP.
package enum StatsdStat: UInt32, StatLeaf {
    case cxOverflow

    package static let schema = StatSchema(StatsdStat.self, writers: .main)

    package var descriptor: StatDescriptor {
        switch self {
        case .cxOverflow: .counter("cx_overflow")
        }
    }
}

/// `martlet.stats_sinks.`: of the sinks that a worker sends for. Ours.
package enum MetricsSinkStat: UInt32, StatLeaf {
    case metricsDropped, metricsSent

    package static let schema = StatSchema(MetricsSinkStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .metricsDropped: .counter("metrics_dropped")
        case .metricsSent: .counter("metrics_sent")
        }
    }
}
