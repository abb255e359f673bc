import Stats

/// `/stats?format=json`: one line; text readouts and scalars as objects of `name` and `value`, then one object with all
/// histograms, if there are any.
struct JSONStats {
    private let query: StatsQuery
    /// As they were at the start, for all phases alike.
    private let scopes: [StatScopeRef]
    private var phases: [StatPhase]
    private var walk: StatWalk?
    private let groups: [EndpointGroup]
    /// Behind all counters and gauges.
    private var endpoints: EndpointWalk?
    private var hasBegun = false
    /// Something stands in the outer list.
    private var hasEntries = false
    /// The object of histograms is open.
    private var hasHistograms = false
    private var isEnded = false
    /// The full name of the statistic at hand.
    private var name: [UInt8] = []

    init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.query = query
        scopes = registry.sorted
        phases = StatPhase.allCases.filter(query.shows)
        groups = query.shows(.scalars) ? registry.endpointGroups() : []
    }

    /// Writes until the buffer holds `bytesMax` or more, or the slice's time is over; false when all is written.
    mutating func write(
        _ registry: StatRegistry, _ out: inout OutputBuffer, bytesMax: Int, _ time: inout RenderingTime
    ) -> Bool {
        if isEnded { return false }
        if !hasBegun {
            out.append("{\"stats\":[")
            hasBegun = true
        }
        walk?.resume(registry)
        while out.count < bytesMax, !time.isOver() {
            if endpoints != nil {
                guard let position = endpoints?.next() else {
                    endpoints = nil
                    continue
                }
                writeItems(registry, position, &out)
                continue
            }
            if walk == nil {
                guard let phase = phases.first else {
                    writeEnd(&out)
                    return false
                }
                walk = StatWalk(scopes, phase)
            }
            guard let position = walk?.next(registry) else {
                walk = nil
                if phases.removeFirst() == .scalars { endpoints = EndpointWalk(groups) }
                continue
            }
            writeItem(registry, position, &out)
        }
        return true
    }

    private mutating func writeItems(
        _ registry: StatRegistry, _ position: EndpointWalk.Position, _ out: inout OutputBuffer
    ) {
        registry.forEachLine(position, query) { name, value in
            self.name = name
            beginEntry(&out)
            out.append(value)
            out.append(byte: UInt8(ascii: "}"))
        }
    }

    private mutating func writeItem(
        _ registry: StatRegistry, _ position: StatWalk.Position, _ out: inout OutputBuffer
    ) {
        let descriptor = position.item.descriptor
        guard query.shows(descriptor.kind), let record = registry.record(position.ref) else { return }
        let id = record.base + position.item.leaf
        switch descriptor.kind {
        case .counter, .gauge, .gaugeMax, .responseCodes, .responseCodesWithCompleted:
            registry.forEachSample(record, position.item) { sample in
                guard isWanted(record, descriptor, sample.suffix, isUsed: sample.isUsed) else { return }
                beginEntry(&out)
                out.append(sample.value)
                out.append(byte: UInt8(ascii: "}"))
            }
        case .textReadout:
            let text = registry.text(id)
            guard registry.isVisible(record, position.item, isUsed: text != nil),
                isWanted(record, descriptor, .none, isUsed: text != nil)
            else { return }
            beginEntry(&out)
            out.appendJSON(text ?? "")
            out.append(byte: UInt8(ascii: "}"))
        case .histogram:
            let merged = registry.histograms[id]
            let isWritten = merged != nil || registry.isWritten(histogram: id)
            guard registry.isVisible(record, position.item, isUsed: isWritten),
                isWanted(record, descriptor, .none, isUsed: merged != nil)
            else { return }
            beginHistogram(&out)
            writeHistogram(merged, registry.buckets.upperBounds(name.span), &out)
        }
    }

    /// Whether the query wants it; leaves the full name in `name`.
    private mutating func isWanted(
        _ record: StatRegistry.Record, _ descriptor: StatDescriptor, _ suffix: NameSuffix, isUsed: Bool
    ) -> Bool {
        if query.usedOnly && !isUsed { return false }
        name.setName(record.prefix, descriptor.name, suffix)
        guard let filter = query.filter else { return true }
        return filter(name.span)
    }

    private mutating func beginEntry(_ out: inout OutputBuffer) {
        out.append(hasEntries ? ",{\"name\":" : "{\"name\":")
        hasEntries = true
        out.appendJSON(name)
        out.append(",\"value\":")
    }

    private mutating func beginHistogram(_ out: inout OutputBuffer) {
        if hasHistograms {
            out.append(byte: UInt8(ascii: ","))
        } else {
            out.append(hasEntries ? ",{\"histograms\":" : "{\"histograms\":")
            switch query.buckets {
            case .standard, .summary, .native:
                out.append("{\"supported_quantiles\":")
                writeQuantiles(&out)
                out.append(",\"computed_quantiles\":[")
            case .detailed:
                out.append("{\"supported_percentiles\":")
                writeQuantiles(&out)
                out.append(",\"details\":[")
            case .cumulative, .disjoint:
                out.append("[")
            }
            hasEntries = true
            hasHistograms = true
        }
        out.append("{\"name\":")
        out.appendJSON(name)
    }

    private func writeHistogram(
        _ merged: MergedHistograms.Merged?, _ bounds: [Double], _ out: inout OutputBuffer
    ) {
        let interval = merged?.interval ?? HistogramStatistics()
        let cumulative = merged?.cumulative ?? HistogramStatistics()
        switch query.buckets {
        case .standard, .summary, .native:
            out.append(",\"values\":")
            writeValues(interval, cumulative, &out)
        case .detailed:
            out.append(",\"totals\":")
            writeBins(cumulative, &out)
            out.append(",\"intervals\":")
            writeBins(interval, &out)
            out.append(",\"percentiles\":")
            writeValues(interval, cumulative, &out)
        case .cumulative, .disjoint:
            let isCumulative = query.buckets == .cumulative
            let intervals = interval.bucketCounts(bounds, isCumulative: isCumulative)
            let totals = cumulative.bucketCounts(bounds, isCumulative: isCumulative)
            out.append(",\"buckets\":[")
            for (at, bound) in bounds.enumerated() {
                out.append(at == 0 ? "{\"upper_bound\":" : ",{\"upper_bound\":")
                out.append(DoubleText.shortest(bound))
                out.append(",\"interval\":")
                out.append(intervals[at])
                out.append(",\"cumulative\":")
                out.append(totals[at])
                out.append("}")
            }
            out.append("]")
        }
        out.append("}")
    }

    private func writeQuantiles(_ out: inout OutputBuffer) {
        for (at, quantile) in HistogramStatistics.quantiles.enumerated() {
            out.append(at == 0 ? "[" : ",")
            out.append(DoubleText.percentG(quantile * 100, precision: 6))
        }
        out.append("]")
    }

    private func writeValues(
        _ interval: HistogramStatistics, _ cumulative: HistogramStatistics, _ out: inout OutputBuffer
    ) {
        let intervals = interval.computedQuantiles()
        let totals = cumulative.computedQuantiles()
        for at in totals.indices {
            out.append(at == 0 ? "[{\"cumulative\":" : ",{\"cumulative\":")
            writeNumber(totals[at], &out)
            out.append(",\"interval\":")
            writeNumber(intervals[at], &out)
            out.append("}")
        }
        out.append("]")
    }

    private func writeBins(_ statistics: HistogramStatistics, _ out: inout OutputBuffer) {
        out.append("[")
        for (at, entry) in statistics.bins.enumerated() {
            out.append(at == 0 ? "{\"lower_bound\":" : ",{\"lower_bound\":")
            out.append(DoubleText.shortest(entry.bin.lowerBound))
            out.append(",\"width\":")
            out.append(DoubleText.shortest(entry.bin.width))
            out.append(",\"count\":")
            out.append(entry.count)
            out.append("}")
        }
        out.append("]")
    }

    /// JSON has no `nan`.
    private func writeNumber(_ value: Double, _ out: inout OutputBuffer) {
        if value.isFinite { out.append(DoubleText.shortest(value)) } else { out.append("null") }
    }

    private mutating func writeEnd(_ out: inout OutputBuffer) {
        if hasHistograms {
            switch query.buckets {
            case .standard, .summary, .native, .detailed: out.append("]}}")
            case .cumulative, .disjoint: out.append("]}")
            }
        }
        out.append("]}")
        isEnded = true
    }
}

extension OutputBuffer {
    /// A JSON string; bytes that are not UTF-8 become U+FFFD.
    mutating func appendJSON(_ name: [UInt8]) {
        let isPlain = name.allSatisfy {
            $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        guard isPlain else { return appendJSON(String(decoding: name, as: UTF8.self)) }
        append(byte: UInt8(ascii: "\""))
        append(name)
        append(byte: UInt8(ascii: "\""))
    }

    mutating func appendJSON(_ text: String) {
        append(byte: UInt8(ascii: "\""))
        for byte in text.utf8 { appendJSONByte(byte) }
        append(byte: UInt8(ascii: "\""))
    }

    private mutating func appendJSONByte(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case 0x08: append("\\b")
        case 0x09: append("\\t")
        case 0x0A: append("\\n")
        case 0x0C: append("\\f")
        case 0x0D: append("\\r")
        case 0..<0x20, 0x7F:
            append("\\u00")
            for digit in [byte >> 4, byte & 15] {
                append(byte: digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        default: append(byte: byte)
        }
    }
}
