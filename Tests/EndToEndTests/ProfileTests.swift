import Glibc
import TestSupport
import Testing

/// Profiles of the running proxy, read by the tools that people use.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ProfileTests {
    /// A listener whose time goes into a regular expression.
    private static func yaml(_ listener: UInt16, _ admin: UInt16, path: String = "") -> String {
        var bootstrap = Bootstrap(admin: admin)
        if !path.isEmpty { bootstrap.adminLines = ["profile_path: \(path)"] }
        bootstrap.listeners = [
            Bootstrap.http(
                "main", at: Bootstrap.address(listener),
                routes: [
                    "{match: {safe_regex: {regex: \"/(a|aa)*(b|bb)*(a|aa)*c\"}}, direct_response: {status: 404}}",
                    "{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}",
                ])
        ]
        return bootstrap.yaml
    }

    private final class Proxy: @unchecked Sendable {  // threads begin and end on the test's own thread
        let process: ChildProcess
        let listener = Ports.free()
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let profilePath: String
        let tally = LoadTally()
        private let stopped = Flag()
        private var threads: [BackgroundThread] = []

        init(hasPath: Bool = false, workers: Int = 2) throws {
            profilePath = directory.path + "/martlet.prof"
            let file = directory.write(
                ProfileTests.yaml(listener, admin.port, path: hasPath ? profilePath : ""), to: "martlet.yaml")
            process = try Binary.martlet().start(["-c", file, "--concurrency", "\(workers)"])
            try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        }

        /// Two clients that ask without a pause; each answer is looked at.
        func beginLoad() {
            let path = "/" + String(repeating: "a", count: 55_000)
            for _ in 0..<2 {
                threads.append(
                    BackgroundThread { [self] in
                        var socket: Descriptor?
                        while !stopped.isRaised {
                            if socket == nil { socket = try? Sockets.connect(port: listener, within: 5_000) }
                            guard let open = socket else { return tally.failed("refused") }
                            let answer = Exchange.get(path, on: open, limitMs: 20_000, keepsOpen: true)
                            guard answer.status == 200 else { return tally.failed("\(answer)") }
                            tally.count("request")
                            if answer.closes { socket = nil }
                        }
                    })
            }
        }

        func endLoad() {
            stopped.raise()
            for thread in threads { thread.join() }
            threads = []
        }

        func ask(_ method: String, _ target: String, limitMs: Int = 60_000) -> HTTPMessage? {
            admin.request(method, target, limitMs: limitMs)
        }

        deinit {
            endLoad()
            process.kill()
        }
    }

    private func text(_ message: HTTPMessage?) -> String { String(decoding: message?.body ?? [], as: UTF8.self) }

    @Test
    func aHotFunctionIsSeenUnderLoad() throws {
        let proxy = try Proxy(hasPath: true)
        proxy.beginLoad()
        #expect(text(proxy.ask("POST", "/cpuprofiler?enable=y")) == "OK\n")
        sleep(ms: 3_000)
        #expect(text(proxy.ask("POST", "/cpuprofiler?enable=n")) == "OK\n")
        proxy.endLoad()
        #expect(proxy.tally.failures == [])
        let folded = text(proxy.ask("GET", "/profile?format=folded")).textLines
        let worked = folded.filter { $0.hasPrefix("worker_") }
        let all = worked.reduce(0) { $0 + weight($1) }
        let hot = worked.filter { $0.contains("re2::") && $0.contains("Pipeline.Worker.turn()") }.reduce(0) { $0 + weight($1) }
        #expect(all > 20, "\(folded.count) lines")
        // The sanitizers slow Swift down, not RE2.
        #expect(hot * 10 > all || Environment["MARTLET_SANITIZED"] != nil, "\(hot) of \(all)")
        // Envoy's file, and nothing beside it.
        #expect((Files.read(proxy.profilePath) ?? []).count > 1000)
        try tools(proxy)
    }

    private func weight(_ line: String) -> Int { Int(line.split(separator: " ").last ?? "") ?? 0 }

    /// The file of `profile_path` and the forms of `/profile`, read by others' programs where they are installed.
    private func tools(_ proxy: Proxy) throws {
        let strict = try Shell.run(
            "python3 \(proxy.directory.write(ProfileTests.strictReader, to: "read.py")) \(proxy.profilePath) 2>&1", limitMs: 30_000)
        if !strict.output.contains("No module named") {
            #expect(strict.status == 0 && strict.output.hasPrefix("ok cpu nanoseconds"), "\(strict.output)")
        }
        if Shell.has("go") {
            let top = try Shell.run("go tool pprof -top -cum \(proxy.profilePath) 2>&1", limitMs: 60_000).output
            #expect(top.contains("re2::") && top.contains("Type: cpu"), "\(top.prefix(1000))")
        }
        if Shell.has("google-pprof") {
            let body = try #require(proxy.ask("GET", "/profile?format=gperftools")).body
            let file = proxy.directory.path + "/martlet.gperf"
            Files.write(body, to: file)
            let top = try Shell.run("google-pprof --text --cum \(file) 2>&1", limitMs: 60_000).output
            #expect(top.contains("re2::") && top.contains("Pipeline.Worker.turn"), "\(top.prefix(3000))")
        }
    }

    @Test
    func switchingUnderLoadLosesNoRequest() throws {
        let proxy = try Proxy()
        proxy.beginLoad()
        for turn in 0..<50 {
            #expect(proxy.ask("POST", "/cpuprofiler?enable=y&frequency=1000")?.status == 200, "turn \(turn)")
            sleep(ms: 10)
            #expect(proxy.ask("POST", "/cpuprofiler?enable=n")?.status == 200, "turn \(turn)")
        }
        proxy.endLoad()
        #expect(proxy.tally.failures == [], "\(proxy.process.output)")
        #expect(proxy.tally.count(of: "request") > 50)
        #expect(proxy.process.exitStatus() == nil)
    }

    /// While one request waits for its profile, others are answered; the client that leaves takes its profile along.
    @Test
    func aTimedProfileHoldsNobodyUp() throws {
        let proxy = try Proxy()
        proxy.beginLoad()
        let answer = Locked<HTTPMessage?>(nil)
        let asking = BackgroundThread { answer.withLock { $0 = proxy.ask("GET", "/profile?seconds=2&format=json") } }
        #expect(wait(upToMs: 10_000) { isRunning(proxy) })
        #expect(proxy.ask("GET", "/profile?seconds=1")?.status == 409)
        for _ in 0..<20 {
            let began = Deadline.nowNs()
            #expect(text(proxy.ask("GET", "/ready")) == "LIVE\n")
            #expect(Deadline.nowNs() - began < 1_000_000_000)
        }
        asking.join()
        let json = text(answer.withLock { $0 })
        #expect(json.hasPrefix("{\"kind\":\"cpu\"") && json.hasSuffix("]}\n") && json.contains("Pipeline.Worker.turn()"), "\(json.prefix(300))")

        let socket = try Sockets.connect(port: proxy.admin.port, within: 5_000)
        let request = "GET /profile?seconds=100 HTTP/1.1\r\nhost: a\r\n\r\n"
        #expect(Sockets.send(request.wire, from: 0, on: socket) == request.utf8.count)
        #expect(wait(upToMs: 10_000) { isRunning(proxy) })
        socket.close()
        #expect(wait(upToMs: 10_000) { proxy.ask("GET", "/profile?seconds=1")?.status == 200 })
        proxy.endLoad()
        #expect(proxy.tally.failures == [])
    }

    private func isRunning(_ proxy: Proxy) -> Bool { text(proxy.ask("GET", "/profile?format=json")).contains("\"running\":true") }

    @Test
    func wrongParametersSaySo() throws {
        let proxy = try Proxy(workers: 1)
        let wrong: [(String, String, Int)] = [
            ("POST", "/cpuprofiler", 400), ("POST", "/cpuprofiler?enable=x", 400), ("POST", "/cpuprofiler?enable=y&foo=1", 400),
            ("GET", "/cpuprofiler?enable=y", 405), ("POST", "/cpuprofiler?enable=y&frequency=0", 400),
            ("POST", "/cpuprofiler?enable=y&frequency=1001", 400), ("POST", "/cpuprofiler?enable=y&frequency=-1", 400),
            ("POST", "/cpuprofiler?enable=n", 200), ("GET", "/profile?format=x", 400), ("GET", "/profile?kind=x&format=json", 400),
            ("GET", "/profile?seconds=0", 400), ("GET", "/profile?seconds=121", 400), ("GET", "/profile?seconds=x", 400),
            ("GET", "/profile?seconds=1&frequency=x", 400), ("GET", "/profile?format=json", 404), ("GET", "/profile", 200),
            ("GET", "/profile/flame.js", 200), ("GET", "/profile/flame.css", 200), ("GET", "/console/flame.js", 404), ("GET", "/profile/", 404),
        ]
        for (method, target, status) in wrong {
            #expect(proxy.ask(method, target)?.status == status, "\(method) \(target)")
        }
        #expect(proxy.ask("GET", "/profile")?.header("content-security-policy")?.contains("default-src 'none'") == true)
    }

    /// As in Envoy, a path that cannot be written is a failure when the profile begins.
    @Test
    func aPathThatCannotBeWrittenRefusesToStart() throws {
        let proxy = try Proxy(hasPath: true, workers: 1)
        let made = unsafe mkdir(proxy.profilePath, 0o755)
        #expect(made == 0)
        let answer = proxy.ask("POST", "/cpuprofiler?enable=y")
        #expect(answer?.status == 500 && text(answer) == "failure to start the profiler")
    }

    /// A browser draws it, with nothing refused by the page's own policy.
    @Test(.enabled(if: Clients.browser != nil, "no Chromium is installed"))
    func theFlameGraphIsDrawn() throws {
        let browser = try #require(Clients.browser)
        let proxy = try Proxy()
        proxy.beginLoad()
        #expect(proxy.ask("GET", "/profile?seconds=2&format=folded")?.status == 200)
        proxy.endLoad()
        let page = try Shell.run(
            "timeout 60 \(browser) --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --no-first-run --enable-logging=stderr --user-data-dir=\(proxy.directory.path)/browser --virtual-time-budget=10000 --dump-dom http://127.0.0.1:\(proxy.admin.port)/profile 2>&1",
            limitMs: 70_000
        ).output
        #expect(page.contains("class=\"frame own"), "\(page.suffix(2000))")
        #expect(page.contains("Worker.turn()") && page.contains(" · ") && page.contains(">worker_"))
        #expect(!page.contains("CONSOLE"), "\(page.textLines.filter { $0.contains("CONSOLE") })")
    }

    /// Reads the message by the published field numbers; every number must lead somewhere.
    private static let strictReader = """
        import sys
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        D = descriptor_pb2.FieldDescriptorProto
        f = descriptor_pb2.FileDescriptorProto(name="profile.proto", package="perftools.profiles", syntax="proto3")
        def message(name, fields):
            m = f.message_type.add(name=name)
            for number, field, kind, repeated in fields:
                d = m.field.add(name=field, number=number, label=D.LABEL_REPEATED if repeated else D.LABEL_OPTIONAL)
                if isinstance(kind, str):
                    d.type = D.TYPE_MESSAGE
                    d.type_name = ".perftools.profiles." + kind
                else:
                    d.type = kind
        i, u, s, b = D.TYPE_INT64, D.TYPE_UINT64, D.TYPE_STRING, D.TYPE_BOOL
        message("Profile", [(1, "sample_type", "ValueType", 1), (2, "sample", "Sample", 1), (3, "mapping", "Mapping", 1),
            (4, "location", "Location", 1), (5, "function", "Function", 1), (6, "string_table", s, 1), (7, "drop_frames", i, 0),
            (8, "keep_frames", i, 0), (9, "time_nanos", i, 0), (10, "duration_nanos", i, 0), (11, "period_type", "ValueType", 0),
            (12, "period", i, 0), (13, "comment", i, 1), (14, "default_sample_type", i, 0)])
        message("ValueType", [(1, "type", i, 0), (2, "unit", i, 0)])
        message("Sample", [(1, "location_id", u, 1), (2, "value", i, 1), (3, "label", "Label", 1)])
        message("Label", [(1, "key", i, 0), (2, "str", i, 0), (3, "num", i, 0), (4, "num_unit", i, 0)])
        message("Mapping", [(1, "id", u, 0), (2, "memory_start", u, 0), (3, "memory_limit", u, 0), (4, "file_offset", u, 0),
            (5, "filename", i, 0), (6, "build_id", i, 0), (7, "has_functions", b, 0), (8, "has_filenames", b, 0)])
        message("Location", [(1, "id", u, 0), (2, "mapping_id", u, 0), (3, "address", u, 0), (4, "line", "Line", 1), (5, "is_folded", b, 0)])
        message("Line", [(1, "function_id", u, 0), (2, "line", i, 0)])
        message("Function", [(1, "id", u, 0), (2, "name", i, 0), (3, "system_name", i, 0), (4, "filename", i, 0), (5, "start_line", i, 0)])
        pool = descriptor_pool.DescriptorPool()
        pool.Add(f)
        p = message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.profiles.Profile"))()
        data = open(sys.argv[1], "rb").read()
        assert p.ParseFromString(data) == len(data)
        t = p.string_table
        assert t[0] == "" and len(set(t)) == len(t)
        locations = {l.id: l for l in p.location}
        functions = {x.id: x for x in p.function}
        mappings = {m.id: m for m in p.mapping}
        assert len(locations) == len(p.location) and len(functions) == len(p.function) and 0 not in locations
        for x in p.sample:
            assert len(x.value) == len(p.sample_type) == 2 and x.location_id and min(x.value) > 0
            assert all(k in locations for k in x.location_id)
            assert [t[l.key] for l in x.label] == ["thread"] and t[x.label[0].str]
        for l in p.location:
            assert l.mapping_id == 0 or mappings[l.mapping_id].memory_start <= l.address < mappings[l.mapping_id].memory_limit
            assert all(t[functions[n.function_id].name] for n in l.line) and len(l.line) == 1
        assert t[mappings[1].filename].endswith("martlet") and len(t[mappings[1].build_id]) >= 16
        assert p.period > 0 and p.duration_nanos > 0 and p.time_nanos > 1e18
        print("ok", t[p.period_type.type], t[p.period_type.unit], len(p.sample))
        """
}
