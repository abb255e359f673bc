import Primitives
import Testing
import Upstream

/// RING_HASH and MAGLEV. That they choose as Envoy does is shown by OracleTests (group `hashing`).
@Suite struct HashTablesTests {
    private func set(_ weights: [UInt32], _ policy: BalancingPolicy, _ options: HashingOptions = HashingOptions(), in arena: FrozenArena) -> HostSet {
        let hosts = weights.enumerated().map { i, weight in
            var host = HostConfig()
            host.address = SocketAddress(ip: "10.0.0.\(i + 1)", port: 80) ?? SocketAddress()
            host.weight = weight
            return host
        }
        return HostSet.build(hosts, policy: policy, hashing: options, version: 1, in: arena)
    }

    private func shares(_ set: HostSet, _ policy: BalancingPolicy, _ factor: UInt32 = 0, active: (UInt32) -> UInt32 = { _ in 0 }) -> [UInt32: Int] {
        var random = Random(seed: 5)
        var balancer = Balancer(
            level: set.levels[0], hosts: set.hosts, policy: policy, choiceCount: 2, balanceFactor: factor, random: &random)
        defer { balancer.destroy() }
        var counts: [UInt32: Int] = [:]
        for _ in 0..<20_000 {
            if let host = balancer.choose(random: &random, hash: random.next(), active: active) { counts[host, default: 0] += 1 }
        }
        return counts
    }

    /// Envoy's gauges say 1 and 1, and a table of one host needs no places.
    @Test func oneHostHasOnePlaceOfMaglevs() {
        let arena = FrozenArena()
        var host = HostConfig()
        host.address = SocketAddress(ip: "10.0.0.1", port: 80) ?? SocketAddress()
        let set = HostSet.build([host], policy: .maglev, version: 1, in: arena)
        #expect(set.tableFacts.entriesMin == 1 && set.tableFacts.entriesMax == 1 && set.tableFacts.size == 65_537)
        for hash in [UInt64(0), 7, .max] { #expect(set.levels[0].maglev.choose(hash, attempt: 3) == 0) }
        withExtendedLifetime(arena) {}
    }

    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func weightsAreShares(policy: BalancingPolicy) {
        let arena = FrozenArena()
        let counts = shares(set([1, 3, 1, 5], policy, in: arena), policy)
        for (host, wanted) in [(0, 0.1), (1, 0.3), (2, 0.1), (3, 0.5)] {
            #expect(abs(Double(counts[UInt32(host)] ?? 0) / 20_000 - wanted) < 0.04, "\(host): \(counts)")
        }
    }

    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func equalHashesMeet(policy: BalancingPolicy) {
        let arena = FrozenArena()
        let set = set([1, 1, 1], policy, in: arena)
        var random = Random(seed: 5)
        var balancer = Balancer(level: set.levels[0], hosts: set.hosts, policy: policy, choiceCount: 2, random: &random)
        defer { balancer.destroy() }
        for _ in 0..<200 {
            let hash = random.next()
            let first = balancer.choose(random: &random, hash: hash) { _ in 0 }
            #expect(balancer.choose(random: &random, hash: hash) { _ in 0 } == first)
        }
        // The bounds of the ring.
        for hash in [0, 1, UInt64.max] { #expect(balancer.choose(random: &random, hash: hash) { _ in 0 } != nil) }
    }

    /// A refused host is passed over for the next one.
    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func attemptsMoveOn(policy: BalancingPolicy) {
        let arena = FrozenArena()
        let set = set([1, 1, 1, 1], policy, in: arena)
        var random = Random(seed: 5)
        var balancer = Balancer(level: set.levels[0], hosts: set.hosts, policy: policy, choiceCount: 2, random: &random)
        defer { balancer.destroy() }
        let found = Set((0..<64).compactMap { attempt in balancer.choose(random: &random, hash: 7, attempt: attempt) { _ in 0 } })
        #expect(found.count == 4)
    }

    /// A host that leaves takes only its own requests with it.
    @Test func theRingIsConsistent() {
        let arena = FrozenArena()
        let (all, fewer) = (set([1, 1, 1, 1, 1], .ringHash, in: arena), set([1, 1, 1, 1], .ringHash, in: arena))
        var random = Random(seed: 9)
        var moved = 0
        for _ in 0..<5_000 {
            let hash = random.next()
            guard let before = all.levels[0].ring.choose(hash, attempt: 0), let after = fewer.levels[0].ring.choose(hash, attempt: 0) else { continue }
            if before != 4, before != after { moved += 1 }
        }
        // The four get 51 places more each, so some of their own move too; a plain modulo would move 3,000.
        #expect(moved < 1_000, "\(moved) of 5000")
    }

    @Test func busyHostsPassOn() {
        let arena = FrozenArena()
        let set = set([1, 1, 1, 1], .ringHash, in: arena)
        let counts = shares(set, .ringHash, 100) { $0 == 0 ? 100 : 1 }
        #expect(counts[0] == nil, "\(counts)")
        // All alike: nobody passes on.
        #expect(shares(set, .ringHash, 200) { _ in 1 } == shares(set, .ringHash))
    }

    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func smallTables(policy: BalancingPolicy) {
        let arena = FrozenArena()
        var options = HashingOptions()
        options.ringSizeMin = 1
        options.ringSizeMax = 2
        options.tableSize = 2
        #expect(shares(set([1, 1, 1, 1], policy, options, in: arena), policy).count == 2)
        #expect(shares(set([1], policy, options, in: arena), policy).count == 1)
        #expect(shares(set([], policy, options, in: arena), policy).isEmpty)
    }
}
