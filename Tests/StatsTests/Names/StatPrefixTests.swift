import Stats
import StatsStore
import Testing

@Suite struct StatPrefixTests {
    /// Recorded from Envoy.
    @Test(arguments: [
        ("odd:name.with/chars", "cluster.odd_name.with/chars."), ("x://y:/z:w.", "cluster.x_y_z_w."),
        (".lead.", "cluster..lead."), ("a b", "cluster.a b."), ("with\\back", "cluster.with\\back."),
        ("we\"ird\nname é", "cluster.we\"ird\nname é."), ("", "cluster.."), ("a\0b", "cluster.a_b."),
    ])
    func clusterNames(name: String, prefix: String) {
        #expect(StatPrefix.cluster(name) == prefix)
    }

    @Test(arguments: [
        ("127.0.0.1:19932", "listener.127.0.0.1_19932."), ("[::1]:19945", "listener.[__1]_19945."),
        ("/tmp/stats-oracle/sock", "listener./tmp/stats-oracle/sock."), ("pre.fix:x", "listener.pre.fix_x."),
        ("::1", "listener.__1."),
    ])
    func listenerAddresses(address: String, prefix: String) {
        #expect(StatPrefix.listener(address) == prefix)
        #expect(StatPrefix.listenerWorker(address, worker: 3) == prefix + "worker_3.")
    }

    @Test func hugeNamesAreCut() {
        let registry = StatRegistry(workers: 1)
        let name = String(repeating: "é", count: 10_000)
        _ = registry.scope(StatPrefix.cluster(name), CircuitBreakerRemainingStat.self)
        let line = rendered(registry) { $0.format = .text }.utf8.split(separator: UInt8(ascii: "\n"))[0]
        #expect(line.count < StatLimits.prefixBytesMax + 100)
        #expect(rendered(registry) { $0.format = .json }.hasSuffix("]}"))
    }
}
