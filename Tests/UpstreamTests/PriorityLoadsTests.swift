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
