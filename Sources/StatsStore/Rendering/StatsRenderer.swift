import Stats

/// One answer of `/stats`, written in slices so that a scrape of hundreds of thousands of lines never holds main for
/// long: call `next` once per turn until it returns false.
///
/// Values are read when their line is written; scopes that come or go meanwhile are handled by `StatWalk`.
package struct StatsRenderer: ~Copyable {
    private let registry: StatRegistry
    /// Exactly one of these is there. Three fields, because an enumeration would have to be taken apart, copied and
    /// put together for each slice.
    private var text: TextStats?
    private var json: JSONStats?
    private var prometheus: PrometheusStats?
    private var buffer = OutputBuffer(capacity: 64 * 1024)

    package init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.registry = registry
        registry.refresh()
        registry.listDynamic()
        switch query.format {
        case .text: text = TextStats(registry, query)
        case .json: json = JSONStats(registry, query)
        case .prometheus, .prometheusProtobuf: prometheus = PrometheusStats(registry, query)
        }
    }

    /// Hands the next slice, about `maxBytes` long (at most one statistic longer, perhaps nothing), to `sink`. False
    /// when it was the last.
    package mutating func next(maxBytes: Int, _ sink: (Span<UInt8>) -> Void) -> Bool {
        buffer.truncate(to: 0)
        var time = RenderingTime()
        let more =
            text?.write(registry, &buffer, bytesMax: maxBytes, &time)
            ?? json?.write(registry, &buffer, bytesMax: maxBytes, &time)
            ?? prometheus?.write(registry, &buffer, bytesMax: maxBytes, &time)
            ?? false
        if buffer.count > 0 { buffer.withBytes(sink) }
        return more
    }
}
