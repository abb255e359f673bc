// `envoy.stat_sinks.hystrix`: at each flush the state of every cluster as server-sent events, for whoever is connected to the admin
// interface's `/hystrix_event_stream`. Main only.

import EnvoyAPI
import Primitives
import Stats
import StatsStore
import Upstream

/// What such a sink has to know of a cluster.
struct HystrixCluster {
    var name: String
    /// Of its statistics: `cluster.up.`
    var prefix: String
    var pendingMax: UInt32
}

package final class HystrixSink: StatsSink {
    /// Clusters that Envoy's default has: flushes in a window.
    static let bucketsStandard = 10
    /// `docs/limits.md`
    static let bucketsMax = 3600

    private let buckets: Int
    private let flushMs: UInt64
    private let clusters: () -> [HystrixCluster]
    private var windows: [String: HystrixWindow] = [:]
    /// Statistics of a cluster by what their names begin with.
    private var names: [[UInt8]: String] = [:]
    /// The last flush: which it was, of what, and when in seconds.
    package private(set) var flushes: UInt64 = 0
    private var told: [HystrixCluster] = []
    private var flushedS: UInt64 = 0

    init(buckets: Int, flushMs: UInt64, _ stats: StatRegistry, clusters: @escaping () -> [HystrixCluster]) {
        self.buckets = buckets
        self.flushMs = flushMs
        self.clusters = clusters
        super.init(StatsdFormat(.plain), prefix: "", stats)
    }

    override var wantsTags: Bool { false }
    override var wantsHistograms: Bool { true }

    private static let counters: [(name: [UInt8], count: HystrixWindow.Count)] = {
        let texts: [(String, HystrixWindow.Count)] = [
            ("upstream_rq_5xx", .errors), ("upstream_rq_4xx", .errors), ("upstream_rq_2xx", .success),
            ("upstream_rq_pending_overflow", .rejected), ("upstream_rq_timeout", .timeouts), ("upstream_rq_per_try_timeout", .timeouts),
        ]
        return texts.map { (Array($0.0.utf8), $0.1) }
    }()
    private static let active = Array("upstream_rq_active".utf8)
    private static let hosts = Array("membership_total".utf8)
    private static let time = Array("upstream_rq_time".utf8)

    override func send(_ sample: borrowing SinkSample) {
        if names.isEmpty { begin() }
        let name = sample.name
        switch sample.value {
        case .counter(let delta):
            for counter in HystrixSink.counters {
                guard let cluster = owner(name, counter.name) else { continue }
                windows[cluster]?.add(counter.count, delta)
                return
            }
        case .gauge(let value):
            if let cluster = owner(name, HystrixSink.active) { windows[cluster]?.active = value }
            if let cluster = owner(name, HystrixSink.hosts) { windows[cluster]?.hosts = value }
        case .histogram:
            if let cluster = owner(name, HystrixSink.time) { windows[cluster]?.latency = sample.interval }
        case .timer: break
        }
    }

    /// The cluster whose statistic this is; nil: it is another one, or nobody's.
    private func owner(_ name: [UInt8], _ leaf: [UInt8]) -> String? {
        guard name.count > leaf.count, name.suffix(leaf.count).elementsEqual(leaf) else { return nil }
        return names[Array(name.dropLast(leaf.count))]
    }

    private func begin() {
        let clusters = self.clusters()
        names = Dictionary(clusters.map { (Array($0.prefix.utf8), $0.name) }) { $1 }
        let known = Set(clusters.map(\.name))
        windows = windows.filter { known.contains($0.key) }
        for cluster in clusters {
            if windows[cluster.name] == nil { windows[cluster.name] = HystrixWindow(buckets: buckets) }
            // What is not told any more is none.
            windows[cluster.name]?.active = 0
            windows[cluster.name]?.latency = HistogramStatistics()
        }
    }

    override func end() {
        if names.isEmpty { begin() }
        told = clusters().sorted { $0.name < $1.name }
        for cluster in told { windows[cluster.name]?.roll() }
        flushedS = Clock.wallNs() / 1_000_000_000
        flushes &+= 1
        names.removeAll(keepingCapacity: true)
    }
}

/// One client's place in what the flushes tell. A cluster's events are made when there is room for them: whoever reads slowly
/// costs nothing, and reads of the newest flush.
package struct HystrixReader {
    private let sink: HystrixSink
    private var seen: UInt64
    /// The next cluster; nil: the flush has been told.
    private var place: Int?

    package init(_ sink: HystrixSink) {
        self.sink = sink
        seen = sink.flushes
    }

    package var isWaiting: Bool { place == nil && sink.flushes == seen }

    /// Clusters until `out` holds `bytes`.
    package mutating func next(_ out: inout [UInt8], upTo bytes: Int) {
        var next = place ?? 0
        if place == nil { seen = sink.flushes }
        while out.count < bytes {
            guard sink.write(next, to: &out) else {
                // A comment, so that a connection that nobody reads is found.
                out += Array(":\n\n".utf8)
                return place = nil
            }
            next += 1
        }
        place = next
    }
}

extension HystrixSink {
    /// The events of one cluster; false: there are no more.
    fileprivate func write(_ index: Int, to out: inout [UInt8]) -> Bool {
        guard index < told.count else { return false }
        var text = ""
        windows[told[index].name]?.write(
            JSONText.quoted(told[index].name), pendingMax: told[index].pendingMax, nowS: flushedS, flushMs: flushMs, to: &text)
        out += text.utf8
        return true
    }
}
