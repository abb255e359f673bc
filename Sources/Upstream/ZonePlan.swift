// What zones come to for the hosts that there are now: main's part of zone aware routing.

/// The options, and the hosts of the local cluster, that of this process's own kind (`cluster_manager.local_cluster_name`).
package struct ZoneSpec: Sendable {
    /// Whether and how far zones count at all is asked per request (`routing_enabled`).
    /// Healthy hosts below which zones do not count.
    package var clusterSizeMin: UInt64 = 6
    /// `force_local_zone`: with this many healthy hosts the own locality takes everything. Nil: by its share.
    package var ownSizeMin: UInt64?
    /// Localities count by their hosts' weights, not by their number.
    package var countsWeights = false
    package var failsOnPanic = false
    /// Nil: there is no local cluster.
    package var local: Local?

    package struct Local: Sendable {
        /// The own locality's place among those of the cluster that is built; nil: it has no host there.
        package var own: UInt32?
        /// What the local cluster has in a locality, by that one's place among those of the cluster that is built.
        package var shares: [UInt32: UInt64] = [:]
        package var total: UInt64 = 0
        /// Localities in which it has hosts, and whether one of them is our own.
        package var localityCount = 0
        package var hasOwn = false
        package var hostCount = 0
        /// Not unhealthy.
        package var availableCount = 0
        package init() {}

        package func panics(_ thresholdPercent: Double) -> Bool {
            let available = hostCount == 0 ? 0 : 100 * Double(availableCount) / Double(hostCount)
            return available < min(100, thresholdPercent)
        }
    }

    package init() {}
}

/// How often a host set was looked at for zones, and what did not let them count: Envoy counts it so.
package struct ZoneFacts: BitwiseCopyable, Equatable {
    package var recalculated: UInt32 = 0
    package var localNotOK: UInt32 = 0
    package var tooSmall: UInt32 = 0
    package init() {}
}

/// Where requests for priority 0 go.
package struct ZonePlan: Equatable {
    /// Places of localities, our own first where `hasOwn`, the others in the order of their names.
    package private(set) var order: [UInt32]
    package private(set) var hasOwn: Bool
    package private(set) var isDirect = false
    package private(set) var ownShare: UInt64 = 0
    package private(set) var left: [UInt64] = []

    /// `all`: hosts of priority 0, `healthy`: of them those that serve. Nil: zones do not count.
    package init?(
        _ spec: ZoneSpec, hosts: [HostConfig], all: [UInt32], healthy: [UInt32], facts: inout ZoneFacts
    ) {
        guard let local = spec.local, !hosts.isEmpty else { return nil }
        facts.recalculated &+= 1
        let places = Set(all.map { hosts[Int($0)].locality }).sorted()
        guard places.count >= 2 else { return nil }
        // With one locality of the local cluster there is nothing to share, but for who is told to stay.
        guard local.localityCount >= 2 || spec.ownSizeMin != nil else { return nil }
        guard local.hasOwn else {
            facts.localNotOK &+= 1
            return nil
        }
        guard UInt64(healthy.count) >= spec.clusterSizeMin else {
            facts.tooSmall &+= 1
            return nil
        }
        hasOwn = local.own.map { places.contains($0) } ?? false
        let own = hasOwn ? local.own : nil
        order = (own.map { [$0] } ?? []) + places.filter { $0 != own }
        let members = Dictionary(grouping: healthy) { hosts[Int($0)].locality }
        let weights = order.map { place in
            (members[place] ?? []).reduce(UInt64(0)) { $0 + (spec.countsWeights ? UInt64(hosts[Int($1)].weight) : 1) }
        }
        let sum = weights.reduce(0, +)
        // Of 10,000, rounded down.
        let shares = zip(order, weights).map { place, weight -> (upstream: UInt64, local: UInt64) in
            guard weight > 0, sum > 0 else { return (0, 0) }
            return (10_000 * weight / sum, local.total > 0 ? 10_000 * (local.shares[place] ?? 0) / local.total : 0)
        }
        let ownCount = own.map { UInt64((members[$0] ?? []).count) } ?? 0
        if hasOwn, let share = shares.first,
            (share.upstream > 0 && share.upstream >= share.local) || spec.ownSizeMin.map({ ownCount >= $0 }) ?? false
        {
            isDirect = true
            return
        }
        if hasOwn, let share = shares.first, share.local > 0 { ownShare = share.upstream * 10_000 / share.local }
        var sumLeft: UInt64 = 0
        for (i, share) in shares.enumerated() {
            if !(hasOwn && i == 0), share.upstream > share.local { sumLeft += share.upstream - share.local }
            left.append(sumLeft)
        }
    }
}
