import Glibc
import TestSupport
import Testing

/// The console as the binary serves it: files, data, and who may command.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ConsoleTests {
    private func serve() throws -> Served {
        let upstream = Ports.free()
        return try Served(Binary.martlet(), workers: 2) { port in
            Served.http(port, clusters: [Served.cluster([upstream])])
        }
    }

    private func ask(_ served: Served, _ method: String, _ path: String, _ headers: [String] = [], host: String = "admin.test:1") throws -> HTTPMessage {
        let head = "\(method) \(path) HTTP/1.1\r\nhost: \(host)\r\nconnection: close\r\ncontent-length: 0\r\n"
        var client = RawClient(steps: [.send(head + headers.map { $0 + "\r\n" }.joined() + "\r\n")], methods: [method])
        client.answerLimitMs = 10_000
        return try #require(try client.run(port: served.admin.port).responses.first)
    }

    @Test
    func filesAreServedOnceAndAskedForAgain() throws {
        let served = try serve()
        let page = try ask(served, "GET", "/")
        #expect(page.status == 200 && page.header("content-type") == "text/html; charset=UTF-8")
        #expect(page.header("cache-control") == "no-cache")
        #expect(page.header("content-security-policy")?.hasPrefix("default-src 'none'; script-src 'self';") == true)
        #expect(page.header("x-content-type-options") == "nosniff" && page.header("referrer-policy") == "no-referrer")
        #expect(String(wire: page.body).contains("href=\"commands\""))
        let script = try ask(served, "GET", "/console/app.js")
        #expect(script.status == 200 && script.header("content-type") == "text/javascript; charset=UTF-8")
        let tag = try #require(script.header("etag"))
        for (given, status) in [(tag, 304), ("\"other\", W/\(tag)", 304), ("\"other\"", 200)] {
            let again = try ask(served, "GET", "/console/app.js", ["if-none-match: \(given)"])
            #expect(again.status == status && again.body.isEmpty == (status == 304), "\(given)")
            #expect(again.header("etag") == tag)
        }
        for path in ["/console/", "/console/nope.js", "/console/../console.html", "/console"] {
            #expect(try ask(served, "GET", path).status == 404, "\(path)")
        }
        #expect(String(wire: try ask(served, "GET", "/commands").body).contains(">drain_listeners<"))
    }

    /// A page of another site may send a POST here; a browser says whose page it is.
    @Test
    func pagesOfOtherSitesChangeNothing() throws {
        let served = try serve()
        for origin in ["http://evil.test", "https://admin.test", "null", "http://", "admin.test:1", "http://admin.test:2"] {
            let answer = try ask(served, "POST", "/healthcheck/fail", ["origin: \(origin)"])
            #expect(answer.status == 403, "\(origin)")
            #expect(try ask(served, "GET", "/ready").status == 200)
        }
        // The page's own name may be anybody's; an address is nobody's.
        let refused = try ask(served, "POST", "/healthcheck/fail", ["origin: http://admin.test:1"])
        #expect(refused.status == 403 && String(wire: refused.body).contains("use the IP address or localhost, or --admin-token-file"))
        #expect(try ask(served, "GET", "/ready").status == 200)
        #expect(try ask(served, "POST", "/healthcheck/fail", ["origin: http://127.0.0.1:1"], host: "127.0.0.1:1").status == 200)
        #expect(try ask(served, "GET", "/ready").status == 503)
        #expect(try ask(served, "POST", "/healthcheck/ok").status == 200)
        #expect(try ask(served, "GET", "/stats", ["origin: http://evil.test"]).status == 200)
    }

    private func data(_ served: Served, _ query: String = "") throws -> JSON {
        let answer = try ask(served, "GET", "/console/data" + query)
        #expect(answer.status == 200 && answer.header("content-type") == "application/json")
        return try JSON(parsing: String(decoding: answer.body, as: UTF8.self))
    }

    private func events(_ served: Served) throws -> [JSON] { try data(served)["events"]?.array ?? [] }

    private func event(_ served: Served, _ kind: String, count: Int = 1) throws -> JSON {
        var found: [JSON] = []
        _ = wait(upToMs: 10_000, everyMs: 50) {
            found = ((try? events(served)) ?? []).filter { $0["kind"]?.string == kind }
            return found.count >= count
        }
        return try #require(found.count >= count ? found.last : nil, "\(kind); \(served.process.output)")
    }

    @Test
    func whatChangedIsTold() throws {
        let served = try serve()
        let first = try event(served, "applied")
        #expect(first["version"]?.text() == "1")
        #expect(first["clusters"]?["added"]?.array?.first?.text() == "1")
        let upstream = Ports.free()
        // A timeout that differs, and a cluster more.
        let changed = Served.http(
            served.listener, clusters: [
                Served.cluster([upstream], more: "dns_refresh_rate: 7s"), Served.cluster([upstream], name: "second"),
            ])
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        Files.write(Array((changed + admin).utf8), to: served.file)
        served.process.signal(SIGHUP)
        let applied = try event(served, "applied", count: 2)
        #expect(applied["clusters"]?["added"]?.array?.last?.array?.compactMap(\.string) == ["second"])
        #expect(applied["clusters"]?["modified"]?.array?.last?.array?.compactMap(\.string) == ["c"])
        let lines = applied["lines"]?.array?.compactMap(\.string) ?? []
        #expect(lines.contains("cluster c: dns_refresh_rate: added 7s"), "\(lines)")
        #expect(lines.contains { $0.hasPrefix("cluster c: load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: ") && $0.hasSuffix(" → \(upstream)") }, "\(lines)")
        // Every worker runs it soon.
        var workers: [String] = []
        let plan = try data(served)["plan"]?.text() ?? ""
        _ = wait(upToMs: 10_000, everyMs: 50) {
            workers = ((try? data(served))?["workers"]?.array ?? []).map { $0.text() }
            return workers == [plan, plan]
        }
        #expect(workers == [plan, plan])
        Files.write(Array("static_resources: {clusterz: []}\n".utf8), to: served.file)
        served.process.signal(SIGHUP)
        let refused = try event(served, "refused")
        #expect(refused["version"]?.text() == plan && refused["subject"]?.string == served.file)
        #expect(refused["lines"]?.array?.first?.string?.contains("clusterz") == true)
        // Who knows all events is not told them again.
        let count = try data(served)["eventCount"]?.text() ?? ""
        #expect(try data(served, "?since=\(count)")["events"] == nil)
        #expect(try data(served, "?since=0")["events"] != nil)
        // Commands are events too.
        _ = try ask(served, "POST", "/drain_listeners")
        _ = try event(served, "listenersDrained")
    }
}
