import Stats

/// One statistic as sinks get it, valid while they are called.
package struct SinkSample {
    package enum Value {
        /// What was added since the last flush.
        case counter(UInt64)
        case gauge(UInt64)
        /// `count` samples of about this value, in `unit`.
        case timer(UInt64, count: UInt64)
        /// All of a histogram, for those who ask (`SinkWalk.wantsHistograms`): `interval`, `cumulative`, `bounds`.
        case histogram
    }

    /// `cluster.up.upstream_rq_200`
    package internal(set) var name: [UInt8] = []
    package internal(set) var value = Value.counter(0)
    /// Of a timer.
    package internal(set) var unit = StatUnit.unspecified
    /// Of a counter: all that was ever added.
    package internal(set) var total: UInt64 = 0
    /// Of a single endpoint: not every sink wants those.
    package internal(set) var isOfEndpoint = false
    package internal(set) var interval = HistogramStatistics()
    package internal(set) var cumulative = HistogramStatistics()
    package internal(set) var bounds: [Double] = []
    /// Filled for those who ask (`SinkWalk.wantsTags`).
    private(set) var scratch = TagScratch()

    /// `cluster.upstream_rq`
    package var extracted: [UInt8] { scratch.extracted }

    package func forEachTag(_ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Void) {
        for tag in scratch.tags { body(scratch.store[tag.name], scratch.store[tag.value]) }
    }

    mutating func setTags(of stat: EndpointStat, _ position: EndpointWalk.Position, _ tags: TagExtraction) {
        scratch.begin(extracted: EndpointWalk.Position.extracted(stat))
        position.forEachTag(tags) { scratch.add($0, asIs: $1) }
    }

    mutating func extract(_ tags: TagExtraction) {
        // A second reference, not a copy: the span must not hold the whole of self.
        let name = self.name
        tags.extract(name.span, &scratch)
    }
}
