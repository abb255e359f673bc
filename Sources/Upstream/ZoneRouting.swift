// Zone aware routing: a request stays in this process's own locality as far as the hosts there have room for it, and goes to
// the others by what they have left, in Envoy's integer arithmetic. Worked out by main whenever hosts change (`ZonePlan`); a
// request costs a draw or two.

import Primitives

/// What became of one choice, for the counters of its cluster.
package struct ZoneOutcome: OptionSet, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Every request stays in its own locality.
    package static let directly = ZoneOutcome(rawValue: 1 << 0)
    /// This one stays.
    package static let sampled = ZoneOutcome(rawValue: 1 << 1)
    package static let crossZone = ZoneOutcome(rawValue: 1 << 2)
    /// No other locality has anything left: any one.
    package static let noCapacity = ZoneOutcome(rawValue: 1 << 3)
    /// Too few of the local cluster's hosts are alive to go by them.
    package static let localNotOK = ZoneOutcome(rawValue: 1 << 4)
}

/// Of one level of priority 0.
@safe
package struct ZoneRouting: BitwiseCopyable {
    /// The level's hosts by locality, our own first where the cluster has hosts in it. A locality may have none.
    package var localities = FrozenArray<PriorityLevel>()
    package var isDirect = false
    /// How many of 10,000 requests our own locality takes.
    package var ownShare: UInt64 = 0
    /// What each locality has left, with all before it.
    package var left = FrozenArray<UInt64>()
    package var localPanics = false
    /// `fail_traffic_on_panic`
    package var failsOnPanic = false
    package init() {}

    // HOT: per request.
    /// A locality's place.
    func choose(_ random: inout Random) -> (place: Int, outcome: ZoneOutcome) {
        if isDirect { return (0, .directly) }
        if random.below(10_000) < ownShare { return (0, .sampled) }
        let count = left.count
        guard count > 0, left[count &- 1] > 0 else {
            return (Int(random.below(UInt64(max(localities.count, 1)))), [.crossZone, .noCapacity])
        }
        let ticket = random.below(left[count &- 1])
        var place = 0
        while place &+ 1 < count, ticket >= left[place] { place &+= 1 }
        return (place, .crossZone)
    }
}
