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
        var bodies: [String] = []
        for _ in 0..<4 {
            let client = RawClient(
                steps: [.send("GET / HTTP/1.1\r\nhost: localhost:10000\r\nconnection: close\r\n\r\n")], methods: ["GET"])
            let outcome = try client.run(port: 10_000)
            #expect(outcome.responses.first?.status == 200)
            bodies.append(String(wire: outcome.responses.first?.body ?? []))
        }
        #expect(Set(bodies).count == 2 && bodies[0] != bodies[1] && bodies[0] == bodies[2], "in turn: \(bodies)")
    }

    /// As root nothing hinders it; where something does it is a warning.
    @Test
    func coreDumpsAreAllowed() throws {
        let directory = TemporaryDirectory()
        let file = directory.write("static_resources: {}\n", to: "empty.yaml")
        let run = try Binary.martlet().run(["--mode", "validate", "--enable-core-dump", "-c", file])
        #expect(run.status == 0, "\(run)")
        #expect(run.output.contains("OK"), "\(run)")
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

    /// Every option of Envoy 1.40's `--help`.
    @Test
    func helpShowsEnvoysOptions() throws {
        let martlet = try Binary.martlet()
        let finished = try martlet.run(["--help"])
        #expect(finished.status == 0)
        for option in CommandLineTests.envoysOptions {
            #expect(finished.output.contains("--" + option), "--\(option)")
        }
    }

    private static let envoysOptions = [
        "stats-tag", "enable-core-dump", "socket-mode", "socket-path", "disable-extensions", "cpuset-threads",
        "enable-mutex-tracing", "disable-hot-restart", "mode", "parent-shutdown-time-s", "drain-strategy", "drain-time-s",
        "file-flush-min-size-kb", "file-flush-interval-msec", "service-zone", "service-node", "service-cluster",
        "hot-restart-version", "restart-epoch", "log-path", "enable-fine-grain-logging", "log-format-escaped",
        "log-format", "component-log-level", "log-level", "local-address-ip-version", "admin-address-path",
        "log-stacktrace-single-entry", "skip-deprecated-logs", "ignore-unknown-dynamic-fields",
        "reject-unknown-dynamic-fields", "allow-unknown-static-fields", "allow-unknown-fields", "config-yaml",
        "config-path", "concurrency", "base-id-path", "skip-hot-restart-parent-stats", "skip-hot-restart-on-no-parent",
        "use-dynamic-base-id", "base-id", "version",
    ]

    @Test
    func versionHasEnvoysShape() throws {
        let martlet = try Binary.martlet()
        let finished = try martlet.run(["--version"])
        #expect(finished.status == 0)
        let line = try #require(finished.output.textLines.first)
        #expect(line.hasPrefix("martlet  version: "))
        let parts = line.dropFirst("martlet  version: ".count).split(separator: "/", omittingEmptySubsequences: false)
        #expect(parts.count == 5, "\(line)")
        #expect(parts[0].utf8.count == 40)
        #expect(["Clean", "Modified"].contains(String(parts[2])))
        #expect(["RELEASE", "DEBUG"].contains(String(parts[3])))
        #expect(try martlet.run(["--hot-restart-version"]).output == "disabled")
    }

    /// Envoy's words for wrong values, exit 1, nothing else.
    @Test(arguments: [
        (["-l", "loud"], "error: invalid log level specified 'loud'"),
        (["--component-log-level", "nope:debug"], "error: invalid component specified 'nope'"),
        (["--component-log-level", "upstream"], "error: component log level not correctly specified 'upstream'"),
        (["--component-log-level", "upstream:xx"], "error: invalid log level specified 'xx'"),
        (["--mode", "nope"], "error: unknown mode 'nope'"),
        (["--local-address-ip-version", "v5"], "error: unknown IP address version 'v5'"),
        (["--drain-strategy", "x"], "error: unknown drain-strategy 'x'"),
        (["--stats-tag", "foo"], "error: misformatted stats-tag 'foo'"),
        (["--stats-tag", "a-b:c"], "error: misformatted stats-tag 'a-b:c' contains invalid char in 'a-b'"),
        (["--stats-tag", "a:c.d"], "error: misformatted stats-tag 'a:c.d' contains invalid char in 'c.d'"),
        (["--use-dynamic-base-id", "--restart-epoch", "1"], "error: cannot use --restart-epoch=1 with --use-dynamic-base-id"),
        (["--log-path", "/nonexistent/x"], "Failed to open log-file '/nonexistent/x': No such file or directory"),
    ])
    func wrongValuesAreOneLine(_ arguments: [String], _ line: String) throws {
        let martlet = try Binary.martlet()
        let finished = try martlet.run(["--config-yaml", "{}"] + arguments)
        #expect(finished.status == 1)
        #expect(finished.output == line + "\n")
    }

    /// What cannot apply is accepted, and says so in one line each.
    @Test
    func optionsWithoutEffectSayso() throws {
        let martlet = try Binary.martlet()
        let ignored = [
            "--base-id 7", "--base-id-path /tmp/x", "--restart-epoch 0", "--skip-hot-restart-on-no-parent",
            "--skip-hot-restart-parent-stats", "--parent-shutdown-time-s 3", "--socket-path @x", "--socket-mode 600",
            "--file-flush-min-size-kb 1", "--reject-unknown-dynamic-fields", "--ignore-unknown-dynamic-fields",
            "--skip-deprecated-logs", "--disable-extensions a", "--log-stacktrace-single-entry",
        ]
        let arguments = ignored.flatMap { $0.split(separator: " ").map(String.init) }
        let finished = try martlet.run(["--mode", "validate", "--config-yaml", "{}", "--disable-hot-restart"] + arguments)
        #expect(finished.status == 0)
        for option in ignored {
            let name = option.split(separator: " ")[0]
            let lines = finished.output.textLines.filter { $0.contains("\(name) is accepted for Envoy's sake") }
            #expect(lines.count == 1, "\(name)")
        }
        #expect(!finished.output.contains("--disable-hot-restart is accepted"))
    }

    /// Identity, tags and format of the log, all at once.
    @Test
    func optionsHaveTheirEffect() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let admin = Ports.free()
        let file = directory.write(
            "node: {id: old, cluster: c}\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}\n",
            to: "node.yaml")
        let log = directory.path + "/process.log"
        let process = try martlet.start([
            "-c", file, "--concurrency", "1", "--service-node", "n2", "--service-zone", "z2", "--stats-tag", "team:blue",
            "--log-path", log, "--log-format", "<%L|%n> %v", "--drain-strategy", "immediate", "--drain-time-s", "5",
            "--file-flush-interval-msec", "1500", "--local-address-ip-version", "v6", "-l", "debug",
            "--disable-extensions", "envoy.filters.http/envoy.filters.http.buffer,x",
        ])
        #expect(process.becomesReady(admin: admin))
        let info = try JSON(parsing: String(wire: Admin(port: admin).request("GET", "/server_info")?.body ?? []))
        let node = info["node"]
        #expect(node?["id"]?.string == "n2")
        #expect(node?["cluster"]?.string == "c")
        #expect(node?["locality"]?["zone"]?.string == "z2")
        let options = info["command_line_options"]
        #expect(options?["drain_strategy"]?.string == "Immediate")
        #expect(options?["drain_time"]?.string == "5s")
        #expect(options?["file_flush_interval"]?.string == "1.500s")
        #expect(options?["local_address_ip_version"]?.string == "v6")
        #expect(options?["stats_tag"]?.array?.first?.string == "team:blue")
        #expect(options?["log_format"]?.string == "<%L|%n> %v")
        #expect(options?["disabled_extensions"]?.array?.map(\.string) == ["envoy.filters.http/envoy.filters.http.buffer", "x"])
        let prometheus = String(wire: Admin(port: admin).request("GET", "/stats/prometheus?filter=server.live")?.body ?? [])
        #expect(prometheus.contains("envoy_server_live{team=\"blue\"} 1"))
        #expect(process.output.isEmpty, "\(process.output)")
        #expect(Files.text(log)?.contains("--disable-extensions is accepted for Envoy's sake") == true)
        #expect(Files.text(log)?.contains("<I|main> starting main dispatch loop\n") == true)
        // SIGUSR1 after the file has moved.
        #expect(Files.move(log, log + ".1"))
        process.signal(10)
        #expect(wait(upToMs: 2_000) { Admin(port: admin).isReady() && Files.text(log)?.contains("<D|admin>") == true })
    }

    /// Started in one CPU of the affinity mask it has one worker; with `--cpuset-threads` each worker stays in one of its own.
    @Test(.enabled(if: Shell.has("taskset")))
    func workersFollowTheAffinityMask() throws {
        let martlet = try Binary.martlet()
        func mask(_ task: String) throws -> [String] {
            try Shell.run("grep -h Cpus_allowed_list \(task)").output.textLines.map { $0.split(separator: "\t").last.map(String.init) ?? "" }
        }
        func serve(_ cpus: String) throws -> (process: ChildProcess, concurrency: Int?) {
            let admin = Ports.free()
            let yaml = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}"
            let process = try ChildProcess(
                "/usr/bin/env", ["taskset", "-c", cpus, martlet.binary, "--config-yaml", yaml, "--cpuset-threads"])
            try #require(process.becomesReady(admin: admin), "\(process.output)")
            let info = try JSON(parsing: String(wire: Admin(port: admin).request("GET", "/server_info")?.body ?? []))
            return (process, (info["command_line_options"]?["concurrency"]?.text()).flatMap { Int($0) })
        }
        // `0-1,3`
        let all = try #require(try mask("/proc/self/status").first).split(separator: ",").flatMap { range -> [Int] in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
        }
        let first = try #require(all.first)
        let one = try serve("\(first)")
        #expect(one.concurrency == 1)
        one.process.kill()
        let every = try serve(all.map { "\($0)" }.joined(separator: ","))
        #expect(every.concurrency == all.count)
        let masks = try mask("/proc/\(every.process.pid)/task/*/status")
        for cpu in all { #expect(masks.contains("\(cpu)"), "\(masks)") }
        every.process.kill()
    }

    @Test
    func theLogMayBeJSON() throws {
        let martlet = try Binary.martlet()
        let yaml = "application_log_config: {log_format: {json_format: {Level: \"%l\", Nested: {n: \"%n\"}, b: 1, Message: \"%j\"}}}"
        let finished = try martlet.run(["--config-yaml", yaml, "--mode", "init_only", "-l", "info"])
        #expect(finished.status == 0, "\(finished.output)")
        let both = try martlet.run(["--config-yaml", yaml, "--mode", "init_only", "--log-format", "%v"])
        #expect(both.status == 1)
        #expect(both.output.contains("Only one of ApplicationLogConfig.log_format or CLI option --log-format"))
        let process = try martlet.start(["--config-yaml", yaml])
        let line = "{\"Level\":\"info\",\"Message\":\"starting main dispatch loop\",\"Nested\":{\"n\":\"main\"},\"b\":1}"
        #expect(wait(upToMs: 5_000) { process.output.contains(line + "\n") }, "\(process.output)")
    }

    @Test
    func unknownFieldsMayBeWarnings() throws {
        let martlet = try Binary.martlet()
        let yaml = "node: {id: a, colour: red}"
        #expect(try martlet.run(["--mode", "validate", "--config-yaml", yaml]).status == 1)
        for option in ["--allow-unknown-static-fields", "--allow-unknown-fields"] {
            let finished = try martlet.run(["--mode", "validate", "--config-yaml", yaml, option])
            #expect(finished.status == 0, "\(finished.output)")
            #expect(finished.output.contains("colour"), "\(finished.output)")
        }
    }
}
