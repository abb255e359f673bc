import Glibc
import TestSupport
import Testing

/// A kernel, a container or an operator that does not let us have io_uring: one line that says what to do, exit 1.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct WithoutIOUringTests {
    /// Runs a program under a seccomp filter by which `io_uring_setup` fails with an errno, as container runtimes and
    /// `kernel.io_uring_disabled` make it.
    private static let wrapper = """
        import ctypes, os, struct, sys
        IO_URING_SETUP, ALLOW, ERRNO = 425, 0x7fff0000, 0x00050000
        code = b"".join(struct.pack("HBBI", *line) for line in [
            (0x20, 0, 0, 0),                              # load the system call's number
            (0x15, 0, 1, IO_URING_SETUP),                 # this one?
            (0x06, 0, 0, ERRNO | int(sys.argv[1])),
            (0x06, 0, 0, ALLOW)])
        class Program(ctypes.Structure):
            _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]
        buffer = ctypes.create_string_buffer(code, len(code))
        program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
            sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
        os.execv(sys.argv[2], sys.argv[2:])
        """

    private func run(_ error: Int32, _ arguments: [String]) throws -> Martlet.Finished {
        try Martlet("/usr/bin/env").run(
            ["python3", "-c", WithoutIOUringTests.wrapper, "\(error)", try Binary.martlet().binary] + arguments, limitMs: 20_000)
    }

    @Test(arguments: [
        (
            EPERM,
            "martlet: io_uring is not allowed here (EPERM): set the sysctl kernel.io_uring_disabled to 0, and let the container's seccomp profile pass io_uring_setup, io_uring_enter and io_uring_register"
        ),
        (
            ENOSYS,
            "martlet: there is no io_uring here (ENOSYS): Linux 6.1 or newer is needed, and a seccomp profile that passes io_uring_setup, io_uring_enter and io_uring_register"
        ),
        (EINVAL, "martlet: the kernel's io_uring is too old: Linux 6.1 or newer is needed"),
        (ENOMEM, "martlet: io_uring cannot be set up (Cannot allocate memory): raise the limit of locked memory (ulimit -l) or the memory of the container"),
        (EMFILE, "martlet: io_uring cannot be set up: Too many open files"),
    ])
    func oneLineSaysWhatToDo(error: Int32, line: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.write(
            Fixtures.simple(listener: Ports.free(), upstream: 20_002, admin: Ports.free()), to: "simple.yaml")
        let finished = try run(error, ["-c", file, "--concurrency", "2"])
        #expect(finished.status == 1)
        #expect(finished.output == line + "\n")
    }

    /// A configuration can be checked where nothing could be served.
    @Test func validationNeedsNone() throws {
        let directory = TemporaryDirectory()
        let file = directory.write(
            Fixtures.simple(listener: Ports.free(), upstream: 20_002, admin: Ports.free()), to: "simple.yaml")
        let finished = try run(EPERM, ["--mode", "validate", "-c", file])
        #expect(finished.status == 0, "\(finished.output)")
    }

    /// The wrapper changes nothing else: with an errno for nobody's system call the program serves.
    @Test func theFilterConcernsThisCallAlone() throws {
        let listener = Ports.free()
        let admin = Ports.free()
        let directory = TemporaryDirectory()
        let file = directory.write(Fixtures.simple(listener: listener, upstream: 20_002, admin: admin), to: "simple.yaml")
        let wrapper = WithoutIOUringTests.wrapper.replacing(text: "IO_URING_SETUP, ALLOW, ERRNO = 425", by: "IO_URING_SETUP, ALLOW, ERRNO = 9999")
        let process = try Martlet("/usr/bin/env").start(
            ["python3", "-c", wrapper, "\(EPERM)", try Binary.martlet().binary, "-c", file, "--concurrency", "1"])
        #expect(process.becomesReady(admin: admin, upToMs: 20_000), "\(process.output)")
    }
}
