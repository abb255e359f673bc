import Primitives
import Testing

import Upstream

/// Whom the balancers choose, against what Envoy's would: weights in proportion, and for whoever is busy less.
@Suite struct BalancerTests {
    /// A balancer over hosts of these weights, and the memory that they lie in.
    private func make(
        _ weights: [UInt32], _ policy: BalancingPolicy, choices: UInt32 = 2, bias: Double = 1, scans: Bool = false,
        seed: UInt64 = 7
    ) -> (Balancer, Random, FrozenArena) {
        let arena = FrozenArena()
        var random = Random(seed: seed)
        let hosts = weights.map { weight in
            var host = HostConfig()
            host.weight = weight
            return host
        }
        let set = HostSet.build(hosts, version: 1, in: arena)
        let balancer = Balancer(
            level: set.levels[0], hosts: set.hosts, policy: policy, choiceCount: choices, activeRequestBias: bias,
            scansAll: scans, random: &random)
        return (balancer, random, arena)
    }

    private func picks(_ count: Int, _ made: (Balancer, Random, FrozenArena), active: [UInt32]? = nil) -> [Int] {
        var (balancer, random, memory) = made
        defer { withExtendedLifetime(memory) {} }
        var counts = [Int](repeating: 0, count: balancer.level.candidates.count)
        for _ in 0..<count {
            guard let host = balancer.choose(random: &random, active: { active?[Int($0)] ?? 0 }) else { continue }
            counts[Int(host)] += 1
        }
        balancer.destroy()
        return counts
    }

    @Test func roundRobinGoesAround() {
        #expect(picks(300, make([1, 1, 1], .roundRobin)) == [100, 100, 100])
    }

    @Test func roundRobinBeginsAnywhere() {
        let firsts = (1...64).map { seed -> UInt32? in
            var (balancer, random, memory) = make([1, 1, 1], .roundRobin, seed: UInt64(seed))
            defer { withExtendedLifetime(memory) { balancer.destroy() } }
            return balancer.choose(random: &random, active: { _ in 0 })
        }
        #expect(Set(firsts).count == 3)
    }

    /// Earliest deadline first: in 10 turns exactly as many as the weights say, spread over the round.
    @Test func weightsAreExactOverARound() {
        #expect(picks(1000, make([1, 2, 7], .roundRobin)) == [100, 200, 700])
    }

    @Test func leastRequestTakesTheLessBusyOfTwo() {
        // Of two draws with repetition the busy one is taken only when both are it: 1 in 4.
        let counts = picks(40_000, make([1, 1], .leastRequest), active: [10, 0])
        #expect(abs(counts[0] - 10_000) < 400, "\(counts)")
    }

    @Test func leastRequestOfManyChoicesHardlyEverTakesTheBusyOne() {
        let counts = picks(10_000, make([1, 1], .leastRequest, choices: 10), active: [10, 0])
        #expect(counts[0] < 60, "\(counts)")
    }

    @Test func fullScanAlwaysTakesTheLeastBusy() {
        let counts = picks(1000, make([1, 1, 1, 1], .leastRequest, scans: true), active: [3, 2, 1, 1])
        #expect(counts[0] == 0)
        #expect(counts[1] == 0)
        #expect(counts[2] + counts[3] == 1000)
        #expect(counts[2] > 300 && counts[3] > 300, "ties go both ways: \(counts)")
    }

    /// With weights: weight / (active + 1) ^ bias.
    @Test(arguments: [(1.0, 2.0 / 3), (0.0, 1.0 / 3), (2.0, 8.0 / 9)])
    func activeRequestsWeighAsTheBiasSays(bias: Double, share: Double) {
        // Weights 1 and 2, the second with 3 active: 1 against 2 / 4^bias.
        let counts = picks(9_000, make([1, 2], .leastRequest, bias: bias), active: [0, 3])
        #expect(abs(Double(counts[0]) / 9_000 - share) < 0.02, "\(counts)")
    }

    @Test func randomIgnoresWeights() {
        let counts = picks(20_000, make([1, 9], .random))
        #expect(abs(counts[0] - 10_000) < 500, "\(counts)")
    }

    @Test func nobodyIsChosenOfNobody() {
        let arena = FrozenArena()
        var random = Random(seed: 1)
        var balancer = Balancer(
            level: PriorityLevel(), hosts: HostSet.build([], version: 1, in: arena).hosts, policy: .leastRequest,
            choiceCount: 2, random: &random)
        #expect(balancer.choose(random: &random, active: { _ in 0 }) == nil)
        balancer.destroy()
    }
}
