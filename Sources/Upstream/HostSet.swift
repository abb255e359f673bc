// The hosts of a cluster and how load is shared among them, frozen: made by main, read by every worker.

import Primitives

/// Hosts of one priority that load goes to: its healthy ones, its degraded ones, or in panic all of them.
@safe
package struct PriorityLevel: BitwiseCopyable {
    /// Indexes into `HostSet.hosts`.
    package var candidates = FrozenArray<UInt32>()
    /// Percent; the loads of all levels add up to 100, or to 0 when there is no host at all.
    package var load: UInt32 = 0
    package var isPanicking = false
    package var hasEqualWeights = true
    /// With weighted localities: each with its hosts, and how much of the load it gets (above 0). Empty: `candidates` alone.
    package var localities = FrozenArray<PriorityLevel>()
    package var localityWeights = FrozenArray<Double>()
    /// With zone aware routing; nil: zones do not count here.
    package var zones: UnsafePointer<ZoneRouting>?
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
    package var subsets = SubsetTable()
    /// Number of the plan part that it lies in: a host pins it as long as it lives.
    package var part: UInt32 = .max
    /// Differs from every other set that this cluster had.
    package var version: UInt64 = 0
    package init() {}

    /// Of the level that was made last, as Envoy's gauges show it.
    package var tableFacts = HashTableFacts()
    /// What zones came to while it was made.
    package var zoneFacts = ZoneFacts()

    package static func build(
        _ hosts: [HostConfig], overprovisioning: UInt32 = 140, panicThresholdPercent: Double = 50,
        policy: BalancingPolicy = .roundRobin, hashing: HashingOptions = HashingOptions(), weighsLocalities: Bool = false,
        zones: ZoneSpec? = nil, subsets: SubsetSpec? = nil, metadata: [SubsetMetadata] = [], version: UInt64, in arena: FrozenArena
    ) -> HostSet {
        var builder = LevelBuilder(
            hosts: hosts, overprovisioning: overprovisioning, panicThresholdPercent: panicThresholdPercent, policy: policy,
            hashing: hashing, arena: arena)
        // Whoever goes by hashes goes by nothing else (Envoy).
        builder.zones = policy.isHashing ? nil : zones
        var set = HostSet()
        set.hosts = arena.array(hosts)
        set.version = version
        if let subsets, metadata.count == hosts.count {
            builder.weighsLocalities = weighsLocalities && subsets.weighsLocalities
            builder.scalesLocalities = subsets.scalesLocalities
            // Whoever asks for nothing has a subset too, that of the fallback: `levels` stay empty.
            set.subsets = SubsetBuilder(spec: subsets, metadata: metadata).table(arena) { builder.levels($0) }
        } else {
            builder.weighsLocalities = weighsLocalities
            set.levels = builder.levels(hosts.indices.map { UInt32($0) })
        }
        set.tableFacts = builder.facts
        set.zoneFacts = builder.zoneFacts
        return set
    }
}
