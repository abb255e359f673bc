import Primitives
import Testing

import Upstream

/// Weighted localities and new hosts: shares of the load, as Envoy 1.40 gives them for the same endpoints.
@Suite struct LocalityTests {
    private struct Endpoint {
        var locality: UInt32 = 0
        var localityWeight: UInt32 = 0
        var weight: UInt32 = 1
        var health = "healthy"
        var priority: UInt32 = 0
        var addedMs: UInt64 = 0

        var config: HostConfig {
            var host = HostConfig()
            host.locality = locality
            host.localityWeight = localityWeight
            host.weight = weight
            host.priority = priority
            host.isHealthy = health != "unhealthy"
            host.isDegraded = health == "degraded"
            host.addedMs = addedMs
            host.address = SocketAddress(ip: "10.0.0.\(locality * 10 + weight)", port: 80) ?? SocketAddress()
            return host
        }
    }

    private func picks(
        _ count: Int, _ endpoints: [Endpoint], _ change: (inout BalancerOptions) -> Void = { _ in }, localities: Bool = true,
        nowMs: UInt64 = 0
    ) -> [Int] {
        let arena = FrozenArena()
        defer { withExtendedLifetime(arena) {} }
        var options = BalancerOptions()
        change(&options)
        var random = Random(seed: 5)
        let set = HostSet.build(
            endpoints.map(\.config), policy: options.policy, weighsLocalities: localities, version: 1, in: arena)
        var counts = [Int](repeating: 0, count: endpoints.count)
        for i in 0..<set.levels.count {
            let level = set.levels[i]
            var balancer = Balancer(level: level, hosts: set.hosts, options, nowMs: nowMs, random: &random)
            for _ in 0..<count * Int(level.load) / 100 {
                guard let host = balancer.choose(random: &random, hash: random.next(), nowMs: nowMs, active: { _ in 0 }) else { continue }
                counts[Int(host)] += 1
            }
            balancer.destroy()
        }
        return counts
    }

    @Test func localitiesShareByWeight() {
        let hosts = [Endpoint(locality: 0, localityWeight: 1), Endpoint(locality: 0, localityWeight: 1, weight: 3), Endpoint(locality: 1, localityWeight: 3)]
        #expect(picks(800, hosts) == [50, 150, 600])
        #expect(picks(800, hosts, localities: false) == [160, 480, 160])
        #expect(picks(800, hosts, { $0.policy = .leastRequest }) == [50, 150, 600])
        let random = picks(8000, hosts, { $0.policy = .random })
        #expect(random[2] == 6000 && abs(random[0] - 1000) < 120, "\(random)")
    }

    /// What a locality lacks in healthy hosts, beyond the overprovisioning, the others get.
    @Test func aSickLocalityGetsLess() {
        let hosts = [
            Endpoint(locality: 0, localityWeight: 1), Endpoint(locality: 0, localityWeight: 1, health: "unhealthy"),
            Endpoint(locality: 0, localityWeight: 1, health: "unhealthy"), Endpoint(locality: 1, localityWeight: 1),
            Endpoint(locality: 1, localityWeight: 1),
        ]
        // 1/3 of its hosts, times 1.4: 0.4667 against 1.
        let counts = picks(800, hosts)
        #expect(abs(counts[0] - 255) <= 1 && counts[1] == 0 && counts[2] == 0 && abs(counts[3] - 272) <= 1, "\(counts)")
    }

    @Test func withoutWeights() {
        let none = [Endpoint(locality: 0), Endpoint(locality: 0), Endpoint(locality: 1)]
        #expect(picks(300, none) == [100, 100, 100], "no weights at all: no localities")
        let one = [Endpoint(locality: 0), Endpoint(locality: 0), Endpoint(locality: 1, localityWeight: 1)]
        #expect(picks(300, one) == [0, 0, 300], "a locality without a weight gets nothing beside one that has one")
        #expect(picks(300, none, { $0.policy = .ringHash }) == [0, 0, 0], "and a hash table of no weights has no places")
    }

    @Test func panicHasNoLocalities() {
        let hosts = [
            Endpoint(locality: 0, localityWeight: 1, health: "unhealthy"), Endpoint(locality: 0, localityWeight: 1, health: "unhealthy"),
            Endpoint(locality: 1, localityWeight: 9),
        ]
        #expect(picks(300, hosts) == [100, 100, 100])
    }

    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func hashTablesHaveShares(policy: BalancingPolicy) {
        let hosts = [Endpoint(locality: 0, localityWeight: 1), Endpoint(locality: 0, localityWeight: 1, weight: 2), Endpoint(locality: 1, localityWeight: 3)]
        let counts = picks(8000, hosts, { $0.policy = policy })
        #expect(abs(counts[2] - 6000) < 400, "\(counts)")
    }

    // MARK: Slow start

    private func slow(_ change: (inout SlowStart) -> Void = { _ in }) -> SlowStart {
        var slow = SlowStart(windowMs: 10_000)
        change(&slow)
        return slow
    }

    @Test func aNewHostGrows() {
        let slow = slow()
        #expect(slow.factor(addedMs: 0, nowMs: 0) == 0.1, "the least share")
        #expect(slow.factor(addedMs: 0, nowMs: 5_000) == 0.5)
        #expect(slow.factor(addedMs: 0, nowMs: 9_999) < 1)
        #expect(slow.factor(addedMs: 0, nowMs: 10_000) == 1)
        #expect(slow.factor(addedMs: 50, nowMs: 0) == 0.1, "added after this turn began")
        #expect(self.slow { $0.aggression = 2 }.factor(addedMs: 0, nowMs: 2_500) == 0.5)
        #expect(self.slow { $0.aggression = 0 }.factor(addedMs: 0, nowMs: 2_500) == 0.25, "nonsense counts as 1")
        #expect(self.slow { $0.aggression = .nan }.factor(addedMs: 0, nowMs: 2_500) == 0.25)
        #expect(self.slow { $0.weightMin = 0 }.factor(addedMs: 0, nowMs: 0) == 0.0001)
    }

    @Test(arguments: [BalancingPolicy.roundRobin, .leastRequest])
    func aNewHostGetsLess(policy: BalancingPolicy) {
        let hosts = [Endpoint(), Endpoint(), Endpoint(addedMs: 95_000)]
        let counts = picks(1000, hosts, { $0.policy = policy; $0.slowStart = slow() }, nowMs: 100_000)
        #expect(abs(counts[2] - 200) <= 2 && abs(counts[0] - 400) <= 2, "\(counts)")
        #expect(picks(300, hosts, { $0.slowStart = slow() }, nowMs: 200_000) == [100, 100, 100])
    }

    @Test func whoIsNotHealthyIsNotSlowed() {
        let hosts = [Endpoint(health: "degraded"), Endpoint(health: "degraded", addedMs: 99_000)]
        #expect(picks(1000, hosts, { $0.slowStart = slow() }, nowMs: 100_000) == [500, 500])
    }
}
