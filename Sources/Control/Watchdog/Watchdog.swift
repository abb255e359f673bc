// The watchdog: one thread that looks at main and the workers, counts what it finds, tells the log where they hang, and does
// what the configuration says.
//
// It never waits for what it watches: the log is written by whoever can (`Log.writeBeside`), stacks are asked for by a signal
// and waited for a moment. Envoy has two such threads; one does for both, since nothing here takes long.

import CLiburing
import CMartlet
import Glibc
import Primitives
import Synchronization

@safe
package final class Watchdog: @unchecked Sendable {  // groups are the thread's own once it runs
    private static let stackPatienceNs: UInt64 = 100_000_000
    /// Frames that a line of the log shows.
    private static let framesShown = 40

    private var groups: [WatchedGroup]
    private let log: Log
    private let actions: WatchdogActions
    private let wake = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    private let stopped = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    /// A reload's, until the thread takes them: main holds the lock for a store, the thread for a load.
    private let told = Mutex<WatchdogConfigs?>(nil)
    private var thread = pthread_t()
    private var isStarted = false

    package var counts: WatchdogActions.Counts { actions.counts }

    package init(_ groups: [WatchedGroup], _ log: Log) {
        self.groups = groups
        self.log = log
        actions = WatchdogActions(log)
        unsafe wake.initialize(to: 0)
        unsafe stopped.initialize(to: 0)
    }

    deinit {
        unsafe wake.deallocate()
        unsafe stopped.deallocate()
    }

    // MARK: Main

    package func start() {
        let box = unsafe Unmanaged.passUnretained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            unsafe Unmanaged<Watchdog>.fromOpaque(opaque).takeUnretainedValue().run()
            return nil
        }, unsafe box)
        isStarted = status == 0
    }

    /// Other thresholds and actions from now on; who hangs already is looked at anew.
    package func change(_ configs: WatchdogConfigs) {
        told.withLock { $0 = configs }
        unsafe cmartlet_signal_raise(wake)
    }

    package func stop() {
        guard isStarted else { return }
        isStarted = false
        unsafe Started.write(stopped)
        unsafe cmartlet_signal_raise(wake)
        pthread_join(thread, nil)
    }

    // MARK: Thread

    private func run() {
        unsafe martlet_thread_name("dog:guarddog")
        _ = unsafe martlet_thread_enter("guarddog")
        var due = groups.map { _ in UInt64(0) }
        var interval = shortestInterval
        while unsafe Started.read(stopped) == 0 {
            let now = Clock.monotonicNs()
            if let configs = told.withLock({ $0.take() }) {
                for i in groups.indices { groups[i].begin(configs, nowNs: now) }
                due = groups.map { _ in 0 }
                interval = shortestInterval
            }
            for i in groups.indices where now >= due[i] {
                due[i] = now + groups[i].dog.intervalNs
                step(&groups[i], now)
            }
            actions.ticked(nowNs: now)
            let after = Clock.monotonicNs()
            for i in groups.indices { groups[i].dog.resumed(atNs: after) }
            if unsafe cmartlet_signal_wait(wake, interval) != 0 { _ = unsafe cmartlet_signal_take(wake) }
        }
        actions.stopped()
        martlet_thread_leave()
    }

    private var shortestInterval: UInt64 { groups.map(\.dog.intervalNs).min() ?? 0 }

    private func step(_ group: inout WatchedGroup, _ now: UInt64) {
        let findings = group.dog.step(nowNs: now, words: group.threads.lazy.map(\.turn))
        for (thread, watched) in zip(group.threads, group.dog.watched) where watched.lastCheckinNs == now {
            thread.cpuNsAtCheckin = martlet_thread_cpu_ns(thread.threadID)
        }
        for finding in findings { found(finding, group, now) }
    }

    private func found(_ finding: GuardDog.Finding, _ group: WatchedGroup, _ now: UInt64) {
        switch finding {
        case .miss(let i):
            group.threads[i].missed()
            tell(.debug, group, i, now)
            actions.run(.miss, group.dog.config, [group.threads[i]], nowNs: now)
        case .megamiss(let i):
            group.threads[i].megamissed()
            tell(.warning, group, i, now)
            actions.run(.megamiss, group.dog.config, [group.threads[i]], nowNs: now)
        case .kill(let i):
            tell(.critical, group, i, now)
            let name = group.threads[i].name
            end("GuardDog: one thread (\(name)) stuck for more than watchdog_kill_timeout", .kill, group, [i], now)
        case .multikill(let hanging):
            for i in hanging { tell(.critical, group, i, now) }
            let names = hanging.map { group.threads[$0].name }.joined(separator: ",")
            end(
                "GuardDog: At least \(hanging.count) threads (\(names)) stuck for more than watchdog_multikill_timeout",
                .multikill, group, hanging, now)
        }
    }

    /// Where it hangs, in one line.
    private func tell(_ level: LogLevel, _ group: WatchedGroup, _ index: Int, _ now: UInt64) {
        guard log.isWritten(level, "main") else { return }
        let thread = group.threads[index]
        let ms = (now - group.dog.watched[index].lastCheckinNs) / 1_000_000
        let cpuMs = (martlet_thread_cpu_ns(thread.threadID) &- thread.cpuNsAtCheckin) / 1_000_000
        log.writeBeside(
            level, "main",
            "watchdog: \(thread.name) has not finished its turn for \(ms) ms (\(cpuMs) ms of them on the CPU): \(Watchdog.stack(thread))")
    }

    /// Innermost first. A thread that waits in the kernel where no signal reaches it does not answer.
    static func stack(_ thread: WatchedThread) -> String {
        var frames = [UInt64](repeating: 0, count: Int(martlet_frames_max))
        let count = unsafe martlet_thread_stack(thread.number, Watchdog.stackPatienceNs, &frames)
        if count == 0 { return "no stack: it does not take signals" }
        let stack = Array(frames[..<min(count, framesShown)])
        let code = CodeMap([stack])
        return stack.enumerated().map { code.name($1, depth: $0) }.joined(separator: " < ")
    }

    private func end(_ text: String, _ event: WatchdogConfig.Event, _ group: WatchedGroup, _ hanging: [Int], _ now: UInt64) {
        actions.run(event, group.dog.config, hanging.map { group.threads[$0] }, nowNs: now)
        log.writeBeside(.critical, "assert", "panic: \(text)")
        abort()
    }
}
