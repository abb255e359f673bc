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
    private var fineGrain: FineGrainLevels?
    private var repeats = LogRepeats()
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

    // MARK: Levels per file

    /// `--enable-fine-grain-logging`
    package func useFineGrain(_ level: LogLevel) { locked { fineGrain = FineGrainLevels(level) } }

    package var isFineGrain: Bool { fineGrain != nil }

    /// Each file that has written, and its level.
    package var fineGrainLevels: [(file: String, level: LogLevel)] { fineGrain?.list ?? [] }

    package func changeFineGrain(_ change: (inout FineGrainLevels) -> Void) {
        locked {
            guard var levels = fineGrain else { return }
            change(&levels)
            fineGrain = levels
        }
    }

    private func threshold(_ component: String, _ file: String) -> LogLevel {
        guard let fineGrain else { return level(of: component) }
        return fineGrain.level(file, component)
    }

    // MARK: Where and how

    package func use(_ pattern: LogPattern) { locked { self.pattern = pattern } }

    /// `--log-path`. The reason when the file cannot be opened.
    package func open(_ path: String) -> String? {
        let opened = LogSink.open(path)
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
            fineGrain?.note(file, component)
            guard level != .off, level.rawValue >= threshold(component, file).rawValue else { return }
            let entry = Log.entry(level, component, text(), file, line)
            let repeated = LogRepeats.Line(level: level, component: component, text: entry.message, file: file, line: line)
            let (isWritten, summaries) = repeats.admits(repeated, now: entry.seconds)
            for (line, count) in summaries { put(line, count) }
            if isWritten { put(entry, pattern, descriptor) }
        }
    }

    /// Now and then: how many lines were left out of those whose time is over.
    package func tellRepeats() {
        locked {
            var now = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &now)
            for (line, count) in repeats.over(now: now.tv_sec) { put(line, count) }
        }
    }

    private func put(_ line: LogRepeats.Line, _ count: Int) {
        put(Log.entry(line.level, line.component, LogRepeats.summary(line, count), line.file, line.line), pattern, descriptor)
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
        guard level != .off, level.rawValue >= threshold(component, file).rawValue, Log.hasRoom(descriptor) else { return }
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
