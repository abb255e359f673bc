import Glibc
import TestSupport
import Testing

/// What the system runs out of, what it forbids, what peers do to it: each with the time until service is back.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RobustnessTests {
    /// No descriptor left (EMFILE): accepting pauses, says so, and goes on when descriptors are back. Who waits in the
    /// kernel's queue meanwhile is answered.
    @Test
    func withoutDescriptorsAcceptingPausesAndResumes() throws {
        // io_uring looks at the limit when an accept is armed, so it has to be there from the start.
        let limit = 48
        let running = try Running(
            Martlet("/usr/bin/prlimit"), before: ["--nofile=\(limit):", try Binary.martlet().binary])
        let admin = Admin(port: running.admin)
        #expect(try running.get("/greeting").responses.first?.status == 200)
        var holders: [Descriptor] = []
        for _ in 0..<60 { if let socket = try? Sockets.connect(port: running.listener) { holders.append(socket) } }
        #expect(holders.count == 60, "the kernel completes handshakes")
        sleep(ms: 300)
        let open = running.process.descriptorCount
        // An inherited descriptor with a higher number does not count.
        #expect(abs(open - limit) <= 4, "\(open) descriptors of \(limit)")
        // One of those that wait asks; it is served once the others are gone.
        let last = holders.removeLast()
        let answer = Locked<Exchange?>(nil)
        let waiting = BackgroundThread {
            let got = Exchange.get("/greeting", on: last)
            answer.withLock { $0 = got }
        }
        sleep(ms: 200)
        let start = Deadline.nowNs()
        for holder in holders { holder.close() }
        waiting.join()
        let recoveryMs = (Deadline.nowNs() - start) / 1_000_000
        #expect(answer.withLock { $0?.status } == 200, "\(String(describing: answer.withLock { $0 }))")
        #expect(recoveryMs < 2_000)
        #expect(try running.get("/greeting").responses.first?.status == 200)
        let paused = admin.stats(matching: "accept_paused").filter { $0.key.hasSuffix(".accept_paused") }.values.reduce(0, +)
        #expect(paused > 0, "the pause is counted")
        print("EMFILE: service back \(recoveryMs) ms after descriptors were")
    }

    /// A thousand readers of 100 MB each (`make soak`; here 100 of 24 MB) that take a little at a time: memory is bounded by
    /// what docs/limits.md says, and others are served as fast as before.
    @Test
    func slowReadersLeaveRoomForOthers() throws {
        let martlet = try Binary.martlet()
        let soak = Environment["MARTLET_SOAK"] != nil
        let count = soak ? 1_000 : 100
        let page = unsafe [UInt8](unsafeUninitializedCapacity: soak ? 100_000_000 : 24_000_000) { bytes, initialized in
            for i in 0..<bytes.count { unsafe bytes[i] = UInt8(truncatingIfNeeded: i &* 31 ^ i >> 9) }
            initialized = bytes.count
        }
        let large = try PageUpstream(page: page)
        defer { large.stop() }
        let small = try LoadUpstream("small")
        defer { small.stop() }
        let admin = Ports.free()
        let listener = Ports.free()
        let directory = TemporaryDirectory()
        let file = directory.write(
            SmallConfiguration.http(
                admin: admin, listeners: ["{socket_address: {address: 127.0.0.1, port_value: \(listener)}}"],
                routes: [("/large", large.port), ("/", small.port)]),
            to: "slow.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin), "\(process.output)")
        let quiet = try p99(listener)
        let quietDirect = try p99(small.port)
        let before = process.residentBytes
        let readers = try SlowReaders(count, port: listener, path: "/large", page: page, bytes: 4_096, periodMs: 200)
        // Until every buffer on the way is full: nothing moves but what they read.
        let ceiling = count * (1 << 20)
        #expect(wait(upToMs: soak ? 60_000 : 10_000, everyMs: 50) { large.bytesSent > ceiling })
        // The kernel's own buffers grow for a while behind that.
        var sent = 0
        let settled = wait(upToMs: 30_000, everyMs: 1_000) {
            defer { sent = large.bytesSent }
            return large.bytesSent - sent < 2 * count * 5 * 4_096
        }
        #expect(settled, "more than twice what is read still flows")
        let busy = try p99(listener)
        // The readers and the client share the other CPU: what the same client sees without a proxy.
        let busyDirect = try p99(small.port)
        let grown = process.residentBytes - before
        let read = readers.bytesRead
        #expect(wait(upToMs: 5_000) { readers.bytesRead > read + count * 4_096 }, "they are all served: \(read), \(readers.bytesRead)")
        #expect(readers.failures == 0)
        // docs/limits.md: the buffer limit (1 MiB) of each, and what one turn brought beyond it.
        let bound = count * (1 << 20) + SlowReaderBounds.receivedBytesMax(count) + SlowReaderBounds.workerBytes
        // The sanitizer's quarantine keeps what was freed.
        #expect(grown < bound || Environment["MARTLET_SANITIZED"] != nil, "resident memory grew by \(grown) for \(count) slow readers, bound \(bound)")
        #expect(
            busy < max(2 * quiet, SlowReaderBounds.p99FloorNs(soak)) || Environment["MARTLET_SANITIZED"] != nil,
            "p99 of a fast client: \(busy / 1000) µs, quiet \(quiet / 1000) µs")
        readers.stop()
        #expect(wait(upToMs: 10_000) { process.descriptorCount < 60 }, "the readers' connections are closed on both sides")
        print(
            "slow readers: \(count), resident +\(grown >> 20) MiB of at most \(bound >> 20), p99 quiet \(quiet / 1000) µs, with them \(busy / 1000) µs; "
            + "without a proxy \(quietDirect / 1000) and \(busyDirect / 1000) µs")
    }

    /// The best of five rounds: what others do on the machine is not measured.
    private func p99(_ port: UInt16, requests: Int = 500) throws -> UInt64 {
        let socket = try Sockets.connect(port: port)
        var best = UInt64.max
        for _ in 0..<5 {
            var times: [UInt64] = []
            for _ in 0..<requests {
                let answer = Exchange.get("/small", on: socket, keepsOpen: true)
                #expect(answer.status == 200, "\(answer)")
                times.append(answer.nanoseconds)
            }
            times.sort()
            best = min(best, times[requests * 99 / 100])
        }
        return best
    }

    /// One listener on several addresses: IPv4, IPv6 and a UNIX socket; a stale socket file is replaced.
    @Test
    func severalAddressesOfEveryFamily() throws {
        let martlet = try Binary.martlet()
        let small = try LoadUpstream("small")
        defer { small.stop() }
        let admin = Ports.free()
        let ports = [Ports.free(), Ports.free()]
        let directory = TemporaryDirectory()
        let path = directory.path + "/listen.sock"
        let file = directory.write(
            SmallConfiguration.http(
                admin: admin,
                listeners: [
                    "{socket_address: {address: 127.0.0.1, port_value: \(ports[0])}}",
                    "{socket_address: {address: \"::1\", port_value: \(ports[1])}}", "{pipe: {path: \"\(path)\"}}",
                ],
                routes: [("/", small.port)]),
            to: "addresses.yaml")
        for round in 0..<2 {
            let process = try martlet.start(["-c", file, "--concurrency", "2"])
            defer { process.kill() }
            try #require(process.becomesReady(admin: admin), "round \(round): \(process.output)")
            for _ in 0..<4 {
                #expect(Exchange.get("/", on: try Sockets.connect(port: ports[0])).status == 200)
                #expect(Exchange.get("/", on: try Sockets.connect(path: path)).status == 200)
                if let socket = try? Sockets.connect(ipv6Loopback: ports[1]) {
                    #expect(Exchange.get("/", on: socket).status == 200)
                }
            }
            // The second round finds the first one's socket file.
            process.signal(SIGKILL)
            _ = process.waitForExit(upToMs: 2_000)
        }
    }

    /// A second Martlet on a UNIX socket that is served is refused; the first goes on.
    @Test
    func aServedUNIXSocketIsNotTakenAway() throws {
        let martlet = try Binary.martlet()
        let small = try LoadUpstream("small")
        defer { small.stop() }
        let directory = TemporaryDirectory()
        let path = directory.path + "/listen.sock"
        func configuration(_ admin: UInt16) -> String {
            directory.write(
                SmallConfiguration.http(admin: admin, listeners: ["{pipe: {path: \"\(path)\"}}"], routes: [("/", small.port)]),
                to: "\(admin).yaml")
        }
        let admin = Ports.free()
        let first = try martlet.start(["-c", configuration(admin), "--concurrency", "1"])
        defer { first.kill() }
        try #require(first.becomesReady(admin: admin), "\(first.output)")
        let second = try martlet.run(["-c", configuration(Ports.free()), "--concurrency", "1"])
        #expect(second.status == 1 && second.output.contains("Address already in use"), "\(second.output)")
        #expect(Exchange.get("/", on: try Sockets.connect(path: path)).status == 200)
    }

    /// `--watch`: a good change is applied, a bad one is refused, and the old configuration serves on.
    @Test
    func aWatchedFileIsReadAgain() throws {
        let martlet = try Binary.martlet()
        let admin = Ports.free()
        let listener = Ports.free()
        let directory = TemporaryDirectory()
        func text(_ word: String) -> String { SmallConfiguration.says(word, admin: admin, listener: listener) }
        let file = directory.write(text("one"), to: "watched.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "1", "--watch"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin), "\(process.output)")
        func says(_ word: String) -> Bool {
            guard let socket = try? Sockets.connect(port: listener) else { return false }
            return Exchange.get("/", on: socket).body == Array(word.utf8)
        }
        #expect(says("one"))
        directory.write(text("two"), to: "watched.yaml")
        #expect(wait(upToMs: 5_000) { says("two") }, "written in place")
        directory.write(text("three"), to: "next.yaml")
        #expect(unsafe rename(directory.path + "/next.yaml", file) == 0)
        #expect(wait(upToMs: 5_000) { says("three") }, "renamed over it")
        directory.write(text("four").replacing(text: "stat_prefix", by: "stat_prefx"), to: "watched.yaml")
        #expect(wait(upToMs: 5_000) { process.output.contains("refused") }, "\(process.output)")
        #expect(process.output.contains("stat_prefx"))
        #expect(says("three"))
    }

    /// A port below 1024 without the capability: one line, exit 1.
    @Test(.enabled(if: geteuid() == 0 && Files.isExecutable("/usr/bin/setpriv"), "needs root and setpriv to drop a capability"))
    func withoutPermissionForThePortOneLineAndExit1() throws {
        let admin = Ports.free()
        guard (Files.text("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? "").hasPrefix("1024") else {
            print("RobustnessTests: the permission test is skipped: this system lets everybody bind low ports")
            return
        }
        let binary = try Binary.martlet().binary
        let directory = TemporaryDirectory()
        let file = directory.write(SmallConfiguration.says("x", admin: admin, listener: 81), to: "low.yaml")
        let finished = try Martlet("/usr/bin/setpriv").run(
            ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", binary, "-c", file])
        #expect(finished.status == 1)
        #expect(finished.output.textLines.filter { !$0.isEmpty }.count == 1, "\(finished.output)")
        #expect(finished.output.contains("Permission denied") && finished.output.contains(":81"), "\(finished.output)")
    }
}

/// What `docs/limits.md` allows beside the buffer limit of each connection.
private enum SlowReaderBounds {
    /// The limit is looked at behind a receive, and one turn can bring a connection what the kernel is shown of the
    /// worker's receive buffers: 48 of 16 KiB.
    static func receivedBytesMax(_ count: Int) -> Int { count * 48 << 14 }
    /// The worker's receive buffers (4 MiB) and what its block pool keeps (4 MiB a class), statistics, slabs.
    static let workerBytes = 24 << 20
    /// Below this the clock of a busy machine is measured: the debug build's own jitter.
    static func p99FloorNs(_ soak: Bool) -> UInt64 { soak ? 500_000 : 5_000_000 }
}
