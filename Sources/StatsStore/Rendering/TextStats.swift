import Stats

/// `/stats` as text: one line per statistic, sorted, text readouts first, histograms last.
struct TextStats {
    private let query: StatsQuery
    /// As they were at the start, for all phases alike.
    private let scopes: [StatScopeRef]
    private var phases: [StatPhase]
    private var walk: StatWalk?
    private let groups: [EndpointGroup]
    /// Behind all counters and gauges.
    private var endpoints: EndpointWalk?

    init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.query = query
        scopes = registry.sorted
        phases = StatPhase.allCases.filter(query.shows)
        groups = query.shows(.scalars) ? registry.endpointGroups() : []
    }

    /// Writes lines until the buffer holds `bytesMax` or more, or the slice's time is over; false when all is written.
    mutating func write(
        _ registry: StatRegistry, _ out: inout OutputBuffer, bytesMax: Int, _ time: inout RenderingTime
    ) -> Bool {
        walk?.resume(registry)
        while out.count < bytesMax, !time.isOver() {
            if endpoints != nil {
                guard let position = endpoints?.next() else {
                    endpoints = nil
                    continue
                }
                writeLines(registry, position, &out)
                continue
            }
            if walk == nil {
                guard let phase = phases.first else { return false }
                walk = StatWalk(scopes, phase)
            }
            guard let position = walk?.next(registry) else {
                walk = nil
                if phases.removeFirst() == .scalars { endpoints = EndpointWalk(groups) }
                continue
            }
            writeLines(registry, position, &out)
        }
        return true
    }

    private func writeLines(_ registry: StatRegistry, _ position: EndpointWalk.Position, _ out: inout OutputBuffer) {
        registry.forEachLine(position, query) { name, value in
            out.append(name)
            out.append(": ")
            out.append(value)
            out.append(byte: UInt8(ascii: "\n"))
        }
    }

    private func writeLines(_ registry: StatRegistry, _ position: StatWalk.Position, _ out: inout OutputBuffer) {
        let descriptor = position.item.descriptor
        guard query.shows(descriptor.kind), let record = registry.record(position.ref) else { return }
        let id = record.base + position.item.leaf
        switch descriptor.kind {
        case .counter, .gauge, .gaugeMax, .responseCodes, .responseCodesWithCompleted:
            registry.forEachSample(record, position.item) { sample in
                if query.usedOnly && !sample.isUsed { return }
                guard writeName(record, descriptor, sample.suffix, &out) else { return }
                out.append(": ")
                out.append(sample.value)
                out.append(byte: UInt8(ascii: "\n"))
            }
        case .textReadout:
            let text = registry.text(id)
            guard registry.isVisible(record, position.item, isUsed: text != nil) else { return }
            if query.usedOnly && text == nil { return }
            guard writeName(record, descriptor, .none, &out) else { return }
            out.append(": \"")
            out.append(text ?? "")
            out.append("\"\n")
        case .histogram:
            let merged = registry.histograms[id]
            let isWritten = merged != nil || registry.isWritten(histogram: id)
            guard registry.isVisible(record, position.item, isUsed: isWritten) else { return }
            if query.usedOnly && merged == nil { return }
            let mark = out.count
            guard writeName(record, descriptor, .none, &out) else { return }
            writeHistogram(merged, out.withBytes(from: mark, registry.buckets.upperBounds), &out)
        }
    }

    /// The name, or nothing and false if the filter does not want it.
    private func writeName(
        _ record: StatRegistry.Record, _ descriptor: StatDescriptor, _ suffix: NameSuffix, _ out: inout OutputBuffer
    ) -> Bool {
        let mark = out.count
        out.append(record.prefix)
        out.append(descriptor.name)
        out.append(suffix)
        if let filter = query.filter, !out.withBytes(from: mark, filter) {
            out.truncate(to: mark)
            return false
        }
        return true
    }

    private func writeHistogram(
        _ merged: MergedHistograms.Merged?, _ bounds: [Double], _ out: inout OutputBuffer
    ) {
        guard let merged else {
            out.append(": No recorded values\n")
            return
        }
        switch query.buckets {
        case .standard, .summary, .native:
            out.append(": ")
            writeSummary(merged, &out)
        case .cumulative:
            out.append(": ")
            writeBuckets(merged, bounds, isCumulative: true, &out)
        case .disjoint:
            out.append(": ")
            writeBuckets(merged, bounds, isCumulative: false, &out)
        case .detailed:
            out.append(":\n  totals=")
            writeBins(merged.cumulative, &out)
            out.append("\n  intervals=")
            writeBins(merged.interval, &out)
            out.append("\n  summary=")
            writeSummary(merged, &out)
        }
        out.append(byte: UInt8(ascii: "\n"))
    }

    /// `P0(interval,cumulative) P25(…) …`
    private func writeSummary(_ merged: MergedHistograms.Merged, _ out: inout OutputBuffer) {
        let interval = merged.interval.computedQuantiles()
        let cumulative = merged.cumulative.computedQuantiles()
        for (at, quantile) in HistogramStatistics.quantiles.enumerated() {
            out.append(at == 0 ? "P" : " P")
            out.append(DoubleText.percentG(quantile * 100, precision: 6))
            writePair(DoubleText.general(interval[at]), DoubleText.general(cumulative[at]), &out)
        }
    }

    /// `B0.5(interval,cumulative) B1(…) …`
    private func writeBuckets(
        _ merged: MergedHistograms.Merged, _ bounds: [Double], isCumulative: Bool, _ out: inout OutputBuffer
    ) {
        let interval = merged.interval.bucketCounts(bounds, isCumulative: isCumulative)
        let cumulative = merged.cumulative.bucketCounts(bounds, isCumulative: isCumulative)
        for (at, bound) in bounds.enumerated() {
            out.append(at == 0 ? "B" : " B")
            out.append(DoubleText.percentG(bound, precision: 6))
            writePair("\(interval[at])", "\(cumulative[at])", &out)
        }
    }

    private func writePair(_ interval: String, _ cumulative: String, _ out: inout OutputBuffer) {
        out.append(byte: UInt8(ascii: "("))
        out.append(interval)
        out.append(byte: UInt8(ascii: ","))
        out.append(cumulative)
        out.append(byte: UInt8(ascii: ")"))
    }

    /// `lower bound,width:count, …`
    private func writeBins(_ statistics: HistogramStatistics, _ out: inout OutputBuffer) {
        for (at, entry) in statistics.bins.enumerated() {
            if at > 0 { out.append(", ") }
            out.append(DoubleText.percentG(entry.bin.lowerBound, precision: 15))
            out.append(byte: UInt8(ascii: ","))
            out.append(DoubleText.percentG(entry.bin.width, precision: 15))
            out.append(byte: UInt8(ascii: ":"))
            out.append(entry.count)
        }
    }
}
