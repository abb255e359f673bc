import Stats

extension StatRegistry {
    /// One of a host's statistics, merged. `/reset_counters` does not change it.
    package func value(_ leaf: HostStat, of cells: HostCells) -> UInt64 {
        let isGauge = leaf.descriptor.kind.isGauge
        switch cells {
        case .scope(let base):
            let id = base + leaf.rawValue
            return isGauge ? gauge(id, .gauge).value : counter(id)
        case .shares(let shares):
            let sum = shares.reduce(Int64(0)) { $0 &+ share($1.stats + leaf.rawValue, isGauge: isGauge, worker: $1.worker) }
            return UInt64(max(sum, 0))
        }
    }
}
