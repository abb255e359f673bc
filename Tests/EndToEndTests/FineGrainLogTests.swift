import TestSupport
import Testing

/// `--enable-fine-grain-logging`: `/logging` and the log's lines.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct FineGrainLogTests {
    @Test func levelsPerFile() throws {
        let directory = TemporaryDirectory()
        let admin = Admin(port: Ports.free())
        let file = directory.write(
            "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\nstatic_resources: {}\n", to: "martlet.yaml")
        let process = try Binary.martlet().start(["-c", file, "--enable-fine-grain-logging"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        func change(_ query: String) -> (status: Int?, text: String) {
            let answer = admin.request("POST", "/logging" + query)
            return (answer?.status, String(decoding: answer?.body ?? [], as: UTF8.self))
        }
        #expect(change("").text.hasPrefix("active loggers:\n  "))
        #expect(change("?paths=Server:debug,martlet/*:off").text.contains(".swift: off\n"))
        #expect(change("?Server=error").status == 200 && change("?group=main:warning").status == 200)
        #expect(change("?group=main").text.hasPrefix("error: empty logger name or empty logger level in group\n"))
        #expect(change("?group=main:loud").status == 400 && change("?paths=a").status == 400 && change("?level=loud").status == 400)
        #expect(change("?level=info&group=main:info").text.hasPrefix("error: invalid number of parameters\n"))
        #expect(change("?level=critical").text.contains(": critical\n"))
        #expect(process.output.contains("] adding fine-grain log update, pattern=\'Server\' level=\'error\'"), "\(process.output)")
        #expect(!process.output.contains("[info][main]"), "lines have no component")
        let answer = String(decoding: admin.request("GET", "/server_info")?.body ?? [], as: UTF8.self)
        #expect(answer.contains("\"enable_fine_grain_logging\": true"))
    }

    @Test func componentsHaveNoLevelsThen() throws {
        let process = try Binary.martlet().start(["-c", "/dev/null", "--enable-fine-grain-logging", "--component-log-level", "main:debug"])
        #expect(process.waitForExit(upToMs: 10_000) != 0)
        #expect(process.output.contains("error: --component-log-level will not work with --enable-fine-grain-logging"))
    }
}
