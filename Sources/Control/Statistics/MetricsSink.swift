// Statistics for OpenTelemetry and for Envoy's metrics service: batches that main encodes and a worker sends (`ExportInbox`).

import Pipeline
import Primitives
import Stats
import StatsStore

/// What one such sink is configured by; lives as long as the process.
struct MetricsSinkSpec {
    enum Format {
        case openTelemetry(OTLPMetricFormat)
        case metricsService(MetricsServiceFormat)
    }
    var format: Format
    /// Points, or families, of one request; 0: as many as fit.
    var itemsMax: Int
    /// Holds the exporter's configuration.
    var holder: SinkPart

    var wantsTags: Bool {
        switch format {
        case .openTelemetry(let format): format.tagsAreAttributes || format.usesExtractedName
        case .metricsService(let format): format.tagsAreLabels
        }
    }
}

/// The memory of a sink's configuration; gives back what it holds when nobody has the sink any more.
@safe
final class SinkPart {
    let part: PlanPart
    fileprivate(set) var config: UnsafePointer<ExportConfig>?
    private let release: (PlanPart) -> Void

    init(_ part: PlanPart, release: @escaping (PlanPart) -> Void) {
        self.part = part
        self.release = release
    }

    func set(_ config: UnsafePointer<ExportConfig>) { unsafe self.config = unsafe config }

    deinit { release(part) }
}

@safe
final class MetricsSink: StatsSink {
    /// Bytes of a batch; a larger flush is several. `docs/limits.md`
    private static let bytesMax = 512 << 10

    private let spec: MetricsSinkSpec
    private let inbox: ExportInbox
    private let wake: () -> Void
    private let beganNs = Clock.wallNs()
    private var lastNs = Clock.wallNs()
    private var nowNs: UInt64 = 0
    private var batch: [UInt8] = []
    private var items = 0
    private var gathered = OTLPGathered()

    init(_ spec: MetricsSinkSpec, _ stats: StatRegistry, _ inbox: ExportInbox, wake: @escaping () -> Void) {
        self.spec = spec
        self.inbox = inbox
        self.wake = wake
        super.init(StatsdFormat(.plain), prefix: "", stats)
    }

    override var wantsTags: Bool { spec.wantsTags }
    override var wantsHistograms: Bool { true }

    override func send(_ sample: borrowing SinkSample) {
        if nowNs == 0 { nowNs = Clock.wallNs() }
        switch spec.format {
        case .openTelemetry(let format):
            items += format.append(sample, times, &gathered, to: &batch)
        case .metricsService(let format):
            items += format.append(sample, timeMs: nowNs / 1_000_000, to: &batch)
        }
        handIfFull()
    }

    private var times: OTLPMetricFormat.Times { OTLPMetricFormat.Times(now: nowNs, began: beganNs, last: lastNs) }

    private func handIfFull() {
        if batch.count >= MetricsSink.bytesMax || spec.itemsMax > 0 && items >= spec.itemsMax { hand() }
    }

    override func end() {
        if case .openTelemetry(let format) = spec.format {
            for point in gathered.points {
                format.append(point, times, to: &batch)
                items += 1
                handIfFull()
            }
            gathered.removeAll()
        }
        hand()
        if nowNs != 0 { lastNs = nowNs }
        nowNs = 0
        wake()
    }

    private func hand() {
        guard items > 0, let config = unsafe spec.holder.config else { return }
        let base = UnsafeMutableRawPointer.allocate(byteCount: batch.count, alignment: 8)
        unsafe batch.withUnsafeBytes { source in
            if let start = source.baseAddress { unsafe base.copyMemory(from: start, byteCount: source.count) }
        }
        if unsafe !inbox.put(ExportBatch(config: config, base: base, count: batch.count, items: items)) {
            unsafe base.deallocate()
            countDropped(items)
        }
        batch.removeAll(keepingCapacity: true)
        items = 0
    }
}
