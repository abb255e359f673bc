import Glibc
import TestSupport
import Testing

/// Who may ask the admin for what: the token, the address for metrics, pages of other sites; and what the port survives.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AdminAccessTests {
    private struct Peer {
        let process: ChildProcess
        let admin = Admin(port: Ports.free())
        let metrics = Admin(port: Ports.free())
        private let directory = TemporaryDirectory()

        init(_ arguments: (String, UInt16) -> [String]) throws {
            let file = directory.write(
                "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\n", to: "a.yaml")
            _ = directory.write("s3cret\nmore\n", to: "token")
            process = try Binary.martlet().start(
                ["-c", file, "--concurrency", "1"] + arguments(directory.path + "/token", metrics.port))
            try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        }
    }

    private func ask(_ admin: Admin, _ method: String, _ path: String, _ headers: String = "", host: String = "admin") -> HTTPMessage? {
        var client = RawClient(
            steps: [.send("\(method) \(path) HTTP/1.1\r\nhost: \(host)\r\n\(headers)content-length: 0\r\n\r\n")], methods: [method])
        client.closeLimitMs = 0
        return try? client.run(port: admin.port).responses.first
    }

    @Test func changingCommandsAskForTheToken() throws {
        let peer = try Peer { token, _ in ["--admin-token-file", token] }
        defer { peer.process.kill() }
        #expect(ask(peer.admin, "GET", "/stats?filter=server.live")?.status == 200)
        for header in ["", "authorization: Bearer s3cre\r\n", "authorization: Bearer s3cret1\r\n", "authorization: Basic s3cret\r\n",
                       "authorization: Bearer\r\n", "authorization: Bearer more\r\n"] {
            let answer = ask(peer.admin, "POST", "/healthcheck/fail", header)
            #expect(answer?.status == 401, "\(header)")
            #expect(answer?.header("www-authenticate") == "Bearer")
        }
        #expect(ask(peer.admin, "GET", "/ready")?.status == 200)
        #expect(ask(peer.admin, "POST", "/healthcheck/fail", "authorization: bearer s3cret\r\n")?.status == 200)
        #expect(ask(peer.admin, "GET", "/ready")?.status == 503)
        // Another method is answered as ever.
        #expect(ask(peer.admin, "GET", "/quitquitquit")?.status == 405)
    }

    @Test func theAddressForMetricsServesNothingElse() throws {
        let peer = try Peer { _, port in ["--metrics-address", "127.0.0.1:\(port)"] }
        defer { peer.process.kill() }
        #expect(ask(peer.metrics, "GET", "/ready")?.status == 200)
        #expect(String(wire: ask(peer.metrics, "GET", "/stats?filter=server.live")?.body ?? []) == "server.live: 1\n")
        let metrics = String(wire: ask(peer.metrics, "GET", "/stats/prometheus")?.body ?? [])
        #expect(metrics.contains("envoy_server_live{} 1\n"))
        for (method, path) in [("GET", "/config_dump"), ("GET", "/"), ("GET", "/certs"), ("GET", "/server_info"), ("POST", "/quitquitquit"),
                               ("GET", "/stats/recentlookups"), ("GET", "/logging")] {
            #expect(ask(peer.metrics, method, path)?.status == 404, "\(method) \(path)")
        }
        #expect(ask(peer.metrics, "POST", "/stats")?.status == 405)
        #expect(ask(peer.admin, "GET", "/certs")?.status == 200)
        let counter = "http.metrics.downstream_rq_2xx"
        #expect(wait(upToMs: 10_000) { peer.admin.stats(matching: "^\(counter)$") == [counter: 3] })
    }

    @Test func wrongOptionsAreRefused() throws {
        for arguments in [["--metrics-address", "localhost"], ["--metrics-address", "127.0.0.1:x"], ["--admin-token-file", "/nowhere"]] {
            let process = try Binary.martlet().start(
                ["--config-yaml", "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}"] + arguments)
            #expect(wait(upToMs: 10_000) { process.exitStatus() == 1 }, "\(arguments)")
            #expect(process.output.contains(arguments[0]), "\(process.output)")
        }
    }

    /// A page of another site may not post; a tool sends no such fields.
    @Test func otherSitesMayNotPost() throws {
        let peer = try Peer { _, _ in [] }
        defer { peer.process.kill() }
        for header in ["origin: http://evil.test\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n", "sec-fetch-site: same-site\r\n",
                       "origin: http://admin.evil.test\r\n"] {
            #expect(ask(peer.admin, "POST", "/quitquitquit", header)?.status == 403, "\(header)")
        }
        let ours = "origin: http://localhost\r\nsec-fetch-site: same-origin\r\n"
        #expect(ask(peer.admin, "POST", "/reset_counters", ours, host: "localhost")?.status == 200)
        #expect(ask(peer.admin, "POST", "/reset_counters")?.status == 200)
        #expect(peer.process.exitStatus() == nil)
    }

    /// Who owns a name may let it lead to this address: their page is of the same site then.
    @Test func pagesOfANameMayNotPost() throws {
        let peer = try Peer { _, _ in [] }
        defer { peer.process.kill() }
        for (host, status) in [
            ("evil.test:9901", 403), ("localhost.evil.test", 403), ("127.0.0.1.evil.test", 403), ("localhost:9901", 200), ("admin.localhost", 200),
            ("127.0.0.1:9901", 200), ("[::1]:9901", 200), ("10.1.2.3", 200),
        ] {
            let headers = "origin: http://\(host)\r\nsec-fetch-site: same-origin\r\n"
            #expect(ask(peer.admin, "POST", "/reset_counters", headers, host: host)?.status == status, "\(host)")
        }
        // What is no browser says nothing of sites, and asks by any name.
        #expect(ask(peer.admin, "POST", "/reset_counters", host: "proxy.internal")?.status == 200)
        #expect(ask(peer.admin, "GET", "/stats?filter=server.live", "sec-fetch-site: same-origin\r\n", host: "proxy.internal")?.status == 200)
        let guarded = try Peer { token, _ in ["--admin-token-file", token] }
        defer { guarded.process.kill() }
        let headers = "origin: http://proxy.internal\r\nauthorization: Bearer s3cret\r\n"
        #expect(ask(guarded.admin, "POST", "/reset_counters", headers, host: "proxy.internal")?.status == 200)
    }

    /// GET is right for what answers with a profile; that it begins one is a change all the same.
    @Test func aProfileIsNotBegunForOthers() throws {
        let peer = try Peer { token, _ in ["--admin-token-file", token] }
        defer { peer.process.kill() }
        #expect(ask(peer.admin, "GET", "/profile?seconds=1", "sec-fetch-site: cross-site\r\n")?.status == 403)
        #expect(ask(peer.admin, "GET", "/profile?seconds=1")?.status == 401)
        // Over plain HTTP a browser does not say where a picture's page is from: it asks by POST, which says so.
        let browser = "user-agent: Mozilla/5.0 (X11)\r\nauthorization: Bearer s3cret\r\n"
        #expect(ask(peer.admin, "GET", "/profile?seconds=1", browser)?.status == 403)
        #expect(ask(peer.admin, "HEAD", "/profile?seconds=1", browser)?.status == 403)
        #expect(ask(peer.admin, "GET", "/profile?format=page", browser)?.status == 200)
        #expect(ask(peer.admin, "POST", "/profile?seconds=1", browser + "origin: http://evil.test\r\n")?.status == 403)
        #expect(ask(peer.admin, "GET", "/profile?format=folded")?.status == 404, "none was taken")
        #expect(ask(peer.admin, "GET", "/profile?seconds=1&format=folded", "authorization: Bearer s3cret\r\n")?.status == 200)
        #expect(ask(peer.admin, "GET", "/profile?format=folded")?.status == 200)
    }

    /// A thousand connections that say nothing, half of a head, or a head after which nobody reads.
    @Test func aThousandConnections() throws {
        let peer = try Peer { _, _ in [] }
        defer { peer.process.kill() }
        var held: [Descriptor] = []
        defer { for socket in held { socket.close() } }
        for i in 0..<1_000 {
            let socket = try Sockets.connect(port: peer.admin.port)
            held.append(socket)
            switch i % 3 {
            case 0: break
            case 1: _ = Sockets.send("GET /stats HTTP/1.1\r\nhost".wire, from: 0, on: socket)
            default: _ = Sockets.send("GET /stats/prometheus HTTP/1.1\r\nhost: a\r\n\r\n".wire, from: 0, on: socket)
            }
        }
        #expect(wait(upToMs: 10_000) { peer.admin.isReady() })
        #expect(peer.admin.stats(matching: "^http.admin.downstream_cx_active$").values.first ?? 0 >= 1_000)
    }

    /// Heads that two readers would take differently, and queries beyond all measure.
    @Test func smugglingAndHugeQueries() throws {
        let peer = try Peer { _, _ in [] }
        defer { peer.process.kill() }
        let inner = "POST /quitquitquit HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        for head in [
            "POST /reset_counters HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /reset_counters HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: \(inner.utf8.count)\r\n\r\n",
            "POST /reset_counters HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
            "GET /ready HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
            "GET /ready\u{0} HTTP/1.1\r\nhost: a\r\n\r\n",
        ] {
            var client = RawClient(steps: [.send(head + inner)], methods: ["POST", "POST"])
            client.closeLimitMs = 200
            let statuses = (try? client.run(port: peer.admin.port).responses.map(\.status)) ?? []
            #expect(statuses.allSatisfy { ($0 ?? 0) >= 400 }, "\(head): \(statuses)")
        }
        let long = "/stats?filter=" + String(repeating: "a", count: 200_000)
        let status = ask(peer.admin, "GET", long)?.status
        #expect(status == nil || status == 431 || status == 400)
        let groups = ask(peer.admin, "GET", "/stats?filter=" + String(repeating: "(a%2B)*", count: 2_000))?.status
        #expect(groups == 200 || groups == 400)
        #expect(ask(peer.admin, "GET", "/stats?" + String(repeating: "a&", count: 20_000))?.status == 200)
        #expect(peer.process.exitStatus() == nil && peer.admin.isReady())
    }
}
