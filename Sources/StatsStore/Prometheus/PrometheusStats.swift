import Stats

/// `/stats/prometheus`: families sorted by their tag-extracted names, counters first, then gauges, text readouts (if
/// asked for) and histograms. Walks the index (`PrometheusIndex`), brings it up to date first, and hands each line to the
/// encoder of the format that was asked for. Time is looked at every few lines, whatever they cost.
struct PrometheusStats {
    private let query: StatsQuery
    private let index: PrometheusIndex
    private var sections: [PrometheusIndex.Section]
    private var isIndexed = false
    /// Families of the section at hand, as they were when it began.
    private var families: [PrometheusFamily] = []
    private var nextFamily = 0
    /// Lines of the family at hand, as they were when it began.
    private var entries: [PrometheusEntry]?
    private var nextEntry = 0
    private var encoder: PrometheusEncoder
    private var name: [UInt8] = []
    private let groups: [EndpointGroup]
    /// Families of single endpoints that are still to come: behind all others, as in Envoy.
    private var endpointStats: [EndpointStat]
    private var endpoints: EndpointWalk?

    init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.query = query
        index = registry.prometheusIndex()
        sections = PrometheusIndex.Section.allCases.filter {
            switch $0 {
            case .counters: query.types == .all || query.types == .counters
            case .gauges: query.types == .all || query.types == .gauges
            case .texts: query.textReadouts && (query.types == .all || query.types == .textReadouts)
            case .histograms: query.types == .all || query.types == .histograms
            }
        }
        encoder = PrometheusEncoder(query)
        groups = registry.endpointGroups()
        let wanted = groups.isEmpty ? [] : EndpointStat.allCases.filter { query.shows($0.descriptor.kind) }
        let inOrder = wanted.sorted { "\($0.descriptor.name)" < "\($1.descriptor.name)" }
        endpointStats = inOrder.filter { !$0.descriptor.kind.isGauge } + inOrder.filter(\.descriptor.kind.isGauge)
    }

    /// Writes until the buffer holds `bytesMax` or more, or the slice's time is over; false when all is written.
    mutating func write(
        _ registry: StatRegistry, _ out: inout OutputBuffer, bytesMax: Int, _ time: inout RenderingTime
    ) -> Bool {
        if !isIndexed {
            guard index.update(registry, { time.isOver() }) else { return true }
            isIndexed = true
            families = sections.first.map(index.families) ?? []
        }
        while out.count < bytesMax, !time.isOver() {
            if encoder.drain(&out, bytesMax: bytesMax) { continue }
            guard let section = sections.first else {
                guard writeEndpoints(registry, &out) else { return false }
                continue
            }
            guard nextFamily < families.count else {
                sections.removeFirst()
                families = sections.first.map(index.families) ?? []
                nextFamily = 0
                continue
            }
            let family = families[nextFamily]
            let entries = self.entries ?? family.current(registry)
            if self.entries == nil {
                self.entries = entries
                nextEntry = 0
                encoder.begin(family, section)
            }
            // A few dozen lines between two looks at the clock.
            let end = min(entries.count, nextEntry + 32)
            while nextEntry < end, out.count < bytesMax {
                write(registry, entries[nextEntry], &out)
                nextEntry += 1
            }
            if nextEntry == entries.count {
                encoder.end(&out)
                self.entries = nil
                nextFamily += 1
            }
        }
        return true
    }

    /// A few lines of the endpoints' family at hand; false when there is none left.
    private mutating func writeEndpoints(_ registry: StatRegistry, _ out: inout OutputBuffer) -> Bool {
        guard let stat = endpointStats.first else { return false }
        if endpoints == nil {
            endpoints = EndpointWalk(groups)
            let family = PrometheusFamily(Array(EndpointWalk.Position.extracted(stat).utf8))
            encoder.begin(family, stat.descriptor.kind.isGauge ? .gauges : .counters)
        }
        for _ in 0..<8 {
            guard let position = endpoints?.next() else {
                encoder.end(&out)
                endpoints = nil
                endpointStats.removeFirst()
                return true
            }
            position.setName(stat, &name)
            if let filter = query.filter, !filter(name.span) { continue }
            var labels: [UInt8] = []
            position.forEachTag(registry.tags) { PrometheusNames.append($0, $1.utf8, to: &labels) }
            encoder.write(registry.value(stat, of: position.endpoint), labels[...], &out)
        }
        return true
    }

    private mutating func write(_ registry: StatRegistry, _ entry: PrometheusEntry, _ out: inout OutputBuffer) {
        guard registry.isLive(entry.scope), isWanted(registry, entry) else { return }
        switch entry.kind {
        case .counter, .gauge, .gaugeMax, .code, .codeClass, .completed, .unknown:
            let (value, isUsed) = registry.value(entry)
            guard isShown(registry, entry, isUsed: isUsed) else { return }
            encoder.write(value, index.labels(entry), &out)
        case .text:
            let text = registry.text(entry.id)
            guard isShown(registry, entry, isUsed: text != nil) else { return }
            encoder.write(text: text ?? "", index.labels(entry), &out)
        case .histogram:
            let merged = registry.histograms[entry.id]
            if query.usedOnly, merged == nil { return }
            let isWritten = merged != nil || registry.isWritten(histogram: entry.id)
            guard entry.isAlways || isShown(registry, entry, isUsed: isWritten) else { return }
            encoder.write(merged, bounds(registry, entry), index.labels(entry), &out)
        }
    }

    private func isShown(_ registry: StatRegistry, _ entry: PrometheusEntry, isUsed: Bool) -> Bool {
        if isUsed { return true }
        if query.usedOnly { return false }
        if entry.isAlways { return true }
        guard let record = registry.record(entry.scope) else { return false }
        let leaf = entry.id - record.base
        guard let item = record.schema.item(leaf) else { return false }
        return registry.isVisible(record, item, isUsed: false)
    }

    private mutating func isWanted(_ registry: StatRegistry, _ entry: PrometheusEntry) -> Bool {
        guard let filter = query.filter else { return true }
        setName(registry, entry)
        return filter(name.span)
    }

    private mutating func bounds(_ registry: StatRegistry, _ entry: PrometheusEntry) -> [Double] {
        if registry.buckets.settings.isEmpty { return HistogramBuckets.standard }
        setName(registry, entry)
        return registry.buckets.upperBounds(name.span)
    }

    private mutating func setName(_ registry: StatRegistry, _ entry: PrometheusEntry) {
        guard let record = registry.record(entry.scope) else { return name.removeAll(keepingCapacity: true) }
        let leaf = Int(entry.id - record.base)
        name.setName(record.prefix, record.schema.leaves[leaf].name, entry.suffix)
    }
}

extension StatRegistry {
    /// A counter's or gauge's value, and whether it was ever written.
    fileprivate func value(_ entry: PrometheusEntry) -> (UInt64, isUsed: Bool) {
        switch entry.kind {
        case .counter:
            let raw = rawCounter(entry.id)
            return (raw == 0 ? 0 : counter(entry.id), raw != 0)
        case .gauge: return gauge(entry.id, .gauge)
        case .gaugeMax: return gauge(entry.id, .gaugeMax)
        case .code: return (responseCodes(entry.id).first { $0.code == entry.code }?.count ?? 0, true)
        case .codeClass:
            return (responseCodes(entry.id).reduce(0) { $1.code / 100 == entry.code ? $0 &+ $1.count : $0 }, true)
        case .completed: return (responseCodes(entry.id).reduce(0) { $0 &+ $1.count }, true)
        case .unknown:
            return (responseCodes(entry.id).first { $0.code == ResponseCodeBlock.unknownCode }?.count ?? 0, true)
        case .text, .histogram: return (0, false)
        }
    }
}
