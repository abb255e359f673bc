import Glibc
import Synchronization
import TestSupport
import Testing

/// The end of the process: what is under way is finished, what is idle is closed, the port is free again.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ShutdownTests {
    @Test
    func withoutConnectionsSIGTERMEndsAtOnce() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        #expect(try running.get("/greeting").responses.first?.status == 200)
        running.process.signal(SIGTERM)
        #expect(running.process.waitForExit(upToMs: 3_000) == 0, "\(running.process.output)")
    }

    /// The request under way gets its whole answer, with `connection: close`; new connections are refused.
    @Test
    func aRequestUnderWayIsFinished() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        running.upstream.begin(.steps(.readRequest, .delay(ms: 500), .send(Fixtures.greeting)))
        let port = running.listener
        let process = running.process
        let ending = BackgroundThread {
            sleep(ms: 150)
            process.signal(SIGTERM)
        }
        let client = RawClient(steps: [.send("GET /greeting HTTP/1.1\r\nhost: h.test\r\n\r\n")], methods: ["GET"])
        let outcome = try client.run(port: port)
        ending.join()
        #expect(outcome.responses.first?.status == 200)
        #expect(outcome.responses.first?.isComplete == true)
        #expect(outcome.responses.first?.header("connection") == "close")
        #expect(outcome.end == .closed)
        #expect(process.waitForExit(upToMs: 3_000) == 0, "\(process.output)")
    }

    /// An idle keep-alive connection does not hold the process up.
    @Test
    func anIdleConnectionIsClosed() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        let process = running.process
        var client = RawClient(steps: [.send("GET /greeting HTTP/1.1\r\nhost: h.test\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 3_000
        let ending = BackgroundThread {
            sleep(ms: 300)
            process.signal(SIGTERM)
        }
        let outcome = try client.run(port: running.listener)
        ending.join()
        #expect(outcome.responses.first?.status == 200)
        #expect(outcome.end == .closed)
        #expect(process.waitForExit(upToMs: 3_000) == 0, "\(process.output)")
    }

    @Test
    func whileDrainingNewConnectionsAreRefused() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        running.upstream.begin(.steps(.readRequest, .delay(ms: 1_500), .send(Fixtures.greeting)))
        let port = running.listener
        let status = Mutex<Int?>(nil)
        let client = BackgroundThread {
            let raw = RawClient(steps: [.send("GET /greeting HTTP/1.1\r\nhost: h.test\r\n\r\n")], methods: ["GET"])
            let outcome = try? raw.run(port: port)
            status.withLock { $0 = outcome?.responses.first?.status }
        }
        sleep(ms: 150)
        running.process.signal(SIGTERM)
        #expect(wait(upToMs: 1_000) { (try? Sockets.connect(port: port)) == nil })
        #expect(running.process.exitStatus() == nil, "the request is still under way")
        client.join()
        #expect(status.withLock { $0 } == 200, "the request under way was answered")
        #expect(running.process.waitForExit(upToMs: 3_000) == 0)
    }

    @Test
    func aSecondSIGTERMEndsAtOnce() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        running.upstream.begin(.steps(.readRequest, .delay(ms: 8_000), .send(Fixtures.greeting)))
        let port = running.listener
        let client = BackgroundThread {
            _ = try? RawClient(steps: [.send("GET /greeting HTTP/1.1\r\nhost: h.test\r\n\r\n")], methods: ["GET"]).run(port: port)
        }
        sleep(ms: 150)
        running.process.signal(SIGTERM)
        sleep(ms: 200)
        #expect(running.process.exitStatus() == nil)
        running.process.signal(SIGTERM)
        #expect(running.process.waitForExit(upToMs: 1_000) != nil)
        client.join()
    }

    /// What does not end is cut off after `--shutdown-grace-s`.
    @Test
    func theGraceEnds() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet, arguments: ["--shutdown-grace-s", "1"])
        running.upstream.begin(.steps(.readRequest, .delay(ms: 8_000), .send(Fixtures.greeting)))
        let port = running.listener
        let client = BackgroundThread {
            _ = try? RawClient(steps: [.send("GET /greeting HTTP/1.1\r\nhost: h.test\r\n\r\n")], methods: ["GET"]).run(port: port)
        }
        sleep(ms: 150)
        running.process.signal(SIGTERM)
        #expect(running.process.waitForExit(upToMs: 3_000) == 0, "\(running.process.output)")
        client.join()
    }

    /// After SIGKILL the kernel holds the port for some milliseconds; the next start waits for it.
    @Test
    func afterAKillTheNextStartWorks() throws {
        let martlet = try Binary.martlet()
        let first = try Running(martlet)
        _ = try first.get("/greeting", keepsOpen: true)
        let file = first.directory.path + "/simple.yaml"
        first.process.signal(SIGKILL)
        let second = try martlet.start(["-c", file, "--concurrency", "1"])
        #expect(second.becomesReady(admin: first.admin), "\(second.output)")
        #expect(try first.get("/greeting").responses.first?.status == 200)
        second.kill()
    }
}
