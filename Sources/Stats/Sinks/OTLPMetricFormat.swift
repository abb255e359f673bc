/// Statistics as `opentelemetry.proto.metrics.v1.Metric`.
package struct OTLPMetricFormat: Sendable {
    package var countersAreDeltas = false
    package var histogramsAreDeltas = false
    package var tagsAreAttributes = true
    package var usesExtractedName = true
    /// With its dot; empty: none.
    package var prefix: [UInt8] = []

    package init() {}

    package struct Times {
        package var now: UInt64
        /// Of the process, and of the flush before.
        package var began: UInt64
        package var last: UInt64
        package init(now: UInt64, began: UInt64, last: UInt64) {
            self.now = now
            self.began = began
            self.last = last
        }
    }

    /// Appends what a sample makes, as field `metrics` of `ScopeMetrics`; how many points.
    package func append(_ sample: borrowing SinkSample, _ times: Times, to out: inout [UInt8]) -> Int {
        switch sample.value {
        case .counter(let delta):
            // Nothing new is not told, where it is told by differences.
            if countersAreDeltas, delta == 0 { return 0 }
            let value = countersAreDeltas ? delta : sample.total
            let isDelta = countersAreDeltas
            metric(sample, &out) { metric, attributes in
                metric.appendMessage(7) { sum in
                    sum.appendMessage(1) { number(&$0, value, start: isDelta ? times.last : times.began, times.now, attributes) }
                    sum.appendVarint(2, isDelta ? 1 : 2)
                    sum.appendVarint(3, 1)
                }
            }
        case .gauge(let value):
            metric(sample, &out) { metric, attributes in
                metric.appendMessage(5) { gauge in
                    gauge.appendMessage(1) { number(&$0, value, start: nil, times.now, attributes) }
                }
            }
        case .timer: return 0
        case .histogram:
            let statistics = histogramsAreDeltas ? sample.interval : sample.cumulative
            if histogramsAreDeltas, statistics.bins.isEmpty { return 0 }
            let bounds = sample.bounds
            let isDelta = histogramsAreDeltas
            metric(sample, &out) { metric, attributes in
                metric.appendMessage(9) { histogram in
                    histogram.appendMessage(1) { point in
                        point.appendFixed(2, isDelta ? times.last : times.began)
                        point.appendFixed(3, times.now)
                        point.appendFixed(4, statistics.sampleCount)
                        point.appendDouble(5, statistics.sampleSum)
                        buckets(statistics, bounds, &point)
                        point += attributes(9)
                    }
                    histogram.appendVarint(2, isDelta ? 1 : 2)
                }
            }
        }
        return 1
    }

    private func number(
        _ point: inout [UInt8], _ value: UInt64, start: UInt64?, _ now: UInt64, _ attributes: (UInt8) -> [UInt8]
    ) {
        if let start { point.appendFixed(2, start) }
        point.appendFixed(3, now)
        point.appendFixed(6, value)
        point += attributes(7)
    }

    /// Each bucket for itself, and one beyond the last bound.
    private func buckets(_ statistics: HistogramStatistics, _ bounds: [Double], _ point: inout [UInt8]) {
        let counts = statistics.bucketCounts(bounds, isCumulative: false)
        let beyond = statistics.sampleCount &- counts.reduce(0, &+)
        point.appendMessage(6) { packed in
            for count in counts + [beyond] { packed.appendLittleEndian(count) }
        }
        point.appendMessage(7) { packed in
            for bound in bounds { packed.appendLittleEndian(bound.bitPattern) }
        }
    }

    private func metric(
        _ sample: borrowing SinkSample, _ out: inout [UInt8], _ data: (inout [UInt8], (UInt8) -> [UInt8]) -> Void
    ) {
        let name = prefix + (usesExtractedName ? sample.extracted : sample.name)
        var tags: [(name: [UInt8], value: [UInt8])] = []
        if tagsAreAttributes { sample.forEachTag { tags.append((Array($0), Array($1))) } }
        out.appendMessage(2) { metric in
            metric.appendBytes(1, name[...])
            data(&metric) { field in
                var attributes: [UInt8] = []
                for tag in tags {
                    attributes.appendMessage(field) { pair in
                        pair.appendBytes(1, tag.name[...])
                        pair.appendMessage(2) { $0.appendBytes(1, tag.value[...]) }
                    }
                }
                return attributes
            }
        }
    }
}

extension [UInt8] {
    mutating func appendFixed(_ field: UInt8, _ value: UInt64) {
        append(field << 3 | 1)
        appendLittleEndian(value)
    }

    mutating func appendLittleEndian(_ value: UInt64) {
        for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift)))) }
    }
}
