import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

/// Connections that wait for a client: their end where nobody comes. What clients see is PreconnectTests'.
@Suite(.serialized) struct TCPAheadTests {
    /// A client that is served, and what its host has of it; one more connection waits.
    private func begin(_ bench: TCPBench) throws -> (client: Descriptor, busy: Descriptor, waiting: Descriptor) {
        let client = try Sockets.connect(port: bench.port)
        #expect(Sockets.send("hello".wire, from: 0, on: client) == 5)
        let first = try #require(bench.accepted())
        let second = try #require(bench.accepted())
        // Either of the two may have been accepted first.
        var busy: Descriptor?
        #expect(bench.turns {
            for socket in [first, second] { if case .bytes = Sockets.receive(socket) { busy = socket } }
            return busy != nil
        })
        #expect(bench.gauge(.upstreamCxActive) == 2)
        let isFirst = busy.map { $0.raw == first.raw } ?? true
        return (client, isFirst ? first : second, isFirst ? second : first)
    }

    private func finish(_ bench: TCPBench, _ client: Descriptor, _ sockets: Descriptor...) {
        client.reset()
        #expect(bench.turns { bench.clients == 0 && bench.gauge(.upstreamRqActive) == 0 })
        for socket in sockets { socket.close() }
        #expect(bench.turns { bench.gauge(.upstreamCxActive) == 0 })
    }

    @Test func itIsClosedWhenItHasWaitedForTenMinutes() throws {
        let bench = try TCPBench(ahead: 2)
        let (client, busy, waiting) = try begin(bench)
        bench.turn(afterMs: 599_000)
        #expect(bench.count(.upstreamCxIdleTimeout) == 0)
        bench.turn(afterMs: 2_000)
        #expect(bench.count(.upstreamCxIdleTimeout) == 1)
        #expect(bench.ended(waiting))
        #expect(bench.gauge(.upstreamCxActive) == 1)
        #expect(bench.count(.upstreamCxDestroyLocal) == 1)
        finish(bench, client, busy, waiting)
    }

    /// `idle_timeout` of `TcpProtocolOptions`.
    @Test func itIsClosedWhenItHasWaitedAsLongAsItMay() throws {
        let bench = try TCPBench(ahead: 2, idleMs: 60_000)
        let (client, busy, waiting) = try begin(bench)
        bench.turn(afterMs: 59_000)
        #expect(bench.count(.upstreamCxIdleTimeout) == 0)
        bench.turn(afterMs: 2_000)
        #expect(bench.count(.upstreamCxIdleTimeout) == 1)
        #expect(bench.ended(waiting))
        finish(bench, client, busy, waiting)
    }

    @Test func itWaitsForEverWithoutATimeout() throws {
        let bench = try TCPBench(ahead: 2, idleMs: 0)
        let (client, busy, waiting) = try begin(bench)
        bench.turn(afterMs: 3_000_000)
        #expect(bench.count(.upstreamCxIdleTimeout) == 0 && bench.gauge(.upstreamCxActive) == 2)
        finish(bench, client, busy, waiting)
    }

    @Test func itIsClosedWhenItsHostEndsIt() throws {
        let bench = try TCPBench(ahead: 2)
        let (client, busy, waiting) = try begin(bench)
        waiting.close()
        #expect(bench.turns { bench.gauge(.upstreamCxActive) == 1 })
        #expect(bench.count(.upstreamCxDestroyRemote) == 1)
        finish(bench, client, busy)
    }

    @Test func itIsClosedWhenItsHostResetsIt() throws {
        let bench = try TCPBench(ahead: 2)
        let (client, busy, waiting) = try begin(bench)
        waiting.reset()
        #expect(bench.turns { bench.gauge(.upstreamCxActive) == 1 })
        #expect(bench.count(.upstreamCxDestroyRemote) == 1)
        finish(bench, client, busy)
    }

    /// A host that speaks first, and much: what nobody reads waits at the host.
    @Test func whatItsHostSaysIsBounded() throws {
        let bench = try TCPBench(ahead: 2)
        let (client, busy, waiting) = try begin(bench)
        let part = [UInt8](repeating: 0x61, count: 1 << 16)
        var sent = 0
        var idle = 0
        #expect(bench.turns {
            let n = Sockets.send(part, from: 0, on: waiting)
            idle = n > 0 ? 0 : idle + 1
            sent += max(0, n)
            return idle > 50
        })
        #expect(bench.worker.memory.blocks.allocatedBytes < 4 << 20)
        // The next client gets all of it.
        let next = try Sockets.connect(port: bench.port)
        var received = 0
        #expect(bench.turns {
            while case .bytes(let bytes) = Sockets.receive(next) { received += bytes.count }
            return received >= sent
        })
        #expect(received == sent)
        // Two for the two of them.
        let others = [try #require(bench.accepted()), try #require(bench.accepted())]
        next.reset()
        for socket in others { socket.close() }
        finish(bench, client, busy, waiting)
    }

    /// Without memory for what its host says it is of no use.
    @Test func withoutMemoryItIsClosed() throws {
        let bench = try TCPBench(ahead: 2)
        let (client, busy, waiting) = try begin(bench)
        let blocks = bench.worker.memory.blocks
        blocks.allocatedBytesMax = blocks.allocatedBytes
        #expect(Sockets.send("220".wire, from: 0, on: waiting) == 3)
        #expect(bench.ended(waiting))
        #expect(bench.gauge(.upstreamCxActive) == 1)
        blocks.allocatedBytesMax = .max
        finish(bench, client, busy, waiting)
    }
}
