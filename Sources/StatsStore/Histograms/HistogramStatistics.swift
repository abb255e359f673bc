import Glibc
import Stats

/// A merged distribution and what is computed from it, with circllhist's arithmetic, so that the printed digits are
/// Envoy's.
package struct HistogramStatistics: Equatable {
    /// Sorted by bin, no empty ones.
    package var bins: [BinCount] = []

    package init(bins: [BinCount] = []) {
        self.bins = bins
    }

    /// The quantiles that Envoy prints.
    package static let quantiles: [Double] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1]

    package var sampleCount: UInt64 {
        bins.reduce(0) { $0 &+ $1.count }
    }

    /// The approximate sum: each sample counts as its bin's midpoint.
    package var sampleSum: Double {
        bins.reduce(0.0) { $0 + $1.bin.midpoint * Double($1.count) }
    }

    /// One value per entry of `quantiles`; `nan` where there are no samples.
    package func computedQuantiles() -> [Double] {
        let total = Double(sampleCount)
        guard total > 0 else { return Self.quantiles.map { _ in .nan } }
        var values: [Double] = []
        values.reserveCapacity(Self.quantiles.count)
        var at = 0
        var below = 0.0
        for quantile in Self.quantiles {
            let rank = total * quantile
            while at < bins.count - 1, below + Double(bins[at].count) < rank {
                below += Double(bins[at].count)
                at += 1
            }
            values.append(Self.interpolate(bins[at], rank: rank, below: below))
        }
        return values
    }

    /// The bin's n samples are taken to stand at k/(n + 1) of its width, and the quantile is the k-th of them.
    private static func interpolate(_ bin: BinCount, rank: Double, below: Double) -> Double {
        let k = max(1, (rank - below).rounded(.up))
        return bin.bin.lowerBound + k / (Double(bin.count) + 1) * bin.bin.width
    }

    /// For each upper bound the samples at or below it. A bin counts when its lower bound does not pass the upper
    /// bound.
    package func cumulativeCounts(_ upperBounds: [Double]) -> [UInt64] {
        var counts: [UInt64] = []
        counts.reserveCapacity(upperBounds.count)
        var at = 0
        var sum: UInt64 = 0
        for bound in upperBounds {
            while at < bins.count, bins[at].bin.lowerBound <= bound {
                sum &+= bins[at].count
                at += 1
            }
            counts.append(sum)
        }
        return counts
    }
}

extension HistogramStatistics {
    /// Counts per bucket: up to each bound, or between the bound before and it.
    package func bucketCounts(_ bounds: [Double], isCumulative: Bool) -> [UInt64] {
        let cumulative = cumulativeCounts(bounds)
        if isCumulative { return cumulative }
        return cumulative.indices.map { $0 == 0 ? cumulative[0] : cumulative[$0] &- cumulative[$0 - 1] }
    }
}
