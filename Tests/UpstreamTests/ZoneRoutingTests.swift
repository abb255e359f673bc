import Primitives
import Testing

import Upstream

/// Zone aware routing: what `ZonePlan` makes of hosts beside a reference that goes another way, and the shares of traffic.
/// Envoy 1.40's shares for the same hosts stand in `ZoneOracleTests`.
@Suite struct ZoneRoutingTests {
    private func host(_ zone: UInt32, healthy: Bool = true, degraded: Bool = false, weight: UInt32 = 1, priority: UInt32 = 0) -> HostConfig {
        var host = HostConfig()
        host.locality = zone
        host.isHealthy = healthy
        host.isDegraded = degraded
        host.weight = weight
        host.priority = priority
        return host
    }

    private func hosts(_ counts: [Int]) -> [HostConfig] {
        counts.enumerated().flatMap { zone, count in (0..<count).map { _ in host(UInt32(zone)) } }
    }

    /// A local cluster with so many healthy hosts in each locality; `own`: ours.
    private func local(_ counts: [Int], own: UInt32? = 0) -> ZoneSpec.Local {
        var local = ZoneSpec.Local()
        local.own = own
        for (zone, count) in counts.enumerated() { local.shares[UInt32(zone)] = UInt64(count) }
        local.total = UInt64(counts.reduce(0, +))
        local.localityCount = counts.count { $0 > 0 }
        local.hasOwn = own != nil
        local.hostCount = counts.reduce(0, +)
        local.availableCount = local.hostCount
        return local
    }

    private func spec(_ counts: [Int], own: UInt32? = 0, _ change: (inout ZoneSpec) -> Void = { _ in }) -> ZoneSpec {
        var spec = ZoneSpec()
        spec.local = local(counts, own: own)
        change(&spec)
        return spec
    }

    private func plan(_ spec: ZoneSpec, _ hosts: [HostConfig], _ facts: inout ZoneFacts) -> ZonePlan? {
        let all = hosts.indices.filter { hosts[$0].priority == 0 }.map { UInt32($0) }
        return ZonePlan(spec, hosts: hosts, all: all, healthy: all.filter { hosts[Int($0)].isHealthy && !hosts[Int($0)].isDegraded }, facts: &facts)
    }

    private func plan(_ spec: ZoneSpec, _ hosts: [HostConfig]) -> ZonePlan? {
        var facts = ZoneFacts()
        return plan(spec, hosts, &facts)
    }

    // MARK: Where zones do not count

    @Test func whoCountsAndWhy() {
        func facts(_ spec: ZoneSpec, _ hosts: [HostConfig]) -> [UInt32] {
            var facts = ZoneFacts()
            #expect(plan(spec, hosts, &facts) == nil)
            return [facts.recalculated, facts.localNotOK, facts.tooSmall]
        }
        #expect(facts(ZoneSpec(), hosts([3, 3])) == [0, 0, 0], "no local cluster")
        #expect(facts(spec([1, 1]), hosts([6])) == [1, 0, 0], "one locality")
        #expect(facts(spec([1, 1]), []) == [0, 0, 0], "nobody")
        #expect(facts(spec([2]), hosts([3, 3])) == [1, 0, 0], "the local cluster is in one")
        #expect(facts(spec([0, 1, 1], own: nil), hosts([3, 3])) == [1, 1, 0], "we are in none of its")
        #expect(facts(spec([1, 1]), hosts([2, 3])) == [1, 0, 1], "five hosts")
        #expect(facts(spec([1, 1]) { $0.clusterSizeMin = 7 }, hosts([3, 3])) == [1, 0, 1])
        // `force_local_zone` goes without the local cluster's other localities, not without the rest.
        #expect(plan(spec([2]) { $0.ownSizeMin = 1 }, hosts([3, 3]))?.isDirect == true)
        #expect(facts(spec([0, 1], own: nil) { $0.ownSizeMin = 1 }, hosts([3, 3])) == [1, 1, 0])
        #expect(facts(spec([1, 1]) { $0.ownSizeMin = 1 }, hosts([1, 2])) == [1, 0, 1])
    }

