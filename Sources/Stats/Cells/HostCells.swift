/// Where a host's statistics are counted (`HostStat`).
package enum HostCells {
    /// First of them; every thread has a share of each.
    case scope(StatID)
    /// A host that workers found by themselves: each of them counts it in a place of its own.
    case shares([(worker: Int, stats: StatID)])
}
