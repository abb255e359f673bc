import TestSupport
import Testing

/// What a cluster says about its connections, seen in the kernel's list of them.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct UpstreamOptionsTests {
    /// /proc/net/tcp: the timer of an idle connection is that of its keep-alive (2).
    @Test func keepaliveIsSetOnTheConnection() throws {
        for (options, timer) in [("", "00"), ("upstream_connection_options: {tcp_keepalive: {keepalive_probes: 3, keepalive_time: 30, keepalive_interval: 5}}", "02")] {
            let upstream = try ScriptedUpstream(name: "a")
            upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
            upstream.start()
            defer { upstream.stop() }
            let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port], more: options)]) }
            #expect(try served.get().status == 200)
            #expect(wait(upToMs: 2_000) { timerOfConnection(to: upstream.port) == timer }, "\(options): \(timerOfConnection(to: upstream.port) ?? "none")")
        }
    }

    private func timerOfConnection(to port: UInt16) -> String? {
        let hex = String(port, radix: 16, uppercase: true)
        let remote = ":" + String(repeating: "0", count: 4 - hex.count) + hex
        for line in (Files.text("/proc/net/tcp") ?? "").textLines {
            let fields = line.split(separator: " ")
            guard fields.count > 5, fields[2].hasSuffix(remote), fields[3] == "01" else { continue }
            return String(fields[5].prefix(2))
        }
        return nil
    }
}
