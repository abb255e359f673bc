import Stats

/// A `stats_matcher`: which full names are shown.
package final class StatNameMatcher {
    let keeps: (Span<UInt8>) -> Bool
    package init(_ keeps: @escaping (Span<UInt8>) -> Bool) { self.keeps = keeps }
}

/// All statistics of the process: every thread's cells, the scopes that name them, and their merged values.
///
/// Owned by main and used on main only. Workers get a `StatCells` each and never see this object. Order of a change:
/// main makes scopes (their cells then exist for every worker), publishes the plan that uses them; later it retires
/// scopes, and recycles their ids once the caller knows that no worker uses them any more.
package final class StatRegistry {
    struct Record {
        var prefix: StatName
        var schema: StatSchema
        var base: StatID
        /// How many owners asked for this scope (two listeners with one `stat_prefix` share its counters).
        var uses: UInt32
        /// Of those uses, the ones of owners with a matcher of their own: a filter chain each may be a use with the same.
        var own: [(matcher: StatNameMatcher, uses: UInt32)] = []
        /// Who decides about its names: one that any of them keeps is kept; nil: all are.
        var judges: [StatNameMatcher]?
        var generation: UInt32
        /// What `stats_matcher` keeps out of every output.
        var rejected = RejectedLeaves()

        mutating func add(_ matcher: StatNameMatcher) {
            if let at = own.firstIndex(where: { $0.matcher === matcher }) { own[at].uses += 1 } else { own.append((matcher, 1)) }
        }

        mutating func remove(_ matcher: StatNameMatcher) {
            guard let at = own.firstIndex(where: { $0.matcher === matcher }) else {
                return assertionFailure("a scope is given back with the matcher that it was asked for with")
            }
            own[at].uses -= 1
            if own[at].uses == 0 { own.remove(at: at) }
        }
    }

    /// Slot and generation, so that an output in progress notices a scope that was recycled between two slices.
    typealias Entry = StatScopeRef

    /// Workers first, main last.
    private let threads: [CellPages]
    private(set) var records: [Record?] = []
    /// By slot; 0 once the scope is retired.
    private var liveGenerations: [UInt32] = []
    /// Scopes retired so far.
    private(set) var retireCount = 0
    private var prometheus = PrometheusIndex()
    /// There once something is sent to sinks.
    var latch: StatLatch?
    private var freeSlots: [UInt32] = []
    /// Live scopes in byte order of their prefixes.
    private(set) var sorted: [Entry] = []
    private var ids = StatIDAllocator()
    private var retired: [StatScopeRef] = []
    private var texts: [StatID: String] = [:]
    private var wide: [StatID: UInt64] = [:]
    /// What `reset_counters` subtracts: workers own their counters, so main remembers instead of zeroing.
    private let baseline = CellPages()
    private var codeBaseline: [StatID: [UInt16: UInt64]] = [:]
    package internal(set) var histograms = MergedHistograms()
    /// How names become tags, and which buckets histograms show: set once at start, from `stats_config`.
    package var tags = TagExtraction()
    package var buckets = HistogramBuckets()
    /// `stats_config.stats_matcher`: what is kept of an owner that has no matcher. Nil: all.
    private var matcher: StatNameMatcher?
    /// Called before values are shown: for gauges that are worked out from something else.
    package var refresh: () -> Void = {}
    /// Clusters whose endpoints are shown one by one: asked for when an output begins.
    package var endpointGroups: () -> [EndpointGroup] = { [] }

    package init(workers: Int) {
        threads = (0...workers).map { _ in CellPages() }
    }

    /// Statistics whose full names `matcher` does not keep are in no output from here on, but for owners with their own.
    package func keep(_ matcher: StatNameMatcher?) {
        self.matcher = matcher
        for at in records.indices { judge(at) }
    }

    /// Behind a change of who uses a scope. Its names are judged again only where others decide now.
    private func judge(_ at: Int) {
        guard let record = records[at] else { return }
        let now = judges(record)
        guard !StatRegistry.isSame(now, record.judges) else { return }
        records[at]?.judges = now
        let rejected = RejectedLeaves(record, now)
        records[at]?.rejected = rejected
        // It says which names there are, those of codes included; an answer under way ends with the one that it began with.
        let hasCodes = record.schema.leaves.contains { $0.kind == .responseCodes || $0.kind == .responseCodesWithCompleted }
        if rejected != record.rejected || hasCodes { prometheus = PrometheusIndex() }
    }

    private func judges(_ record: Record) -> [StatNameMatcher]? {
        let own = record.own.map(\.matcher)
        let isAllOwn = record.own.reduce(0) { $0 &+ $1.uses } == record.uses
        if isAllOwn, !own.isEmpty { return own }
        return matcher.map { own + [$0] }
    }

    private static func isSame(_ one: [StatNameMatcher]?, _ other: [StatNameMatcher]?) -> Bool {
        guard let one, let other else { return one == nil && other == nil }
        return one.count == other.count && zip(one, other).allSatisfy { $0 === $1 }
    }

    /// Whether some owner of the scope keeps this name of it.
    func keeps(_ record: Record, _ name: Span<UInt8>) -> Bool {
        guard let judges = record.judges else { return true }
        return judges.contains { $0.keeps(name) }
    }

    package var workerCount: Int { threads.count - 1 }

    /// What worker `index` writes with.
    package func cells(worker index: Int) -> StatCells { threads[index].cells }

    /// What main writes with.
    package var mainCells: StatCells { threads[workerCount].cells }

    // MARK: scopes

    /// The scope with this prefix, which ends with its dot: "cluster.up.". Made on first request, shared afterwards:
    /// each call needs one `retire`. The caller has sanitised the parts that come from the configuration
    /// (`StatPrefix`). `matcher`: the owner's own, in place of `stats_config`'s.
    package func scope<Leaf: StatLeaf>(
        _ prefix: String, _: Leaf.Type = Leaf.self, matcher: StatNameMatcher? = nil
    ) -> StatScope<Leaf> {
        let (base, ref) = scope(prefix, Leaf.schema, matcher)
        return StatScope(base: base, ref: ref)
    }

    /// The table of a schema's scopes that workers name by themselves (`DynamicScopes`); made on first request, and there
    /// for as long as the process. `seed`: a secret of the process.
    package func dynamicScopes(_ schema: StatSchema, seed: UInt64) -> DynamicScopes {
        if let found = dynamic.first(where: { $0.schema === schema }) { return found.scopes }
        let bases = (0..<DynamicScopes.namesMax).map { _ in
            ids.allocate(count: schema.leaves.count, writers: schema.writers)
        }
        let scopes = DynamicScopes(bases: bases, seed: seed)
        dynamic.append(Dynamic(schema: schema, scopes: scopes))
        return scopes
    }

    /// Scopes that workers have named since the last time are shown from here on.
    func listDynamic() {
        for at in dynamic.indices where dynamic[at].listed.count < dynamic[at].scopes.takenCount {
            let schema = dynamic[at].schema
            dynamic[at].scopes.forEach { place, prefix, base in
                guard dynamic[at].listed.insert(place).inserted else { return }
                let name = StatName(prefix)
                let ref = insert(Record(prefix: name, schema: schema, base: base, uses: 1, generation: 0))
                sorted.insert(ref, at: lowerBound(name, schema))
            }
        }
    }

    private struct Dynamic {
        let schema: StatSchema
        let scopes: DynamicScopes
        var listed: Set<Int> = []
    }

    private var dynamic: [Dynamic] = []

    /// Gives up one use, which was asked for with `matcher`. The last one retires the scope: it is no longer shown; its cells
    /// stay until `recycle`.
    package func retire(_ ref: StatScopeRef, matcher: StatNameMatcher? = nil) {
        guard var record = record(ref), record.uses > 0 else { return }
        record.uses -= 1
        if let matcher { record.remove(matcher) }
        records[Int(ref.slot)] = record
        guard record.uses == 0 else { return judge(Int(ref.slot)) }
        let place = lowerBound(record.prefix, record.schema)
        assert(sorted[place] == ref, "invariant: every live scope is in the sorted list")
        sorted.remove(at: place)
        retired.append(ref)
        liveGenerations[Int(ref.slot)] = 0
        retireCount += 1
    }

    /// Retired scopes so far; hand it to `recycle` after the workers have become quiescent.
    package func retiredScopes() -> [StatScopeRef] {
        defer { retired.removeAll() }
        return retired
    }

    /// Takes back cells and ids. The caller promises that no thread uses these scopes: every worker has passed a
    /// quiescent point after the plan that dropped them.
    package func recycle(_ refs: [StatScopeRef]) {
        for ref in refs {
            guard let record = record(ref), record.uses == 0 else { continue }
            for (leaf, descriptor) in record.schema.leaves.enumerated() {
                clear(record.base + StatID(leaf), descriptor.kind)
            }
            ids.free(record.base, count: record.schema.leaves.count, writers: record.schema.writers)
            record.prefix.deallocate()
            records[Int(ref.slot)] = nil
            freeSlots.append(ref.slot)
        }
    }

    // MARK: values

    package func setText(_ id: StatID, _ text: String) {
        texts[id] = text
    }

    package func text(_ id: StatID) -> String? {
        texts[id]
    }

    /// A gauge of all 64 bits, a version's hash: main writes it alone, and its cell says no more than that it is there.
    package func set(_ id: StatID, wide value: UInt64) {
        wide[id] = value
        mainCells.set(id, GaugeCell.wide)
    }

    package func counter(_ id: StatID) -> UInt64 {
        rawCounter(id) &- baseline.raw(id)
    }

    /// A counter since the start of the process, whatever `resetCounters` did.
    func rawCounter(_ id: StatID) -> UInt64 {
        var sum: UInt64 = 0
        for thread in threads { sum &+= thread.raw(id) }
        return sum
    }

    /// The gauge's value, and whether any thread has ever written it.
    package func gauge(_ id: StatID, _ kind: StatKind) -> (value: UInt64, isUsed: Bool) {
        var sum: Int64 = 0
        var used: UInt64 = 0
        for thread in threads {
            let raw = thread.raw(id)
            used |= raw
            if raw == GaugeCell.wide | GaugeCell.usedBit, let value = wide[id] { return (value, true) }
            let share = GaugeCell.value(raw)
            sum = kind == .gaugeMax ? max(sum, share) : sum &+ share
        }
        // Threads move their shares at different moments: a sum seen below zero is a zero that is on its way.
        return (UInt64(max(sum, 0)), used & GaugeCell.usedBit != 0)
    }

    /// One worker's share of a counter or a gauge.
    func share(_ id: StatID, isGauge: Bool, worker: Int) -> Int64 {
        let raw = threads[worker].raw(id)
        return isGauge ? GaugeCell.value(raw) : Int64(bitPattern: raw)
    }

    /// Counts per response code, sorted by code. A code stays in the list when `resetCounters` has set it to 0.
    package func responseCodes(_ id: StatID) -> [(code: UInt16, count: UInt64)] {
        var counts: [(code: UInt16, count: UInt64)] = []
        for thread in threads {
            thread.responseCodes(id)?.forEach { code, count in
                if let at = counts.firstIndex(where: { $0.code == code }) {
                    counts[at].count &+= count
                } else {
                    counts.append((code, count))
                }
            }
        }
        if counts.isEmpty { return counts }
        if let baseline = codeBaseline[id] {
            for at in counts.indices { counts[at].count &-= baseline[counts[at].code] ?? 0 }
        }
        counts.sort { $0.code < $1.code }
        return counts
    }

    /// What `resetCounters` took off a line of response codes.
    func codeOffset(_ id: StatID, _ suffix: NameSuffix) -> UInt64 {
        guard let before = codeBaseline[id] else { return 0 }
        switch suffix {
        case .code(let code): return before[code] ?? 0
        case .codeClass(let codeClass): return before.reduce(0) { $1.key / 100 == codeClass ? $0 &+ $1.value : $0 }
        case .completed: return before.values.reduce(0, &+)
        case .unknown, .none: return before[ResponseCodeBlock.unknownCode] ?? 0
        }
    }

    /// Every thread's block of a histogram, for the merge.
    func forEachBlock(_ id: StatID, _ body: (HistogramBlock) -> Void) {
        for thread in threads {
            if let block = thread.histogram(id) { body(block) }
        }
    }

    /// A histogram that some thread has written is shown, merged or not yet.
    func isWritten(histogram id: StatID) -> Bool { threads.contains { $0.histogram(id) != nil } }

    /// `/reset_counters`: every counter shows 0 from now on. Gauges, texts and histograms stay, as in Envoy, and so does what
    /// only `/clusters` shows.
    package func resetCounters() {
        listDynamic()
        for entry in sorted {
            guard let record = record(entry), record.schema.isListed else { continue }
            for (leaf, descriptor) in record.schema.leaves.enumerated() {
                let id = record.base + StatID(leaf)
                switch descriptor.kind {
                case .counter:
                    let raw = rawCounter(id)
                    if raw != 0 { baseline.overwrite(id, raw) }
                case .responseCodes, .responseCodesWithCompleted:
                    var before = codeBaseline[id] ?? [:]
                    for (code, count) in responseCodes(id) { before[code, default: 0] &+= count }
                    if !before.isEmpty { codeBaseline[id] = before }
                case .gauge, .gaugeMax, .histogram, .textReadout: break
                }
            }
        }
    }

    /// `stats_flush_interval` has passed: histograms get a new interval and a new total. For many scopes take
    /// `HistogramFlush`, which does the same in slices.
    package func flushHistograms() {
        listDynamic()
        var flush = HistogramFlush(self)
        _ = flush.step(self, scopesMax: .max)
    }

    // MARK: inside

    /// For an answer that begins, which keeps it to its end.
    func prometheusIndex() -> PrometheusIndex {
        if prometheus.isStale(self) { prometheus = PrometheusIndex() }
        return prometheus
    }

    /// Neither retired nor recycled.
    package func isLive(_ ref: StatScopeRef) -> Bool {
        Int(ref.slot) < liveGenerations.count && liveGenerations[Int(ref.slot)] == ref.generation
    }

    func record(_ ref: StatScopeRef) -> Record? {
        guard Int(ref.slot) < records.count, let record = records[Int(ref.slot)] else { return nil }
        return record.generation == ref.generation ? record : nil
    }

    private func scope(_ prefix: String, _ schema: StatSchema, _ matcher: StatNameMatcher?) -> (StatID, StatScopeRef) {
        let name = StatName(prefix)
        let place = lowerBound(name, schema)
        if place < sorted.count, let found = record(sorted[place]), found.schema === schema,
            found.prefix.compare(name) == 0
        {
            name.deallocate()
            let slot = Int(sorted[place].slot)
            records[slot]?.uses += 1
            if let matcher { records[slot]?.add(matcher) }
            judge(slot)
            return (found.base, sorted[place])
        }
        let base = ids.allocate(count: schema.leaves.count, writers: schema.writers)
        if schema.writers == .workers {
            for thread in threads.dropLast() { thread.reserve(base) }
        }
        var record = Record(prefix: name, schema: schema, base: base, uses: 1, generation: 0)
        if let matcher { record.add(matcher) }
        let ref = insert(record)
        sorted.insert(ref, at: place)
        return (base, ref)
    }

    private var nextGeneration: UInt32 = 0

    private func insert(_ record: Record) -> StatScopeRef {
        var record = record
        nextGeneration &+= 1
        record.generation = nextGeneration
        record.judges = judges(record)
        record.rejected = RejectedLeaves(record, record.judges)
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
            records[Int(slot)] = record
            liveGenerations[Int(slot)] = record.generation
        } else {
            slot = UInt32(records.count)
            records.append(record)
            liveGenerations.append(record.generation)
        }
        let ref = StatScopeRef(slot: slot, generation: record.generation)
        prometheus.made(ref)
        return ref
    }

    /// Scopes with equal prefixes are ordered by the name of their schema.
    private func lowerBound(_ prefix: StatName, _ schema: StatSchema) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            guard let other = record(sorted[middle]) else { preconditionFailure("invariant: sorted scopes are live") }
            let order = other.prefix.compare(prefix)
            if order < 0 || (order == 0 && other.schema.name < schema.name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private func clear(_ id: StatID, _ kind: StatKind) {
        for thread in threads where thread.hasPage(id) {
            if kind == .histogram { thread.histogram(id)?.deallocate() }
            if kind == .responseCodes || kind == .responseCodesWithCompleted { thread.responseCodes(id)?.deallocate() }
            thread.overwrite(id, 0)
        }
        if baseline.hasPage(id) { baseline.overwrite(id, 0) }
        codeBaseline[id] = nil
        texts[id] = nil
        wide[id] = nil
        histograms.forget(id)
        prometheus.forget(id)
        latch?.forget(id)
    }
}