    // MARK: Shares

    @Test func theExampleOfEnvoysSource() throws {
        // 40, 40 and 20 % of ours, 25, 50 and 25 % of theirs.
        let found = try #require(plan(spec([4, 4, 2]), hosts([2, 4, 2])))
        #expect(!found.isDirect && found.order == [0, 1, 2] && found.ownShare == 6250 && found.left == [0, 1000, 1500])
    }

    @Test func everybodyStaysWhereThereIsRoom() {
        #expect(plan(spec([2, 2]), hosts([3, 3]))?.isDirect == true)
        #expect(plan(spec([1, 3]), hosts([3, 3]))?.isDirect == true)
        #expect(plan(spec([3, 1]), hosts([3, 3]))?.isDirect == false)
        // None of ours is healthy: nothing is shared by.
        #expect(plan(spec([0, 0], own: 0) { $0.local?.localityCount = 2 }, hosts([3, 3]))?.isDirect == true)
    }

    @Test func ourLocalityComesFirst() throws {
        let found = try #require(plan(spec([1, 1, 4], own: 2), hosts([3, 3, 2])))
        #expect(found.order == [2, 0, 1] && found.hasOwn && found.ownShare == 2500 * 10_000 / 6666)
        #expect(found.left == [0, 3750 - 1666, 2 * (3750 - 1666)])
        // The cluster has nobody where we are.
        let elsewhere = try #require(plan(spec([1, 1, 1], own: 2), hosts([3, 3])))
        #expect(elsewhere.order == [0, 1] && !elsewhere.hasOwn && elsewhere.ownShare == 0 && elsewhere.left == [5000 - 3333, 2 * (5000 - 3333)])
        // Or nobody who is healthy.
        let dead = [host(0, healthy: false)] + hosts([0, 6])
        #expect(plan(spec([1, 1]), dead).map { [$0.ownShare] + $0.left } == [0, 0, 5000])
    }

    @Test func aForcedLocality() {
        let far = hosts([1, 6])
        #expect(plan(spec([3, 1]), far)?.isDirect == false)
        #expect(plan(spec([3, 1]) { $0.ownSizeMin = 1 }, far)?.isDirect == true)
        #expect(plan(spec([3, 1]) { $0.ownSizeMin = 2 }, far)?.isDirect == false)
        #expect(plan(spec([3, 1]) { $0.ownSizeMin = 1 }, [host(0, healthy: false)] + hosts([0, 6]))?.isDirect == false)
    }

    @Test func weightsMayCount() {
        let heavy = [host(0), host(0), host(1, weight: 9), host(1, weight: 9), host(1, weight: 9), host(1, weight: 9)]
        // In variables: inside of `#expect` the compiler compares them as `AnyHashable`, by a thunk that reads a byte too many.
        let byNumber = plan(spec([2, 2]), heavy)?.ownShare
        let byWeight = plan(spec([2, 2]) { $0.countsWeights = true }, heavy)?.ownShare
        #expect(byNumber == 6666)
        #expect(byWeight == 1052)
    }

