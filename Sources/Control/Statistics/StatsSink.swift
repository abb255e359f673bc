// Where statistics are sent at each flush. Main only; nothing here waits for a peer.

import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

package class StatsSink {
    let format: StatsdFormat
    private let prefix: [UInt8]
    private let cells: StatCells
    private let counts: StatScope<SinkStat>
    /// The line at hand.
    private var line: [UInt8] = []

    init(_ format: StatsdFormat, prefix: String, _ stats: StatRegistry) {
        self.format = format
        self.prefix = Array((prefix.isEmpty ? "envoy" : prefix).utf8)
        cells = stats.mainCells
        counts = stats.scope("martlet.stats_sinks.", SinkStat.self)
    }

    static func make(
        _ spec: SinkSpec, _ configurator: Configurator, _ stats: StatRegistry, _ reactor: DNSReactor,
        _ inbox: ExportInbox, wake: @escaping () -> Void
    ) -> StatsSink {
        switch spec {
        case .metrics(let spec): return MetricsSink(spec, stats, inbox, wake: wake)
        case .hystrix(let buckets):
            return HystrixSink(buckets: buckets, flushMs: configurator.statistics.flushIntervalMs, stats) { [unowned configurator] in
                configurator.clusters.map { cluster in
                    let pendingMax = unsafe cluster.config?.pointee.defaultLimits.pendingRequests
                    return HystrixCluster(
                        name: cluster.name, prefix: StatPrefix.cluster(cluster.observabilityName),
                        pendingMax: pendingMax ?? CircuitLimits().pendingRequests)
                }
            }
        case .datagrams(let format, let address, let bytesMax, let prefix):
            return DatagramSink(format, address, bytesMax: bytesMax, prefix: prefix, stats)
        case .stream(let format, let cluster, let prefix):
            // The next host at each connection.
            var turn = 0
            return StreamSink(format, prefix: prefix, stats, reactor) { [unowned configurator] in
                let hosts = configurator.clusters.first { $0.name == cluster }?.hostConfigs ?? []
                if hosts.isEmpty { return nil }
                turn = (turn + 1) % hosts.count
                return hosts[turn].address
            }
        }
    }

    var wantsTags: Bool { format.hasTags }
    /// Whole histograms, instead of their bins.
    var wantsHistograms: Bool { false }

    func send(_ sample: borrowing SinkSample) {
        if case .histogram = sample.value { return }
        line.removeAll(keepingCapacity: true)
        format.append(sample, prefix: prefix, to: &line)
        append(line)
    }

    func countSent(_ lines: Int) { cells.add(counts[.linesSent], UInt64(lines)) }
    func countDropped(_ lines: Int) { cells.add(counts[.linesDropped], UInt64(lines)) }

    // MARK: For those who know the way

    func append(_ line: [UInt8]) {}
    /// The flush has no more lines.
    func end() {}
    /// The process ends: what is left may take this long.
    func finish(limitMs: Int) {}
}
