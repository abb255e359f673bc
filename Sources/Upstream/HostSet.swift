// The hosts of a cluster and how load is shared among them, frozen: made by main, read by every worker.

import Primitives

/// Hosts of one priority that load goes to: its healthy ones, its degraded ones, or in panic all of them.
package struct PriorityLevel: BitwiseCopyable {
    /// Indexes into `HostSet.hosts`.
    package var candidates = FrozenArray<UInt32>()
    /// Percent; the loads of all levels add up to 100, or to 0 when there is no host at all.
    package var load: UInt32 = 0
    package var isPanicking = false
    package var hasEqualWeights = true
    /// With a hashing policy: the table of that policy, and each candidate's share.
    package var ring = HashRing()
    package var maglev = MaglevTable()
    package var shares = FrozenArray<Double>()
    package init() {}
}

package struct HostSet: BitwiseCopyable {
    package var hosts = FrozenArray<HostConfig>()
    /// In the order in which a draw between 0 and 99 is spent: the priorities' healthy hosts, then their degraded ones.
    /// Levels without load are left out.
    package var levels = FrozenArray<PriorityLevel>()
    /// Number of the plan part that it lies in: a host pins it as long as it lives.
    package var part: UInt32 = .max
    /// Differs from every other set that this cluster had.
    package var version: UInt64 = 0
    package init() {}

    /// Of the level that was made last, as Envoy's gauges show it.
    package var tableFacts = HashTableFacts()

    package static func build(
        _ hosts: [HostConfig], overprovisioning: UInt32 = 140, panicThresholdPercent: Double = 50,
        policy: BalancingPolicy = .roundRobin, hashing: HashingOptions = HashingOptions(), version: UInt64,
        in arena: FrozenArena
    ) -> HostSet {
        var facts = HashTableFacts()
        // Priority 0 is always there, and panics when it is empty.
        let priorities = Int(hosts.map(\.priority).max() ?? 0) + 1
        var members = [PriorityMembers](repeating: PriorityMembers(), count: priorities)
        for (i, host) in hosts.enumerated() { members[Int(host.priority)].add(UInt32(i), host) }
        let loads = PriorityLoads(members, overprovisioning: overprovisioning, panicThresholdPercent: panicThresholdPercent)

        func level(_ candidates: [UInt32], _ load: UInt32, _ isPanicking: Bool) -> PriorityLevel? {
            guard load > 0 else { return nil }
            var level = PriorityLevel()
            level.candidates = arena.array(candidates)
            level.load = load
            level.isPanicking = isPanicking
            level.hasEqualWeights = Set(candidates.map { hosts[Int($0)].weight }).count <= 1
            if policy.isHashing {
                let members = hashing.hosts(candidates, of: hosts)
                level.shares = arena.array(members.map(\.weight))
                if policy == .ringHash {
                    level.ring = HashRing(members, hashing, in: arena, facts: &facts)
                } else {
                    level.maglev = MaglevTable(members, hashing, in: arena, facts: &facts)
                }
            }
            return level
        }
        var levels: [PriorityLevel?] = []
        for (p, all) in members.enumerated() {
            let panics = loads.panics[p]
            levels.append(level(panics ? all.all : all.healthy, loads.healthy[p], panics))
        }
        for (p, all) in members.enumerated() {
            let panics = loads.panics[p]
            levels.append(level(panics ? all.all : all.degraded, loads.degraded[p], panics))
        }
        var set = HostSet()
        set.hosts = arena.array(hosts)
        set.levels = arena.array(levels.compactMap { $0 })
        set.version = version
        set.tableFacts = facts
        return set
    }
}
