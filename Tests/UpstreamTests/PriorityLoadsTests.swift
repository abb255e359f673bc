import Primitives
import Testing
import Upstream

/// Envoy's own examples ("Priority levels" and "Degraded endpoints" of its documentation), and its corners.
@Suite struct PriorityLoadsTests {
    /// One priority of 100 hosts: how many healthy, how many degraded.
    private func loads(
        _ levels: [(healthy: Int, degraded: Int)], factor: UInt32 = 140, panic: Double = 50, of total: Int = 100
    ) -> PriorityLoads {
        let members = levels.map { level in
            var members = PriorityMembers()
            for i in 0..<total {
                var host = HostConfig()
                host.isHealthy = i < level.healthy + level.degraded
                host.isDegraded = i >= level.healthy
                members.add(UInt32(i), host)
            }
            return members
        }
        return PriorityLoads(members, overprovisioning: factor, panicThresholdPercent: panic)
    }

    @Test(arguments: [
        ([100, 100], [100, 0]), ([72, 72], [100, 0]), ([71, 71], [99, 1]), ([50, 50], [70, 30]), ([25, 100], [35, 65]),
        ([0, 100], [0, 100]),
    ])
    func healthSpills(healthy: [Int], load: [UInt32]) {
        #expect(loads(healthy.map { ($0, 0) }).healthy == load)
    }

    /// 25 % and 25 %: 35 % + 35 % of the load is all there is; it is scaled up, and both levels panic.
    @Test func whatIsLeftIsScaledAndPanics() {
        let loads = loads([(25, 0), (25, 0)])
        #expect(loads.healthy == [50, 50])
        #expect(loads.panics == [true, true])
    }

    @Test func aWeakLevelDoesNotPanicWhileTheNextCanCarry() {
        let loads = loads([(10, 0), (100, 0)])
        #expect(loads.panics == [false, false])
        #expect(loads.healthy == [14, 86])
    }

    @Test func degradedHostsGetWhatHealthyOnesCannotCarry() {
        let loads = loads([(50, 50)])
        #expect(loads.healthy == [70])
        #expect(loads.degraded == [30])
        #expect(loads.panics == [false])
    }

    @Test func onlyDegraded() {
        let loads = loads([(0, 100)])
        #expect(loads.healthy == [0])
        #expect(loads.degraded == [100])
    }

    @Test func healthyOfTheNextPriorityComesBeforeDegradedOfThis() {
        let loads = loads([(0, 100), (100, 0)])
        #expect(loads.healthy == [0, 100])
        #expect(loads.degraded == [0, 0])
    }

    /// Nobody is healthy: in proportion to the hosts, and everybody is asked.
    @Test func totalPanic() {
        let loads = loads([(0, 0), (0, 0), (0, 0)])
        #expect(loads.healthy == [34, 33, 33])
        #expect(loads.panics == [true, true, true])
    }

    @Test func panicCanBeOff() {
        let loads = loads([(0, 0), (0, 0)], panic: 0)
        #expect(loads.healthy == [100, 0])
        #expect(loads.panics == [false, false])
    }

    @Test func theFactorCounts() {
        #expect(loads([(50, 0), (100, 0)], factor: 100).healthy == [50, 50])
    }

    private func hosts(_ states: String) -> [HostConfig] {
        states.enumerated().map { i, state in
            var host = HostConfig()
            host.address = SocketAddress(ip: "10.0.0.\(i + 1)", port: 80) ?? SocketAddress()
            host.isHealthy = state == "h" || state == "d"
            host.isDegraded = state == "d"
            host.isExcluded = state == "x"
            return host
        }
    }

    /// What each level of the set chooses from; in panic with a mark.
    private func levels(_ states: String, panic: Double = 50, policy: BalancingPolicy = .roundRobin) -> [String] {
        let arena = FrozenArena()
        let set = HostSet.build(hosts(states), panicThresholdPercent: panic, policy: policy, version: 1, in: arena)
        return (0..<set.levels.count).map { i in
            let level = set.levels[i]
            return "\(level.load):" + (0..<level.candidates.count).map { "\(level.candidates[$0])" }.joined() + (level.isPanicking ? "!" : "")
        }
    }

    /// Hosts that are drained (`x`) count neither as there nor as missing; in panic, where nobody else is, they serve.
    @Test func drainingHostsDoNotCount() {
        #expect(levels("hxxx") == ["100:0"])
        #expect(levels("xud") == ["100:2"])
        #expect(levels("hxu") == ["100:0"])
        #expect(levels("huux") == ["100:0123!"])
        #expect(levels("xxx") == ["100:012!"])
        #expect(levels("xx", panic: 0) == ["100:"])
    }

    /// One table for each priority, that of its healthy hosts: what degraded ones would get goes there too.
    @Test(arguments: [BalancingPolicy.ringHash, .maglev])
    func tablesHoldHealthyHostsOnly(policy: BalancingPolicy) {
        #expect(levels("hdd", policy: policy) == ["46:0", "54:0"])
        #expect(levels("dd", policy: policy) == ["100:"])
        #expect(levels("hdd") == ["46:0", "54:12"])
    }

    /// The set that workers read: in panic every host is a candidate.
    @Test func thePanickingLevelHoldsEveryHost() {
        let arena = FrozenArena()
        let hosts = (0..<10).map { i in
            var host = HostConfig()
            host.isHealthy = i < 4
            return host
        }
        let calm = HostSet.build(hosts, panicThresholdPercent: 30, version: 1, in: arena)
        #expect(calm.levels.count == 1)
        #expect(calm.levels[0].candidates.count == 4)
        let panicking = HostSet.build(hosts, panicThresholdPercent: 50, version: 2, in: arena)
        #expect(panicking.levels[0].candidates.count == 10)
        #expect(panicking.levels[0].isPanicking)
    }
}
