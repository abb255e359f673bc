// The worker's memory ends at each place of an exchange: nothing crashes, nothing is sent that could be read as something
// else, everything is given back, and the next exchange is served.

import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct OutOfMemoryTests {
    /// In pieces, so that each finds the queue empty and needs memory of its own.
    private static let answer: [UpstreamStep] = [
        .readRequest, .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n"), .delay(ms: 4),
        .send("5\r\nhello\r\n"), .delay(ms: 4), .send("0\r\nx-t: 1\r\n\r\n"), .again,
    ]
    private static let request = [
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n",
        String(repeating: "3e8\r\n" + String(repeating: "x", count: 1000) + "\r\n", count: 9), "0\r\n\r\n",
    ]

    /// Requests, the last of them perhaps cut short: a head, chunks of `x`, and nothing else.
    private static func isPrefixOfRequests(_ bytes: [UInt8]) -> Bool {
        var at = 0
        while at < bytes.count {
            guard let head = bytes.index(of: "\r\n\r\n".wire, from: at) else { return bytes[at...].starts(with: "POST / HTTP/1.1\r\n".wire) }
            guard bytes[at...].starts(with: "POST / HTTP/1.1\r\n".wire) else { return false }
            at = head + 4
            while at < bytes.count {
                guard let line = bytes.index(of: "\r\n".wire, from: at) else { return bytes.count - at < 5 }
                guard let size = Int(String(decoding: bytes[at..<line], as: UTF8.self), radix: 16) else { return false }
                at = min(line + 2 + size, bytes.count)
                guard bytes[line + 2..<at].allSatisfy({ $0 == UInt8(ascii: "x") }), bytes[at...].starts(with: "\r\n".wire) || at + 1 >= bytes.count
                else { return false }
                at = min(at + 2, bytes.count)
                if size == 0 { break }
            }
        }
        return true
    }

    @Test func memoryEndsAnywhere() throws {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(UpstreamScript([OutOfMemoryTests.answer]))
        upstream.start()
        defer { upstream.stop() }
        for withBody in [false, true] {
            // One that gathers the body, so that the filters' way is gone too.
            let filter = unsafe ClosureFilter(
                requestHead: { _, _, _, _ in withBody ? .stop : .proceed },
                requestData: { _, _, _, _, ends in withBody && !ends ? .stopAndBuffer : .proceed },
                responseData: { _, _, _, _, ends in withBody && !ends ? .stopAndBuffer : .proceed })
            let bench = try ProxyBench(filter, upstream: upstream.port)
            let memory = bench.worker.memory.blocks
            /// From this turn on nothing more is to be had.
            func exchange(upToMs limitMs: Int, fullFromTurn last: Int = .max) throws -> (text: String, ended: Bool) {
                var turn = 0
                func passed() {
                    turn += 1
                    if turn == last { memory.allocatedBytesMax = memory.allocatedBytes }
                }
                let client = try Sockets.connect(port: bench.port)
                defer { client.close() }
                for part in OutOfMemoryTests.request {
                    _ = Sockets.send(Array(part.utf8), from: 0, on: client)
                    bench.turns(upToMs: 4) {
                        passed()
                        return false
                    }
                }
                return bench.receive(client, upToMs: limitMs) {
                    passed()
                    return $0.hasSuffix("0\r\n\r\n") || $0.hasSuffix("x-t: 1\r\n\r\n")
                }
            }
            func settle() -> Int {
                bench.turns(upToMs: 2_000) { bench.count(.downstreamCxTotal) == bench.count(.downstreamCxDestroy) }
                return memory.allocatedBytes
            }
            _ = try exchange(upToMs: 2_000)
            let base = settle()
            var outcomes: Set<String> = []
            func check(_ what: String, _ outcome: (text: String, ended: Bool)) {
                memory.allocatedBytesMax = .max
                let (text, ended) = outcome
                let interim = "HTTP/1.1 100 Continue\r\n\r\n"
                let status = String((text.hasPrefix(interim) ? text.dropFirst(interim.count) : text[...]).prefix(12))
                outcomes.insert("\(status) \(ended)")
                let isWhole = text.hasSuffix("5\r\nhello\r\n0\r\n\r\n") || status.hasPrefix("HTTP/1.1 503")
                #expect(isWhole || ended, "\(what): neither whole nor ended: \(text)")
                #expect(settle() == base, "\(what): something was kept")
            }
            for room in stride(from: 0, through: withBody ? 96 << 10 : 40 << 10, by: withBody ? 2048 : 512) {
                memory.allocatedBytesMax = base + room
                check("room for \(room) bytes", try exchange(upToMs: 5_000))
            }
            for turn in 1...24 { check("full from turn \(turn) on", try exchange(upToMs: 5_000, fullFromTurn: turn)) }
            #expect(outcomes.isSuperset(of: [" true", "HTTP/1.1 200 false"]), "\(outcomes)")
            let (text, _) = try exchange(upToMs: 2_000)
            #expect(text.hasSuffix("5\r\nhello\r\n0\r\n\r\n"), "\(text)")
            print("out of memory: \(outcomes.sorted())")
        }
        for record in upstream.records {
            #expect(OutOfMemoryTests.isPrefixOfRequests(record.received), "\(String(decoding: record.received.suffix(200), as: UTF8.self))")
        }
    }
}
