// What the configuration wants done when a thread hangs. On the watchdog's thread.

import CMartlet
import Glibc
import Primitives

@safe
package final class WatchdogActions: @unchecked Sendable {  // the counts are words with one writer
    package struct Counts: Equatable {
        package var attempted: UInt64 = 0
        package var captured: UInt64 = 0
        package var logged: UInt64 = 0
        package var failed: UInt64 = 0
    }

    private let log: Log
    private let words = UnsafeMutablePointer<UInt64>.allocate(capacity: 4)
    private var lastBacktraceNs: UInt64?
    /// The profile that runs.
    private var profiler: CPUProfiler?
    private var profileEndNs: UInt64 = 0
    private var profilePath = ""

    init(_ log: Log) {
        self.log = log
        unsafe words.initialize(repeating: 0, count: 4)
    }

    deinit { unsafe words.deallocate() }

    private func count(_ place: Int) { unsafe cmartlet_store_relaxed(words + place, words[place] &+ 1) }

    package var counts: Counts {
        unsafe Counts(
            attempted: cmartlet_load_relaxed(words), captured: cmartlet_load_relaxed(words + 1),
            logged: cmartlet_load_relaxed(words + 2), failed: cmartlet_load_relaxed(words + 3))
    }

    func run(_ event: WatchdogConfig.Event, _ config: WatchdogConfig, _ threads: [WatchedThread], nowNs: UInt64) {
        for rule in config.rules where rule.event == event {
            switch rule.action {
            case .abort(let waitNs): abortThread(threads, waitNs)
            case .profile(let directory, let durationNs, let max): profile(threads, directory, durationNs, max, nowNs)
            case .backtrace(let cooldownNs): backtrace(threads, cooldownNs, nowNs)
            }
        }
    }

    /// Between steps.
    func ticked(nowNs: UInt64) {
        guard let profiler else { return }
        if nowNs < profileEndNs { return profiler.ticked() }
        self.profiler = nil
        guard let profile = profiler.stop() else { return }
        let path = profilePath
        // A disk that hangs must not hold up who watches.
        let writing = BackgroundWork.start("profile_writer") { [self] in
            let code = CodeMap(profile.stacks.map(\.frames))
            let isWritten = ProfileFile.write(PprofFile.bytes(profile, code), to: path)
            if isWritten { _ = unsafe cmartlet_fetch_add(words + 1, 1) }
            log.writeBeside(.info, "main", "watchdog: the profile \(path) \(isWritten ? "is" : "could not be") written")
            return []
        }
        if writing == nil { log.writeBeside(.warning, "main", "watchdog: a profile was dropped: others are being written") }
    }

    func stopped() { _ = profiler?.stop() }

    // MARK: Each

    private func abortThread(_ threads: [WatchedThread], _ waitNs: UInt64) {
        guard let thread = threads.first else { return }
        log.writeBeside(.error, "main", "watchdog: AbortAction sends SIGABRT to \(thread.name) (\(thread.threadID))")
        _ = martlet_thread_kill(thread.threadID, SIGABRT)
        var pause = timespec(tv_sec: Int(waitNs / 1_000_000_000), tv_nsec: Int(waitNs % 1_000_000_000))
        unsafe nanosleep(&pause, nil)
        log.writeBeside(
            .critical, "main",
            "Failed to terminate thread with id \(thread.threadID), aborting from Watchdog AbortAction instead.")
        abort()
    }

    private func profile(_ threads: [WatchedThread], _ directory: String, _ durationNs: UInt64, _ max: UInt64, _ nowNs: UInt64) {
        count(0)
        guard profiler == nil else {
            return log.writeBeside(.warning, "main", "Profile Action unable to start the profiler as it is in use elsewhere.")
        }
        let willing = threads.filter { $0.profiles < max }
        guard !willing.isEmpty else {
            return log.writeBeside(.warning, "main", "Profile Action: Unable to profile: enabled but already wrote \(max) profiles.")
        }
        profilePath = directory + (directory.hasSuffix("/") ? "" : "/") + "ProfileAction.\(Clock.wallNs() / 1_000_000)"
        guard ProfileFile.canWrite(profilePath) else {
            return log.writeBeside(.error, "main", "Profile Action: '\(profilePath)' cannot be written")
        }
        let profiler = CPUProfiler()
        do throws(CPUProfiler.Failure) {
            try profiler.start(frequency: CPUProfiler.frequencyUsual)
        } catch {
            return log.writeBeside(.warning, "main", "Profile Action unable to start the profiler as it is in use elsewhere.")
        }
        for thread in willing { thread.profiles += 1 }
        self.profiler = profiler
        profileEndNs = nowNs + durationNs
    }

    private func backtrace(_ threads: [WatchedThread], _ cooldownNs: UInt64, _ nowNs: UInt64) {
        if let last = lastBacktraceNs, nowNs - last < cooldownNs { return }
        lastBacktraceNs = nowNs
        for thread in threads {
            let stack = Watchdog.stack(thread)
            count(stack.hasPrefix("no stack") ? 3 : 2)
            log.writeBeside(.warning, "main", "watchdog: \(thread.name): \(stack)")
        }
    }
}
