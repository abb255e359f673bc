import Glibc

/// A program that a test started. It ends with its owner, or with the test process, whichever goes first.
package final class ChildProcess: @unchecked Sendable {
    package let pid: pid_t
    /// Standard output and standard error, together.
    package let outputPath: String
    private let status = Locked<Int32?>(nil)
    private let directory: TemporaryDirectory

    package struct StartFailed: Error, CustomStringConvertible {
        package let description: String
    }

    package init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        directory = TemporaryDirectory()
        outputPath = directory.path + "/output"
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe _ = posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)

        // The child starts with no signal blocked and none ignored, whatever the test runner did to its own.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe _ = posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        var every = sigset_t()
        unsafe sigfillset(&every)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &every)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var merged = Environment.all
        for (name, value) in environment { merged[name] = value }
        var child: pid_t = 0
        let result = unsafe withCStrings([program] + arguments) { arguments in
            unsafe withCStrings(merged.map { $0.key + "=" + $0.value }) { environment in
                unsafe posix_spawn(&child, program, &actions, &attributes, arguments, environment)
            }
        }
        guard result == 0 else {
            throw StartFailed(description: "\(program): \(unsafe String(cString: strerror(result)))")
        }
        pid = child
        Watchdog.shared.guardChild(child)
    }

    deinit {
        kill()
    }

    package var output: String { Files.text(outputPath) ?? "" }

    package func signal(_ number: Int32) {
        status.withLock { if $0 == nil { _ = Glibc.kill(pid, number) } }
    }

    /// Ends the program at once and waits for it.
    package func kill() {
        signal(SIGKILL)
        _ = waitForExit(upToMs: 5_000)
    }

    /// The exit status: 0…255, or 128 + the number of the signal that ended it; nil while it runs.
    package func exitStatus() -> Int32? {
        status.withLock { known in
            if let known { return known }
            var raw: Int32 = 0
            guard unsafe waitpid(pid, &raw, WNOHANG) == pid else { return nil }
            let signal = raw & 0x7f
            known = signal == 0 ? (raw >> 8) & 0xff : 128 + signal
            Watchdog.shared.release(pid)
            return known
        }
    }

    /// Resident memory in bytes; 0 when the process is gone.
    package var residentBytes: Int { statusField("VmRSS:") << 10 }
    package var threadCount: Int { statusField("Threads:") }
    /// Descriptors that it has open.
    package var descriptorCount: Int { Files.names(in: "/proc/\(pid)/fd").count }

    private func statusField(_ name: String) -> Int {
        for line in (Files.text("/proc/\(pid)/status") ?? "").split(separator: "\n") where line.hasPrefix(name) {
            return Int(line.dropFirst(name.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first ?? "") ?? 0
        }
        return 0
    }

    package func waitForExit(upToMs limit: Int) -> Int32? {
        _ = wait(upToMs: limit) { exitStatus() != nil }
        return exitStatus()
    }
}

/// Calls `body` with a null-terminated array of C strings.
func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { for unsafe pointer in unsafe pointers { unsafe free(pointer) } }
    return unsafe body(pointers)
}

package enum Environment {
    package static var all: [String: String] {
        var result: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let parts = unsafe String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            unsafe entry += 1
        }
        return result
    }

    package static subscript(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
