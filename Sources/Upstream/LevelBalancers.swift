// A worker's state of one set of levels: the cluster's own, or a subset's.

import Primitives

@safe
struct LevelBalancers {
    private var balancers: PlainArray<UnsafeMutablePointer<Balancer>>
    private let isHashing: Bool
    private let healthyCount: Int
    /// Choices that have been looked at ahead of their time, the next one first.
    private var ahead = PeekedHosts()

    init(
        _ levels: FrozenArray<PriorityLevel>, hosts: FrozenArray<HostConfig>, _ options: BalancerOptions, nowMs: UInt64,
        random: inout Random
    ) {
        isHashing = options.policy.isHashing
        var healthy = 0
        for i in 0..<hosts.count where hosts[i].isHealthy && !hosts[i].isDegraded { healthy += 1 }
        healthyCount = healthy
        unsafe balancers = unsafe PlainArray(capacity: max(levels.count, 1))
        for i in 0..<levels.count {
            let balancer = UnsafeMutablePointer<Balancer>.allocate(capacity: 1)
            unsafe balancer.initialize(to: Balancer(level: levels[i], hosts: hosts, options, nowMs: nowMs, random: &random))
            unsafe balancers.append(balancer)
        }
    }

    func destroy() {
        for i in unsafe 0..<balancers.count {
            unsafe balancers[i].pointee.destroy()
            unsafe balancers[i].deallocate()
        }
        unsafe balancers.destroy()
    }

    // HOT: per request.
    /// An index into the host set, and whether its level is in panic; nil: there is nobody.
    @inline(__always)
    mutating func choose(
        random: inout Random, hash: UInt64, attempt: UInt32, nowMs: UInt64, active: (UInt32) -> UInt32
    ) -> LevelChoice {
        if ahead.count > 0 { return ahead.take() }
        return choose(newly: &random, hash: hash, attempt: attempt, nowMs: nowMs, active: active)
    }

    /// Nil: there is nobody, or enough has been looked at: as in Envoy no more turns than there are healthy hosts.
    mutating func peek(random: inout Random, nowMs: UInt64) -> UInt32? {
        guard ahead.count < min(PeekedHosts.countMax, healthyCount) else { return nil }
        let choice = choose(newly: &random, hash: 0, attempt: 0, nowMs: nowMs, active: { _ in 0 })
        guard let host = choice.host else { return nil }
        ahead.add(host, choice)
        return host
    }

    @inline(__always)
    private mutating func choose(
        newly random: inout Random, hash: UInt64, attempt: UInt32, nowMs: UInt64, active: (UInt32) -> UInt32
    ) -> LevelChoice {
        var level = 0
        if unsafe balancers.count > 1 {
            var ticket = UInt32(truncatingIfNeeded: isHashing ? hash % 100 : random.below(100))
            while unsafe level < balancers.count {
                let load = unsafe balancers[level].pointee.level.load
                if ticket < load { break }
                ticket &-= load
                level &+= 1
            }
        }
        guard unsafe level < balancers.count else { return LevelChoice() }
        let isPanicking = unsafe balancers[level].pointee.level.isPanicking
        let host = unsafe balancers[level].pointee.choose(
            random: &random, hash: hash, attempt: attempt, nowMs: nowMs, active: active)
        return unsafe LevelChoice(host: host, isPanicking: isPanicking, zone: balancers[level].pointee.zoneOutcome)
    }
}

struct LevelChoice: BitwiseCopyable {
    /// An index into the host set; nil: there is nobody.
    var host: UInt32?
    var isPanicking = false
    var zone: ZoneOutcome = []
}

/// A few hosts in the order in which they were looked at.
private struct PeekedHosts: BitwiseCopyable {
    static let countMax = 16
    private(set) var count = 0
    private var first = 0
    /// A host's index, whether its level is in panic, and how zones counted, in one word each.
    private var words: InlineArray<16, UInt64> = InlineArray(repeating: 0)

    mutating func add(_ host: UInt32, _ choice: LevelChoice) {
        words[(first &+ count) & 15] = UInt64(host) << 16 | UInt64(choice.zone.rawValue) << 8 | (choice.isPanicking ? 1 : 0)
        count &+= 1
    }

    mutating func take() -> LevelChoice {
        let word = words[first & 15]
        first = (first &+ 1) & 15
        count &-= 1
        return LevelChoice(
            host: UInt32(truncatingIfNeeded: word >> 16), isPanicking: word & 1 != 0,
            zone: ZoneOutcome(rawValue: UInt8(truncatingIfNeeded: word >> 8)))
    }
}
