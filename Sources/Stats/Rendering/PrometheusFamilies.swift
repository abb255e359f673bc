/// The samples of one section of the Prometheus output, grouped by family.
struct PrometheusFamilies {
    struct Entry {
        /// Where the labels stand in the common store.
        fileprivate let labels: Range<UInt32>
        /// A counter's or gauge's value; the id of a histogram or text readout.
        let value: UInt64
    }

    struct Family {
        /// The tag-extracted name: the sort key.
        fileprivate let extracted: [UInt8]
        /// `envoy_cluster_upstream_rq`.
        let name: [UInt8]
        fileprivate(set) var entries: [Entry] = []
    }

    private var families: [Family] = []
    private var byName: [[UInt8]: Int] = [:]
    private var labelStore: [UInt8] = []
    /// Where the last statistic's labels stand: most of a scope's statistics have the same.
    private var lastLabels: Range<UInt32> = 0..<0
    private var scratch = TagScratch()
    private var scratchLabels: [UInt8] = []
    private var name: [UInt8] = []
    /// Histograms whose buckets are not the standard ones.
    private var bounds: [StatID: [Double]] = [:]

    var count: Int { families.count }

    subscript(_ index: Int) -> Family { families[index] }

    func labels(_ entry: Entry) -> ArraySlice<UInt8> {
        labelStore[Int(entry.labels.lowerBound)..<Int(entry.labels.upperBound)]
    }

    func upperBounds(_ entry: Entry) -> [Double] {
        bounds[StatID(truncatingIfNeeded: entry.value)] ?? HistogramBuckets.standard
    }

    /// Adds a sample, unless the filter, which sees the full name, does not want it.
    mutating func add(
        _ registry: StatRegistry, _ record: StatRegistry.Record, _ item: StatSchema.Item, _ suffix: NameSuffix,
        _ filter: ((Span<UInt8>) -> Bool)?, value: UInt64
    ) {
        self.name.setName(record.prefix, item.descriptor.name, suffix)
        // A second reference, not a copy: the span must not hold the whole of self.
        let name = self.name
        if let filter, !filter(name.span) { return }
        registry.tags.extract(name.span, &scratch)
        scratchLabels.removeAll(keepingCapacity: true)
        PrometheusNames.labels(scratch, into: &scratchLabels)
        let entry = Entry(labels: storedLabels(), value: value)
        if let index = byName[scratch.extracted] {
            families[index].entries.append(entry)
        } else {
            byName[scratch.extracted] = families.count
            families.append(Family(extracted: scratch.extracted, name: PrometheusNames.family(scratch.extracted), entries: [entry]))
        }
        if item.descriptor.kind == .histogram, !registry.buckets.settings.isEmpty {
            bounds[StatID(truncatingIfNeeded: value)] = registry.buckets.upperBounds(name.span)
        }
    }

    /// Once all are added. The samples of a family stay in the order of their scopes.
    mutating func sort() {
        families.sort { Self.precedes($0.extracted, $1.extracted) }
        byName = [:]
    }

    private mutating func storedLabels() -> Range<UInt32> {
        let last = labelStore[Int(lastLabels.lowerBound)..<Int(lastLabels.upperBound)]
        if !last.elementsEqual(scratchLabels) {
            let start = UInt32(labelStore.count)
            labelStore += scratchLabels
            lastLabels = start..<UInt32(labelStore.count)
        }
        return lastLabels
    }

    /// By words: a dot sorts before every other byte.
    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        for (x, y) in zip(a, b) where x != y {
            return x == UInt8(ascii: ".") || (y != UInt8(ascii: ".") && x < y)
        }
        return a.count < b.count
    }
}
