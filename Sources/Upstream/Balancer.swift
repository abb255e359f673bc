// Chooses a host of one priority level: round robin, least request or random. One per worker and level, so that no
// state is shared; with weights, or while hosts are new (`SlowStart`), the earliest-deadline-first schedule that Envoy uses.
// Where localities have weights a level is chosen from in two steps: the locality, then a host by a balancer of its own.

import Glibc
import Primitives

/// What configuration says of a cluster's balancing.
package struct BalancerOptions: BitwiseCopyable {
    package var policy = BalancingPolicy.roundRobin
    /// Least request: hosts compared per choice.
    package var choiceCount: UInt32 = 2
    /// Least request with weights: how much active requests weigh against a weight; 0: not at all. A runtime value goes first.
    package var activeRequestBias = 1.0
    package var activeRequestBiasCell: RuntimeCell?
    /// Least request: every host is compared.
    package var scansAll = false
    /// Consistent hashing with bounded loads; 0: no bound.
    package var balanceFactor: UInt32 = 0
    package var slowStart: SlowStart?
    /// For how many of 100 requests zones count. A runtime value goes first.
    package var zonePercent: UInt32 = 100
    package var zonePercentCell: RuntimeCell?
    package init() {}
}

@safe
package struct Balancer {
    package let level: PriorityLevel
    private let hosts: FrozenArray<HostConfig>
    private let options: BalancerOptions
    private var policy: BalancingPolicy { options.policy }
    private var bounded: BoundedLoad?
    private var next: UInt64
    /// Candidates by place; nil: all have the same chance.
    private var schedule: WeightedSchedule?
    /// One balancer for each of the level's localities, and their turns.
    private var localities: PlainArray<UnsafeMutablePointer<Balancer>>?
    private var localitySchedule: WeightedSchedule?
    /// One balancer for each locality that zones count for.
    private var zones: PlainArray<UnsafeMutablePointer<Balancer>>?
    /// How the last choice came by its locality.
    package private(set) var zoneOutcome: ZoneOutcome = []

    package init(
        level: PriorityLevel, hosts: FrozenArray<HostConfig>, policy: BalancingPolicy, choiceCount: UInt32,
        activeRequestBias: Double = 1, scansAll: Bool = false, balanceFactor: UInt32 = 0, random: inout Random
    ) {
        var options = BalancerOptions()
        options.policy = policy
        options.choiceCount = choiceCount
        options.activeRequestBias = activeRequestBias
        options.scansAll = scansAll
        options.balanceFactor = balanceFactor
        self.init(level: level, hosts: hosts, options, nowMs: 0, random: &random)
    }

    package init(
        level: PriorityLevel, hosts: FrozenArray<HostConfig>, _ options: BalancerOptions, nowMs: UInt64, random: inout Random
    ) {
        self.level = level
        self.hosts = hosts
        self.options = options
        let policy = options.policy
        bounded = policy.isHashing && options.balanceFactor > 0 ? BoundedLoad(options.balanceFactor, level) : nil
        // Workers begin at different hosts, or the first host would get the first request of each.
        next = random.next() >> 1
        if !level.localities.isEmpty {
            beginLocalities(nowMs, &random)
            return
        }
        if let routing = unsafe level.zones {
            unsafe zones = unsafe balancers(routing.pointee.localities, nowMs, &random)
        }
        guard policy == .roundRobin || policy == .leastRequest, !level.hasEqualWeights || hasNewHosts(nowMs) else { return }
        var turns = WeightedSchedule(capacity: max(level.candidates.count, 1))
        for i in 0..<level.candidates.count { turns.add(UInt32(i), weight: weight(UInt32(i), nowMs)) }
        var skip = level.candidates.isEmpty ? 0 : random.below(UInt64(level.candidates.count))
        while skip > 0 {
            _ = turns.next { weight($0, nowMs) }
            skip -= 1
        }
        schedule = turns
    }

    private mutating func beginLocalities(_ nowMs: UInt64, _ random: inout Random) {
        let count = level.localities.count
        var turns = WeightedSchedule(capacity: count)
        for i in 0..<count { turns.add(UInt32(i), weight: level.localityWeights[i]) }
        var skip = random.below(UInt64(count))
        while skip > 0 {
            _ = turns.next { level.localityWeights[Int($0)] }
            skip -= 1
        }
        unsafe localities = unsafe balancers(level.localities, nowMs, &random)
        localitySchedule = turns
    }

    private func balancers(
        _ levels: FrozenArray<PriorityLevel>, _ nowMs: UInt64, _ random: inout Random
    ) -> PlainArray<UnsafeMutablePointer<Balancer>> {
        var own = unsafe PlainArray<UnsafeMutablePointer<Balancer>>(capacity: max(levels.count, 1))
        for i in 0..<levels.count {
            let balancer = UnsafeMutablePointer<Balancer>.allocate(capacity: 1)
            unsafe balancer.initialize(to: Balancer(level: levels[i], hosts: hosts, options, nowMs: nowMs, random: &random))
            unsafe own.append(balancer)
        }
        return unsafe own
    }

    package func destroy() {
        schedule?.destroy()
        localitySchedule?.destroy()
        bounded?.destroy()
        if let localities = unsafe localities { unsafe Balancer.destroy(localities) }
        if let zones = unsafe zones { unsafe Balancer.destroy(zones) }
    }

    private static func destroy(_ own: PlainArray<UnsafeMutablePointer<Balancer>>) {
        for i in unsafe 0..<own.count {
            unsafe own[i].pointee.destroy()
            unsafe own[i].deallocate()
        }
        unsafe own.destroy()
    }

    private func hasNewHosts(_ nowMs: UInt64) -> Bool {
        guard let slowStart = options.slowStart else { return false }
        for i in 0..<level.candidates.count
        where slowStart.isNew(addedMs: hosts[Int(level.candidates[i])].addedMs, nowMs: nowMs) { return true }
        return false
    }

    /// Above 0.
    private func weight(_ candidate: UInt32, _ nowMs: UInt64) -> Double {
        let host = unsafe hosts.pointer(Int(level.candidates[Int(candidate)]))
        let weight = unsafe Double(max(host.pointee.weight, 1))
        guard let slowStart = options.slowStart, unsafe host.pointee.isHealthy, unsafe !host.pointee.isDegraded else { return weight }
        return unsafe weight * slowStart.factor(addedMs: host.pointee.addedMs, nowMs: nowMs)
    }

    // HOT: per request.
    /// An index into the host set; nil when the level has no candidate. `active` gives a host's active requests.
    /// `hash`, `attempt`: for hashing policies, the request's hash and how many hosts were refused before.
    package mutating func choose(
        random: inout Random, hash: UInt64 = 0, attempt: UInt32 = 0, nowMs: UInt64 = 0, active: (UInt32) -> UInt32
    ) -> UInt32? {
        if var turns = localitySchedule, let place = turns.next(weight: { level.localityWeights[Int($0)] }) {
            localitySchedule = turns
            return unsafe localities?[Int(place)].pointee.choose(
                random: &random, hash: hash, attempt: attempt, nowMs: nowMs, active: active)
        }
        if let routing = unsafe level.zones, countsZones(&random) {
            if unsafe routing.pointee.localPanics {
                zoneOutcome = .localNotOK
                if unsafe routing.pointee.failsOnPanic { return nil }
            } else {
                let (place, outcome) = unsafe routing.pointee.choose(&random)
                zoneOutcome = outcome
                return unsafe zones?[place].pointee.choose(
                    random: &random, hash: hash, attempt: attempt, nowMs: nowMs, active: active)
            }
        }
        let count = level.candidates.count
        guard count > 0 else { return nil }
        if policy.isHashing {
            let first = policy == .ringHash ? level.ring.choose(hash, attempt: attempt) : level.maglev.choose(hash, attempt: attempt)
            guard let first, bounded != nil else { return first }
            return bounded?.choose(first, hash: hash, active: active)
        }
        if count == 1 { return level.candidates[0] }
        if schedule != nil { return scheduled(nowMs, active) }
        switch policy {
        case .roundRobin:
            next &+= 1
            return level.candidates[Int(next % UInt64(count))]
        case .random, .ringHash, .maglev:
            return level.candidates[Int(random.below(UInt64(count)))]
        case .leastRequest:
            if options.scansAll { return scan(&random, active) }
            return compare(&random, active)
        }
    }

    private mutating func countsZones(_ random: inout Random) -> Bool {
        zoneOutcome = []
        let percent = options.zonePercentCell?.integer(default: UInt64(options.zonePercent)) ?? UInt64(options.zonePercent)
        return percent >= 100 || random.below(100) < percent
    }

    /// The least busy of a few.
    private func compare(_ random: inout Random, _ active: (UInt32) -> UInt32) -> UInt32? {
        let count = UInt64(level.candidates.count)
        var best = level.candidates[Int(random.below(count))]
        var bestActive = active(best)
        var tries: UInt32 = 1
        while tries < options.choiceCount {
            let other = level.candidates[Int(random.below(count))]
            let otherActive = active(other)
            if otherActive < bestActive {
                best = other
                bestActive = otherActive
            }
            tries &+= 1
        }
        return best
    }

    /// Every candidate is looked at: the least busy. Of several any one, each with the same chance (reservoir sampling).
    private func scan(_ random: inout Random, _ active: (UInt32) -> UInt32) -> UInt32? {
        var best = level.candidates[0]
        var bestActive = active(best)
        var ties: UInt64 = 1
        var place = 1
        while place < level.candidates.count {
            let other = level.candidates[place]
            let otherActive = active(other)
            if otherActive < bestActive {
                best = other
                bestActive = otherActive
                ties = 1
            } else if otherActive == bestActive {
                ties &+= 1
                if random.below(ties) == 0 { best = other }
            }
            place &+= 1
        }
        return best
    }

    /// The candidate whose turn it is. Least request divides the weight by the requests that are active, to the power of
    /// the bias, as Envoy does.
    private mutating func scheduled(_ nowMs: UInt64, _ active: (UInt32) -> UInt32) -> UInt32? {
        guard var turns = schedule else { return nil }
        let place = turns.next { candidate in
            var weight = weight(candidate, nowMs)
            if policy == .leastRequest {
                let busy = Double(active(level.candidates[Int(candidate)])) + 1
                let bias = options.activeRequestBiasCell?.number(default: options.activeRequestBias) ?? options.activeRequestBias
                weight /= bias == 1 ? busy : pow(busy, bias)
            }
            // A weight of 0 would never have its turn again.
            return max(weight, Double.leastNormalMagnitude)
        }
        schedule = turns
        return place.map { level.candidates[Int($0)] }
    }
}
