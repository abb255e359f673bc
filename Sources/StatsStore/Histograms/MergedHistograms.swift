import Stats

/// Main's merged view of every histogram that has samples: the total since the start and the interval between the last
/// two flushes. Both change at a flush only, as in Envoy.
package struct MergedHistograms {
    package struct Merged {
        package var cumulative: HistogramStatistics
        package var interval: HistogramStatistics
        /// Samples in all blocks at the last flush: equal means that nothing came.
        var samples: UInt64
    }

    private var merged: [StatID: Merged] = [:]
    /// Counts by bin number while blocks are added up; all zero in between.
    private var scratch = [UInt64](
        repeating: 0, count: HistogramBin.lowBins + HistogramBin.decades * HistogramBin.binsPerDecade)

    package subscript(_ id: StatID) -> Merged? {
        merged[id]
    }

    mutating func forget(_ id: StatID) {
        merged[id] = nil
    }

    mutating func flush(_ id: StatID, _ registry: StatRegistry) {
        var samples: UInt64 = 0
        registry.forEachBlock(id) { samples &+= $0.samples }
        if samples == 0 { return }
        guard samples != merged[id]?.samples else {
            merged[id]?.interval.bins = []
            return
        }
        var touched: [UInt16] = []
        registry.forEachBlock(id) { block in
            block.forEach { entry in
                let index = Int(entry.bin.index)
                if scratch[index] == 0 { touched.append(entry.bin.index) }
                scratch[index] &+= entry.count
            }
        }
        touched.sort()
        var total = HistogramStatistics()
        total.bins.reserveCapacity(touched.count)
        for index in touched {
            total.bins.append(BinCount(bin: HistogramBin(index: index), count: scratch[Int(index)]))
            scratch[Int(index)] = 0
        }
        let before = merged[id]?.cumulative.bins ?? []
        let interval = HistogramStatistics(bins: Self.difference(total.bins, before))
        merged[id] = Merged(cumulative: total, interval: interval, samples: samples)
    }

    /// Counts only grow, so `before` is contained in `now`.
    private static func difference(_ now: [BinCount], _ before: [BinCount]) -> [BinCount] {
        var result: [BinCount] = []
        var at = 0
        for entry in now {
            while at < before.count, before[at].bin < entry.bin { at += 1 }
            let old = at < before.count && before[at].bin == entry.bin ? before[at].count : 0
            if entry.count > old { result.append(BinCount(bin: entry.bin, count: entry.count - old)) }
        }
        return result
    }
}

/// One flush in slices, so that ten thousand clusters do not hold main for more than a moment: make it when the flush
/// interval has passed and call `step` until it returns false.
package struct HistogramFlush {
    private let scopes: [StatScopeRef]
    private var at = 0

    package init(_ registry: StatRegistry) {
        scopes = registry.sorted
    }

    /// Flushes the next `scopesMax` scopes; false when none is left.
    package mutating func step(_ registry: StatRegistry, scopesMax: Int) -> Bool {
        let end = min(scopes.count, at + scopesMax)
        while at < end {
            if let record = registry.record(scopes[at]) {
                for item in record.schema.histograms {
                    registry.histograms.flush(record.base + item.leaf, registry)
                }
            }
            at += 1
        }
        return at < scopes.count
    }
}
