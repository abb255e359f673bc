import Control
import Glibc
import Testing

/// `--log-format`: spdlog's flags as Envoy prints them.
@Suite(.serialized)
struct LogPatternTests {
    /// 2026-11-25 18:38:37.989384123 UTC.
    private let entry = LogPattern.Entry(
        level: .warning, component: "main", message: "two \"words\"\nand\ta tab", file: "Control/Server.swift", line: 17,
        seconds: 1_795_631_917, nanoseconds: 989_384_123, thread: 9748, process: 9747)

    init() {
        unsafe setenv("TZ", "UTC", 1)
        tzset()
    }

    @Test
    func theDefaultIsEnvoys() {
        var entry = entry
        entry.message = "exiting"
        #expect(
            LogPattern(LogPattern.envoy).line(entry)
                == "[2026-11-25 18:38:37.989][9748][warning][main] [Control/Server.swift:17] exiting")
    }

    @Test(arguments: [
        ("%t|%P|%l|%L|%n", "9748|9747|warning|W|main"),
        ("%s:%#|%g:%#|%@", "Server.swift:17|Control/Server.swift:17|Control/Server.swift:17"),
        ("%a %A %b %h %B", "Wed Wednesday Nov Nov November"),
        ("%c|%C|%D|%x", "Wed Nov 25 18:38:37 2026|26|11/25/26|11/25/26"),
        ("%I %p %r %R %X %T", "06 PM 06:38:37 PM 18:38 18:38:37 18:38:37"),
        ("%z|%E", "+00:00|1795631917"),
        ("%e %f %F", "989 989384 989384123"),
        ("100%%|%q|%", "100%|%q|%"),
        ("", ""),
        ("%Y-%m-%d %H:%M:%S", "2026-11-25 18:38:37"),
        ("%^%l%$%*", "warning"),
        ("%j", "two \\\"words\\\"\\nand\\ta tab"),
        ("%_", "two \"words\"\\nand\ta tab"),
    ])
    func flags(_ pattern: String, _ line: String) {
        #expect(LogPattern(pattern).line(entry) == line)
    }

    @Test
    func escapedMessagesStandOnOneLine() {
        #expect(LogPattern("[%l] %v", escapes: true).line(entry) == "[warning] two \\\"words\\\"\\nand\\ta tab")
        #expect(LogPattern("%v").line(entry) == "two \"words\"\nand\ta tab")
    }

    @Test
    func levelsHaveEnvoysNames() {
        #expect(LogLevel.allCases.map(\.name) == ["trace", "debug", "info", "warning", "error", "critical", "off"])
        #expect(LogLevel(name: "warn") == .warning)
        #expect(LogLevel(name: "Warn") == nil)
        #expect(LogLevel(name: "") == nil)
    }

    @Test
    func aLevelIsPerComponent() {
        let log = Log(level: .info)
        log.set("upstream", .debug)
        #expect(log.level(of: "upstream") == .debug)
        #expect(log.level(of: "http") == .info)
        log.setAll(.off)
        #expect(Log.components.allSatisfy { log.level(of: $0) == .off })
        #expect(Log.components.count == 73)
        #expect(Set(Log.components).count == 73)
    }
}
