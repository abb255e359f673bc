import Primitives
import Testing
import Upstream

/// A worker's cluster takes over host sets: who stays keeps its `Host`, who goes is told.
@Suite struct ClusterTests {
    @safe
    private final class Fixture {
        let arena = FrozenArena()
        var slab = Slab<Host>(capacity: 1024)
        var random = Random(seed: 3)
        let place = UnsafeMutablePointer<Cluster>.allocate(capacity: 1)
        var cluster: Cluster {
            get { unsafe place.pointee }
            set { unsafe place.pointee = newValue }
        }
        var moves: [String] = []
        var version: UInt64 = 0

        init() {
            let config = unsafe arena.store(ClusterConfig())
            let set = unsafe arena.store(HostSet())
            unsafe place.initialize(to: Cluster(config: config, set: set))
        }

        func host(_ ip: String, priority: UInt32 = 0, logical: Bool = false) -> HostConfig {
            var host = HostConfig()
            host.address = SocketAddress(ip: ip, port: 80) ?? SocketAddress()
            host.priority = priority
            host.isLogical = logical
            return host
        }

        /// The slots of the hosts, and who went.
        func adopt(_ hosts: [HostConfig]) -> (now: [UInt64], gone: [UInt64]) {
            version += 1
            var set = HostSet.build(hosts, version: version, in: arena)
            set.part = UInt32(version)
            var gone: [UInt64] = []
            unsafe place.pointee.adopt(
                arena.store(set), at: place, slab: &slab, random: &random, moved: { moves.append("\($0 == .max ? 0 : $0)>\($1)") },
                removed: { gone.append($0.raw) })
            return ((0..<cluster.hostCount).map { cluster.host($0).raw }, gone)
        }

        deinit {
            unsafe place.pointee.destroy()
            unsafe place.deallocate()
            slab.destroy()
        }
    }

    @Test func hostsThatStayAreTheSame() {
        let f = Fixture()
        let first = f.adopt([f.host("10.0.0.1"), f.host("10.0.0.2"), f.host("10.0.0.3")])
        #expect(Set(first.now).count == 3)
        let second = f.adopt([f.host("10.0.0.3"), f.host("10.0.0.4"), f.host("10.0.0.1")])
        #expect(second.now[0] == first.now[2])
        #expect(second.now[2] == first.now[0])
        #expect(second.gone == [first.now[1]])
        #expect(f.moves == ["0>1", "0>1", "0>1", "1>2", "0>2", "1>2"])
    }

    /// A cluster that a plan replaces must outlive the hosts that it made: they are counted.
    @Test func hostsAreCountedAndKnowTheirCluster() {
        let f = Fixture()
        let first = f.adopt([f.host("10.0.0.1"), f.host("10.0.0.2")])
        _ = f.adopt([f.host("10.0.0.2"), f.host("10.0.0.3")])
        #expect(f.cluster.liveHosts == 3, "the one that went is not freed yet")
        for raw in first.now { #expect(unsafe f.slab[Handle(raw: raw)]?.pointee.cluster == f.place) }
    }

    @Test func anotherPriorityIsAnotherHost() {
        let f = Fixture()
        let first = f.adopt([f.host("10.0.0.1")])
        let second = f.adopt([f.host("10.0.0.1", priority: 1)])
        #expect(second.gone == first.now)
    }

    /// LOGICAL_DNS: a new address is the same host, and its connections stay.
    @Test func aLogicalHostChangesItsAddress() {
        let f = Fixture()
        let first = f.adopt([f.host("10.0.0.1", logical: true)])
        let second = f.adopt([f.host("10.0.0.9", logical: true)])
        #expect(second.now == first.now)
        #expect(second.gone.isEmpty)
        let host = unsafe f.cluster.choose(slab: f.slab, random: &f.random)
        #expect(unsafe host?.pointee.config.address == SocketAddress(ip: "10.0.0.9", port: 80))
    }

    @Test func emptyAndBack() {
        let f = Fixture()
        _ = f.adopt([f.host("10.0.0.1")])
        #expect(f.adopt([]).gone.count == 1)
        #expect(unsafe f.cluster.choose(slab: f.slab, random: &f.random) == nil)
        #expect(f.adopt([f.host("10.0.0.1")]).now.count == 1)
        #expect(unsafe f.cluster.choose(slab: f.slab, random: &f.random) != nil)
    }

    /// The share of two priorities in 10,000 draws.
    @Test func prioritiesShareAsTheirLoadsSay() {
        let f = Fixture()
        var hosts: [HostConfig] = []
        for i in 0..<10 {
            var host = f.host("10.0.0.\(i + 1)")
            host.isHealthy = i < 5
            hosts.append(host)
        }
        for i in 0..<10 { hosts.append(f.host("10.0.1.\(i + 1)", priority: 1)) }
        _ = f.adopt(hosts)
        var first = 0
        for _ in 0..<10_000 {
            if let host = unsafe f.cluster.choose(slab: f.slab, random: &f.random), unsafe host.pointee.config.priority == 0 {
                first += 1
            }
        }
        #expect(abs(first - 7_000) < 300, "\(first)")
        #expect(!f.cluster.choseInPanic)
    }
}
