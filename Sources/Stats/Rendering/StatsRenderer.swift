/// One answer of `/stats`, written in slices so that a scrape of hundreds of thousands of lines never holds main for
/// long: call `next` once per turn until it returns false.
///
/// Values are read when their line is written; scopes that come or go meanwhile are handled by `StatWalk`.
package struct StatsRenderer: ~Copyable {
    private enum Format {
        case text(TextStats)
    }

    private let registry: StatRegistry
    private var format: Format
    private var buffer = OutputBuffer(capacity: 64 * 1024)

    package init(_ registry: StatRegistry, _ query: StatsQuery) {
        self.registry = registry
        format = .text(TextStats(query))
    }

    /// Hands the next slice, about `maxBytes` long (at most one statistic longer), to `sink`. False when it was the last.
    package mutating func next(maxBytes: Int, _ sink: (RawSpan) -> Void) -> Bool {
        buffer.truncate(to: 0)
        let more: Bool
        switch format {
        case .text(var text):
            more = text.write(registry, &buffer, bytesMax: maxBytes)
            format = .text(text)
        }
        if buffer.count > 0 { buffer.withBytes(sink) }
        return more
    }
}
