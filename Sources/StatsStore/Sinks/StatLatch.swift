import Stats

/// What the sinks have been told of each counter: they get differences. Beside `reset_counters`, which sinks do not see.
final class StatLatch {
    private let cells = CellPages()
    private var codes: [StatID: [UInt16: UInt64]] = [:]
    /// Of hosts that workers found by themselves, by their names: those of the flush at hand, and of the one before.
    private var endpoints: [[UInt8]: [UInt64]] = [:]
    private var endpointsBefore: [[UInt8]: [UInt64]] = [:]

    /// What came since the last time.
    func delta(_ id: StatID, _ raw: UInt64) -> UInt64 {
        let before = cells.raw(id)
        if raw != before { cells.overwrite(id, raw) }
        return raw &- before
    }

    /// One line of response codes. `code`: or what stands for a line of another sort, 1…5 for classes, 10 and 11.
    func delta(_ id: StatID, code: UInt16, _ raw: UInt64) -> UInt64 {
        let before = codes[id]?[code] ?? 0
        if raw != before { codes[id, default: [:]][code] = raw }
        return raw &- before
    }

    /// A flush begins: hosts that were not there at the last one are forgotten.
    func beginEndpoints() {
        endpointsBefore = endpoints
        endpoints = [:]
    }

    /// A host that came again since the last time counts from 0.
    func delta(_ name: [UInt8], _ stat: EndpointStat, _ raw: UInt64) -> UInt64 {
        let place = Int(stat.rawValue)
        endpoints[name, default: [UInt64](repeating: 0, count: EndpointStat.allCases.count)][place] = raw
        let before = endpointsBefore[name]?[place] ?? 0
        return raw >= before ? raw - before : raw
    }

    /// The id goes to another statistic.
    func forget(_ id: StatID) {
        if cells.hasPage(id) { cells.overwrite(id, 0) }
        codes[id] = nil
    }
}
