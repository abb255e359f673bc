import Stats
import StatsStore
import Testing

@Suite struct SchemaTests {
    static let schemas: [StatSchema] = [
        ListenerStat.schema, ListenerWorkerStat.schema, ListenerHTTPStat.schema, HTTPConnectionManagerStat.schema,
        RouterStat.schema, HTTPTracingStat.schema, ClusterStat.schema, ClusterControlStat.schema,
        HealthCheckStat.schema, OutlierDetectionStat.schema, CircuitBreakerRemainingStat.schema,
        RequestResponseSizeStat.schema, TimeoutBudgetStat.schema, TCPProxyStat.schema, VirtualClusterStat.schema,
        TLSStat.schema, TLSSocketFactoryStat.schema, CertificateStat.schema, NamedCounterStat.schema,
        ServerStat.schema, WatchdogStat.schema, WatchdogProfileStat.schema, WatchdogBacktraceStat.schema, ClusterManagerStat.schema, ThreadLocalClusterManagerStat.schema,
        ListenerManagerStat.schema, SubscriptionStat.schema, ConfigReloadStat.schema, FilesystemStat.schema,
        RuntimeStat.schema, DNSStat.schema, OverloadStat.schema, OverloadActionStat.schema, HTTP1CodecStat.schema,
    ]

    /// The walk relies on it.
    @Test(arguments: schemas)
    func namesAreUniqueASCIIWithoutUpperCase(schema: StatSchema) {
        let names = schema.leaves.map { "\($0.name)" }
        #expect(Set(names).count == names.count)
        for name in names {
            #expect(
                name.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f || $0 == 0x2e
                })
        }
    }

    @Test func schemasUnderOnePrefixDoNotCollide() {
        for group in [
            [ClusterStat.schema, ClusterControlStat.schema, RequestResponseSizeStat.schema, TimeoutBudgetStat.schema],
            [HTTPConnectionManagerStat.schema, RouterStat.schema], [SubscriptionStat.schema, ConfigReloadStat.schema],
        ] {
            let names = group.flatMap { $0.leaves.map { "\($0.name)" } }
            #expect(Set(names).count == names.count)
        }
    }

    /// What every request touches lies on the first two cache lines.
    @Test func hotLeavesStandFirst() {
        #expect(ClusterStat.upstreamRqTotal.rawValue == 0 && ClusterStat.upstreamCxTxBytesTotal.rawValue < 16)
        #expect(HTTPConnectionManagerStat.downstreamRqTotal.rawValue == 0)
        #expect(HTTPConnectionManagerStat.downstreamRqTime.rawValue < 16)
    }

    @Test func codecCountersAppearWithTheirProtocol() {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        #expect(!rendered(registry).contains("http1."))
        registry.cells(worker: 0).increment(scope[.upstreamCxHttp1Total])
        #expect(rendered(registry).contains("cluster.up.http1.response_flood: 0\n"))
        #expect(!rendered(registry) { $0.usedOnly = true }.contains("http1."))
    }
}
