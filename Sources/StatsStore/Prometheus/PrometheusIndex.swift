import Stats

/// Which family each statistic belongs to, and its labels: worked out once per statistic, because names never change, and
/// kept from the first scrape on, until a reload changes which of them a listener's or cluster's matcher keeps. So a scrape only reads values and copies bytes, and nothing is sorted in one turn.
///
/// `update` brings it up to date in slices: scopes that are new are put into order, their tags extracted, and response codes
/// that appeared get their lines. Costs 20 bytes per line and the text of each scope's labels.
final class PrometheusIndex {
    enum Section: Int, CaseIterable {
        case counters, gauges, texts, histograms
    }

    /// Scopes and code families looked at before the caller is asked whether its time is over.
    private static let stepScopes = 8

    private(set) var isBuilt = false
    /// Scopes made since the last update, as they came.
    private var created: [StatScopeRef] = []
    private var createdAt = 0
    /// The same in order.
    private var batch: [StatScopeRef] = []
    private var batchAt = 0
    /// Families by section, in order of their names.
    private var families: [[PrometheusFamily]] = Array(repeating: [], count: Section.allCases.count)
    private var byName: [[[UInt8]: PrometheusFamily]] = Array(repeating: [:], count: Section.allCases.count)
    /// Statistics per response code, in order of their scopes.
    private var coded: [(scope: StatScopeRef, item: StatSchema.Item)] = []
    private var codedAt = 0
    private var codedRetires = 0
    private var knownCodes: [StatID: Set<UInt16>] = [:]
    private var retiresAtBuild = 0
    private var scopeCount = 0

    private var labelStore: [UInt8] = []
    private var labelEnds: [UInt32] = [0]
    private var scratch = TagScratch()
    private var scratchLabels: [UInt8] = []
    private var name: [UInt8] = []

    func families(_ section: Section) -> [PrometheusFamily] { families[section.rawValue] }

    /// `envoy_cluster_name="up",…`
    func labels(_ entry: PrometheusEntry) -> ArraySlice<UInt8> {
        let number = Int(entry.labels)
        return labelStore[Int(labelEnds[number])..<Int(labelEnds[number + 1])]
    }

    func made(_ scope: StatScopeRef) {
        if isBuilt { created.append(scope) }
    }

    /// The statistic's id goes to another one.
    func forget(_ id: StatID) { knownCodes[id] = nil }

    /// Works until all is up to date or `isOver` says that the time is; true when all is.
    func update(_ registry: StatRegistry, _ isOver: () -> Bool) -> Bool {
        begin(registry)
        while true {
            if isOver() { return false }
            if createdAt < created.count {
                order(registry)
            } else if batchAt < batch.count {
                extract(registry)
            } else if codedAt < coded.count {
                lookForCodes(registry)
            } else {
                break
            }
        }
        created.removeAll()
        createdAt = 0
        batch.removeAll()
        batchAt = 0
        codedAt = 0
        return true
    }

    private func begin(_ registry: StatRegistry) {
        if codedRetires != registry.retireCount {
            codedRetires = registry.retireCount
            let before = coded.prefix(codedAt).count { !registry.isLive($0.scope) }
            coded.removeAll { !registry.isLive($0.scope) }
            codedAt -= before
        }
        guard !isBuilt else { return }
        isBuilt = true
        retiresAtBuild = registry.retireCount
        created = registry.sorted
        scopeCount = created.count
    }

    /// As many scopes went as there were: their labels would pile up. An answer on its way keeps its index.
    func isStale(_ registry: StatRegistry) -> Bool {
        isBuilt && registry.retireCount - retiresAtBuild > max(1024, scopeCount)
    }

    // MARK: scopes

    private func order(_ registry: StatRegistry) {
        let end = min(created.count, createdAt + PrometheusIndex.stepScopes)
        while createdAt < end {
            let scope = created[createdAt]
            createdAt += 1
            guard registry.isLive(scope) else { continue }
            // Most come in order already, or nearly.
            if let last = batch.last, registry.precedesByWords(scope, last) {
                batch.insert(scope, at: registry.lowerBoundByWords(scope, batch))
            } else {
                batch.append(scope)
            }
        }
    }

    private func extract(_ registry: StatRegistry) {
        let end = min(batch.count, batchAt + PrometheusIndex.stepScopes)
        while batchAt < end {
            let scope = batch[batchAt]
            batchAt += 1
            guard registry.isLive(scope), let record = registry.record(scope) else { continue }
            for phase in StatPhase.allCases {
                for item in record.schema.items(phase) { add(registry, scope, record, item) }
            }
        }
    }

    private func add(
        _ registry: StatRegistry, _ scope: StatScopeRef, _ record: StatRegistry.Record, _ item: StatSchema.Item
    ) {
        let kind: PrometheusEntry.Kind
        switch item.descriptor.kind {
        case .counter: kind = .counter
        case .gauge: kind = .gauge
        case .gaugeMax: kind = .gaugeMax
        case .textReadout: kind = .text
        case .histogram: kind = .histogram
        case .responseCodes, .responseCodesWithCompleted:
            coded.insert((scope, item), at: placeAmongCoded(scope, registry))
            return
        }
        if record.rejected.contains(item.leaf) { return }
        add(registry, scope, record, item, kind, 0)
    }

