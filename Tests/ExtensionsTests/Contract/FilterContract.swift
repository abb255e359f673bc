// What every HTTP filter has to keep, whatever it does: driven part by part, between neighbours that stop and resume,
// reset at each step, destroyed while it waits, timed out.

import Pipeline
import Primitives
import Testing
import Transport

struct FilterContract {
    /// A new instance of the filter under test.
    var make: () throws -> HTTPFilterFactory
    var route = RouteConfig()
    /// Head fields that let the filter do its work.
    var path = "/"
    var fields: [(String, String)] = []
    var bufferLimit = 1 << 20
    /// What the filter makes of a body; nil: the filter answers by itself and the upstream sees nothing.
    var requestBody: ([UInt8]) -> [UInt8]? = { $0 }
    var responseBody: ([UInt8]) -> [UInt8] = { $0 }
    /// Some filters move trailers elsewhere.
    var keepsResponseTrailers = true
    /// Runs behind each step, for filters that wait for something.
    var settle: (ChainBench) -> Void = { _ in }
    var bench: ((HTTPFilterFactory, Neighbour, Int) throws -> ChainBench)?

    private static let sample: [UInt8] = (0..<37).map { UInt8($0 + 48) }

    private func bench(_ neighbour: Neighbour) throws -> ChainBench {
        let factory = try make()
        let bench = try bench?(factory, neighbour, bufferLimit) ?? plainBench(factory, neighbour)
        bench.route = route
        return bench
    }

    private func plainBench(_ factory: HTTPFilterFactory, _ neighbour: Neighbour) throws -> ChainBench {
        try ChainBench(factory, neighbour: neighbour, bufferLimit: bufferLimit)
    }

    private func script(_ request: [[UInt8]], _ response: [[UInt8]]) -> Script {
        var script = Script()
        script.method = request.isEmpty ? "GET" : "POST"
        script.path = path
        script.fields = fields
        script.request = request
        script.response = response
        return script
    }

    static func bytes(_ body: [UInt8]) -> [[UInt8]] { body.map { [$0] } }

    func check() throws {
        for neighbour in Neighbour.allCases {
            try headOnly(neighbour)
            for split in [[FilterContract.sample], FilterContract.bytes(FilterContract.sample), [[], FilterContract.sample, []]] {
                try body(neighbour, split)
            }
            try trailers(neighbour)
            try resets(neighbour)
        }
        try destroyedWhilePaused()
        try timeout()
        try largeBody()
    }

    private func expectComplete(_ seen: Seen, _ what: String) {
        #expect(seen.faults.isEmpty, "\(what): \(seen.faults)")
        #expect(seen.heads == 1 && seen.ends == 1, "\(what): \(seen.heads) heads, \(seen.ends) ends")
    }

    private func headOnly(_ neighbour: Neighbour) throws {
        let bench = try bench(neighbour)
        try bench.run(script([], []), settle: settle)
        if requestBody([]) != nil { expectComplete(bench.record.upstream, "head only, \(neighbour), request") }
        expectComplete(bench.record.client, "head only, \(neighbour), response")
        bench.end()
        expectClean(bench, "head only, \(neighbour)")
    }

    private func body(_ neighbour: Neighbour, _ split: [[UInt8]]) throws {
        let what = "body in \(split.count) parts, \(neighbour)"
        for hasLength in [false, true] {
            let bench = try bench(neighbour)
            var script = script(split, split)
            script.hasLength = hasLength
            try bench.run(script, settle: settle)
            if let expected = requestBody(FilterContract.sample) {
                expectComplete(bench.record.upstream, what + ", request")
                #expect(bench.record.upstream.body == expected, "\(what), request")
                #expect(bench.record.client.body == responseBody(FilterContract.sample), "\(what), response")
                // Each part passes each filter exactly once, in order.
                #expect(bench.neighbours[0].request == FilterContract.sample, "\(what), filter in front")
                #expect(bench.neighbours[1].request == expected, "\(what), filter behind")
                #expect(bench.neighbours[1].response == FilterContract.sample, "\(what), filter behind")
                #expect(bench.neighbours[0].response == responseBody(FilterContract.sample), "\(what), filter in front")
            } else {
                #expect(bench.record.upstream.heads == 0, "\(what): answered, and forwarded too")
            }
            expectComplete(bench.record.client, what + ", response")
            bench.end()
            expectClean(bench, what)
        }
    }

