// How load is shared among some hosts of a cluster: all of them, or those of a subset.

import Primitives

struct LevelBuilder {
    /// All of the cluster's.
    let hosts: [HostConfig]
    let overprovisioning: UInt32
    let panicThresholdPercent: Double
    let policy: BalancingPolicy
    let hashing: HashingOptions
    let arena: FrozenArena
    var weighsLocalities = false
    /// A locality's weight counts as far as its hosts are among the members.
    var scalesLocalities = false
    /// Nil: neither zones nor `fail_traffic_on_panic`.
    var zones: ZoneSpec?
    private(set) var facts = HashTableFacts()
    private(set) var zoneFacts = ZoneFacts()

    init(
        hosts: [HostConfig], overprovisioning: UInt32, panicThresholdPercent: Double, policy: BalancingPolicy,
        hashing: HashingOptions, arena: FrozenArena
    ) {
        self.hosts = hosts
        self.overprovisioning = overprovisioning
        self.panicThresholdPercent = panicThresholdPercent
        self.policy = policy
        self.hashing = hashing
        self.arena = arena
    }

    mutating func levels(_ members: [UInt32]) -> FrozenArray<PriorityLevel> {
        // Priority 0 is always there, and panics when it is empty.
        let count = Int(hosts.map(\.priority).max() ?? 0) + 1
        var priorities = [PriorityMembers](repeating: PriorityMembers(), count: count)
        for i in members { priorities[Int(hosts[Int(i)].priority)].add(i, hosts[Int(i)]) }
        let loads = PriorityLoads(priorities, overprovisioning: overprovisioning, panicThresholdPercent: panicThresholdPercent)
        // Subsets have all localities of the cluster, with or without members.
        let first = hosts.indices.filter { hosts[$0].priority == 0 }.map { UInt32($0) }
        var plan: ZonePlan?
        if let zones { plan = ZonePlan(zones, hosts: hosts, all: first, healthy: priorities[0].healthy, facts: &zoneFacts) }
        var levels: [PriorityLevel] = []
        for (p, all) in priorities.enumerated() where loads.healthy[p] > 0 {
            var level = level(loads.panics[p] ? all.all : all.healthy, of: all.all, loads.healthy[p], loads.panics[p])
            if p == 0 { addZones(&level, plan, all.healthy) }
            levels.append(level)
        }
        for (p, all) in priorities.enumerated() where loads.degraded[p] > 0 {
            // As in Envoy a priority has one hash table, that of its healthy hosts, whichever its share of the load is for.
            let share = policy.isHashing ? all.healthy : all.degraded
            var level = level(loads.panics[p] ? all.all : share, of: all.all, loads.degraded[p], loads.panics[p])
            if p == 0 { addZones(&level, plan, all.degraded) }
            levels.append(level)
        }
        return arena.array(levels)
    }

    /// Weighted localities go before zones, and in panic nothing counts.
    private func addZones(_ level: inout PriorityLevel, _ plan: ZonePlan?, _ candidates: [UInt32]) {
        guard let plan, let zones, let local = zones.local, !level.isPanicking, level.localities.isEmpty else { return }
        let members = Dictionary(grouping: candidates) { hosts[Int($0)].locality }
        var routing = ZoneRouting()
        routing.localities = arena.array(plan.order.map { plain(members[$0] ?? []) })
        routing.isDirect = plan.isDirect
        routing.ownShare = plan.ownShare
        routing.left = arena.array(plan.left)
        routing.localPanics = local.panics(panicThresholdPercent)
        routing.failsOnPanic = zones.failsOnPanic
        unsafe level.zones = unsafe UnsafePointer(arena.store(routing))
    }

    private mutating func level(_ candidates: [UInt32], of all: [UInt32], _ load: UInt32, _ isPanicking: Bool) -> PriorityLevel {
        var level = plain(isPanicking && zones?.failsOnPanic ?? false ? [] : candidates)
        level.load = load
        level.isPanicking = isPanicking
        if policy.isHashing {
            addTable(&level, candidates, of: all)
        } else if weighsLocalities, !isPanicking {
            addLocalities(&level, candidates, of: all)
        }
        return level
    }

    private func plain(_ candidates: [UInt32]) -> PriorityLevel {
        var level = PriorityLevel()
        level.candidates = arena.array(candidates)
        level.hasEqualWeights = Set(candidates.map { hosts[Int($0)].weight }).count <= 1
        return level
    }

    private mutating func addTable(_ level: inout PriorityLevel, _ candidates: [UInt32], of all: [UInt32]) {
        var members = hashing.hosts(candidates, of: hosts)
        if weighsLocalities { members = weighted(candidates, members, of: all) }
        level.shares = arena.array(members.map(\.weight))
        let placed = members.filter { $0.weight > 0 }
        if policy == .ringHash {
            level.ring = HashRing(placed, hashing, in: arena, facts: &facts)
        } else {
            level.maglev = MaglevTable(placed, hashing, in: arena, facts: &facts)
        }
    }

    // MARK: Localities

    /// Every locality gets its share by the weight that it has and by how many of its hosts are candidates.
    private mutating func addLocalities(_ level: inout PriorityLevel, _ candidates: [UInt32], of all: [UInt32]) {
        let own = Dictionary(grouping: candidates) { hosts[Int($0)].locality }
        let whole = Dictionary(grouping: all) { hosts[Int($0)].locality }
        var localities: [PriorityLevel] = []
        var weights: [Double] = []
        for locality in own.keys.sorted() {
            guard let candidates = own[locality], let all = whole[locality], !candidates.isEmpty, !all.isEmpty else { continue }
            let counted = all.count { !hosts[Int($0)].isExcluded }
            let available = min(1, Double(overprovisioning) / 100 * Double(candidates.count) / Double(max(counted, 1)))
            let weight = localityWeight(all) * available
            guard weight > 0 else { continue }
            localities.append(plain(candidates))
            weights.append(weight)
        }
        // Where no locality has a weight, as in Envoy, there are no localities.
        level.localities = arena.array(localities)
        level.localityWeights = arena.array(weights)
    }

    private func localityWeight(_ members: [UInt32]) -> Double {
        guard let first = members.first else { return 0 }
        let host = hosts[Int(first)]
        guard scalesLocalities else { return Double(host.localityWeight) }
        let whole = hosts.count { $0.locality == host.locality && $0.priority == host.priority }
        return (Double(host.localityWeight) * Double(members.count) / Double(max(whole, 1))).rounded()
    }

    /// For hash tables: a locality's share by its weight alone, its hosts' by theirs.
    private func weighted(_ candidates: [UInt32], _ members: [HashedHost], of all: [UInt32]) -> [HashedHost] {
        let groups = Dictionary(grouping: candidates) { hosts[Int($0)].locality }
        // As in Envoy, localities whose hosts are all away keep their share of the whole.
        let weights = Dictionary(grouping: all) { hosts[Int($0)].locality }.mapValues { localityWeight($0) }
        let sum = weights.values.reduce(0, +)
        let sums = groups.mapValues { $0.reduce(0.0) { $0 + Double(max(hosts[Int($1)].weight, 1)) } }
        return members.map { member in
            let host = hosts[Int(member.index)]
            guard sum > 0, let weight = weights[host.locality], let own = sums[host.locality] else {
                return HashedHost(index: member.index, key: member.key, weight: 0)
            }
            return HashedHost(index: member.index, key: member.key, weight: Double(max(host.weight, 1)) * weight / sum / own)
        }
    }
}
