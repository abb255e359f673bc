import TestSupport
import Testing

/// Mirrors that misbehave: slow ones, dead ones, and requests that are cut short.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct MirrorTests {
    private struct Setting {
        let served: Served
        let main: ScriptedUpstream
        let mirror: ScriptedUpstream
    }

    private func serve(_ mirrorScript: UpstreamScript) throws -> Setting {
        let main = try ScriptedUpstream(name: "c")
        main.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        main.start()
        let mirror = try ScriptedUpstream(name: "m")
        mirror.begin(mirrorScript)
        mirror.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "request_mirror_policies: [{cluster: m}, {cluster: m}]",
                clusters: [Served.cluster([main.port]), Served.cluster([mirror.port], name: "m")])
        }
        return Setting(served: served, main: main, mirror: mirror)
    }

    private func post(_ body: String) -> String {
        "POST / HTTP/1.1\r\nhost: h.test\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test func bodiesArriveWhole() throws {
        let setting = try serve(.always("HTTP/1.1 204 No Content\r\n\r\n"))
        defer { setting.main.stop(); setting.mirror.stop() }
        let body = String(repeating: "0123456789abcdef", count: 20_000)
        #expect(try setting.served.send(post(body), method: "POST").status == 200)
        #expect(setting.served.stat("cluster.m.upstream_rq_204", becomes: 2) == 2)
        for record in setting.mirror.records {
            let requests = HTTPParser.requests(record.received)
            #expect(requests.count == 1 && String(wire: requests.first?.body ?? []) == body)
        }
    }

    /// The client does not notice a mirror that never reads nor answers.
    @Test func aMirrorThatDoesNotRead() throws {
        let setting = try serve(.steps(.delay(ms: 20_000)))
        defer { setting.main.stop(); setting.mirror.stop() }
        let body = String(repeating: "x", count: 24_000_000)
        #expect(try setting.served.send(post(body), method: "POST").status == 200)
        #expect(setting.served.stat("cluster.c.retry_or_shadow_abandoned", becomes: 2) == 2)
        #expect(setting.served.stat("cluster.m.upstream_rq_active", becomes: 0) == 0)
    }

    @Test func aRequestThatIsCutShort() throws {
        let setting = try serve(.always("HTTP/1.1 204 No Content\r\n\r\n"))
        defer { setting.main.stop(); setting.mirror.stop() }
        let client = RawClient(
            steps: [.send("POST / HTTP/1.1\r\nhost: h.test\r\ncontent-length: 10\r\n\r\nhel"), .pause(ms: 100), .reset], methods: ["POST"])
        _ = try? client.run(port: setting.served.listener)
        #expect(setting.served.stat("cluster.m.upstream_rq_total", becomes: 2) == 2)
        #expect(setting.served.stat("cluster.m.upstream_rq_active", becomes: 0) == 0)
        #expect(setting.served.stat("cluster.m.upstream_rq_completed", becomes: 0) == 0)
    }

    /// A reload takes the route away while its mirror is still under way.
    @Test func aReloadDuringAMirror() throws {
        let setting = try serve(.steps(.readRequest, .delay(ms: 400), .answer("HTTP/1.1 204 No Content\r\n\r\n"), .again))
        defer { setting.main.stop(); setting.mirror.stop() }
        #expect(try setting.served.send(post("hello"), method: "POST").status == 200)
        let text = try #require(Files.text(setting.served.file))
        Files.write(Array(text.replacing(text: "request_mirror_policies: [{cluster: m}, {cluster: m}]", by: "timeout: 7s").utf8), to: setting.served.file)
        setting.served.process.signal(1)
        #expect(setting.served.stat("cluster.m.upstream_rq_204", becomes: 2) == 2)
        #expect(try setting.served.send(post("hello"), method: "POST").status == 200)
        #expect(setting.served.stat("cluster.m.upstream_rq_total", becomes: 2) == 2)
    }
}
