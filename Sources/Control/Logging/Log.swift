// The proxy's own log, in Envoy's line format, to standard error or `--log-path`: what an operator reads when something is
// wrong. Main writes it; workers do not log.
//
// Why it is no front end of a general logging package: `docs/decisions/process-log.md`.

import CMartlet
import Glibc
import Primitives

package final class Log {
    private var levels: [String: LogLevel]
    private var pattern = LogPattern(LogPattern.envoy)
    private var descriptor: Int32 = 2
    private var path: String?

    package init(level: LogLevel) {
        levels = Dictionary(uniqueKeysWithValues: Log.components.map { ($0, level) })
    }

    // MARK: Levels

    package func level(of component: String) -> LogLevel { levels[component] ?? .info }

    package func set(_ component: String, _ level: LogLevel) { levels[component] = level }

    package func setAll(_ level: LogLevel) {
        for component in Log.components { levels[component] = level }
    }

    // MARK: Where and how

    package func use(_ pattern: LogPattern) { self.pattern = pattern }

    /// `--log-path`. The reason when the file cannot be opened.
    package func open(_ path: String) -> String? {
        let opened = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard opened >= 0 else { return unsafe String(cString: strerror(errno)) }
        if self.path != nil { close(descriptor) }
        descriptor = opened
        self.path = path
        return nil
    }

    /// The file was moved away: a new one. The old one goes on when that fails.
    package func reopen() {
        guard let path else { return }
        if let reason = open(path) { write(.warning, "file", "cannot reopen log-file '\(path)': \(reason)") }
    }

    // MARK: Lines

    package func write(
        _ level: LogLevel, _ component: String, _ text: @autoclosure () -> String, file: String = #fileID,
        line: UInt = #line
    ) {
        guard level != .off, level.rawValue >= self.level(of: component).rawValue else { return }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let entry = LogPattern.Entry(
            level: level, component: component, message: text(), file: file, line: line, seconds: now.tv_sec,
            nanoseconds: now.tv_nsec, thread: martlet_thread_id(), process: getpid())
        (pattern.line(entry) + "\n").withBytes { bytes in _ = unsafe Glibc.write(descriptor, bytes.base, bytes.count) }
    }
}
