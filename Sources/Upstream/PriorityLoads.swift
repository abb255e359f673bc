// How load is shared among priorities, in Envoy's integer arithmetic: a priority takes load in proportion to its
// available share times the overprovisioning factor, the rest spills to the next; healthy hosts before degraded ones.
// Below the panic threshold every host of a priority counts, dead or alive: some may serve, none would be sure not to.

/// Indexes of one priority's hosts.
package struct PriorityMembers {
    package var all: [UInt32] = []
    package var healthy: [UInt32] = []
    package var degraded: [UInt32] = []
    /// As many of `all` are being drained. They do not count, and yet have their share in panic, as in Envoy.
    package var excludedCount = 0
    /// What health is measured by.
    package var countedCount: Int { all.count - excludedCount }
    package init() {}

    package mutating func add(_ index: UInt32, _ host: HostConfig) {
        all.append(index)
        if host.isExcluded { excludedCount += 1 }
        guard host.isHealthy else { return }
        if host.isDegraded { degraded.append(index) } else { healthy.append(index) }
    }
}

package struct PriorityLoads: Equatable {
    /// Percent, by priority.
    package private(set) var healthy: [UInt32]
    package private(set) var degraded: [UInt32]
    package private(set) var panics: [Bool]

    package init(_ members: [PriorityMembers], overprovisioning: UInt32, panicThresholdPercent: Double) {
        healthy = [UInt32](repeating: 0, count: members.count)
        degraded = healthy
        panics = [Bool](repeating: false, count: members.count)
        guard !members.isEmpty else { return }
        let healthyShare = members.map { PriorityLoads.share($0.healthy.count, of: $0.countedCount, overprovisioning) }
        let degradedShare = members.map { PriorityLoads.share($0.degraded.count, of: $0.countedCount, overprovisioning) }
        let total = min(100, (healthyShare + degradedShare).reduce(0, +))
        if total > 0 { distribute(healthyShare, degradedShare, total) }
        panic(members, total, min(100, panicThresholdPercent))
    }

    private static func share(_ count: Int, of all: Int, _ overprovisioning: UInt32) -> UInt32 {
        all == 0 ? 0 : UInt32(min(100, UInt64(overprovisioning) * UInt64(count) / UInt64(all)))
    }

    private mutating func distribute(_ healthyShare: [UInt32], _ degradedShare: [UInt32], _ total: UInt32) {
        var left: UInt32 = 100
        for p in healthyShare.indices {
            healthy[p] = min(left, healthyShare[p] * 100 / total)
            left -= healthy[p]
        }
        for p in degradedShare.indices {
            degraded[p] = min(left, degradedShare[p] * 100 / total)
            left -= degraded[p]
        }
        // What rounding left over goes to the first that has anything.
        if let first = healthyShare.firstIndex(where: { $0 > 0 }) {
            healthy[first] += left
        } else if let first = degradedShare.firstIndex(where: { $0 > 0 }) {
            degraded[first] += left
        }
    }

    private mutating func panic(_ members: [PriorityMembers], _ total: UInt32, _ threshold: Double) {
        if threshold == 0, total == 0 {
            // Panic is off and nobody is there: the first priority answers "no healthy upstream".
            healthy[0] = 100
            return
        }
        for (p, hosts) in members.enumerated() where total < 100 {
            let available = Double(hosts.healthy.count + hosts.degraded.count)
            panics[p] = (hosts.countedCount == 0 ? 0 : 100 * available / Double(hosts.countedCount)) < threshold
        }
        guard panics.allSatisfy({ $0 }) else { return }
        // Everybody panics: load in proportion to the number of hosts.
        let count = members.reduce(0) { $0 + $1.all.count }
        healthy = [UInt32](repeating: 0, count: members.count)
        degraded = healthy
        guard count > 0 else {
            healthy[0] = 100
            return
        }
        var left: UInt32 = 100
        for (p, hosts) in members.enumerated() {
            healthy[p] = UInt32(100 * hosts.all.count / count)
            left -= healthy[p]
        }
        if let first = members.firstIndex(where: { !$0.all.isEmpty }) { healthy[first] += left }
    }
}
