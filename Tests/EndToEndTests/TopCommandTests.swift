import TestSupport
import Testing

/// `martlet top`: the live view in a terminal.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct TopCommandTests {
    /// Three good requests and one that nobody answers, during the interval.
    private func frame(_ arguments: [String]) throws -> (Martlet.Finished, Served) {
        let martlet = try Binary.martlet()
        let upstream = try LoadUpstream("up")
        let nobody = Ports.free()
        let served = try Served(martlet) { port in
            Bootstrap(
                listeners: [
                    Bootstrap.http(
                        "edge", at: Bootstrap.address(port), prefix: "ingress",
                        routes: ["{match: {prefix: /bad}, route: {cluster: broken}}", "{match: {prefix: /}, route: {cluster: good}}"])
                ],
                clusters: [
                    Bootstrap.cluster("good", ports: [upstream.port]),
                    Bootstrap.cluster("broken", endpoints: ["endpoint: {address: \(Bootstrap.address(nobody))}\nhealth_status: DEGRADED"]),
                ]
            ).yaml + "\nstats_flush_interval: 0.1s\n"
        }
        let stopped = Flag()
        let client = BackgroundThread {
            var turn = 0
            while !stopped.isRaised {
                turn += 1
                _ = try? served.get(turn % 4 == 0 ? "/bad" : "/")
                sleep(ms: 10)
            }
        }
        defer {
            stopped.raise()
            client.join()
            upstream.stop()
        }
        _ = served.stat("cluster.broken.upstream_rq_503", becomes: 1)
        return (try martlet.run(["top", "127.0.0.1:\(served.admin.port)"] + arguments, limitMs: 20_000), served)
    }

    @Test
    func oneFrame() throws {
        let (run, served) = try frame(["--once", "--interval", "1"])
        #expect(run.status == 0)
        let lines = run.output.textLines
        #expect(lines.first?.hasPrefix("martlet top  127.0.0.1:\(served.admin.port)  LIVE  up ") == true, "\(run.output)")
        #expect(lines.first?.firstMatch(of: #/configuration version [1-9][0-9]*  1 worker  /#) != nil)
        let good = lines.first { $0.hasPrefix("good ") }?.split(separator: " ").map(String.init) ?? []
        #expect((Double(good.dropFirst().first ?? "") ?? 0) > 1, "\(run.output)")
        #expect(good.last == "1/1")
        #expect(good.contains("ms"), "quantiles of the interval: \(run.output)")
        let broken = lines.first { $0.hasPrefix("broken ") } ?? ""
        #expect(broken.contains(" 100 %") && broken.hasSuffix(" 0/1"), "\(broken)")
        #expect(lines.contains { $0.hasPrefix("broken  127.0.0.1:") && $0.hasSuffix("/degraded_eds_health") }, "\(run.output)")
        // Not a terminal: no escapes.
        #expect(!run.output.contains("\u{1B}"))
    }

    @Test
    func oneFrameAsJSON() throws {
        let (run, _) = try frame(["--once", "--json", "--interval", "0.5"])
        #expect(run.status == 0)
        let json = try JSON(parsing: run.output)
        #expect(json["state"]?.string == "LIVE" && (json["plan"].flatMap { Int($0.text()) } ?? 0) > 0)
        let clusters = json["clusters"]?.array ?? []
        #expect(clusters.compactMap { $0["name"]?.string }.sorted() == ["broken", "good"])
        let broken = clusters.first { $0["name"]?.string == "broken" }
        #expect(broken?["share_5xx"]?.text() == "1" && broken?["healthy_hosts"]?.text() == "0")
        #expect(broken?["unhealthy"]?.array?.first?["health_flags"]?.string == "/degraded_eds_health")
        #expect(json["http"]?.array?.first?["name"]?.string == "ingress")
    }

    /// Statistics have the `alt_stat_name`, as statistics write it; the name is text, whatever stands in it.
    @Test
    func aClusterWhoseStatisticsHaveAnotherName() throws {
        let martlet = try Binary.martlet()
        let upstream = try LoadUpstream("up")
        let odd = #""odd::name \e[2J""#
        let served = try Served(martlet) { port in
            Bootstrap(
                listeners: [Bootstrap.http("edge", at: Bootstrap.address(port), prefix: "in", routes: ["{match: {prefix: /}, route: {cluster: \(odd)}}"])],
                clusters: [Bootstrap.cluster(odd, ports: [upstream.port], [#"alt_stat_name: "other://name:1.""#])]
            ).yaml
        }
        let stopped = Flag()
        let client = BackgroundThread {
            while !stopped.isRaised {
                _ = try? served.get("/")
                sleep(ms: 10)
            }
        }
        defer {
            stopped.raise()
            client.join()
            upstream.stop()
        }
        #expect(served.admin.stat("cluster.other_name_1.upstream_rq_200", reaches: 1))
        let json = try martlet.run(["top", "127.0.0.1:\(served.admin.port)", "--once", "--json", "--interval", "0.5"], limitMs: 20_000)
        let cluster = try JSON(parsing: json.output)["clusters"]?.array?.first
        #expect(cluster?["name"]?.string == "odd::name \u{1B}[2J", "\(json.output)")
        #expect((Double(cluster?["requests_per_s"]?.text() ?? "") ?? 0) > 1, "\(json.output)")
        #expect(cluster?["healthy_hosts"]?.text() == "1")
        let text = try martlet.run(["top", "127.0.0.1:\(served.admin.port)", "--once", "--interval", "0.5"], limitMs: 20_000)
        #expect(text.output.textLines.contains { $0.hasPrefix("odd::name \u{FFFD}[2J ") && $0.hasSuffix(" 1/1") }, "\(text.output)")
        #expect(!text.output.contains("\u{1B}"))
    }

    /// A terminal of 60 × 20: no line is longer, what was on the screen comes back, q ends it.
    @Test(.enabled(if: Shell.has("python3"), "python3 is not installed"))
    func inATerminal() throws {
        let martlet = try Binary.martlet()
        let served = try Served(martlet) { port in Served.http(port, clusters: [Served.cluster([Ports.free()], name: "a-name-that-is-much-longer-than-what-a-narrow-terminal-has-room-for")]) .replacing(text: "cluster: c", by: "cluster: a-name-that-is-much-longer-than-what-a-narrow-terminal-has-room-for") }
        let script = served.directory.write(
            """
            import fcntl, os, pty, select, struct, sys, termios, time
            pid, master = pty.fork()
            if pid == 0:
                os.execv(sys.argv[1], [sys.argv[1], "top", sys.argv[2], "--interval", "0.3"])
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
            output, sent, end = b"", False, time.time() + 20
            while time.time() < end:
                if select.select([master], [], [], 0.1)[0]:
                    try: piece = os.read(master, 65536)
                    except OSError: break
                    if not piece: break
                    output += piece
                if not sent and output.count(b"\\x1b[H") >= 3:
                    os.write(master, b"q"); sent = True
            sys.stdout.buffer.write(output + b"\\nSTATUS %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """, to: "terminal.py")
        let run = try Shell.run("python3 \(script) \(martlet.binary) 127.0.0.1:\(served.admin.port)", limitMs: 40_000)
        #expect(run.output.hasSuffix("\nSTATUS 0"), "\(run.output)")
        #expect(run.output.contains("\u{1B}[?1049h\u{1B}[?25l") && run.output.contains("\u{1B}[?25h\u{1B}[?1049l"))
        #expect(run.output.contains("CLUSTER") && run.output.contains("LIVE"))
        let last = try #require(run.output.range(ofLast: "\u{1B}[H")).upperBound
        for line in run.output[last...].split(separator: "\r\n") where !line.contains("STATUS") {
            var text = ""
            var isEscape = false
            for character in line {
                if character == "\u{1B}" { isEscape = true }
                if !isEscape { text.append(character) }
                if isEscape, character.isLetter { isEscape = false }
            }
            #expect(text.count <= 60, "\(text)")
        }
    }

    @Test
    func whoCannotBeAsked() throws {
        let martlet = try Binary.martlet()
        let port = Ports.free()
        let cases: [([String], String)] = [
            (["127.0.0.1:\(port)", "--once"], "martlet top: 127.0.0.1:\(port): Connection refused"),
            (["/no/such/socket", "--once"], "martlet top: /no/such/socket: No such file or directory"),
            (["nonsense", "--once"], "error: 'nonsense' is not ip:port, nor the path of a socket"),
            (["--once", "--interval", "0"], "--interval is not between 0.1 and 3600 seconds"),
        ]
        for (arguments, message) in cases {
            let run = try martlet.run(["top"] + arguments)
            #expect(run.status == 1 && run.output.contains(message), "\(run.output)")
        }
    }
}
