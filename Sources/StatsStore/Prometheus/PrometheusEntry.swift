import Stats

/// One line of the Prometheus output (or one histogram), as the index keeps it: 20 bytes. Trivial.
struct PrometheusEntry {
    enum Kind: UInt8 {
        case counter, gauge, gaugeMax, text, histogram
        /// One response code, a class of codes, all codes, those that are none.
        case code, codeClass, completed, unknown
    }

    let scope: StatScopeRef
    let id: StatID
    /// `PrometheusIndex.labels`.
    let labels: UInt32
    /// The response code, or the class of them (1…5).
    let code: UInt16
    let kind: Kind
    /// Whether it is shown depends on nothing.
    let isAlways: Bool

    var suffix: NameSuffix {
        switch kind {
        case .counter, .gauge, .gaugeMax, .text, .histogram: .none
        case .code: .code(code)
        case .codeClass: .codeClass(code)
        case .completed: .completed
        case .unknown: .unknown
        }
    }
}

/// All lines with one name. Those that wait in `added` are taken in when the family is next written, so that a turn of main
/// touches one family.
final class PrometheusFamily {
    /// The tag-extracted name: the sort key.
    let extracted: [UInt8]
    /// `envoy_cluster_upstream_rq`.
    let name: [UInt8]
    private var entries: [PrometheusEntry] = []
    /// In order, too.
    private var added: [PrometheusEntry] = []
    private var seenRetires = 0

    init(_ extracted: [UInt8]) {
        self.extracted = extracted
        name = PrometheusNames.family(extracted)
    }

    func add(_ entry: PrometheusEntry) { added.append(entry) }

    /// The lines, in the order of their full names' words.
    func current(_ registry: StatRegistry) -> [PrometheusEntry] {
        if seenRetires != registry.retireCount {
            seenRetires = registry.retireCount
            entries.removeAll { !registry.isLive($0.scope) }
        }
        if added.isEmpty { return entries }
        added.removeAll { !registry.isLive($0.scope) }
        if entries.isEmpty {
            swap(&entries, &added)
        } else {
            merge(registry)
        }
        added = []
        return entries
    }

    private func merge(_ registry: StatRegistry) {
        var merged: [PrometheusEntry] = []
        merged.reserveCapacity(entries.count + added.count)
        var at = 0
        for entry in added {
            let end = lowerBound(entry, from: at, registry)
            merged += entries[at..<end]
            merged.append(entry)
            at = end
        }
        merged += entries[at...]
        entries = merged
    }

    private func lowerBound(_ entry: PrometheusEntry, from start: Int, _ registry: StatRegistry) -> Int {
        var low = start
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if registry.precedes(entries[middle], entry) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension StatRegistry {
    /// By words: a dot sorts before every other byte.
    func precedes(_ a: PrometheusEntry, _ b: PrometheusEntry) -> Bool {
        if a.scope != b.scope { return precedesByWords(a.scope, b.scope) }
        return a.id != b.id ? a.id < b.id : a.code < b.code
    }

    func precedesByWords(_ a: StatScopeRef, _ b: StatScopeRef) -> Bool {
        guard let left = record(a), let right = record(b) else { return a.slot < b.slot }
        let order = left.prefix.compareByWords(right.prefix)
        return order != 0 ? order < 0 : left.schema.name < right.schema.name
    }
}
