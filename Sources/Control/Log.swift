// The proxy's own log, in Envoy's line format, to standard error: what an operator reads when something is wrong.

import Glibc
import Primitives

package enum LogLevel: Int, CaseIterable {
    case trace, debug, info, warning, error, critical, off

    package init?(name: String) {
        switch name {
        case "trace": self = .trace
        case "debug": self = .debug
        case "info": self = .info
        case "warning", "warn": self = .warning
        case "error": self = .error
        case "critical": self = .critical
        case "off": self = .off
        default: return nil
        }
    }
    package var name: String { "\(self)" }
}

package final class Log {
    package static let components = ["main", "config", "admin", "upstream", "connection", "http"]
    package var levels: [String: LogLevel]

    package init(level: LogLevel) {
        levels = Dictionary(uniqueKeysWithValues: Log.components.map { ($0, level) })
    }

    /// `[2026-11-23 10:00:00.123][pid][info][main] text`
    package func write(_ level: LogLevel, _ component: String, _ text: String) {
        guard level.rawValue >= (levels[component] ?? .info).rawValue else { return }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        var seconds = now.tv_sec
        unsafe localtime_r(&seconds, &parts)
        func two(_ n: Int32) -> String { n < 10 ? "0\(n)" : "\(n)" }
        let ms = now.tv_nsec / 1_000_000
        let fraction = ms < 10 ? "00\(ms)" : ms < 100 ? "0\(ms)" : "\(ms)"
        let line =
            unsafe "[\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)][\(getpid())][\(level.name)][\(component)] \(text)\n"
        line.withBytes { bytes in _ = unsafe Glibc.write(2, bytes.base, bytes.count) }
    }
}
