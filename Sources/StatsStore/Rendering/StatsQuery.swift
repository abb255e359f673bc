import Stats

/// What `/stats` was asked for. The admin server parses the parameters and compiles the regular expression.
package struct StatsQuery {
    package enum Format: Sendable {
        case text, json, prometheus
        /// Prometheus's messages, each behind its length.
        case prometheusProtobuf
    }

    /// `type=`.
    package enum Types: Sendable {
        case all, counters, gauges, histograms, textReadouts
        /// Counters and gauges, which stand among each other.
        case scalars
    }

    /// `histogram_buckets=`.
    package enum Buckets: Sendable {
        /// Nothing was asked for: quantiles in text and JSON, cumulative buckets in Prometheus.
        case standard
        case cumulative, disjoint, detailed, summary
        /// Exponential buckets, in protobuf only.
        case native
    }

    package var format: Format = .text
    package var types: Types = .all
    package var buckets: Buckets = .standard
    /// Only what has been written since the start.
    package var usedOnly = false
    /// Prometheus: text readouts as gauges with value 0 and the text as a label.
    package var textReadouts = false
    /// `filter`/`invert_filter`: true for the full names to show (`cluster.up.upstream_rq_total`), whatever the format.
    package var filter: ((Span<UInt8>) -> Bool)?

    package init() {}

    func shows(_ kind: StatKind) -> Bool {
        switch types {
        case .all: true
        case .counters: kind == .counter || kind == .responseCodes || kind == .responseCodesWithCompleted
        case .gauges: kind == .gauge || kind == .gaugeMax
        case .scalars: kind != .histogram && kind != .textReadout
        case .histograms: kind == .histogram
        case .textReadouts: kind == .textReadout
        }
    }

    func shows(_ phase: StatPhase) -> Bool {
        switch (types, phase) {
        case (.all, _), (.counters, .scalars), (.gauges, .scalars), (.scalars, .scalars), (.histograms, .histograms),
            (.textReadouts, .texts):
            true
        default: false
        }
    }
}
