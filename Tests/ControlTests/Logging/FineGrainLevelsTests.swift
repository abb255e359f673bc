import Control
import Testing

/// Levels per source file, and lines that are written too often.
struct FineGrainLevelsTests {
    @Test func patternsMeanPathsOrNames() {
        var levels = FineGrainLevels(.info)
        levels.set([(pattern: "Control/*", level: .error), (pattern: "Tea?", level: .off), (pattern: "*", level: .warning)])
        #expect(levels.level("Control/Server.swift", "main") == .error)
        #expect(levels.level("Other/Team.swift", "main") == .off)
        #expect(levels.level("Other/Teams.swift", "main") == .warning)
        levels.set([(pattern: "Server", level: .debug)])
        #expect(levels.level("Control/Server.swift", "main") == .debug && levels.level("Other/Teams.swift", "main") == .info)
    }

    @Test func groupsComeAfterPatterns() {
        var levels = FineGrainLevels(.info)
        levels.setGroup("main", .error)
        #expect(levels.level("A/B.swift", "main") == .error && levels.level("A/B.swift", "admin") == .info)
        levels.set([(pattern: "B", level: .trace)])
        #expect(levels.level("A/B.swift", "main") == .trace)
        levels.setAll(.critical)
        #expect(levels.level("A/B.swift", "main") == .critical)
    }

    @Test func globs() {
        for (pattern, text, holds) in [
            ("", "", true), ("*", "", true), ("a*b*c", "axxbxc", true), ("a*b*c", "axxbx", false), ("?", "", false), ("a?c", "abc", true),
            ("**", "x", true), ("*ab", "aab", true), ("abc", "ab", false), ("ab", "abc", false),
        ] {
            #expect(FineGrainLevels.matches(Array(pattern.utf8)[...], Array(text.utf8)[...]) == holds, "\(pattern) \(text)")
        }
    }

    private func line(_ text: String) -> LogRepeats.Line { LogRepeats.Line(level: .warning, component: "main", text: text, file: "a", line: 1) }

    @Test func repeatsAreCountedAndTold() {
        var repeats = LogRepeats()
        for i in 0..<12 { #expect(repeats.admits(line("x"), now: 100).isWritten == (i < LogRepeats.writtenMax)) }
        #expect(repeats.admits(line("y"), now: 105).isWritten)
        let later = repeats.admits(line("x"), now: 100 + LogRepeats.windowS)
        #expect(later.isWritten && later.summaries.map(\.1) == [7])
        #expect(LogRepeats.summary(line("x"), 7) == "x (left out 7 times)")
    }

    @Test func nothingIsSaidOfLinesThatWereWritten() {
        var repeats = LogRepeats()
        for _ in 0..<LogRepeats.writtenMax { _ = repeats.admits(line("x"), now: 100) }
        #expect(repeats.over(now: 1000).isEmpty)
    }

    /// More different lines than are watched are all written; a clock that goes back ends what is watched.
    @Test func bounds() {
        var repeats = LogRepeats()
        for i in 0..<1000 { #expect(repeats.admits(line("\(i)"), now: 100).isWritten) }
        for _ in 0..<100 { #expect(repeats.admits(line("999"), now: 100).isWritten, "not watched") }
        for _ in 0..<10 { _ = repeats.admits(line("1"), now: 100) }
        #expect(repeats.over(now: 50).map(\.1) == [6])
        #expect(repeats.over(now: 50).isEmpty)
    }
}
