import TestSupport
import Testing

/// The admin interface as tools see it, against answers that Envoy 1.40 gave to the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AdminTests {
    private func start(_ arguments: [String] = [], admin extra: [String] = []) throws -> AdminPeer {
        let martlet = try Binary.martlet()
        return try AdminPeer(martlet.binary, AdminFixture(extra: extra), arguments: ["--concurrency", "1"] + arguments)
    }

    @Test
    func recordedAnswersAreGivenAgain() throws {
        let peer = try start()
        peer.sendTraffic()
        for sample in AdminSamples.all {
            let answer = try #require(peer.ask(sample.method, sample.target, form: sample.form), "\(sample.target)")
            #expect(answer.status == sample.status, "\(sample.method) \(sample.target)")
            #expect(answer.type == sample.type, "\(sample.method) \(sample.target)")
            #expect(answer.body == sample.body, "\(sample.method) \(sample.target)")
        }
    }

    /// Every reply is chunked and carries the same fields.
    @Test
    func headersAreEnvoys() throws {
        let peer = try start()
        for (method, target) in [("GET", "/ready"), ("GET", "/nope"), ("GET", "/quitquitquit"), ("HEAD", "/stats")] {
            let message = try #require(peer.admin.request(method, target))
            let names = message.headers.map { $0.split(separator: ":")[0].lowercased() }
            #expect(
                names == [
                    "content-type", "cache-control", "x-content-type-options", "date", "server", "connection",
                    "transfer-encoding",
                ], "\(method) \(target)")
            #expect(message.header("cache-control") == "no-cache, max-age=0")
            #expect(message.header("x-content-type-options") == "nosniff")
            #expect(message.header("server") == "envoy")
            #expect(method == "HEAD" || message.framing == .chunked)
        }
    }

    /// What Martlet has no such thing for says so, in Envoy's words where it has some.
    @Test
    func whatIsNotThereSaysSo() throws {
        let peer = try start()
        for target in ["/heap_dump", "/peak_heap_dump"] {
            let answer = try #require(peer.ask("GET", target))
            #expect(answer.status == 501 && answer.body.hasSuffix("not supported"), "\(answer.body)")
        }
        let memory = try #require(peer.ask("GET", "/memory/tcmalloc"))
        #expect(memory.status == 200 && memory.body.hasPrefix("glibc malloc"))
        #expect(memory.body.split(separator: "\n").filter { $0.hasPrefix("MALLOC: ") }.count == 5)
        #expect(peer.ask("GET", "/stats/recentlookups")?.body == "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n")
        #expect(peer.ask("POST", "/stats/recentlookups/enable")?.status == 200)
        #expect(peer.ask("GET", "/stats/recentlookups")?.body == "   Count Lookup\n\ntotal: 0\n")
    }

    @Test
    func runtimeWithoutAnAdminLayerIsNotModified() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let admin = Admin(port: Ports.free())
        let file = directory.write(
            "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\nlayered_runtime: {layers: [{name: s, static_layer: {a: 1}}]}\n",
            to: "admin.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        let answer = try #require(admin.request("POST", "/runtime_modify?a=2"))
        #expect(answer.status == 503 && String(wire: answer.body) == "No admin layer specified")
    }

    /// Probes wait for the end of the connection: it was delayed by a second.
    @Test
    func aClientThatSaysCloseGetsItsEndAtOnce() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let admin = Ports.free()
        let file = directory.write(
            "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}\n", to: "admin.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin), "\(process.output)")
        var client = RawClient(
            steps: [.send("GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")], methods: ["GET"])
        client.announcedCloseLimitMs = 500
        let outcome = try client.run(port: admin)
        #expect(outcome.responses.first?.status == 200)
        #expect(outcome.end == .closed)
    }

    @Test
    func readinessFollowsTheHealthChecks() throws {
        let peer = try start()
        #expect(peer.ask("POST", "/healthcheck/fail")?.body == "OK\n")
        #expect(peer.ask("GET", "/ready")?.status == 503)
        #expect(peer.ask("GET", "/ready")?.body == "DRAINING\n")
        #expect(peer.admin.stats(matching: "^server.(live|state)$") == ["server.live": 0, "server.state": 1])
        #expect(peer.ask("POST", "/healthcheck/ok")?.body == "OK\n")
        #expect(peer.ask("GET", "/ready")?.status == 200)
        #expect(peer.admin.stats(matching: "^server.(live|state)$") == ["server.live": 1, "server.state": 0])
    }

    /// What Istio's agent waits for.
    @Test
    func readinessOfASidecarIsSeen() throws {
        let peer = try start()
        let stats = peer.ask("GET", "/stats?usedonly&filter=^(server\\.state|listener_manager\\.workers_started)")
        #expect(stats?.body == "listener_manager.workers_started: 1\nserver.state: 0\n")
    }

    @Test
    func countersAreResetAndGaugesStay() throws {
        let peer = try start()
        peer.sendTraffic()
        let filter = "^http.ingress.downstream_rq_total$"
        #expect(peer.admin.stats(matching: filter).values.first == AdminPeer.requests)
        #expect(peer.ask("POST", "/reset_counters")?.body == "OK\n")
        #expect(peer.admin.stats(matching: filter).values.first == 0)
        #expect(peer.admin.stats(matching: "^server.concurrency$").values.first == 1)
    }

    @Test
    func levelsOfTheLogChange() throws {
        let peer = try start(["--component-log-level", "upstream:debug"])
        func level(_ component: String, _ answer: AdminAnswer?) -> String? {
            answer?.body.textLines.first { $0.hasPrefix("  \(component): ") }
        }
        #expect(level("upstream", peer.ask("POST", "/logging")) == "  upstream: debug")
        #expect(level("http", peer.ask("POST", "/logging?paths=http:trace,admin:error")) == "  http: trace")
        #expect(level("admin", peer.ask("POST", "/logging")) == "  admin: error")
        #expect(level("http", peer.ask("POST", "/logging", form: "level=debug")) == "  http: debug")
        _ = peer.ask("GET", "/ready")
        #expect(wait(upToMs: 2_000) { peer.process.output.contains("[debug][admin]") })
        #expect(level("http", peer.ask("POST", "/logging?level=off")) == "  http: off")
        let wrong = peer.ask("POST", "/logging?paths=http:info,nope:info")
        #expect(wrong?.status == 400)
        #expect(wrong?.body.hasPrefix("error: unknown logger name\n\nusage: /logging?<name>=<level>") == true)
        #expect(level("http", peer.ask("POST", "/logging")) == "  http: off")
    }

    @Test
    func onlyAllowedPathsAreServed() throws {
        let peer = try start(admin: ["allow_paths: [{exact: /ready}, {prefix: /STATS, ignore_case: true}, {safe_regex: {regex: \"/cl.*s\"}}]"])
        #expect(peer.ask("GET", "/ready")?.status == 200)
        #expect(peer.ask("GET", "//stats?filter=x")?.status == 200)
        #expect(peer.ask("GET", "/clusters")?.status == 200)
        let refused = peer.ask("GET", "/ready?x=1")
        #expect(refused?.status == 403)
        #expect(refused?.body == "request to path /ready?x=1 not allowed")
        #expect(peer.ask("POST", "/quitquitquit")?.status == 403)
    }

    /// A dump of a thousand clusters arrives whole, while `/ready` still answers.
    @Test
    func largeAnswersStream() throws {
        let martlet = try Binary.martlet()
        let peer = try AdminPeer(martlet.binary, AdminFixture(moreClusters: 1_000), arguments: ["--concurrency", "1"])
        let dump = try #require(peer.ask("GET", "/config_dump", limitMs: 20_000))
        let json = try JSON(parsing: dump.body)
        let clusters = json["configs"]?.array?.first { $0["@type"]?.string?.hasSuffix("ClustersConfigDump") == true }
        #expect(clusters?["static_clusters"]?.array?.count == 1_003)
        let bootstrap = json["configs"]?.array?.first?["bootstrap"]
        #expect(bootstrap?["static_resources"]?["clusters"]?.array?.count == 1_003)
        let list = try #require(peer.ask("GET", "/clusters?format=json", limitMs: 20_000))
        #expect(try JSON(parsing: list.body)["cluster_statuses"]?.array?.count == 1_003)
        let stats = try #require(peer.ask("GET", "/stats", limitMs: 20_000))
        #expect(stats.body.textLines.filter { $0.hasSuffix(".upstream_rq_total: 0") }.count == 1_003)
        let prometheus = try #require(peer.ask("GET", "/stats/prometheus", limitMs: 40_000))
        #expect(
            prometheus.body.textLines.filter { $0.hasPrefix("envoy_cluster_upstream_rq_total{") }.count == 1_003)
        #expect(peer.admin.isReady())
    }

    /// A cluster of thousands of hosts is answered host by host: whole, and without megabytes for a client that does not read.
    @Test
    func aLargeClusterIsAnsweredHostByHost() throws {
        let count = 8_000
        let admin = Admin(port: Ports.free())
        let hosts = (0..<count).map { "{endpoint: {address: {socket_address: {address: 127.\($0 / 250 + 1).0.\($0 % 250 + 1), port_value: 80}}}}" }
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            static_resources:
              clusters:
              - {name: none, type: STATIC, load_assignment: {cluster_name: none}}
              - {name: large, type: STATIC, load_assignment: {cluster_name: large, endpoints: [{lb_endpoints: [\(hosts.joined(separator: ", "))]}]}}
              - {name: last, type: STATIC, load_assignment: {cluster_name: last, endpoints: [{lb_endpoints: [\(hosts[0])]}]}}

            """, to: "large.yaml")
        let process = try Binary.martlet().start(["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        var held: [Descriptor] = []
        defer { for socket in held { socket.close() } }
        for path in ["/clusters?format=json", "/clusters"] {
            let socket = try Sockets.connect(port: admin.port)
            held.append(socket)
            _ = Sockets.send("GET \(path) HTTP/1.1\r\nhost: a\r\n\r\n".wire, from: 0, on: socket)
        }
        let json = try JSON(parsing: String(wire: admin.request("GET", "/clusters?format=json", limitMs: 60_000)?.body ?? []))
        let statuses = try #require(json["cluster_statuses"]?.array)
        #expect(statuses.map { $0["name"]?.string } == ["none", "large", "last"])
        #expect(statuses.map { $0["host_statuses"]?.array?.count } == [nil, count, 1])
        #expect(statuses.allSatisfy { $0["observability_name"]?.string == $0["name"]?.string && $0["circuit_breakers"] != nil })
        let text = String(wire: admin.request("GET", "/clusters", limitMs: 60_000)?.body ?? []).textLines
        #expect(text.filter { $0.hasSuffix("::rq_total::0") }.count == count + 1)
        #expect(text.filter { $0.hasSuffix("::added_via_api::false") }.count == 3)
        // Each of the two would be 8 MB; the kernel takes some of it.
        let waiting = admin.stats(matching: "^http.admin.downstream_cx_tx_bytes_buffered$").values.first
        #expect(waiting.map { $0 < 1 << 20 } == true, "\(waiting ?? -1) bytes wait")
    }

    /// What a filter keeps out is not written, and looked through in pieces.
    @Test
    func aNameThatNothingHasIsSoughtInPieces() throws {
        let martlet = try Binary.martlet()
        let peer = try AdminPeer(martlet.binary, AdminFixture(moreClusters: 1_000), arguments: ["--concurrency", "1"])
        let empty = try #require(peer.ask("GET", "/config_dump?resource=static_clusters&name_regex=nothing", limitMs: 20_000))
        #expect(empty.body == "{}\n")
        let one = try #require(peer.ask("GET", "/config_dump?resource=static_clusters&name_regex=filler_99", limitMs: 20_000))
        #expect(try JSON(parsing: one.body)["configs"]?.array?.compactMap { $0["cluster"]?["name"]?.string } == ["filler_99"])
    }

    /// A client that leaves in the middle of a dump, and one that never reads.
    @Test
    func unreadAnswersDoNoHarm() throws {
        let martlet = try Binary.martlet()
        let peer = try AdminPeer(martlet.binary, AdminFixture(moreClusters: 1_000), arguments: ["--concurrency", "1"])
        var held: [Descriptor] = []
        for i in 0..<20 {
            let socket = try Sockets.connect(port: peer.admin.port)
            _ = Sockets.send("GET /config_dump HTTP/1.1\r\nhost: a\r\n\r\n".wire, from: 0, on: socket)
            if i % 2 == 0 { held.append(socket) } else { socket.close() }
        }
        #expect(peer.admin.isReady())
        #expect(peer.ask("GET", "/clusters", limitMs: 60_000)?.body.contains("filler_999::added_via_api::false") == true)
        for socket in held { socket.close() }
        #expect(wait(upToMs: 5_000) { peer.admin.stats(matching: "^http.admin.downstream_rq_active$").values.first == 1 })
    }

    /// Pipelined requests are answered in order, each with its own body.
    @Test
    func pipelinedRequestsAreAnswered() throws {
        let peer = try start()
        let requests = ["/ready", "/stats?filter=^server.live$", "/nope", "/ready"]
        let text = requests.map { "GET \($0) HTTP/1.1\r\nhost: a\r\n\r\n" }.joined()
        let client = RawClient(steps: [.send(text)], methods: requests.map { _ in "GET" })
        let outcome = try client.run(port: peer.admin.port)
        #expect(outcome.responses.map(\.status) == [200, 200, 404, 200])
        #expect(outcome.responses.map { String(wire: $0.body) }[1] == "server.live: 1\n")
    }

    @Test
    func aFormIsBounded() throws {
        let peer = try start()
        let form = "level=warning&x=" + String(repeating: "a", count: 70_000)
        #expect(peer.ask("POST", "/logging", form: form)?.status == 413)
        #expect(peer.ask("POST", "/logging", form: "level=warning")?.body.contains("  main: warning\n") == true)
    }

    @Test
    func listenersDrain() throws {
        let peer = try start()
        #expect(peer.ask("POST", "/drain_listeners?inboundonly")?.body == "OK\n")
        #expect(wait(upToMs: 3_000) { (try? Sockets.connect(port: peer.fixture.inbound)) == nil })
        #expect((try? Sockets.connect(port: peer.fixture.outbound)) != nil)
        #expect(peer.ask("POST", "/drain_listeners")?.body == "OK\n")
        #expect(wait(upToMs: 3_000) { (try? Sockets.connect(port: peer.fixture.outbound)) == nil })
        #expect(peer.admin.stats(matching: "listener_stopped").values.first == 2)
        #expect(wait(upToMs: 10_000) { (try? Sockets.listen(port: peer.fixture.inbound)) != nil }, "the address is free for a successor")
        #expect(wait(upToMs: 10_000) { (try? Sockets.listen(port: peer.fixture.outbound)) != nil })
        #expect(peer.process.exitStatus() == nil, "the process goes on")
    }

    /// Gracefully: responses say so at once, listeners stop after `--drain-time-s`.
    @Test
    func listenersDrainGracefully() throws {
        let peer = try start(["--drain-time-s", "4"])
        #expect(peer.ask("POST", "/drain_listeners?graceful")?.body == "OK\n")
        #expect(
            wait(upToMs: 3_000) {
                peer.get("/", from: peer.fixture.inbound)?.header("connection") == "close"
            })
        #expect(wait(upToMs: 4_000) { (try? Sockets.connect(port: peer.fixture.inbound)) == nil })
    }

    @Test
    func quitquitquitEndsTheProcess() throws {
        let peer = try start()
        #expect(peer.ask("POST", "/quitquitquit")?.body == "OK\n")
        #expect(peer.process.waitForExit(upToMs: 5_000) == 0)
    }

    @Test
    func theHomePageListsEveryCommand() throws {
        let peer = try start()
        let page = try #require(peer.ask("GET", "/commands"))
        #expect(page.type == "text/html; charset=UTF-8")
        let help = try #require(peer.ask("GET", "/help")).body.textLines
        for line in help where line.hasPrefix("  /") && !line.hasPrefix("  /:") {
            let name = line.dropFirst(3).split { $0 == ":" || $0 == " " }.first.map(String.init) ?? ""
            #expect(page.body.contains(">\(name)<"), "\(name)")
        }
    }

    /// What was asked for stands in the form again, as text; a page has nothing that its policy forbids.
    @Test
    func pagesOfStatisticsKeepWhatWasAsked() throws {
        let peer = try start()
        let page = try #require(peer.ask("GET", "/stats?format=html&filter=server.(live|%22%3E%3Cb%3E)&type=Gauges&usedonly&histogram_buckets=disjoint")).body
        for part in [
            "value=\"server.(live|&quot;&gt;&lt;b&gt;)\"", "<option selected>html</option>", "<option selected>Gauges</option>",
            "<option selected>disjoint</option>", "name=\"usedonly\" checked>", "name=\"invert_filter\">", "<h2>Gauges</h2>\n<pre>server.live: 1\n</pre>",
        ] { #expect(page.contains(part), "\(part) in \(page)") }
        #expect(!page.contains("<h2>Histograms") && !page.contains("<b>"))
        let all = try #require(peer.ask("GET", "/stats?format=html&filter=^server.(live|state)$")).body
        #expect(all.contains("<h2>Text readouts</h2>\n<pre></pre>\n<p class=\"quiet\">none</p>\n<h2>Counters and gauges</h2>\n<pre>server.live: 1\nserver.state: 0\n</pre>\n<h2>Histograms</h2>\n<pre></pre>"), "\(all)")
        for (type, title) in [("Counters", "Counters"), ("Histograms", "Histograms"), ("TextReadouts", "Text readouts")] {
            let one = try #require(peer.ask("GET", "/stats?format=html&type=\(type)")).body
            #expect(one.contains("<h2>\(title)</h2>") && one.textLines.filter { $0.hasPrefix("<h2>") }.count == 1)
        }
        let whole = try #require(peer.ask("GET", "/stats?format=html&type=Histograms&histogram_buckets=detailed&filter=downstream_rq_time")).body
        #expect(whole.contains("<script type=\"application/json\" id=\"data\">{\"stats\":[{\"histograms\":{\"supported_percentiles\""), "\(whole)")
        let live = try #require(peer.ask("GET", "/stats?format=active-html&max-display-count=7&update-interval=%3C1&invert_filter&filter=x")).body
        for part in ["name=\"max-display-count\" value=\"7\"", "name=\"update-interval\" value=\"&lt;1\"", "name=\"usedonly\" checked>", "name=\"invert_filter\" checked>", "value=\"x\""] {
            #expect(live.contains(part), "\(part) in \(live)")
        }
        for format in ["html", "active-html"] {
            let message = try #require(peer.admin.request("GET", "/stats?format=\(format)"))
            #expect(message.header("content-security-policy")?.contains("script-src 'self'") == true)
            let text = String(wire: message.body)
            for word in ["<style", " style=", " onchange", "javascript:", "<script>"] { #expect(!text.contains(word), "\(word)") }
        }
    }

    /// `access_log` and the deprecated `access_log_path`, in Envoy's default format.
    @Test(arguments: [true, false])
    func requestsAreLogged(_ isDeprecated: Bool) throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/admin.log"
        let log =
            "{name: a, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(path)}}"
        let peer = try start(
            ["--file-flush-interval-msec", "20"],
            admin: [isDeprecated ? "access_log_path: \(path)" : "access_log: [\(log)]"])
        let size = try #require(peer.ask("POST", "/nope?x=1")).body.utf8.count
        #expect(
            wait(upToMs: 3_000) {
                (Files.text(path) ?? "").textLines.contains {
                    $0.contains("] \"POST /nope?x=1 HTTP/1.1\" 404 - 0 \(size) ") && $0.hasSuffix(" \"-\" \"-\" \"admin\" \"-\"")
                }
            }, "\(Files.text(path) ?? "no log")")
        // The log is moved away and opened anew.
        #expect(Files.move(path, path + ".1"))
        #expect(peer.ask("POST", "/reopen_logs")?.body == "OK\n")
        _ = peer.ask("GET", "/certs")
        #expect(wait(upToMs: 3_000) { Files.text(path)?.contains("GET /certs") == true })
    }

    /// A UNIX socket, and the file that says where the admin is.
    @Test
    func theAdminMayBeAPipe() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write("admin: {address: {pipe: {path: \(directory.path)/admin.sock}}}\n", to: "pipe.yaml")
        let process = try martlet.start(["-c", file, "--concurrency", "1", "--admin-address-path", directory.path + "/where"])
        #expect(wait(upToMs: 5_000) { Files.text(directory.path + "/where") == directory.path + "/admin.sock" })
        let socket = try Sockets.connect(path: directory.path + "/admin.sock")
        _ = Sockets.send("GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".wire, from: 0, on: socket)
        var received: [UInt8] = []
        #expect(
            wait(upToMs: 3_000) {
                if case .bytes(let bytes) = Sockets.receive(socket) { received += bytes }
                return received.index(of: "LIVE\n".wire) != nil
            }, "\(String(wire: received))")
        process.kill()
    }

    /// As in Envoy the process serves without the file, and says so.
    @Test
    func aPlaceForTheAddressThatCannotBeWritten() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try Binary.martlet().start([
            "--config-yaml", "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}", "--concurrency", "1",
            "--admin-address-path", directory.path + "/no/where",
        ])
        defer { process.kill() }
        #expect(process.becomesReady(admin: admin.port))
        #expect(
            process.output.contains("][critical][main]")
                && process.output.contains("cannot open admin address output file \(directory.path)/no/where for writing: No such file or directory"))
    }

    /// The same questions to a real Envoy that runs the same configuration.
    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "no Envoy here"))
    func answersEqualEnvoys() throws {
        let envoy = try AdminPeer(
            try ProxyBinary.envoy().get(), AdminFixture(), arguments: ["--concurrency", "1", "--disable-hot-restart"])
        let peer = try start(["--disable-hot-restart"])
        envoy.sendTraffic()
        peer.sendTraffic()
        for question in AdminQuestions.all {
            let expected = try #require(envoy.ask(question.method, question.target))
            let answer = try #require(peer.ask(question.method, question.target))
            let name = "\(question.method) \(question.target)"
            #expect(answer.status == expected.status, "\(name)")
            #expect(answer.type == expected.type, "\(name)")
            switch question.comparison {
            case .exact:
                // A sanitizer makes main's first turn long enough to be missed.
                let body = answer.body
                let isSlow = Environment["MARTLET_SANITIZED"] != nil
                #expect((isSlow ? body.replacing(text: "watchdog_miss: 1", by: "watchdog_miss: 0") : body) == expected.body, "\(name)")
            case .json:
                let (left, right) = try (JSON(parsing: answer.body).sorted, JSON(parsing: expected.body).sorted)
                #expect(left == right, "\(name)")
            case .page:
                #expect(answer.controls.isSuperset(of: expected.controls) && !expected.controls.isEmpty, "\(name): \(answer.controls.sorted())")
                #expect(answer.body.contains("server.live: ") == expected.body.contains("server.live: "), "\(name)")
            case .names:
                // What is counted of time and bytes differs from run to run; what is counted does not.
                let missing = expected.names.subtracting(answer.names)
                #expect(missing.isEmpty, "\(name): missing \(missing.sorted())")
                let extra = answer.names.subtracting(expected.names).filter { !AdminQuestions.isOurs($0) }
                #expect(extra.isEmpty, "\(name): more than Envoy has: \(extra.sorted())")
            }
        }
    }
}

/// Histograms as summaries: Envoy's labels, of the last interval.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PrometheusSummaryTests {
    @Test func histogramsAreSummaries() throws {
        let upstream = try LoadUpstream("c")
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port])]) }
        #expect(try served.get().status == 200)
        let answer = try #require(served.admin.request("GET", "/stats/prometheus?histogram_buckets=summary"))
        let lines = String(wire: answer.body).textLines
        #expect(lines.contains("# TYPE envoy_cluster_upstream_cx_connect_ms summary"))
        let quantiles = lines.filter { $0.hasPrefix("envoy_cluster_upstream_cx_connect_ms{envoy_cluster_name=\"c\",quantile=") }
            .compactMap { $0.split(separator: "\"").dropFirst(3).first.map(String.init) }
        #expect(quantiles == ["0", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.995", "0.999", "1"], "\(quantiles)")
        #expect(!lines.contains { $0.contains("_bucket{") })
    }
}
