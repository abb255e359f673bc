import Stats
import StatsStore
import Testing

/// The whole way: values through cells, merged, rendered, compared byte for byte with what Envoy printed.
@Suite struct RecordedEnvoyTests {
    let set: RecordedSet
    let names: Set<String>

    init() {
        var set = RecordedSet()
        set.add(StatPrefix.cluster("up"), ClusterStat.self)
        set.add(StatPrefix.cluster("up"), ClusterControlStat.self)
        set.add(StatPrefix.http("ingress"), HTTPConnectionManagerStat.self)
        set.add(StatPrefix.http("ingress"), RouterStat.self)
        set.add(StatPrefix.listener("127.0.0.1:19932"), ListenerStat.self)
        set.add(StatPrefix.listenerWorker("127.0.0.1:19932", worker: 0), ListenerWorkerStat.self)
        set.add(StatPrefix.listenerHTTP("127.0.0.1:19932", statPrefix: "ingress"), ListenerHTTPStat.self)
        set.add(StatPrefix.virtualCluster("vh", "api"), VirtualClusterStat.self)
        set.fill(text: RecordedEnvoy.text, usedOnly: RecordedEnvoy.usedOnly, detailed: RecordedEnvoy.detailed)
        names = Set(
            RecordedEnvoy.text.split(separator: "\n").compactMap { $0.split(separator: ": ").first.map(String.init) })
        self.set = set
    }

    private func render(_ configure: (inout StatsQuery) -> Void) -> String {
        set.render {
            $0.filter = named(names)
            configure(&$0)
        }
    }

    @Test func text() {
        #expect(render { _ in } == RecordedEnvoy.text)
        #expect(render { $0.usedOnly = true } == RecordedEnvoy.usedOnly)
    }

    @Test func json() {
        #expect(render { $0.format = .json } == RecordedEnvoy.json)
    }

    @Test(arguments: [
        (StatsQuery.Buckets.cumulative, RecordedEnvoy.cumulative, RecordedEnvoy.cumulativeJSON),
        (.disjoint, RecordedEnvoy.disjoint, RecordedEnvoy.disjointJSON),
        (.detailed, RecordedEnvoy.detailed, RecordedEnvoy.detailedJSON),
    ])
    func histogramBuckets(_ buckets: StatsQuery.Buckets, text: String, json: String) {
        #expect(render { ($0.types, $0.buckets) = (.histograms, buckets) } == text)
        #expect(render { ($0.types, $0.buckets, $0.format) = (.histograms, buckets, .json) } == json)
    }

    @Test func prometheus() {
        #expect(render { $0.format = .prometheus } == RecordedEnvoy.prometheus)
        #expect(render { ($0.format, $0.usedOnly) = (.prometheus, true) } == RecordedEnvoy.prometheusUsedOnly)
    }

    @Test(arguments: [1, 17, 100, 4096])
    func slicesJoinToTheSameOutput(slice: Int) {
        for format in [StatsQuery.Format.text, .json, .prometheus] {
            let whole = rendered(set.registry) { $0.format = format }
            #expect(rendered(set.registry, slice: slice) { $0.format = format } == whole)
        }
    }
}
