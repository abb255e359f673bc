// The proxy's own log, in Envoy's line format, to standard error or `--log-path`: what an operator reads when something is
// wrong. Main writes it, the watchdog beside it; workers do not log.
//
// Why it is no front end of a general logging package: `docs/decisions/process-log.md`.

import CLiburing
import CMartlet
import Glibc
import Primitives

@safe
package final class Log: @unchecked Sendable {  // what the lock orders
    private var levels: [String: LogLevel]
    private var pattern = LogPattern(LogPattern.envoy)
    private var descriptor: Int32 = 2
    private var path: String?
    /// Main against whoever writes beside it.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    package init(level: LogLevel) {
        levels = Dictionary(uniqueKeysWithValues: Log.components.map { ($0, level) })
        unsafe lock.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(lock, nil)
    }

    // MARK: Levels

    package func level(of component: String) -> LogLevel { levels[component] ?? .info }

    package func set(_ component: String, _ level: LogLevel) { locked { levels[component] = level } }

    package func setAll(_ level: LogLevel) {
        locked { for component in Log.components { levels[component] = level } }
    }

    // MARK: Where and how

    package func use(_ pattern: LogPattern) { locked { self.pattern = pattern } }

    /// `--log-path`. The reason when the file cannot be opened.
    package func open(_ path: String) -> String? {
        let opened = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard opened >= 0 else { return unsafe String(cString: strerror(errno)) }
        locked {
            if self.path != nil { close(descriptor) }
            descriptor = opened
            self.path = path
        }
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
        locked {
            guard level != .off, level.rawValue >= self.level(of: component).rawValue else { return }
            put(Log.entry(level, component, text(), file, line), pattern, descriptor)
        }
    }

    // MARK: Beside main

    /// Whether a line of that level is written; where main holds the log and hangs, warnings
    /// and what is worse.
    package func isWritten(_ level: LogLevel, _ component: String) -> Bool {
        guard unsafe pthread_mutex_trylock(lock) == 0 else { return level.rawValue >= LogLevel.warning.rawValue }
        defer { unsafe _ = pthread_mutex_unlock(lock) }
        return level != .off && level.rawValue >= self.level(of: component).rawValue
    }

    /// For another thread than main, which never waits for main: when that holds the log, hanging perhaps because nobody reads
    /// it, the line goes to standard error, in Envoy's format. Nor does it wait for a reader of its own.
    package func writeBeside(
        _ level: LogLevel, _ component: String, _ text: String, file: String = #fileID, line: UInt = #line
    ) {
        // A pipe that has room takes so much at once.
        let entry = Log.entry(level, component, String(decoding: text.utf8.prefix(3500), as: UTF8.self), file, line)
        guard unsafe pthread_mutex_trylock(lock) == 0 else {
            if level.rawValue >= LogLevel.warning.rawValue, Log.hasRoom(2) { put(entry, LogPattern(LogPattern.envoy), 2) }
            return
        }
        defer { unsafe _ = pthread_mutex_unlock(lock) }
        guard level != .off, level.rawValue >= self.level(of: component).rawValue, Log.hasRoom(descriptor) else { return }
        put(entry, pattern, descriptor)
    }

    private static func hasRoom(_ descriptor: Int32) -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&ready, 1, 0) == 1 && ready.revents & Int16(POLLOUT) != 0
    }

    private func locked(_ body: () -> Void) {
        unsafe pthread_mutex_lock(lock)
        body()
        unsafe pthread_mutex_unlock(lock)
    }

    private static func entry(
        _ level: LogLevel, _ component: String, _ text: String, _ file: String, _ line: UInt
    ) -> LogPattern.Entry {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return LogPattern.Entry(
            level: level, component: component, message: text, file: file, line: line, seconds: now.tv_sec,
            nanoseconds: now.tv_nsec, thread: martlet_thread_id(), process: getpid())
    }

    private func put(_ entry: LogPattern.Entry, _ pattern: LogPattern, _ descriptor: Int32) {
        (pattern.line(entry) + "\n").withBytes { bytes in _ = unsafe Glibc.write(descriptor, bytes.base, bytes.count) }
    }
}
