import Stats

/// Statistics as `io.prometheus.client.MetricFamily`, for Envoy's metrics service.
package struct MetricsServiceFormat: Sendable {
    package enum Histograms: Sendable { case both, summaries, buckets }

    package var countersAreDeltas = false
    /// `emit_tags_as_labels`: the name is the one without tags then.
    package var tagsAreLabels = false
    package var histograms = Histograms.both

    package init() {}

    /// Appends the families that a sample makes, as fields `envoy_metrics`; how many.
    package func append(_ sample: borrowing SinkSample, timeMs: UInt64, to out: inout [UInt8]) -> Int {
        // Envoy does not tell of single endpoints here.
        if sample.isOfEndpoint { return 0 }
        switch sample.value {
        case .counter(let delta):
            let value = Double(countersAreDeltas ? delta : sample.total)
            family(sample, kind: 0, timeMs, &out) { $0.appendMessage(3) { $0.appendDouble(1, value) } }
            return 1
        case .gauge(let value):
            family(sample, kind: 1, timeMs, &out) { $0.appendMessage(2) { $0.appendDouble(1, Double(value)) } }
            return 1
        case .timer: return 0
        case .histogram: break
        }
        // Both tell of the last interval.
        let interval = sample.interval
        let bounds = sample.bounds
        if histograms != .buckets {
            family(sample, kind: 2, timeMs, &out) { PrometheusProtobuf.summary(interval, &$0) }
        }
        if histograms != .summaries {
            family(sample, kind: 4, timeMs, &out) { PrometheusProtobuf.histogram(interval, bounds, &$0) }
        }
        return histograms == .both ? 2 : 1
    }

    private func family(
        _ sample: borrowing SinkSample, kind: UInt64, _ timeMs: UInt64, _ out: inout [UInt8], _ value: (inout [UInt8]) -> Void
    ) {
        let name = tagsAreLabels ? sample.extracted : sample.name
        var labels: [UInt8] = []
        if tagsAreLabels {
            sample.forEachTag { name, value in
                labels.appendMessage(1) {
                    $0.appendBytes(1, name)
                    $0.appendBytes(2, value)
                }
            }
        }
        out.appendMessage(2) { family in
            family.appendBytes(1, name[...])
            family.appendVarint(3, kind)
            family.appendMessage(4) { metric in
                metric += labels
                value(&metric)
                metric.appendVarint(6, timeMs)
            }
        }
    }
}
