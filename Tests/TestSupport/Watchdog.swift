import Glibc

/// A shell beside the test process that knows its children, and kills those that are left when the test process ends,
/// even by SIGKILL: the pipe to it closes then. (A death signal by `prctl` follows the thread that started the child,
/// and test threads come and go.)
final class Watchdog: @unchecked Sendable {
    static let shared = Watchdog()

    private let pipeEnd: Descriptor

    private init() {
        var ends: [Int32] = [0, 0]
        precondition(unsafe pipe(&ends) == 0, "a pipe could be made")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        pipeEnd = Descriptor(ends[1])
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        // A session of its own: an interrupt from the terminal ends the tests, and only then the watchdog's wards.
        unsafe posix_spawnattr_setflags(&attributes, Int16(0x80))  // POSIX_SPAWN_SETSID
        let script = """
            wards=
            while read -r verb pid; do
              if [ "$verb" = add ]; then wards="$wards $pid"
              else rest=; for ward in $wards; do [ "$ward" = "$pid" ] || rest="$rest $ward"; done; wards=$rest; fi
            done
            for ward in $wards; do kill -9 "$ward"; done
            """
        var child: pid_t = 0
        let result = unsafe withCStrings(["sh", "-c", script]) { arguments in
            unsafe posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environ)
        }
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
        close(ends[0])
        precondition(result == 0, "the watchdog could be started")
    }

    func guardChild(_ pid: pid_t) { tell("add \(pid)\n") }
    func release(_ pid: pid_t) { tell("drop \(pid)\n") }

    private func tell(_ line: String) {
        let bytes = Array(line.utf8)
        unsafe _ = bytes.withUnsafeBufferPointer { unsafe write(pipeEnd.raw, $0.baseAddress, $0.count) }
    }
}