    /// Random hosts beside a computation in fractions.
    @Test func theReferenceAgrees() throws {
        var random = Random(seed: 17)
        for _ in 0..<2_000 {
            let zones = 2 + Int(random.below(4))
            let own = UInt32(random.below(UInt64(zones)))
            var theirs = (0..<zones).map { _ in Int(random.below(8)) }
            let ours = (0..<zones).map { $0 == Int(own) ? 1 + Int(random.below(8)) : Int(random.below(8)) }
            theirs[(Int(own) + 1) % zones] += 6
            let spec = spec(ours, own: own)
            let members = hosts(theirs)
            guard ours.count(where: { $0 > 0 }) > 1, Set(members.map(\.locality)).count > 1 else { continue }
            let found = try #require(plan(spec, members))
            func percent(_ count: Int, _ all: [Int]) -> Int { count * 10_000 / all.reduce(0, +) }
            let present = theirs.indices.filter { theirs[$0] > 0 }
            let hasOwn = present.contains(Int(own))
            #expect(found.order.map { Int($0) } == (hasOwn ? [Int(own)] : []) + present.filter { $0 != Int(own) })
            let upstream = present.reduce(into: [Int: Int]()) { $0[$1] = percent(theirs[$1], theirs) }
            let local = present.reduce(into: [Int: Int]()) { $0[$1] = percent(ours[$1], ours) }
            let isDirect = hasOwn && (upstream[Int(own)] ?? 0) >= (local[Int(own)] ?? 0)
            #expect(found.isDirect == isDirect)
            if isDirect { continue }
            #expect(found.ownShare == UInt64(hasOwn ? (upstream[Int(own)] ?? 0) * 10_000 / (local[Int(own)] ?? 1) : 0))
            var before: UInt64 = 0
            for (place, left) in zip(found.order, found.left) {
                let room = place == own ? 0 : max(0, (upstream[Int(place)] ?? 0) - (local[Int(place)] ?? 0))
                #expect(left - before == UInt64(room))
                before = left
            }
        }
    }

    // MARK: Traffic

    private func picks(
        _ count: Int, _ spec: ZoneSpec, _ members: [HostConfig], percent: UInt32 = 100, policy: BalancingPolicy = .roundRobin,
        subsets: Bool = false
    ) -> (hosts: [Int], outcomes: [UInt8: Int], none: Int) {
        let arena = FrozenArena()
        defer { withExtendedLifetime(arena) {} }
        var options = BalancerOptions()
        options.policy = policy
        options.zonePercent = percent
        var random = Random(seed: 5)
        let set = HostSet.build(members, policy: policy, zones: spec, version: 1, in: arena)
        var counts = [Int](repeating: 0, count: members.count)
        var outcomes: [UInt8: Int] = [:]
        var none = 0
        for i in 0..<set.levels.count {
            var balancer = Balancer(level: set.levels[i], hosts: set.hosts, options, nowMs: 0, random: &random)
            for _ in 0..<count * Int(set.levels[i].load) / 100 {
                if let host = balancer.choose(random: &random, hash: random.next(), active: { _ in 0 }) { counts[Int(host)] += 1 } else { none += 1 }
                outcomes[balancer.zoneOutcome.rawValue, default: 0] += 1
            }
            balancer.destroy()
        }
        return (counts, outcomes, none)
    }

    private func sums(_ counts: [Int], _ members: [HostConfig]) -> [Int] {
        var sums = [Int](repeating: 0, count: 4)
        for (host, count) in zip(members, counts) { sums[Int(host.locality)] += count }
        return sums
    }

    private let directly = ZoneOutcome.directly.rawValue
    private let sampled = ZoneOutcome.sampled.rawValue
    private let cross = ZoneOutcome.crossZone.rawValue

