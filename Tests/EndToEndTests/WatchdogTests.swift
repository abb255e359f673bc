import Glibc
import TestSupport
import Testing

/// Main hangs for real: it writes its log into a pipe that nobody reads.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct WatchdogTests {
    private final class Hanging {
        let process: ChildProcess
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let pipe: Descriptor
        private let file: String

        init(_ watchdogs: String) throws {
            let path = directory.path + "/log"
            let made = unsafe mkfifo(path, 0o600)
            try #require(made == 0)
            // Both ends, so that nobody waits for the other to open.
            pipe = Descriptor(unsafe open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC))
            var bootstrap = Bootstrap(admin: admin.port)
            bootstrap.blocks = ["watchdogs: \(watchdogs)"]
            file = directory.write(bootstrap.yaml.replacing(text: "PROFILES", by: directory.path), to: "martlet.yaml")
            process = try Binary.martlet().start(["-c", file, "--concurrency", "1", "--log-path", path, "-l", "debug"])
            try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        }

        func reload(_ watchdogs: String) throws {
            var bootstrap = Bootstrap(admin: admin.port)
            bootstrap.blocks = ["watchdogs: \(watchdogs)"]
            Files.write(Array(bootstrap.yaml.utf8), to: file)
            process.signal(SIGHUP)
            let applied = wait(upToMs: 10_000) { admin.stats(matching: "reloads_applied")["martlet.plan.reloads_applied"] == 1 }
            try #require(applied)
        }

        /// Until main no longer answers.
        func fill() {
            // Lines that a pipe takes whole or not at all: of a longer one a part may be written, and a signal ends that write.
            // Each is another: repeats are left out.
            for i in 0..<200 {
                if admin.request("GET", "/ready?\(i)" + String(repeating: "x", count: 1_500), limitMs: 500) == nil { return }
            }
        }

        @discardableResult
        func drain() -> String {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            var text: [UInt8] = []
            while true {
                let count = unsafe read(pipe.raw, &bytes, bytes.count)
                if count <= 0 { return String(decoding: text, as: UTF8.self) }
                text += bytes[..<count]
            }
        }

        deinit { process.kill() }
    }

    @Test
    func whereMainHangsIsTold() throws {
        let hanging = try Hanging(
            """
            {main_thread_watchdog: {miss_timeout: 0.1s, megamiss_timeout: 0.4s, actions: [
              {event: MISS, config: {name: envoy.watchdog.backtrace_action, typed_config: {"@type": type.googleapis.com/envoy.extensions.watchdog.backtrace_action.v3.BacktraceActionConfig}}},
              {event: MEGAMISS, config: {name: envoy.watchdog.profile_action, typed_config: {"@type": type.googleapis.com/envoy.extensions.watchdog.profile_action.v3.ProfileActionConfig, profile_path: PROFILES, profile_duration: 0.5s}}}]}}
            """)
        hanging.fill()
        // Main holds the log: the lines go to standard error.
        #expect(
            wait(upToMs: 10_000) { hanging.process.output.contains("watchdog: main_thread has not finished its turn for") },
            "\(hanging.process.output.suffix(2000))")
        let line = hanging.process.output.textLines.first { $0.contains("has not finished its turn for") } ?? ""
        #expect(line.contains("[warning][main]") && line.contains("Control.Log.put") && line.contains("Admin.AdminHandler.answer"), "\(line)")
        #expect(wait(upToMs: 15_000) { Files.names(in: hanging.directory.path).contains { $0.hasPrefix("ProfileAction.") } })
        #expect(
            wait(upToMs: 15_000) {
                hanging.drain()
                let stats = hanging.admin.stats(matching: "watchdog")
                return stats["main_thread.watchdog_mega_miss"] ?? 0 >= 1 && stats["server.main_thread.watchdog_miss"] ?? 0 >= 1
                    && stats["watchdog.profile_action.attempted"] ?? 0 >= 1
                    && stats["watchdog.profile_action.successfully_captured"] ?? 0 >= 1
                    && stats["watchdog.backtrace_action.backtraces_logged"] ?? 0 >= 1
            }, "\(hanging.admin.stats(matching: "watchdog"))")
        let stats = hanging.admin.stats(matching: "watchdog")
        #expect(stats["main_thread.watchdog_miss"] == stats["server.main_thread.watchdog_miss"])
        #expect(hanging.process.exitStatus() == nil)
    }

    /// A reload's thresholds and actions hold at once, and have their statistics.
    @Test
    func aReloadChangesThem() throws {
        let hanging = try Hanging("{main_thread_watchdog: {miss_timeout: 600s, megamiss_timeout: 600s}}")
        try hanging.reload(
            """
            {main_thread_watchdog: {miss_timeout: 0.1s, megamiss_timeout: 0.3s, actions: [
              {event: MISS, config: {name: envoy.watchdog.backtrace_action, typed_config: {"@type": type.googleapis.com/envoy.extensions.watchdog.backtrace_action.v3.BacktraceActionConfig}}}]}}
            """)
        hanging.fill()
        #expect(
            wait(upToMs: 15_000) { hanging.process.output.contains("watchdog: main_thread has not finished its turn for") },
            "\(hanging.process.output.suffix(2000))")
        let counted = wait(upToMs: 15_000) {
            hanging.drain()
            let stats = hanging.admin.stats(matching: "watchdog")
            return stats["main_thread.watchdog_mega_miss"] ?? 0 >= 1 && stats["watchdog.backtrace_action.backtraces_logged"] ?? 0 >= 1
        }
        #expect(counted, "\(hanging.admin.stats(matching: "watchdog"))")
    }

    @Test
    func whatHangsTooLongIsEnded() throws {
        let hanging = try Hanging("{main_thread_watchdog: {kill_timeout: 1s, max_kill_timeout_jitter: 0.2s}}")
        hanging.fill()
        #expect(hanging.process.waitForExit(upToMs: 60_000) == 128 + SIGABRT)
        let output = hanging.process.output
        #expect(output.contains("[critical][main]") && output.contains("AbortAction sends SIGABRT to main_thread"), "\(output.suffix(2000))")
    }

    /// An idle process is looked at and found well; the statistics of actions that nobody asked for are not there.
    @Test
    func whoRestsIsNotMissed() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let text = Bootstrap(admin: admin.port).yaml + "\nwatchdog: {miss_timeout: 0.05s, megamiss_timeout: 2s, kill_timeout: 60s, multikill_timeout: 60s}\n"
        let process = try Binary.martlet().start(["-c", directory.write(text, to: "martlet.yaml"), "--concurrency", "2"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        sleep(ms: 1_500)
        let stats = admin.stats(matching: "watchdog")
        #expect(stats["workers.watchdog_mega_miss"] == 0 && stats["main_thread.watchdog_mega_miss"] == 0, "\(stats)")
        #expect(stats["workers.watchdog_miss"] == 0, "\(stats)")
        #expect(stats.count == 10, "\(stats)")
        process.signal(SIGTERM)
        #expect(process.waitForExit(upToMs: 15_000) == 0)
    }

    @Test(arguments: [
        ("watchdog: {miss_timeout: 1s}\nwatchdogs: {}", "Only one of watchdog or watchdogs should be set!"),
        ("watchdogs: {worker_watchdog: {actions: [{event: MISS, config: {name: nope, typed_config: {\"@type\": type.googleapis.com/envoy.config.core.v3.Node}}}]}}", "Didn't find a registered implementation for 'nope'"),
        ("watchdogs: {main_thread_watchdog: {multikill_threshold: {value: 101}}}", "multikill_threshold"),
        ("watchdogs: {worker_watchdog: {actions: [{event: MISS, config: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.watchdog.profile_action.v3.ProfileActionConfig}}}]}}", "profile_path"),
    ])
    func mistakesAreTold(_ yaml: String, _ message: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.write(yaml, to: "martlet.yaml")
        let process = try Binary.martlet().start(["-c", file, "--mode", "validate"])
        #expect(process.waitForExit(upToMs: 15_000) == 1)
        #expect(process.output.contains(message), "\(process.output)")
    }
}
