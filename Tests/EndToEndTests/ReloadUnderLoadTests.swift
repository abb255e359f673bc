import Glibc
import TestSupport
import Testing

/// Two workers under full load while the configuration changes again and again: no request fails, clients see old and
/// new, and what a change made is gone when the next one replaces it. The end of the process under the same load loses
/// nothing either. `MARTLET_RELOADS` gives another count of changes (`make soak`).
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ReloadUnderLoadTests {
    @Test
    func reloadsUnderLoadLoseNothing() throws {
        let martlet = try Binary.martlet()
        let reloads = max(20, Environment["MARTLET_RELOADS"].flatMap { Int($0) } ?? 200)
        let first = try LoadUpstream("first")
        let second = try LoadUpstream("second")
        let echo = try LoadUpstream("echo", .echo)
        defer { for upstream in [first, second, echo] { upstream.stop() } }
        let ports = ReloadConfiguration(
            admin: Ports.free(), http: Ports.free(), tcp: Ports.free(), extra: Ports.free(), first: first.port,
            second: second.port, echo: echo.port)
        let directory = TemporaryDirectory()
        let file = directory.write(ports.bootstrap(0), to: "reload.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "2", "-l", "warning"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: ports.admin), "\(process.output)")
        let admin = Admin(port: ports.admin)
        let baseline = settled(admin)

        let load = ReloadLoad(ports)
        load.start()
        var resident: [Int] = []
        for version in 1...reloads {
            directory.write(ports.bootstrap(version), to: "reload.yaml")
            process.signal(SIGHUP)
            #expect(
                wait(upToMs: 10_000, everyMs: 2) { admin.isServing(version, port: ports.http) },
                "version \(version) is served; it printed:\n\(process.output)")
            guard process.exitStatus() == nil else { break }
            // Main answers once the change is done with: by then what only its reading needed has been given back.
            #expect(process.becomesReady(admin: ports.admin))
            resident.append(process.residentBytes)
        }
        // Version 0 again: the same parts as at first.
        directory.write(ports.bootstrap(0), to: "reload.yaml")
        process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { admin.isServing(0, port: ports.http) })
        load.finishRequests()
        // What the tunnel and the TCP connection use is kept for them, and nothing else: the two listeners that they came
        // by, and the tunnel's cluster and its host set. The TCP connection's cluster never changed.
        #expect(settled(admin, retiring: 4)["martlet.plan.parts_retiring"] == 4)
        load.finishLongLived()
        var after: [String: Int] = [:]
        // What another one takes the place of goes once that one is warm.
        _ = wait(upToMs: 10_000) {
            after = settled(admin)
            return after == baseline
        }
        endUnderLoad(process, ports)

        #expect(load.tally.failures == [], "\(load.tally.failedCount) failures; \(load.tally.counts)")
        for kind in ["keep-alive", "upload", "connection", "extra", "tunnel", "tcp"] {
            #expect(load.tally.count(of: kind) > 0, "\(kind): \(load.tally.counts)")
        }
        let seen = load.tally.seen
        #expect(seen.count { $0.hasPrefix("v") } > reloads / 4, "versions seen: \(seen.count)")
        #expect(seen.contains("/extra extra") && seen.contains { $0.hasPrefix("/extra first") }, "\(seen.filter { !$0.hasPrefix("v") })")
        #expect(seen.contains { $0.hasPrefix("/other second") })
        #expect(seen.contains("/main first:0") && seen.contains("/main second:0"))
        #expect(after == baseline, "plan parts: \(after) after, \(baseline) before")
        // The middle one of each: the load's own needs are in both. A debug build on a busy machine reaches what it needs
        // at once later, up to 0.75 MiB above the first hundred.
        let hundreds = median(resident.suffix(100)) - median(resident.prefix(100))
        #expect(
            hundreds < (Environment["MARTLET_SOAK"] == nil ? 2 : 1) << 20 || reloads < 200 || Environment["MARTLET_SANITIZED"] != nil,
            "resident memory of the last 100 changes is \(hundreds) bytes above that of the first 100")
        // Near the least: what uploads have in their buffers at the moment of a look comes and goes, half a megabyte of it. Of the
        // second half: as much as the load ever needs at once has been there by then, on a busy machine too.
        let quarter = resident.count / 4
        let growth = floor(resident.suffix(quarter)) - floor(resident.dropLast(quarter).suffix(quarter))
        // A sanitizer's quarantine keeps what was freed.
        #expect(growth < 1 << 19 || Environment["MARTLET_SANITIZED"] != nil, "resident memory grew by \(growth) bytes between the last quarters: \(resident.first ?? 0)…\(resident.last ?? 0)")
        print("reload under load: \(reloads) changes, \(load.tally.counts), resident \(resident.first ?? 0)…\(resident.max() ?? 0), growth from the first 100 to the last \(hundreds), between the last quarters \(growth)")
    }

    private func median(_ values: ArraySlice<Int>) -> Int { values.isEmpty ? 0 : values.sorted()[values.count / 2] }

    /// What a tenth of the values is below.
    private func floor(_ values: ArraySlice<Int>) -> Int { values.isEmpty ? 0 : values.sorted()[values.count / 10] }

    /// Live parts and open addresses, once nothing is on its way out any more.
    private func settled(_ admin: Admin, retiring: Int = 0) -> [String: Int] {
        var last: [String: Int] = [:]
        _ = wait(upToMs: 10_000, everyMs: 60) {
            last = admin.stats(matching: "^martlet.plan.").filter { $0.key.contains("parts_") }
            return last["martlet.plan.parts_retiring"] == retiring
        }
        return last
    }

    /// SIGTERM under the same load: clients of requests go on until they are refused, and miss no answer.
    private func endUnderLoad(_ process: ChildProcess, _ ports: ReloadConfiguration) {
        let load = ReloadLoad(ports)
        load.start()
        #expect(wait(upToMs: 10_000) { ["keep-alive", "upload", "connection", "tunnel", "tcp"].allSatisfy { load.tally.count(of: $0) > 5 } })
        load.proxyDrains()
        process.signal(SIGTERM)
        load.finishRequests()
        let before = load.tally.counts
        sleep(ms: 100)
        #expect(process.exitStatus() == nil, "the tunnel and the TCP connection are still open")
        #expect(load.tally.count(of: "tunnel") > before["tunnel"] ?? 0 && load.tally.count(of: "tcp") > before["tcp"] ?? 0)
        load.finishLongLived()
        #expect(process.waitForExit(upToMs: 5_000) == 0, "\(process.output)")
        #expect(load.tally.failures == [], "SIGTERM under load: \(load.tally.failedCount) failures; \(load.tally.counts)")
    }
}

extension Admin {
    /// Whether a new connection is answered by this version.
    func isServing(_ version: Int, port: UInt16) -> Bool {
        guard let socket = try? Sockets.connect(port: port) else { return false }
        return Exchange.get("/version", on: socket).body == Array("v\(version)".utf8)
    }
}
