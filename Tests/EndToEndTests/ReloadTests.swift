import Glibc
import TestSupport
import Testing

/// What a SIGHUP reads again, and what it refuses.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ReloadTests {
    private static func listener(_ port: UInt16, body: String, name: String = "l", more: String = "") -> String {
        """
          - name: \(name)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: \(name)
                  \(more)
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {\(body)}}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
        """
    }

    private static func yaml(_ listeners: String...) -> String { "static_resources:\n  listeners:\n" + listeners.joined(separator: "\n") }

    private func body(_ served: Served) -> String { (try? served.get()).map { String(wire: $0.body) } ?? "" }

    private func change(_ served: Served, _ change: (String) -> String) throws {
        let text = try #require(Files.text(served.file))
        Files.write(Array(change(text).utf8), to: served.file)
        served.process.signal(SIGHUP)
    }

    /// The configuration is the same text; what it names has changed.
    @Test func aFileThatIsNamedIsReadAgain() throws {
        let directory = TemporaryDirectory()
        let path = directory.write("one", to: "body")
        let served = try Served(try Binary.martlet()) { ReloadTests.yaml(ReloadTests.listener($0, body: "filename: \(path)")) }
        #expect(body(served) == "one")
        Files.write(Array("two".utf8), to: path)
        #expect(body(served) == "one", "only when it is told to")
        try change(served) { $0 }
        #expect(wait(upToMs: 5_000) { body(served) == "two" })
        // A file that is gone refuses the reload.
        unsafe _ = unlink(path)
        try change(served) { $0 }
        #expect(served.stat("martlet.plan.reloads_refused", becomes: 1) == 1)
        #expect(body(served) == "two")
    }

    @Test func aConfigurationWithoutAFileHasNothingToReload() throws {
        let admin = Admin(port: Ports.free())
        let process = try Binary.martlet().start(
            ["--config-yaml", "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}", "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        process.signal(SIGHUP)
        #expect(wait(upToMs: 5_000) { process.output.contains("nothing to reload: the configuration is not a file") })
        #expect(admin.isReady())
    }

    @Test func aTakenPortRefusesTheReload() throws {
        let taken = Ports.free()
        let holder = try Sockets.listen(port: taken)
        defer { holder.close() }
        let served = try Served(try Binary.martlet()) { ReloadTests.yaml(ReloadTests.listener($0, body: "inline_string: old")) }
        let second = "\n" + ReloadTests.listener(taken, body: "inline_string: x", name: "second") + "\n"
        try change(served) { text in
            text.replacing(text: "inline_string: old", by: "inline_string: new").replacing(text: "\nadmin:", by: second + "admin:")
        }
        #expect(wait(upToMs: 5_000) { served.process.output.contains("refused, the old configuration serves on: cannot bind '127.0.0.1:\(taken)'") })
        #expect(served.stat("martlet.plan.reloads_refused", becomes: 1) == 1)
        #expect(body(served) == "old", "nothing of it was applied")
    }

    /// The old file keeps what was written, the new one gets what comes, and the counts go on.
    @Test func anAccessLogMovesToAnotherFile() throws {
        let directory = TemporaryDirectory()
        func log(_ name: String) -> String {
            "access_log: [{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/\(name), log_format: {text_format_source: {inline_string: \"%REQ(:PATH)%\\n\"}}}}]"
        }
        let served = try Served(try Binary.martlet()) {
            ReloadTests.yaml(ReloadTests.listener($0, body: "inline_string: hi", more: log("first")))
        }
        _ = try served.get("/one")
        try change(served) { $0.replacing(text: "/first,", by: "/second,") }
        #expect(served.stat("martlet.plan.reloads_applied", becomes: 1) == 1)
        // The first file is closed by now, with its line in it; what it wrote still counts.
        #expect(served.stat("filesystem.write_completed", becomes: 1) == 1)
        _ = try served.get("/two")
        served.process.signal(SIGTERM)
        #expect(served.process.waitForExit(upToMs: 5_000) == 0)
        #expect(Files.text(directory.path + "/first") == "/one\n")
        #expect(Files.text(directory.path + "/second") == "/two\n")
    }
}
