/// `/stats/prometheus`: families sorted by their tag-extracted names, counters first, then gauges, text readouts (if
/// asked for) and histograms.
///
/// A family's samples come from many scopes, so each section is collected first (`PrometheusFamilies`, a number of
/// scopes per slice) and then written.
struct PrometheusStats {
    enum Section: CaseIterable {
        case counters, gauges, texts, histograms
    }

    /// Scopes collected before a slice is given up: a cluster costs some 30 µs, and main has a millisecond per turn.
    private static let scopesPerSlice = 16

    private let query: StatsQuery
    private var sections: [Section]
    private var scopes: [StatScopeRef] = []
    private var nextScope = 0
    private var families = PrometheusFamilies()
    private var isCollected = false
    private var nextFamily = 0
    private var nextEntry = 0
    private var bounds = BoundLabels()

    init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.query = query
        sections = Section.allCases.filter {
            switch $0 {
            case .counters: query.types == .all || query.types == .counters
            case .gauges: query.types == .all || query.types == .gauges
            case .texts: query.textReadouts && (query.types == .all || query.types == .textReadouts)
            case .histograms: query.types == .all || query.types == .histograms
            }
        }
        scopes = Self.wordOrder(registry)
    }

    /// Writes until the buffer holds `bytesMax` or more, or a slice's worth of collecting is done; false when all is
    /// written.
    mutating func write(_ registry: StatRegistry, _ out: inout OutputBuffer, bytesMax: Int) -> Bool {
        while out.count < bytesMax {
            guard let section = sections.first else { return false }
            if !isCollected {
                collect(registry, section)
                if !isCollected { return true }
            }
            guard nextFamily < families.count else {
                families = PrometheusFamilies()
                isCollected = false
                (nextScope, nextFamily, nextEntry) = (0, 0, 0)
                sections.removeFirst()
                continue
            }
            writeEntry(registry, section, &out)
        }
        return true
    }

    /// Prometheus output is sorted word by word: a dot sorts before every other byte ("a.x" before "a b.x").
    private static func wordOrder(_ registry: StatRegistry) -> [StatScopeRef] {
        let prefixes = registry.sorted.compactMap { ref in
            registry.record(ref).map { (ref: ref, prefix: $0.prefix, schema: $0.schema.name) }
        }
        return prefixes.sorted {
            let order = $0.prefix.compareByWords($1.prefix)
            return order != 0 ? order < 0 : $0.schema < $1.schema
        }.map(\.ref)
    }

    // MARK: collecting

    private mutating func collect(_ registry: StatRegistry, _ section: Section) {
        let end = min(scopes.count, nextScope + Self.scopesPerSlice)
        while nextScope < end {
            if let record = registry.record(scopes[nextScope]) { collect(registry, section, record) }
            nextScope += 1
        }
        if nextScope == scopes.count {
            families.sort()
            isCollected = true
        }
    }

    private mutating func collect(_ registry: StatRegistry, _ section: Section, _ record: StatRegistry.Record) {
        switch section {
        case .counters, .gauges:
            for item in record.schema.scalars where (section == .gauges) == item.descriptor.kind.isGauge {
                registry.forEachSample(record, item) { sample in
                    if query.usedOnly && !sample.isUsed { return }
                    families.add(registry, record, item, sample.suffix, query.filter, value: sample.value)
                }
            }
        case .texts:
            for item in record.schema.texts {
                let id = record.base + item.leaf
                guard isShown(registry, record, item, isUsed: registry.text(id) != nil) else { continue }
                families.add(registry, record, item, .none, query.filter, value: UInt64(id))
            }
        case .histograms:
            for item in record.schema.histograms {
                let id = record.base + item.leaf
                let isMerged = registry.histograms[id] != nil
                let isWritten = isMerged || registry.isWritten(histogram: id)
                guard isMerged || !query.usedOnly, registry.isVisible(record, item, isUsed: isWritten) else {
                    continue
                }
                families.add(registry, record, item, .none, query.filter, value: UInt64(id))
            }
        }
    }

    private func isShown(
        _ registry: StatRegistry, _ record: StatRegistry.Record, _ item: StatSchema.Item, isUsed: Bool
    ) -> Bool {
        (isUsed || !query.usedOnly) && registry.isVisible(record, item, isUsed: isUsed)
    }

    // MARK: writing

    private mutating func writeEntry(_ registry: StatRegistry, _ section: Section, _ out: inout OutputBuffer) {
        let family = families[nextFamily]
        if nextEntry == 0 {
            out.append("# TYPE ")
            out.append(family.name)
            switch section {
            case .counters: out.append(" counter\n")
            case .gauges, .texts: out.append(" gauge\n")
            case .histograms: out.append(query.buckets == .summary ? " summary\n" : " histogram\n")
            }
        }
        let entry = family.entries[nextEntry]
        let labels = families.labels(entry)
        switch section {
        case .counters, .gauges:
            writeName(family, labels, "", [], &out)
            out.append(entry.value)
            out.append("\n")
        case .texts:
            var label: [UInt8] = []
            PrometheusNames.append("text_value".utf8, (registry.text(StatID(entry.value)) ?? "").utf8, to: &label)
            writeName(family, labels, "", label, &out)
            out.append("0\n")
        case .histograms:
            writeHistogram(registry, family, entry, labels, &out)
        }
        nextEntry += 1
        if nextEntry == family.entries.count {
            nextEntry = 0
            nextFamily += 1
        }
    }

    private mutating func writeHistogram(
        _ registry: StatRegistry, _ family: PrometheusFamilies.Family, _ entry: PrometheusFamilies.Entry,
        _ labels: ArraySlice<UInt8>, _ out: inout OutputBuffer
    ) {
        let merged = registry.histograms[StatID(entry.value)]
        let statistics: HistogramStatistics
        if query.buckets == .summary {
            statistics = merged?.interval ?? HistogramStatistics()
            let values = statistics.computedQuantiles()
            for (at, label) in bounds.quantiles.enumerated() {
                writeName(family, labels, "", label, &out)
                out.append(DoubleText.percentG(values[at], precision: 32))
                out.append("\n")
            }
        } else {
            statistics = merged?.cumulative ?? HistogramStatistics()
            let upperBounds = families.upperBounds(entry)
            let counts = statistics.bucketCounts(upperBounds, isCumulative: true)
            let samples = statistics.sampleCount
            for (at, label) in bounds.labels(upperBounds).enumerated() {
                writeName(family, labels, "_bucket", label, &out)
                out.append(at < counts.count ? counts[at] : samples)
                out.append("\n")
            }
        }
        writeName(family, labels, "_sum", [], &out)
        out.append(statistics.bins.isEmpty ? "0" : DoubleText.percentG(statistics.sampleSum, precision: 32))
        out.append("\n")
        writeName(family, labels, "_count", [], &out)
        out.append(statistics.sampleCount)
        out.append("\n")
    }

    /// `family<ending>{labels,more} `
    private func writeName(
        _ family: PrometheusFamilies.Family, _ labels: ArraySlice<UInt8>, _ ending: StaticString, _ more: [UInt8],
        _ out: inout OutputBuffer
    ) {
        out.append(family.name)
        out.append(ending)
        out.append("{")
        out.append(labels)
        if !labels.isEmpty && !more.isEmpty { out.append(",") }
        out.append(more)
        out.append("} ")
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
