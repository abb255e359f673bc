import Stats

/// What a line becomes: text or protobuf.
struct PrometheusEncoder {
    private let query: StatsQuery
    private var family: PrometheusFamily?
    private var section = PrometheusIndex.Section.counters
    private var bounds = BoundLabels()
    /// The family's first line is written: it has said its name and type.
    private var hasBegun = false
    /// Protobuf says a family's length first, so it is put together here, one family at a time.
    private var message: [UInt8] = []
    private var drained = 0
    private var isComplete = false

    init(_ query: StatsQuery) { self.query = query }

    private var isText: Bool { query.format == .prometheus }

    mutating func begin(_ family: PrometheusFamily, _ section: PrometheusIndex.Section) {
        self.family = family
        self.section = section
        hasBegun = false
        message.removeAll(keepingCapacity: true)
    }

    /// The family has no more lines.
    mutating func end(_ out: inout OutputBuffer) {
        family = nil
        guard !isText, hasBegun else { return }
        var length: [UInt8] = []
        length.appendVarint(UInt64(message.count))
        out.append(length)
        isComplete = true
        drained = 0
    }

    /// Writes what is left of the family that has ended, up to `bytesMax`; false when nothing is.
    mutating func drain(_ out: inout OutputBuffer, bytesMax: Int) -> Bool {
        guard isComplete else { return false }
        let end = min(message.count, drained + max(1, bytesMax - out.count))
        out.append(message[drained..<end])
        drained = end
        if drained == message.count { isComplete = false }
        return true
    }

    // MARK: lines

    mutating func write(_ value: UInt64, _ labels: ArraySlice<UInt8>, _ out: inout OutputBuffer) {
        first(&out)
        guard isText else {
            let field: UInt8 = section == .counters ? 3 : 2
            return metric(labels) { metric in
                metric.appendMessage(field) { $0.appendDouble(1, Double(value)) }
            }
        }
        writeName(labels, "", [], &out)
        out.append(value)
        out.append(byte: UInt8(ascii: "\n"))
    }

    mutating func write(text: String, _ labels: ArraySlice<UInt8>, _ out: inout OutputBuffer) {
        first(&out)
        var label: [UInt8] = []
        PrometheusNames.append("text_value".utf8, text.utf8, to: &label)
        guard isText else {
            let all = labels.isEmpty ? label : labels + [UInt8(ascii: ",")] + label
            return metric(all[...]) { metric in metric.appendMessage(2) { $0.appendDouble(1, 0) } }
        }
        writeName(labels, "", label, &out)
        out.append("0\n")
    }

    mutating func write(
        _ merged: MergedHistograms.Merged?, _ upperBounds: [Double], _ labels: ArraySlice<UInt8>,
        _ out: inout OutputBuffer
    ) {
        first(&out)
        let statistics = (query.buckets == .summary ? merged?.interval : merged?.cumulative) ?? HistogramStatistics()
        guard isText else {
            let buckets = query.buckets
            return metric(labels) { metric in
                switch buckets {
                case .summary: PrometheusProtobuf.summary(statistics, &metric)
                case .native: PrometheusProtobuf.native(statistics, &metric)
                default: PrometheusProtobuf.histogram(statistics, upperBounds, &metric)
                }
            }
        }
        if query.buckets == .summary {
            let values = statistics.computedQuantiles()
            for (at, label) in bounds.quantiles.enumerated() {
                writeName(labels, "", label, &out)
                out.append(DoubleText.percentG(values[at], precision: 32))
                out.append(byte: UInt8(ascii: "\n"))
            }
        } else {
            let counts = statistics.bucketCounts(upperBounds, isCumulative: true)
            let samples = statistics.sampleCount
            for (at, label) in bounds.labels(upperBounds).enumerated() {
                writeName(labels, "_bucket", label, &out)
                out.append(at < counts.count ? counts[at] : samples)
                out.append(byte: UInt8(ascii: "\n"))
            }
        }
        writeName(labels, "_sum", [], &out)
        out.append(statistics.bins.isEmpty ? "0" : DoubleText.percentG(statistics.sampleSum, precision: 32))
        out.append(byte: UInt8(ascii: "\n"))
        writeName(labels, "_count", [], &out)
        out.append(statistics.sampleCount)
        out.append(byte: UInt8(ascii: "\n"))
    }

    // MARK: parts

    /// Before a family's first line: a family without lines is not mentioned.
    private mutating func first(_ out: inout OutputBuffer) {
        guard !hasBegun, let family else { return }
        hasBegun = true
        guard isText else {
            let type: UInt64 =
                switch section {
                case .counters: 0
                case .gauges, .texts: 1
                case .histograms: query.buckets == .summary ? 2 : 4
                }
            message.appendBytes(1, family.name[...])
            message.appendVarint(3, type)
            return
        }
        out.append("# TYPE ")
        out.append(family.name)
        switch section {
        case .counters: out.append(" counter\n")
        case .gauges, .texts: out.append(" gauge\n")
        case .histograms: out.append(query.buckets == .summary ? " summary\n" : " histogram\n")
        }
    }

    /// `family<ending>{labels,more} `
    private func writeName(
        _ labels: ArraySlice<UInt8>, _ ending: StaticString, _ more: [UInt8], _ out: inout OutputBuffer
    ) {
        guard let family else { return }
        out.append(family.name)
        out.append(ending)
        out.append(byte: UInt8(ascii: "{"))
        out.append(labels)
        if !labels.isEmpty && !more.isEmpty { out.append(byte: UInt8(ascii: ",")) }
        out.append(more)
        out.append("} ")
    }

    private mutating func metric(_ labels: ArraySlice<UInt8>, _ body: (inout [UInt8]) -> Void) {
        message.appendMessage(4) { metric in
            PrometheusNames.forEach(labels) { name, value in
                metric.appendMessage(1) {
                    $0.appendBytes(1, name)
                    $0.appendBytes(2, value[...])
                }
            }
            body(&metric)
        }
    }
}

/// The `le` and `quantile` labels, formatted once per answer.
private struct BoundLabels {
    let quantiles = HistogramStatistics.quantiles.map {
        Array("quantile=\"\(DoubleText.percentG($0, precision: 6))\"".utf8)
    }
    private var upperBounds: [Double] = []
    private var formatted: [[UInt8]] = []

    /// One label per bound and `+Inf`. Kept until other bounds are asked for.
    mutating func labels(_ upperBounds: [Double]) -> [[UInt8]] {
        if upperBounds != self.upperBounds || formatted.isEmpty {
            self.upperBounds = upperBounds
            formatted = upperBounds.map { Array("le=\"\(DoubleText.percentG($0, precision: 32))\"".utf8) }
            formatted.append(Array("le=\"+Inf\"".utf8))
        }
        return formatted
    }
}
