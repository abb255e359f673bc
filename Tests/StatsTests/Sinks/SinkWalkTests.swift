import Stats
@testable import StatsStore
import StatsStore
import Testing

@Suite struct SinkWalkTests {
    private let registry = StatRegistry(workers: 1)
    private var cells: StatCells { registry.cells(worker: 0) }

    private func lines(_ family: StatsdFormat.Family = .plain, scales: Bool = false, step: Int = 1000) -> Set<String> {
        let format = StatsdFormat(family, scalesToMilliseconds: scales)
        registry.flushHistograms()
        var walk = SinkWalk(registry, wantsTags: format.hasTags)
        var lines: Set<String> = []
        var more = true
        while more {
            more = walk.step(registry, scopesMax: step) { sample in
                var line: [UInt8] = []
                format.append(sample, prefix: Array("envoy".utf8), to: &line)
                let (isNew, _) = lines.insert(String(decoding: line, as: UTF8.self))
                #expect(isNew)
            }
        }
        return lines
    }

    @Test func countersAreDifferences() {
        let a = registry.scope("cluster.a.", ClusterStat.self)
        #expect(lines() == [])
        cells.add(a[.bindErrors], 5)
        cells.set(a[.upstreamRqActive], 7)
        #expect(lines() == ["envoy.cluster.a.bind_errors:5|c", "envoy.cluster.a.upstream_rq_active:7|g"])
        cells.add(a[.bindErrors], 2)
        #expect(lines(step: 1).contains("envoy.cluster.a.bind_errors:2|c"))
        // Used once: sent on, as Envoy does.
        #expect(lines() == ["envoy.cluster.a.bind_errors:0|c", "envoy.cluster.a.upstream_rq_active:7|g"])
        // What the admin resets, sinks do not see.
        cells.add(a[.bindErrors], 3)
        registry.resetCounters()
        #expect(lines().contains("envoy.cluster.a.bind_errors:3|c"))
    }

    @Test func responseCodesToo() {
        let a = registry.scope("cluster.a.", ClusterStat.self)
        cells.count(a[.externalResponseCodes], responseCode: 200)
        cells.count(a[.externalResponseCodes], responseCode: 204)
        cells.count(a[.externalResponseCodes], responseCode: 999)
        #expect(
            lines() == [
                "envoy.cluster.a.external.upstream_rq_200:1|c", "envoy.cluster.a.external.upstream_rq_204:1|c",
                "envoy.cluster.a.external.upstream_rq_2xx:2|c", "envoy.cluster.a.external.upstream_rq_completed:3|c",
                "envoy.cluster.a.external.upstream_rq_unknown:1|c",
            ])
        cells.count(a[.externalResponseCodes], responseCode: 200)
        registry.resetCounters()
        let now = lines()
        #expect(now.contains("envoy.cluster.a.external.upstream_rq_2xx:1|c"))
        #expect(now.contains("envoy.cluster.a.external.upstream_rq_204:0|c"))
        #expect(now.contains("envoy.cluster.a.external.upstream_rq_completed:1|c"))
    }

    @Test func samplesOfOneBinAreOneLine() {
        let a = registry.scope("cluster.a.", ClusterStat.self)
        for value: UInt64 in [0, 7, 99, 99, 123, 125, 4_567] { cells.record(a[.upstreamRqTime], value) }
        #expect(
            lines() == [
                "envoy.cluster.a.upstream_rq_time:0|ms", "envoy.cluster.a.upstream_rq_time:7|ms",
                "envoy.cluster.a.upstream_rq_time:99|ms|@0.5", "envoy.cluster.a.upstream_rq_time:125|ms|@0.5",
                "envoy.cluster.a.upstream_rq_time:4550|ms",
            ])
        #expect(lines() == [])
    }

    /// `scale_histogram_units_to_milliseconds`; else a sample is told as it is, with `ms` behind it all the same.
    @Test func microsecondsAreScaledWhereAskedTo() {
        let times = registry.scope("times.", TimesStat.self)
        let samples: [UInt64] = [0, 7, 99, 1_000, 1_550, 1_234_567]
        for value in samples {
            cells.record(times[.us], value)
            cells.record(times[.ms], value)
            cells.record(times[.plain], value)
        }
        let asTheyAre = ["0", "7", "99", "1050", "1550", "1250000"]
        func lines(_ us: [String]) -> Set<String> {
            Set(us.map { "envoy.times.us:\($0)|ms" } + asTheyAre.flatMap { ["envoy.times.ms:\($0)|ms", "envoy.times.plain:\($0)|ms"] })
        }
        #expect(self.lines(scales: true) == lines(["0", "0.007", "0.099", "1.05", "1.55", "1250"]))
        for value in samples {
            cells.record(times[.us], value)
            cells.record(times[.ms], value)
            cells.record(times[.plain], value)
        }
        #expect(self.lines() == lines(asTheyAre))
    }

    @Test func tags() {
        registry.tags.commandLine = [.init("z", .fixed("1"))]
        let a = registry.scope("cluster.a.", ClusterStat.self)
        cells.count(a[.responseCodes], responseCode: 404)
        _ = registry.scope("server.", ServerStat.self)
        registry.mainCells.set(registry.scope("server.", ServerStat.self)[.live], 1)
        #expect(
            lines(.dog) == [
                "envoy.cluster.upstream_rq:1|c|#envoy.response_code:404,z:1,envoy.cluster_name:a",
                "envoy.cluster.upstream_rq_xx:1|c|#envoy.response_code_class:4,z:1,envoy.cluster_name:a",
                "envoy.server.live:1|g|#z:1",
            ])
        #expect(
            lines(.graphite).contains("envoy.cluster.upstream_rq;envoy.response_code=404;z=1;envoy.cluster_name=a:0|c"))
    }

    /// An id that goes to another statistic begins anew, and what is rejected is not sent.
    @Test func idsAreUsedAgain() {
        registry.keep(StatNameMatcher { !string($0).hasSuffix("rq_total") })
        let a = registry.scope("cluster.a.", ClusterStat.self)
        cells.add(a[.bindErrors], 50)
        cells.increment(a[.upstreamRqTotal])
        cells.count(a[.responseCodes], responseCode: 200)
        #expect(lines().count == 3)
        registry.retire(a.ref)
        registry.recycle(registry.retiredScopes())
        let b = registry.scope("cluster.b.", ClusterStat.self)
        #expect(b.base == a.base)
        cells.add(b[.bindErrors], 3)
        cells.count(b[.responseCodes], responseCode: 200)
        #expect(
            lines() == [
                "envoy.cluster.b.bind_errors:3|c", "envoy.cluster.b.upstream_rq_200:1|c", "envoy.cluster.b.upstream_rq_2xx:1|c",
            ])
    }

    @Test func aNameIsOneLine() {
        let a = registry.scope("cluster.a\nevil:1|c.", ClusterStat.self)
        cells.add(a[.bindErrors], 1)
        #expect(lines().allSatisfy { !$0.contains("\n") })
    }
}

/// No statistic of ours counts microseconds yet.
private enum TimesStat: UInt32, StatLeaf {
    case ms, plain, us

    static let schema = StatSchema(TimesStat.self, writers: .workers)

    var descriptor: StatDescriptor {
        switch self {
        case .ms: .histogram("ms", .milliseconds)
        case .plain: .histogram("plain", .unspecified)
        case .us: .histogram("us", .microseconds)
        }
    }
}
