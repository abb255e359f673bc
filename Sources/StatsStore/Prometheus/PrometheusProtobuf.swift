import Glibc
import Stats

/// Histograms as messages of `io.prometheus.client` (the numbers of its fields stand here), within a `Metric`.
enum PrometheusProtobuf {
    /// `Histogram` with its upper bounds.
    static func histogram(_ statistics: HistogramStatistics, _ upperBounds: [Double], _ metric: inout [UInt8]) {
        let counts = statistics.bucketCounts(upperBounds, isCumulative: true)
        metric.appendMessage(7) { message in
            message.appendVarint(1, statistics.sampleCount)
            message.appendDouble(2, statistics.sampleSum)
            for (at, bound) in upperBounds.enumerated() {
                message.appendMessage(3) {
                    $0.appendVarint(1, counts[at])
                    $0.appendDouble(2, bound)
                }
            }
        }
    }

    /// `Summary`
    static func summary(_ statistics: HistogramStatistics, _ metric: inout [UInt8]) {
        let values = statistics.computedQuantiles()
        metric.appendMessage(4) { message in
            message.appendVarint(1, statistics.sampleCount)
            message.appendDouble(2, statistics.sampleSum)
            for (at, quantile) in HistogramStatistics.quantiles.enumerated() {
                message.appendMessage(3) {
                    $0.appendDouble(1, quantile)
                    $0.appendDouble(2, values[at])
                }
            }
        }
    }

    /// Samples up to this one are counted as zeros.
    private static let zeroThreshold = 0.5
    /// Native buckets that the bins may touch, and the finest and coarsest resolutions (2^schema per octave).
    private static let bucketsMax = 20
    private static let finest: Int32 = 4
    private static let coarsest: Int32 = -4

    /// A native `Histogram`: exponential buckets, as fine as twenty of them allow. A bin counts
    /// where its lower bound lies. Rules read off Envoy 1.40's answers to twenty distributions.
    static func native(_ statistics: HistogramStatistics, _ metric: inout [UInt8]) {
        if statistics.bins.isEmpty { return nativeWithoutSamples(&metric) }
        var schema = finest
        while touched(statistics, schema) > bucketsMax, schema > coarsest { schema -= 1 }
        let buckets = nativeBuckets(statistics, schema)
        let zeros = statistics.bins.reduce(0) { $1.bin.lowerBound <= zeroThreshold ? $0 &+ $1.count : $0 }
        metric.appendMessage(7) { message in
            message.appendVarint(1, statistics.sampleCount)
            message.appendDouble(2, statistics.sampleSum)
            message.appendVarint(5, zigzag(Int64(schema)))
            message.appendDouble(6, zeroThreshold)
            message.appendVarint(7, zeros)
            spans(buckets, &message)
        }
    }

    /// An empty run of buckets says that it is a native one.
    private static func nativeWithoutSamples(_ metric: inout [UInt8]) {
        metric.appendMessage(7) { message in
            message.appendVarint(5, zigzag(3))
            message.appendVarint(7, 0)
            message.appendMessage(12) {
                $0.appendVarint(1, 0)
                $0.appendVarint(2, 0)
            }
        }
    }

    /// The buckets that the bins reach into, from the one of their lower bound to that of their upper one.
    private static func touched(_ statistics: HistogramStatistics, _ schema: Int32) -> Int {
        var count = 0
        var last = Int.min
        for entry in statistics.bins where entry.bin.lowerBound > zeroThreshold {
            let first = max(index(entry.bin.lowerBound, schema), last == .min ? .min : last + 1)
            last = max(last, index(entry.bin.lowerBound + entry.bin.width, schema))
            count += max(0, last - first + 1)
        }
        return count
    }

    /// Bucket i holds what is above 2^((i - 1) / 2^schema) and not above 2^(i / 2^schema).
    private static func index(_ value: Double, _ schema: Int32) -> Int {
        Int(ceil(log2(value) * exp2(Double(schema))))
    }

    private static func nativeBuckets(_ statistics: HistogramStatistics, _ schema: Int32) -> [(index: Int, count: UInt64)] {
        var buckets: [(index: Int, count: UInt64)] = []
        for entry in statistics.bins where entry.bin.lowerBound > zeroThreshold {
            let index = index(entry.bin.lowerBound, schema)
            if buckets.last?.index == index {
                buckets[buckets.count - 1].count &+= entry.count
            } else {
                buckets.append((index, entry.count))
            }
        }
        return buckets
    }

    /// Runs of buckets: how far each begins behind the one before, and how long it is; then each count's difference.
    private static func spans(_ buckets: [(index: Int, count: UInt64)], _ message: inout [UInt8]) {
        var at = 0
        var expected = 0
        while at < buckets.count {
            var end = at + 1
            while end < buckets.count, buckets[end].index == buckets[end - 1].index + 1 { end += 1 }
            message.appendMessage(12) {
                $0.appendVarint(1, zigzag(Int64(buckets[at].index - expected)))
                $0.appendVarint(2, UInt64(end - at))
            }
            expected = buckets[end - 1].index + 1
            at = end
        }
        var before: UInt64 = 0
        for bucket in buckets {
            message.appendVarint(13, zigzag(Int64(truncatingIfNeeded: bucket.count &- before)))
            before = bucket.count
        }
    }

    private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }
}

/// The wire format of protobuf.
extension [UInt8] {
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func appendVarint(_ field: UInt8, _ value: UInt64) {
        append(field << 3)
        appendVarint(value)
    }

    mutating func appendDouble(_ field: UInt8, _ value: Double) {
        append(field << 3 | 1)
        for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt64(shift)))) }
    }

    mutating func appendBytes(_ field: UInt8, _ bytes: ArraySlice<UInt8>) {
        append(field << 3 | 2)
        appendVarint(UInt64(bytes.count))
        self += bytes
    }

    /// The length goes in front once it is known.
    mutating func appendMessage(_ field: UInt8, _ body: (inout [UInt8]) -> Void) {
        append(field << 3 | 2)
        let mark = count
        body(&self)
        var length: [UInt8] = []
        length.appendVarint(UInt64(count - mark))
        insert(contentsOf: length, at: mark)
    }
}
