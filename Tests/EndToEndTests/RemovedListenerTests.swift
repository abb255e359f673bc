import Glibc
import TestSupport
import Testing

/// What becomes of the connections of a listener that a reload has removed. Expectations were read off Envoy 1.40, whose
/// listeners came and went by `lds_config` from a file.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RemovedListenerTests {
    /// One listener that stays, and of the others those that are named: HTTP and TCP, in the scopes of statistics that those
    /// that stay have, too.
    private struct Configuration {
        let admin = Ports.free()
        let stays = Ports.free()
        let http = Ports.free()
        let tcp = Ports.free()
        let upstream: UInt16
        let echo: UInt16
        let log: String
        let drainTimeout: String

        func bootstrap(_ listeners: [String]) -> String {
            let format = "%PROTOCOL% %REQ(:PATH)% %RESPONSE_CODE% [%RESPONSE_FLAGS%] %RESPONSE_CODE_DETAILS% %BYTES_SENT%\\n"
            let accessLog = """
                access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "\(log)", log_format: {text_format_source: {inline_string: "\(format)"}}}}]
                """
            func manager(_ port: UInt16, _ name: String) -> String {
                """
                  - name: \(name)
                    address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                    filter_chains:
                    - filters:
                      - name: envoy.filters.network.http_connection_manager
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                          stat_prefix: h
                          drain_timeout: \(drainTimeout)
                          upgrade_configs: [{upgrade_type: websocket}]
                          \(accessLog)
                          route_config:
                            virtual_hosts:
                            - name: v
                              domains: ["*"]
                              routes:
                              - {match: {path: "/name"}, direct_response: {status: 200, body: {inline_string: "\(name)"}}}
                              - {match: {prefix: "/"}, route: {cluster: h, timeout: 0s}}
                          http_filters:
                          - name: envoy.filters.http.router
                """
            }
            func proxy(_ port: UInt16, _ name: String) -> String {
                """
                  - name: \(name)
                    address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                    filter_chains:
                    - filters:
                      - name: envoy.filters.network.tcp_proxy
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                          stat_prefix: t
                          cluster: echo
                          \(accessLog)
                """
            }
            var texts = [manager(stays, "stays")]
            for name in listeners {
                texts.append(name.hasPrefix("tcp") ? proxy(tcp, name) : manager(http, name))
            }
            return """
                admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
                static_resources:
                  listeners:
                \(texts.joined(separator: "\n"))
                  clusters:
                \(Served.cluster([upstream], name: "h"))
                \(Served.cluster([echo], name: "echo"))
                """
        }
    }

    /// A Martlet that serves it, with its upstreams.
    private final class Bench {
        let process: ChildProcess
        let configuration: Configuration
        let admin: Admin
        let directory = TemporaryDirectory()
        let upstream: ScriptedUpstream
        let echo: LoadUpstream

        init(_ listeners: [String], arguments: [String], workers: Int = 2, drainTimeout: String = "5s") throws {
            upstream = try ScriptedUpstream(name: "h")
            upstream.begin(
                UpstreamScript([
                    [.readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("never")],
                    [.readHead, .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart"), .readText("never")],
                    [.readHead, .readText("never")],
                ]))
            upstream.start()
            echo = try LoadUpstream("echo", .echo)
            configuration = Configuration(upstream: upstream.port, echo: echo.port, log: directory.path + "/log", drainTimeout: drainTimeout)
            admin = Admin(port: configuration.admin)
            directory.write(configuration.bootstrap(listeners), to: "l.yaml")
            process = try Binary.martlet().start(
                ["-c", directory.path + "/l.yaml", "--concurrency", "\(workers)", "-l", "warning", "--file-flush-interval-msec", "50"] + arguments)
            try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        }

        deinit {
            process.kill()
            upstream.stop()
            echo.stop()
        }

        var stays: UInt16 { configuration.stays }
        var http: UInt16 { configuration.http }
        var tcp: UInt16 { configuration.tcp }
        var logged: [String] { (Files.text(configuration.log) ?? "").textLines.sorted() }

        func reload(_ listeners: [String]) {
            let applied = reloads
            directory.write(configuration.bootstrap(listeners), to: "l.yaml")
            process.signal(SIGHUP)
            #expect(wait(upToMs: 5_000) { reloads == applied + 1 }, "\(process.output)")
        }

        private var reloads: Int { admin.stats(matching: "reloads_applied").values.first ?? -1 }

        func plan() -> [String: Int] { admin.stats(matching: "^martlet.plan.parts_") }

        func stat(_ name: String, becomes wanted: Int) -> Int? { admin.stat(name, becomes: wanted) }
    }

    private func ask(_ text: String, on socket: Descriptor) {
        #expect(Sockets.send(text.wire, from: 0, on: socket) == text.utf8.count)
    }

    private func receives(_ text: String, on socket: Descriptor) -> Bool {
        var got: [UInt8] = []
        let deadline = Deadline(afterMs: patienceMs)
        while got.index(of: text.wire) == nil {
            guard Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0, case .bytes(let bytes) = Sockets.receive(socket)
            else { return false }
            got += bytes
        }
        return true
    }

    private enum End { case end, reset }

    /// How the connection ended, once it has; nil: it is open, whatever has come.
    private func end(of socket: Descriptor, upToMs limit: Int) -> End? {
        let deadline = Deadline(afterMs: limit)
        while Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 {
            switch Sockets.receive(socket) {
            case .bytes, .nothing: continue
            case .end: return .end
            case .reset: return .reset
            }
        }
        return nil
    }

    private func isOpen(_ socket: Descriptor) -> Bool { end(of: socket, upToMs: 1) == nil }

    /// Idle, in the middle of an answer, before an answer, tunnel, TCP: all have their time, then all end.
    @Test func whatIsLeftEndsWithTheDrainTime() throws {
        let bench = try Bench([], arguments: ["--drain-time-s", "2"])
        let baseline = bench.plan()
        bench.reload(["http", "tcp"])
        let names = ["idle", "fresh", "ws", "hang", "never", "tcp", "stays"]
        let sockets = try names.map { try Sockets.connect(port: $0 == "tcp" ? bench.tcp : $0 == "stays" ? bench.stays : bench.http) }
        let byName = Dictionary(uniqueKeysWithValues: zip(names, sockets))
        #expect(Exchange.get("/name", on: sockets[0], keepsOpen: true).body == "http".wire)
        // In this order: the upstream's connections answer by their number.
        ask("GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", on: sockets[2])
        #expect(receives("\r\n\r\n", on: sockets[2]))
        ask("GET /hang HTTP/1.1\r\nhost: h\r\n\r\n", on: sockets[3])
        #expect(receives("part", on: sockets[3]))
        ask("GET /never HTTP/1.1\r\nhost: h\r\n\r\n", on: sockets[4])
        #expect(bench.stat("cluster.h.upstream_rq_active", becomes: 3) == 3)
        ask("hello", on: sockets[5])
        #expect(receives("hello", on: sockets[5]))
        #expect(Exchange.get("/name", on: sockets[6], keepsOpen: true).body == "stays".wire)

        let removed = Deadline.nowNs()
        bench.reload([])
        #expect(bench.stat("listener_manager.total_listeners_draining", becomes: 2) == 2)
        #expect(wait(upToMs: 1_000) { (try? Sockets.connect(port: bench.tcp, within: 100)) == nil }, "nothing new is accepted")
        sleep(ms: 300)
        for (name, socket) in byName { #expect(isOpen(socket), "\(name) still has time") }
        ask("there", on: sockets[5])
        #expect(receives("there", on: sockets[5]), "and goes on meanwhile")

        for name in names where name != "stays" {
            #expect(end(of: byName[name]!, upToMs: 4_000) == .end, "\(name) ends without a reset")
        }
        let tookMs = (Deadline.nowNs() - removed) / 1_000_000
        #expect(tookMs >= 1_950 && tookMs < 3_500 * UInt64(patienceFactor), "\(tookMs) ms of 2 s")
        #expect(Exchange.get("/name", on: sockets[6], keepsOpen: true).body == "stays".wire)
        #expect(bench.stat("listener_manager.total_listeners_draining", becomes: 0) == 0)
        #expect(wait(upToMs: 5_000) { bench.plan() == baseline }, "\(bench.plan()), before \(baseline)")

        let local = "downstream_local_disconnect(purging_socket_that_have_not_progressed_to_connections)"
        let expected = [
            "- - 0 [-] - 10", "HTTP/1.1 /hang 200 [DC] \(local) 4", "HTTP/1.1 /name 200 [-] direct_response 4",
            "HTTP/1.1 /name 200 [-] direct_response 5", "HTTP/1.1 /name 200 [-] direct_response 5",
            "HTTP/1.1 /never 0 [DC] \(local) 0", "HTTP/1.1 /ws 101 [DC] \(local) 0",
        ]
        #expect(wait(upToMs: 3_000) { bench.logged == expected }, "\(bench.logged)")
        let stats = bench.admin.stats(matching: "^(http.h|tcp.t|cluster)")
        for (name, value) in [
            ("http.h.downstream_cx_active", 1), ("http.h.downstream_rq_active", 0), ("http.h.downstream_cx_upgrades_active", 0),
            ("http.h.downstream_cx_destroy", 5), ("http.h.downstream_cx_destroy_local", 5),
            ("http.h.downstream_cx_destroy_active_rq", 3), ("http.h.downstream_cx_destroy_remote_active_rq", 3),
            ("http.h.downstream_cx_destroy_local_active_rq", 0), ("http.h.downstream_rq_rx_reset", 3),
            ("http.h.downstream_rq_tx_reset", 0), ("http.h.downstream_rq_response_before_rq_complete", 1),
            ("cluster.h.upstream_cx_active", 0), ("cluster.h.upstream_rq_active", 0),
            ("cluster.h.upstream_cx_destroy_local_with_active_rq", 3), ("cluster.h.upstream_cx_destroy_with_active_rq", 3),
            ("cluster.echo.upstream_cx_active", 0), ("cluster.echo.upstream_rq_active", 0),
            ("cluster.echo.upstream_cx_destroy_local_with_active_rq", 1),
        ] { #expect(stats[name] == value, "\(name): \(stats[name] ?? -1)") }
    }

    /// `immediate`: every answer says so. `gradual`: hardly any while nearly all of the time is left.
    @Test(arguments: ["immediate", "gradual"])
    func answersSayCloseMeanwhile(strategy: String) throws {
        let bench = try Bench(["http"], arguments: ["--drain-time-s", "600", "--drain-strategy", strategy], drainTimeout: "0.2s")
        let sockets = try (0..<20).map { _ in try Sockets.connect(port: bench.http) }
        for socket in sockets { #expect(!Exchange.get("/name", on: socket, keepsOpen: true).closes) }
        bench.reload([])
        let closing = sockets.count { Exchange.get("/name", on: $0, keepsOpen: true).closes }
        #expect(strategy == "immediate" ? closing == 20 : closing < 4, "\(closing) of 20")
        #expect(bench.stat("http.h.downstream_cx_drain_close", becomes: closing) == closing)
        for socket in sockets where strategy == "immediate" { #expect(end(of: socket, upToMs: 10_000) == .end) }
    }

    /// Its HTTP connections serve on with the new listener; a TCP connection belongs to the one before.
    @Test func aListenerThatComesBackKeepsItsHTTPConnections() throws {
        let bench = try Bench(["http", "tcp"], arguments: ["--drain-time-s", "1", "--drain-strategy", "immediate"])
        let http = try Sockets.connect(port: bench.http)
        let tcp = try Sockets.connect(port: bench.tcp)
        #expect(!Exchange.get("/name", on: http, keepsOpen: true).closes)
        ask("hello", on: tcp)
        #expect(receives("hello", on: tcp))
        bench.reload([])
        bench.reload(["http", "tcp"])
        let again = Exchange.get("/name", on: http, keepsOpen: true)
        #expect(again.body == "http".wire && !again.closes)
        #expect(end(of: tcp, upToMs: 3_000) == .end)
        sleep(ms: 300)
        #expect(Exchange.get("/name", on: http, keepsOpen: true).body == "http".wire)
    }

    /// A new listener is not served to clients of one that is gone, whatever numbers they have.
    @Test func aConnectionIsNeverServedByAnotherListener() throws {
        let bench = try Bench(["http"], arguments: ["--drain-time-s", "600"], workers: 1)
        let old = try Sockets.connect(port: bench.http)
        #expect(Exchange.get("/name", on: old, keepsOpen: true).body == "http".wire)
        bench.reload([])
        bench.reload(["other"])
        let new = try Sockets.connect(port: bench.http)
        #expect(Exchange.get("/name", on: new, keepsOpen: true).body == "other".wire)
        #expect(Exchange.get("/name", on: old, keepsOpen: true).body == "http".wire)
    }

    /// A drain time of none: what is connected ends at once, what is accepted behind it too.
    @Test func noDrainTime() throws {
        let bench = try Bench(["http", "tcp"], arguments: ["--drain-time-s", "0"])
        let http = try Sockets.connect(port: bench.http)
        let tcp = try Sockets.connect(port: bench.tcp)
        #expect(Exchange.get("/name", on: http, keepsOpen: true).status == 200)
        bench.reload([])
        #expect(end(of: http, upToMs: 1_000) == .end)
        #expect(end(of: tcp, upToMs: 1_000) == .end)
    }

    /// SIGTERM waits for connections whose listener is gone, too.
    @Test func theEndOfTheProcessWaitsForThem() throws {
        let bench = try Bench(["tcp"], arguments: ["--drain-time-s", "600"])
        let tcp = try Sockets.connect(port: bench.tcp)
        ask("hello", on: tcp)
        #expect(receives("hello", on: tcp))
        bench.reload([])
        sleep(ms: 300)
        bench.process.signal(SIGTERM)
        sleep(ms: 700)
        #expect(bench.process.exitStatus() == nil)
        ask("there", on: tcp)
        #expect(receives("there", on: tcp))
        tcp.close()
        #expect(bench.process.waitForExit(upToMs: 3_000) == 0, "\(bench.process.output)")
    }
}
