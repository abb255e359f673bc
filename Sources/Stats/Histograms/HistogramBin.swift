/// One bin of a log-linear histogram: two significant decimal digits, 90 bins per decade, as circllhist (which Envoy
/// uses) cuts them. 0 has a bin of its own; 1…9 are the bins [v, v + 0.1), because samples are whole numbers.
///
/// Bins are numbered densely in order of value: 0…9, then decade 1 (10…99, width 1), decade 2 (100…999, width 10) …
public struct HistogramBin: Comparable, Hashable {
    public let index: UInt16

    public static let decades = 19
    public static let binsPerDecade = 90
    /// Bins below the first decade.
    public static let lowBins = 10

    @inlinable public init(index: UInt16) {
        self.index = index
    }

    public static func < (a: HistogramBin, b: HistogramBin) -> Bool { a.index < b.index }

    /// The lower bound, computed the way circllhist does, so that the printed digits are the same.
    public var lowerBound: Double {
        let index = Int(self.index)
        if index < Self.lowBins { return Double(index * 10) / 10.0 }
        let mantissa = 10 + (index - Self.lowBins) % Self.binsPerDecade
        return Double(mantissa) / 10.0 * powersOfTen[decade]
    }

    public var width: Double {
        if index == 0 { return 0 }
        return Int(index) < Self.lowBins ? 0.1 : powersOfTen[decade] / 10.0
    }

    /// The harmonic middle, which halves the relative error at both ends; sums are made of it.
    public var midpoint: Double {
        let bottom = lowerBound
        if bottom == 0 { return 0 }
        let interval = width
        let top = bottom + interval
        return bottom + interval * (bottom / (bottom + top))
    }

    private var decade: Int {
        Int(index) < Self.lowBins ? 0 : 1 + (Int(index) - Self.lowBins) / Self.binsPerDecade
    }
}

let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
]

/// A bin with its count; merged histograms are sorted arrays of these.
public struct BinCount: Equatable {
    public var bin: HistogramBin
    public var count: UInt64

    public init(bin: HistogramBin, count: UInt64) {
        self.bin = bin
        self.count = count
    }
}