    @Test(arguments: [BalancingPolicy.roundRobin, .leastRequest, .random])
    func requestsGoByTheShares(policy: BalancingPolicy) {
        let members = hosts([2, 4, 2])
        let found = picks(9_000, spec([4, 4, 2]), members, policy: policy)
        let zones = sums(found.hosts, members)
        #expect(abs(zones[0] - 5625) < 250 && abs(zones[1] - 2250) < 250 && abs(zones[2] - 1125) < 250, "\(zones)")
        #expect(found.outcomes[sampled] == zones[0] && found.outcomes[cross] == zones[1] + zones[2] && found.outcomes.count == 2)
        // Hosts of one locality take turns.
        if policy == .roundRobin { #expect(abs(found.hosts[0] - found.hosts[1]) <= 1) }
        let stay = picks(600, spec([2, 2]), hosts([3, 3]), policy: policy)
        #expect(stay.hosts[3...] == [0, 0, 0] && stay.outcomes == [directly: 600])
    }

    @Test func halfOfTheRequestsMayBeEnough() {
        let members = hosts([3, 3])
        let half = picks(4_000, spec([1, 1]), members, percent: 50)
        #expect(abs(sums(half.hosts, members)[0] - 3000) < 200 && abs((half.outcomes[directly] ?? 0) - 2000) < 200)
        #expect(sums(picks(600, spec([1, 1]), members, percent: 0).hosts, members) == [300, 300, 0, 0])
    }

    @Test func hashesGoBeforeZones() {
        let arena = FrozenArena()
        let set = HostSet.build(hosts([3, 3]), policy: .maglev, zones: spec([1, 1]), version: 1, in: arena)
        #expect(set.zoneFacts == ZoneFacts() && set.levels.count == 1)
        withExtendedLifetime(arena) {}
    }

    /// The healthy part of priority 0 and its degraded one; nothing of the others.
    @Test func otherLevels() {
        let members = [host(0), host(0), host(0, degraded: true), host(1), host(1, degraded: true), host(1, degraded: true), host(1, degraded: true), host(1, degraded: true)]
        let found = picks(1_000, spec([1, 1]) { $0.clusterSizeMin = 1 }, members)
        #expect(sums(found.hosts, members)[1] == 0 && found.hosts[2] > 300 && found.outcomes == [directly: 1_000])
        let degraded = (0..<6).map { host(UInt32($0 / 3), degraded: true) }
        let none = picks(1_000, spec([1, 1]) { $0.clusterSizeMin = 0 }, degraded)
        #expect(none.outcomes == [ZoneOutcome([.crossZone, .noCapacity]).rawValue: 1_000] && none.none == 0)
        let second = [host(0), host(1, healthy: false), host(1, healthy: false), host(0, priority: 1), host(1, priority: 1)]
        let outcomes = picks(1_000, spec([1, 1]) { $0.clusterSizeMin = 1 }, second).outcomes
        #expect(outcomes.count == 2 && (outcomes[0] ?? 0) > 400, "\(outcomes)")
    }

    @Test func panics() {
        let dying = [host(0), host(0, healthy: false), host(0, healthy: false), host(1), host(1, healthy: false), host(1, healthy: false)]
        let all = picks(600, spec([1, 1]) { $0.clusterSizeMin = 1 }, dying)
        #expect(all.hosts.allSatisfy { $0 == 100 } && all.outcomes == [0: 600])
        let failing = picks(600, spec([1, 1]) { $0.failsOnPanic = true }, dying)
        #expect(failing.none == 600)
        // Without zones too.
        var bare = ZoneSpec()
        bare.failsOnPanic = true
        #expect(picks(600, bare, dying).none == 600)
        let localDying = spec([1, 1]) {
            $0.local?.hostCount = 5
            $0.local?.availableCount = 2
        }
        let members = hosts([3, 3])
        let alike = picks(600, localDying, members)
        #expect(alike.hosts.allSatisfy { $0 == 100 } && alike.outcomes == [ZoneOutcome.localNotOK.rawValue: 600])
        var refusing = localDying
        refusing.failsOnPanic = true
        #expect(picks(600, refusing, members).none == 600)
    }

    @Test func weightedLocalitiesGoBeforeZones() {
        let arena = FrozenArena()
        var members = hosts([3, 3])
        for i in members.indices { members[i].localityWeight = members[i].locality + 1 }
        let set = HostSet.build(members, weighsLocalities: true, zones: spec([1, 1]), version: 1, in: arena)
        #expect(set.levels[0].localities.count == 2 && set.zoneFacts.recalculated == 1)
        var random = Random(seed: 1)
        var balancer = Balancer(level: set.levels[0], hosts: set.hosts, BalancerOptions(), nowMs: 0, random: &random)
        for _ in 0..<20 {
            _ = balancer.choose(random: &random, active: { _ in 0 })
            #expect(balancer.zoneOutcome.isEmpty)
        }
        balancer.destroy()
        withExtendedLifetime(arena) {}
    }
}
