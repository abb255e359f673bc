import TestSupport
import Testing

/// What an operator sees of the command line: two addresses and a line to try, one clear line for a fault, exit codes.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct CommandLineTests {
    /// No `-c`: the embedded default, on the two well-known ports.
    @Test
    func withoutAConfigurationTheEmbeddedDefaultIsServed() throws {
        let martlet = try Binary.martlet()
        for port: UInt16 in [10_000, 9_901] {
            guard (try? Sockets.listen(port: port))?.close() != nil else {
                print("EndToEndTests: the embedded default is skipped: somebody else listens on 127.0.0.1:\(port)")
                return
            }
        }
        let process = try martlet.start([])
        #expect(process.becomesReady(admin: 9_901))
        #expect(wait(upToMs: 2_000) { process.output.contains("curl ") })
        let output = process.output
        #expect(output.contains("127.0.0.1:10000"))
        #expect(output.contains("127.0.0.1:9901"))

        // Two endpoints in turn.
        var bodies: Set<String> = []
        for _ in 0..<4 {
            let client = RawClient(
                steps: [.send("GET / HTTP/1.1\r\nhost: localhost:10000\r\nconnection: close\r\n\r\n")], methods: ["GET"])
            let outcome = try client.run(port: 10_000)
            #expect(outcome.responses.first?.status == 200)
            bodies.insert(String(wire: outcome.responses.first?.body ?? []))
        }
        #expect(bodies.count == 2, "both endpoints answer: \(bodies)")
    }

    @Test
    func simpleYAMLServesTheGreeting() throws {
        let martlet = try Binary.martlet()
        let running = try Running(martlet)
        let outcome = try running.get("/greeting")
        #expect(outcome.responses.first?.status == 200)
        #expect(String(wire: outcome.responses.first?.body ?? []) == "{\"greeting\":\"hello\"}")
        #expect(outcome.responses.first?.header("server") == "envoy")
        #expect(try running.get("/elsewhere").responses.first?.status == 404)
    }

    @Test
    func simpleYAMLIsValid() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write(Fixtures.simple(listener: 20_001, upstream: 20_002, admin: 20_003), to: "simple.yaml")
        let finished = try martlet.validate(file)
        #expect(finished.status == 0, "\(finished.output)")
    }

    @Test
    func aTakenListenerPortIsOneLineAndExit1() throws {
        let martlet = try Binary.martlet()
        let taken = Ports.free()
        let holder = try Sockets.listen(port: taken)
        defer { holder.close() }
        try expectOneLine(martlet, listener: taken, admin: Ports.free(), naming: "\(taken)")
    }

    @Test
    func aTakenAdminPortIsOneLineAndExit1() throws {
        let martlet = try Binary.martlet()
        let taken = Ports.free()
        let holder = try Sockets.listen(port: taken)
        defer { holder.close() }
        try expectOneLine(martlet, listener: Ports.free(), admin: taken, naming: "\(taken)")
    }

    /// SO_REUSEPORT would let a second one in silently, and it would get half of the connections.
    @Test
    func aSecondMartletOnThePortIsOneLineAndExit1() throws {
        let martlet = try Binary.martlet()
        let first = try Running(martlet)
        try expectOneLine(martlet, listener: first.listener, admin: Ports.free(), naming: "\(first.listener)")
        #expect(try first.get("/greeting").responses.first?.status == 200)
    }

    private func expectOneLine(_ martlet: Martlet, listener: UInt16, admin: UInt16, naming text: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.write(Fixtures.simple(listener: listener, upstream: 20_002, admin: admin), to: "simple.yaml")
        let finished = try martlet.run(["-c", file])
        #expect(finished.status == 1, "\(finished.output)")
        let lines = finished.output.textLines.filter { !$0.isEmpty }
        #expect(lines.count == 1, "\(finished.output)")
        #expect(lines.last?.contains(text) == true, "the port is named: \(finished.output)")
    }

    @Test
    func anUnreadableFileIsOneLineAndExit1() throws {
        let martlet = try Binary.martlet()
        for arguments in [["-c", "/nonexistent/martlet.yaml"], ["--mode", "validate", "-c", "/nonexistent/martlet.yaml"]] {
            let finished = try martlet.run(arguments)
            #expect(finished.status == 1, "\(finished.output)")
            #expect(finished.output.textLines.count == 1, "\(finished.output)")
            #expect(finished.output.contains("/nonexistent/martlet.yaml"))
        }
    }

    @Test
    func aWrongFileIsExit1AndNothingIsServed() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let listener = Ports.free()
        let right = Fixtures.simple(listener: listener, upstream: 20_002, admin: Ports.free())
        let file = directory.write(right.replacing(text: "connect_timeout", by: "conect_timeout"), to: "wrong.yaml")
        for arguments in [["-c", file], ["--mode", "validate", "-c", file]] {
            let finished = try martlet.run(arguments)
            #expect(finished.status == 1, "\(finished.output)")
            #expect(finished.output.contains("wrong.yaml:"), "the place is named: \(finished.output)")
            #expect(finished.output.contains("conect_timeout"))
        }
        #expect((try? Sockets.connect(port: listener)) == nil)
    }

    @Test
    func anUnknownOptionIsRefused() throws {
        let martlet = try Binary.martlet()
        let finished = try martlet.run(["--no-such-option"])
        #expect(finished.status != 0 && finished.status != nil)
        #expect(finished.output.contains("--no-such-option"))
    }

    @Test
    func helpShowsEnvoysOptions() throws {
        let martlet = try Binary.martlet()
        let finished = try martlet.run(["--help"])
        #expect(finished.status == 0)
        for option in ["--config-path", "--config-yaml", "--mode", "--concurrency", "--log-level", "--drain-time-s"] {
            #expect(finished.output.contains(option), "\(option)")
        }
    }
}