    private func placeAmongCoded(_ scope: StatScopeRef, _ registry: StatRegistry) -> Int {
        guard let last = coded.last, registry.precedesByWords(scope, last.scope) else { return coded.count }
        var low = 0
        var high = coded.count
        while low < high {
            let middle = (low + high) / 2
            if registry.precedesByWords(scope, coded[middle].scope) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    // MARK: response codes

    private func lookForCodes(_ registry: StatRegistry) {
        let end = min(coded.count, codedAt + 4 * PrometheusIndex.stepScopes)
        while codedAt < end {
            let (scope, item) = coded[codedAt]
            codedAt += 1
            guard registry.isLive(scope), let record = registry.record(scope) else { continue }
            let id = record.base + item.leaf
            for (code, _) in registry.responseCodes(id) { add(registry, scope, record, item, code: code) }
        }
    }

    /// The lines that a code brings with it, unless they are there.
    private func add(
        _ registry: StatRegistry, _ scope: StatScopeRef, _ record: StatRegistry.Record, _ item: StatSchema.Item,
        code: UInt16
    ) {
        let id = record.base + item.leaf
        let isCode = code != ResponseCodeBlock.unknownCode
        switch item.part {
        case .whole, .codes:
            if isCode, isNew(id, code) { add(registry, scope, record, item, .code, code) }
            if isCode, isNew(id, code / 100) { add(registry, scope, record, item, .codeClass, code / 100) }
        case .completed:
            if isNew(id, PrometheusIndex.completedMark) { add(registry, scope, record, item, .completed, 0) }
        case .unknown:
            if !isCode, isNew(id, PrometheusIndex.unknownMark) { add(registry, scope, record, item, .unknown, 0) }
        }
    }

    private static let completedMark: UInt16 = 10
    private static let unknownMark: UInt16 = 11

    private func isNew(_ id: StatID, _ code: UInt16) -> Bool {
        knownCodes[id, default: []].insert(code).inserted
    }

    // MARK: entries

    private func add(
        _ registry: StatRegistry, _ scope: StatScopeRef, _ record: StatRegistry.Record, _ item: StatSchema.Item,
        _ kind: PrometheusEntry.Kind, _ code: UInt16
    ) {
        var isAlways = false
        if case .always = item.descriptor.visibility { isAlways = true }
        let bare = PrometheusEntry(
            scope: scope, id: record.base + item.leaf, labels: 0, code: code, kind: kind, isAlways: isAlways)
        name.setName(record.prefix, item.descriptor.name, bare.suffix)
        // A second reference, not a copy: the span must not hold the whole of self.
        let name = self.name
        guard registry.keeps(record, name.span) else { return }
        registry.tags.extract(name.span, &scratch)
        let entry = PrometheusEntry(
            scope: scope, id: bare.id, labels: storedLabels(), code: code, kind: kind, isAlways: isAlways)
        family(PrometheusIndex.section(kind)).add(entry)
    }

    private static func section(_ kind: PrometheusEntry.Kind) -> Section {
        switch kind {
        case .counter, .code, .codeClass, .completed, .unknown: .counters
        case .gauge, .gaugeMax: .gauges
        case .text: .texts
        case .histogram: .histograms
        }
    }

    private func family(_ section: Section) -> PrometheusFamily {
        if let found = byName[section.rawValue][scratch.extracted] { return found }
        let made = PrometheusFamily(scratch.extracted)
        byName[section.rawValue][scratch.extracted] = made
        let all = families[section.rawValue]
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if PrometheusIndex.precedes(all[middle].extracted, made.extracted) { low = middle + 1 } else { high = middle }
        }
        families[section.rawValue].insert(made, at: low)
        return made
    }

    /// By words, too.
    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        for (x, y) in zip(a, b) where x != y {
            return x == UInt8(ascii: ".") || (y != UInt8(ascii: ".") && x < y)
        }
        return a.count < b.count
    }

    /// Most of a scope's statistics have the same.
    private func storedLabels() -> UInt32 {
        scratchLabels.removeAll(keepingCapacity: true)
        PrometheusNames.labels(scratch, into: &scratchLabels)
        let last = labelEnds.count - 2
        if last >= 0, labelStore[Int(labelEnds[last])...].elementsEqual(scratchLabels) { return UInt32(last) }
        labelStore += scratchLabels
        labelEnds.append(UInt32(truncatingIfNeeded: labelStore.count))
        return UInt32(labelEnds.count - 2)
    }
}

extension StatRegistry {
    fileprivate func lowerBoundByWords(_ scope: StatScopeRef, _ list: [StatScopeRef]) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if precedesByWords(list[middle], scope) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