    private func trailers(_ neighbour: Neighbour) throws {
        let bench = try bench(neighbour)
        var script = script([FilterContract.sample], [FilterContract.sample])
        script.requestTrailers = [("x-trailer", "request")]
        script.responseTrailers = [("x-trailer", "response")]
        try bench.run(script, settle: settle)
        if let expected = requestBody(FilterContract.sample) {
            expectComplete(bench.record.upstream, "trailers, \(neighbour), request")
            #expect(bench.record.upstream.body == expected)
            #expect(bench.record.upstream.trailers["x-trailer"] == "request", "trailers, \(neighbour)")
            #expect(bench.record.client.trailers["x-trailer"] == (keepsResponseTrailers ? "response" : nil), "trailers, \(neighbour)")
        }
        expectComplete(bench.record.client, "trailers, \(neighbour), response")
        bench.end()
        expectClean(bench, "trailers, \(neighbour)")
    }

    /// The stream ends behind each step; what the filters resume later finds nothing.
    private func resets(_ neighbour: Neighbour) throws {
        var script = script(FilterContract.bytes([1, 2, 3]), FilterContract.bytes([4, 5, 6]))
        script.requestTrailers = [("x-trailer", "request")]
        for count in 1...script.steps.count {
            let bench = try bench(neighbour)
            try bench.open(script)
            for step in script.steps.prefix(count) {
                bench.play(step, of: script)
                if step.isOdd { bench.resumeNeighbours() }
            }
            bench.end()
            bench.resumeNeighbours()
            settle(bench)
            #expect(bench.neighbours.allSatisfy { $0.destroyedCount == 1 }, "reset at \(count), \(neighbour)")
            expectClean(bench, "reset at \(count), \(neighbour)")
        }
    }

    private func destroyedWhilePaused() throws {
        for neighbour in [Neighbour.stops, .buffers, .watermarks] {
            let bench = try bench(neighbour)
            try bench.open(script([[1, 2, 3]], [[4]]))
            let script = script([[1, 2, 3]], [[4]])
            bench.play(.requestHead, of: script)
            bench.play(.requestPart(0), of: script)
            let handle = bench.handle
            bench.end()
            for pauser in bench.neighbours {
                pauser.resume(bench.worker, handle)
                var data = ByteQueue()
                _ = [9].withBytes { data.append(copying: $0, bench.worker.memory) }
                bench.worker.inject(.request, handle, &data, endStream: true, from: pauser)
                #expect(data.isEmpty)
            }
            settle(bench)
            #expect(bench.record.upstream.heads == 0 || bench.record.upstream.ends == 0)
            expectClean(bench, "destroyed while paused, \(neighbour)")
        }
    }

    /// The stream's idle time-out while a neighbour keeps the request: one answer, and nothing behind it.
    private func timeout() throws {
        for neighbour in [Neighbour.stops, .buffers] {
            let bench = try bench(neighbour)
            let script = script([[1, 2, 3]], [[4]])
            try bench.open(script)
            bench.play(.requestHead, of: script)
            bench.play(.requestPart(0), of: script)
            guard let stream = unsafe bench.stream, unsafe !stream.pointee.hasResponseHead else { continue }
            unsafe stream.pointee.idleTimeoutMs = 10
            bench.worker.nowMs += 1000
            bench.worker.streamTimedOut(bench.handle)
            bench.resumeNeighbours()
            settle(bench)
            bench.resumeNeighbours()
            expectComplete(bench.record.client, "time-out, \(neighbour)")
            #expect(bench.record.client.status == 408)
            #expect(bench.record.upstream.heads == 0, "time-out, \(neighbour): the request went on")
            bench.end()
            expectClean(bench, "time-out, \(neighbour)")
        }
    }

    /// More than the buffer limit: back-pressure where a filter asks for it, and nothing lost.
    private func largeBody() throws {
        let part = [UInt8](repeating: 7, count: 4096)
        let bench = try bench(.none)
        try bench.run(script(Array(repeating: part, count: 16), Array(repeating: part, count: 16)), settle: settle)
        expectComplete(bench.record.client, "large body")
        bench.end()
        expectClean(bench, "large body")
    }

    private func expectClean(_ bench: ChainBench, _ what: String) {
        #expect(bench.heldBytes == 0, "\(what): \(bench.heldBytes) bytes are still held")
    }
}

extension Script.Step {
    /// Parts with odd numbers, so that a reset meets neighbours that have resumed and such that have not.
    var isOdd: Bool {
        switch self {
        case .requestPart(let i), .responsePart(let i): i % 2 == 1
        default: false
        }
    }
}
