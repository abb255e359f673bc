import Glibc
import TestSupport
import Testing

/// Requests behind requests on one connection.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct PipeliningTests {
    private static let size = 6_000

    private func serve() throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: \(PipeliningTests.size)\r\n\r\n" + String(repeating: "x", count: PipeliningTests.size)))
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])])
                .replacing(
                    text: "              - match: {prefix: \"/\"}",
                    by: "              - match: {prefix: \"/direct\"}\n                direct_response: {status: 200, body: {inline_string: \(String(repeating: "d", count: 4_000))}}\n              - match: {prefix: \"/\"}")
        }
        return (served, upstream)
    }

    /// A client that asks on and reads nothing is not answered without bound: what waits for it is limited, and all of
    /// it arrives once it reads.
    @Test(arguments: [("/direct", 12_000, 4_000), ("/", 6_000, PipeliningTests.size)])
    func whoAsksOnWithoutReadingIsHeldBack(path: String, requests: Int, bodyBytes: Int) throws {
        let (served, upstream) = try serve()
        defer { upstream.stop() }
        #expect(try served.get(path).status == 200)
        let before = try #require(Memory.residentKB(served.process.pid))
        let socket = try SlowSocket.connect(port: served.listener)
        let asked = String(repeating: "GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n", count: requests).wire
        var sent = 0
        let quiet = Deadline(afterMs: 4_000)
        while sent < asked.count, !quiet.passed,
            Sockets.ready(socket, for: Sockets.writable, until: Deadline(afterMs: 500).orSooner(quiet)) != 0
        {
            let count = Sockets.send(asked, from: sent, on: socket)
            if count < 0 { break }
            sent += count
        }
        sleep(ms: 500)
        let after = try #require(Memory.residentKB(served.process.pid))
        // Unbounded it would be 36 MB and more.
        #expect(after - before < 16_000 || Environment["MARTLET_SANITIZED"] != nil, "\(after - before) KB more")
        // Everything that was asked is answered.
        let wanted = requests * bodyBytes
        let deadline = Deadline(afterMs: 60_000 * patienceFactor)
        var received = 0
        while received < wanted, !deadline.passed {
            let events = Sockets.ready(
                socket, for: sent < asked.count ? Sockets.readable | Sockets.writable : Sockets.readable, until: deadline)
            if events & Sockets.writable != 0, sent < asked.count { sent += max(0, Sockets.send(asked, from: sent, on: socket)) }
            guard case .bytes(let bytes) = Sockets.receive(socket) else {
                if events & Sockets.readable != 0 { break }
                continue
            }
            received += bytes.count
        }
        #expect(received > wanted)
        socket.close()
        #expect(served.stat("http.h.downstream_rq_active", becomes: 0) == 0)
    }
}

/// What a process holds.
enum Memory {
    static func residentKB(_ pid: Int32) -> Int? {
        guard let file = unsafe fopen("/proc/\(pid)/status", "r") else { return nil }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while unsafe fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasPrefix("VmRSS:") { return Int(text.filter(\.isNumber)) }
        }
        return nil
    }
}
