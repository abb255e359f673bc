import Stats

/// The upper bounds of the buckets that the admin output and the sinks show.
package struct HistogramBuckets {
    /// Envoy's default.
    package static let standard: [Double] = [
        0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300_000, 600_000, 1_800_000,
        3_600_000,
    ]

    /// `stats_config.histogram_bucket_settings`: the first whose matcher accepts the full name.
    package var settings: [(match: (Span<UInt8>) -> Bool, upperBounds: [Double])] = []

    package init() {}

    func upperBounds(_ name: Span<UInt8>) -> [Double] {
        for (match, upperBounds) in settings where match(name) { return upperBounds }
        return Self.standard
    }
}
