/// What the sinks have been told of each counter: they get differences. Beside `reset_counters`, which sinks do not see.
final class StatLatch {
    private let cells = CellPages()
    private var codes: [StatID: [UInt16: UInt64]] = [:]

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

    /// The id goes to another statistic.
    func forget(_ id: StatID) {
        if cells.hasPage(id) { cells.overwrite(id, 0) }
        codes[id] = nil
    }
}
