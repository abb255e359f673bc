import Stats
@testable import StatsStore
import StatsStore
import Testing

@Suite struct PrometheusProtobufTests {
    /// Resolution, spans and differences are those that Envoy chose.
    @Test(arguments: RecordedNative.all.indices)
    func nativeHistograms(_ index: Int) {
        let recorded = RecordedNative.all[index]
        let registry = StatRegistry(workers: 1)
        let cluster = registry.scope("cluster.c.", ClusterStat.self)
        for pair in recorded.bins.split(separator: " ") {
            let parts = pair.split(separator: ":").compactMap { UInt64($0) }
            for _ in 0..<parts[1] { registry.cells(worker: 0).record(cluster[.upstreamRqTime], parts[0]) }
        }
        registry.flushHistograms()
        var metric: [UInt8] = []
        PrometheusProtobuf.native(
            registry.histograms[cluster[.upstreamRqTime]]?.cumulative ?? HistogramStatistics(), &metric)
        // Field 7 of the metric, and its length.
        let body = metric.dropFirst(metric.count > 129 ? 3 : 2)
        let digits = body.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(digits == recorded.message)
    }

    @Test func varints() {
        func bytes(_ value: UInt64) -> [UInt8] {
            var out: [UInt8] = []
            out.appendVarint(value)
            return out
        }
        #expect(bytes(0) == [0])
        #expect(bytes(127) == [127])
        #expect(bytes(128) == [0x80, 1])
        #expect(bytes(.max) == [UInt8](repeating: 0xff, count: 9) + [1])
    }

    @Test func labelsAreTakenApart() {
        var labels: [UInt8] = []
        PrometheusNames.append("a.b".utf8, "x\"y\\z\n,c=\"d\"".utf8, to: &labels)
        PrometheusNames.append("e".utf8, "".utf8, to: &labels)
        var found: [String] = []
        PrometheusNames.forEach(labels[...]) { name, value in
            found.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
        }
        #expect(found == ["a_b=x\"y\\z\n,c=\"d\"", "e="])
        // Cut short: nothing traps.
        for end in 0...labels.count { PrometheusNames.forEach(labels[..<end]) { _, _ in } }
    }

    /// Messages come in slices of any size.
    @Test(arguments: [1, 7, 1000])
    func slices(_ slice: Int) {
        let registry = StatRegistry(workers: 1)
        for i in 0..<20 { _ = registry.scope("cluster.c\(i).", ClusterStat.self) }
        func whole(_ slice: Int) -> [UInt8] {
            var query = StatsQuery()
            query.format = .prometheusProtobuf
            var renderer = StatsRenderer(registry, query)
            var bytes: [UInt8] = []
            while renderer.next(maxBytes: slice, { span in for at in span.indices { bytes.append(span[at]) } }) {}
            return bytes
        }
        #expect(whole(slice) == whole(1_000_000))
    }
}
