// The same line over and over: the first few are written, the others are counted, and one line says how many they were, when the
// time is over or another place needs the memory. A machine without a clock: seconds come in.

package struct LogRepeats {
    package struct Line: Hashable {
        package let level: LogLevel
        package let component: String
        package let text: String
        package let file: String
        package let line: UInt
        package init(level: LogLevel, component: String, text: String, file: String, line: UInt) {
            self.level = level
            self.component = component
            self.text = text
            self.file = file
            self.line = line
        }
    }

    /// Of one line, how many are written within `windowS`; `docs/limits.md`.
    package static let writtenMax = 5
    package static let windowS = 10
    /// Different lines that are watched.
    package static let linesMax = 64

    private struct Seen {
        var since: Int
        var count = 0
        var leftOut = 0
    }
    private var seen: [Line: Seen] = [:]

    package init() {}

    /// Whether the line is written, and which summaries come before it.
    package mutating func admits(_ line: Line, now: Int) -> (isWritten: Bool, summaries: [(Line, Int)]) {
        let summaries = over(now: now)
        if seen[line] == nil {
            guard seen.count < LogRepeats.linesMax else { return (true, summaries) }
            seen[line] = Seen(since: now)
        }
        seen[line]?.count += 1
        guard let found = seen[line], found.count > LogRepeats.writtenMax else { return (true, summaries) }
        seen[line]?.leftOut += 1
        return (false, summaries)
    }

    /// Lines whose time is over and of which some were left out.
    package mutating func over(now: Int) -> [(Line, Int)] {
        // A clock that is set back ends them all.
        let ended = seen.filter { now - $0.value.since >= LogRepeats.windowS || now < $0.value.since }
        for line in ended.keys { seen[line] = nil }
        return ended.filter { $0.value.leftOut > 0 }.sorted { $0.value.since < $1.value.since }.map { ($0.key, $0.value.leftOut) }
    }

    package static func summary(_ line: Line, _ count: Int) -> String { "\(line.text) (left out \(count) times)" }
}
