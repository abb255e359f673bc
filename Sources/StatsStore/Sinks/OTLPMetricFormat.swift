import Stats

/// Statistics as `opentelemetry.proto.metrics.v1.Metric`.
package struct OTLPMetricFormat {
    package var countersAreDeltas = false
    package var histogramsAreDeltas = false
    package var tagsAreAttributes = true
    package var usesExtractedName = true
    /// With its dot; empty: none.
    package var prefix: [UInt8] = []
    /// `custom_metric_conversions`, by full names; nil: told as it is.
    package var convert: ((_ name: [UInt8]) -> OTLPConversion?)?

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

    /// Appends what a sample makes, as field `metrics` of `ScopeMetrics`; how many points. What goes by a name of the
    /// configuration's own is gathered instead.
    package func append(
        _ sample: borrowing SinkSample, _ times: Times, _ gathered: inout OTLPGathered, to out: inout [UInt8]
    ) -> Int {
        guard let value = value(of: sample) else { return 0 }
        var point = OTLPPoint(name: [], attributes: [], value: value)
        if tagsAreAttributes { sample.forEachTag { point.attributes.append((Array($0), Array($1))) } }
        switch convert?(sample.name) {
        case .drop?: return 0
        case .rename(let name, let labels)?:
            point.name = name
            point.attributes += labels
            gathered.add(point)
            return 0
        case nil:
            point.name = prefix + (usesExtractedName ? sample.extracted : sample.name)
            append(point, times, to: &out)
            return 1
        }
    }

    /// Nil: it is not told.
    private func value(of sample: borrowing SinkSample) -> OTLPPoint.Value? {
        switch sample.value {
        // Nothing new is not told, where it is told by differences.
        case .counter(let delta): return countersAreDeltas ? delta == 0 ? nil : .sum(delta) : .sum(sample.total)
        case .gauge(let value): return .gauge(value)
        case .timer: return nil
        case .histogram:
            let statistics = histogramsAreDeltas ? sample.interval : sample.cumulative
            return histogramsAreDeltas && statistics.bins.isEmpty ? nil : .histogram(statistics, bounds: sample.bounds)
        }
    }

    package func append(_ point: OTLPPoint, _ times: Times, to out: inout [UInt8]) {
        out.appendMessage(2) { metric in
            metric.appendBytes(1, point.name[...])
            switch point.value {
            case .sum(let value):
                metric.appendMessage(7) { sum in
                    sum.appendMessage(1) {
                        number(&$0, value, start: countersAreDeltas ? times.last : times.began, times.now, point)
                    }
                    sum.appendVarint(2, countersAreDeltas ? 1 : 2)
                    sum.appendVarint(3, 1)
                }
            case .gauge(let value):
                metric.appendMessage(5) { gauge in gauge.appendMessage(1) { number(&$0, value, start: nil, times.now, point) } }
            case .histogram(let statistics, let bounds):
                metric.appendMessage(9) { histogram in
                    histogram.appendMessage(1) { data in
                        data.appendFixed(2, histogramsAreDeltas ? times.last : times.began)
                        data.appendFixed(3, times.now)
                        data.appendFixed(4, statistics.sampleCount)
                        data.appendDouble(5, statistics.sampleSum)
                        buckets(statistics, bounds, &data)
                        attributes(9, point, &data)
                    }
                    histogram.appendVarint(2, histogramsAreDeltas ? 1 : 2)
                }
            }
        }
    }

    private func number(
        _ data: inout [UInt8], _ value: UInt64, start: UInt64?, _ now: UInt64, _ point: OTLPPoint
    ) {
        if let start { data.appendFixed(2, start) }
        data.appendFixed(3, now)
        data.appendFixed(6, value)
        attributes(7, point, &data)
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

    private func attributes(_ field: UInt8, _ point: OTLPPoint, _ data: inout [UInt8]) {
        for attribute in point.attributes {
            data.appendMessage(field) { pair in
                pair.appendBytes(1, attribute.key[...])
                pair.appendMessage(2) { $0.appendBytes(1, attribute.value[...]) }
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
