import Glibc
import Synchronization
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
        let answer = Mutex<Exchange?>(nil)
        let waiting = BackgroundThread {
            let got = Exchange.get("/greeting", on: last, limitMs: 8_000)
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

    /// Every receive buffer is held by slow readers' responses or uploads in waiting: others are served all the same.
    @Test
    func slowReadersLeaveRoomForOthers() throws {
        let martlet = try Binary.martlet()
        let soak = Environment["MARTLET_SOAK"] != nil
        let count = soak ? 1_000 : 60
        let page = [UInt8](repeating: 0x61, count: soak ? 100_000_000 : 8_000_000)
        let large = try LoadUpstream("large", page: page)
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
        let quiet = try p99(listener, requests: 600)
        let before = process.residentBytes
        var readers: [Descriptor] = []
        for _ in 0..<count {
            let socket = try Sockets.connect(port: listener)
            Sockets.receiveBuffer(4_096, of: socket)
            #expect(Sockets.send("GET /large HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: socket) > 0)
            readers.append(socket)
        }
        sleep(ms: soak ? 5_000 : 800)
        let busy = try p99(listener, requests: 600)
        let grown = process.residentBytes - before
        // docs/limits.md: the buffer limit (1 MiB) and what the kernel had taken already, per connection.
        #expect(grown < count * (2 << 20) + (32 << 20), "resident memory grew by \(grown) for \(count) slow readers")
        #expect(busy < max(2 * quiet, 20_000_000), "p99 of a fast client: \(busy / 1000) µs, quiet \(quiet / 1000) µs")
        for reader in readers { reader.close() }
        #expect(wait(upToMs: 5_000) { process.descriptorCount < 60 }, "the readers' connections are closed on both sides")
        print("slow readers: \(count), resident +\(grown >> 20) MiB, p99 quiet \(quiet / 1000) µs, with them \(busy / 1000) µs")
    }

    private func p99(_ port: UInt16, requests: Int) throws -> UInt64 {
        let socket = try Sockets.connect(port: port)
        var times: [UInt64] = []
        for _ in 0..<requests {
            let answer = Exchange.get("/small", on: socket, keepsOpen: true)
            #expect(answer.status == 200, "\(answer)")
            times.append(answer.nanoseconds)
        }
        times.sort()
        return times[requests * 99 / 100]
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
