// A filter that makes a body longer or shorter than the length that its head told must never leave a connection on which
// the next message would be read at the wrong place.

import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct BodyLengthTests {
    private static let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    private static let two = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n"

    private func upstream(_ answer: String) throws -> ScriptedUpstream {
        let upstream = try ScriptedUpstream(name: "up")
        upstream.begin(.always(answer))
        upstream.start()
        return upstream
    }

    private static func add(_ text: String, to data: inout ByteQueue, _ worker: Worker) {
        _ = text.withBytes { data.append(copying: $0, worker.memory) }
    }

    /// A filter that adds to the body, or takes from it, behind a head that has told its length.
    private func changing(_ change: @escaping (inout ByteQueue, Worker) -> Void) -> ClosureFilter {
        unsafe ClosureFilter(responseData: { _, worker, _, data, ends in
            if ends || !data.isEmpty { change(&data, worker) }
            return .proceed
        })
    }

    @Test func aLongerResponseEndsTheConnection() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        let filter = changing { data, worker in BodyLengthTests.add("!", to: &data, worker) }
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, ended) = try bench.receive(bench.send(BodyLengthTests.two))
        #expect(ended && text.hasSuffix("\r\n\r\n"), "what was promised must not look whole: \(text)")
        #expect(text.components(of: "HTTP/1.1") == 1)
        #expect(filter.flags.contains(.localReset) && filter.details == "response_body_length_mismatch")
        #expect(bench.count(.downstreamRqTxReset) == 1)
    }

    @Test func aShorterResponseEndsTheConnection() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        let filter = changing { data, worker in data.consume(min(1, data.count), worker.memory) }
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, ended) = try bench.receive(bench.send(BodyLengthTests.two))
        #expect(ended && text.hasSuffix("\r\n\r\nello"))
        #expect(text.components(of: "HTTP/1.1") == 1)
        #expect(filter.flags.contains(.localReset) && filter.details == "response_body_length_mismatch")
        #expect(bench.count(.downstreamRqTxReset) == 1)
    }

    @Test func aResponseOfTheToldLengthPasses() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        let filter = changing { data, worker in
            let count = data.count
            data.removeAll(worker.memory)
            BodyLengthTests.add(String(repeating: "x", count: count), to: &data, worker)
        }
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, ended) = try bench.receive(bench.send(BodyLengthTests.two)) { $0.components(of: "xxxxx") == 2 }
        #expect(!ended && text.components(of: "HTTP/1.1 200") == 2)
        #expect(bench.count(.downstreamRqTxReset) == 0)
    }

    /// RFC 9112 §6.3: these end with their head.
    @Test(arguments: ["204 No Content", "304 Not Modified"])
    func whatHasNoContentGetsNone(status: String) throws {
        let upstream = try upstream("HTTP/1.1 \(status)\r\n\r\n")
        defer { upstream.stop() }
        let filter = unsafe ClosureFilter(responseHead: { filter, worker, stream, _ in
            var data = ByteQueue()
            BodyLengthTests.add("content", to: &data, worker)
            unsafe worker.addBody(.response, stream, &data, from: filter)
            return .proceed
        })
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, ended) = try bench.receive(bench.send(BodyLengthTests.two)) {
            $0.components(of: "HTTP/1.1 ") == 2 && $0.hasSuffix("\r\n\r\n")
        }
        #expect(!ended && !text.contains("content\r\n") && !text.hasSuffix("content"))
        #expect(!text.contains("chunked") && !text.contains("0\r\n\r\n"))
    }

    private func request(_ body: String) -> String { "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n\(body)" }

    @Test func aLongerRequestIsAnsweredAndItsConnectionGoes() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        let filter = unsafe ClosureFilter(requestData: { _, worker, _, data, ends in
            if ends { BodyLengthTests.add("GET /smuggled HTTP/1.1\r\n\r\n", to: &data, worker) }
            return .proceed
        })
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let client = try bench.send(request("hello"))
        let (text, _) = bench.receive(client) { $0.hasSuffix("Error") }
        #expect(text.hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
        #expect(filter.flags.contains(.localReset) && filter.details == "request_body_length_mismatch")
        #expect(bench.count(.upstreamRqTxReset) == 1)
        #expect(bench.turns { upstream.openConnections == 0 })
        #expect(upstream.records.allSatisfy { !String(decoding: $0.received, as: UTF8.self).contains("smuggled") })
        // The client's side is whole: it goes on.
        #expect(Sockets.send(Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8), from: 0, on: client) > 0)
        #expect(bench.receive(client) { $0.hasSuffix("hello") }.text.hasPrefix("HTTP/1.1 200 OK"))
    }

    @Test func aShorterRequestIsAnsweredAndItsConnectionGoes() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        let filter = unsafe ClosureFilter(requestData: { _, worker, _, data, _ in
            data.consume(min(1, data.count), worker.memory)
            return .proceed
        })
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let (text, _) = try bench.receive(bench.send(request("hello"))) { $0.hasSuffix("Error") }
        #expect(text.hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
        #expect(filter.flags.contains(.localReset) && filter.details == "request_body_length_mismatch")
        #expect(bench.count(.upstreamRqTxReset) == 1)
        #expect(bench.turns { upstream.openConnections == 0 })
    }

    /// The request has gone out whole; more of it would be another one.
    @Test func whatIsAddedBehindTheEndIsDropped() throws {
        let upstream = try upstream(BodyLengthTests.answer)
        defer { upstream.stop() }
        var waiting = Handle.none
        var isHeld = false
        let filter = unsafe ClosureFilter(requestHead: { _, _, stream, _ in
            waiting = unsafe stream.pointee.handle
            return .proceed
        }, responseHead: { _, _, _, _ in
            isHeld = true
            return .stopAndBuffer
        })
        let bench = try ProxyBench(filter, upstream: upstream.port)
        let client = try bench.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(bench.turns { !upstream.records.isEmpty && waiting != .none })
        var data = ByteQueue()
        BodyLengthTests.add("GET /smuggled HTTP/1.1\r\n\r\n", to: &data, bench.worker)
        bench.worker.inject(.request, waiting, &data, endStream: true, from: filter)
        #expect(bench.turns { isHeld })
        bench.worker.resumeResponse(waiting, from: filter)
        #expect(bench.receive(client) { $0.hasSuffix("hello") }.text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(upstream.records.allSatisfy { !String(decoding: $0.received, as: UTF8.self).contains("smuggled") })
    }
}

extension String {
    /// How often `part` stands in it.
    func components(of part: String) -> Int {
        var count = 0
        var rest = Substring(self)
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
