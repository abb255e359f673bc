import Glibc
import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

/// Who waits for a connection of a host that has as many as it may have: what end-to-end tests cannot time, because it
/// happens in one turn.
@Suite(.serialized) struct TCPWaitingTests {
    /// A client whose bytes say who it is.
    private func client(_ name: String, of bench: TCPBench) throws -> Descriptor {
        let socket = try Sockets.connect(port: bench.port)
        #expect(Sockets.send(name.wire, from: 0, on: socket) == name.utf8.count)
        return socket
    }

    /// The first client has the connection, which the host's side is returned of; the second one waits.
    private func two(_ bench: TCPBench) throws -> (first: Descriptor, second: Descriptor, host: Descriptor) {
        let first = try client("first", of: bench)
        let host = try #require(bench.accepted())
        #expect(bench.receives("first", on: host))
        let second = try client("second", of: bench)
        #expect(bench.turns { bench.gauge(.upstreamRqPendingActive) == 1 })
        return (first, second, host)
    }

    /// The place is free and somebody else comes, both in one turn: who has waited goes first.
    @Test func whoComesInTheTurnOfAnEndComesBehindTheLine() throws {
        let bench = try TCPBench()
        let (first, second, host) = try two(bench)
        first.reset()
        let third = try client("third", of: bench)
        bench.turn()
        let next = try #require(bench.accepted())
        #expect(bench.receives("second", on: next))
        #expect(bench.gauge(.upstreamRqPendingActive) == 1)
        second.reset()
        let last = try #require(bench.accepted())
        #expect(bench.receives("third", on: last))
        third.reset()
        #expect(bench.turns { bench.clients == 0 && bench.gauge(.upstreamCxActive) == 0 })
        for socket in [host, next, last] { socket.close() }
    }

    /// The listener's time is over: nobody of its line gets the place of somebody who goes with it.
    @Test func aLineThatGoesAsAWholeOpensNothing() throws {
        let bench = try TCPBench()
        let (first, second, host) = try two(bench)
        let others = try (0..<3).map { try client("other \($0)", of: bench) }
        #expect(bench.turns { bench.gauge(.upstreamRqPendingActive) == 4 })
        bench.removeListener()
        for socket in [first, second] + others { #expect(bench.ended(socket)) }
        #expect(bench.turns { bench.clients == 0 && bench.gauge(.upstreamCxActive) == 0 && bench.gauge(.upstreamRqPendingActive) == 0 })
        #expect(bench.ended(host))
        #expect(bench.count(.upstreamCxTotal) == 1)
        #expect(bench.count(.upstreamRqCancelled) == 4)
        #expect(!bench.hasMore)
        for socket in [first, second, host] + others { socket.close() }
    }

    /// The end of a tunnel's content has no memory left to be written to: the tunnel fails, and takes its session along.
    @Test func aTunnelWhoseEndHasNoRoom() throws {
        let bench = try TCPBench(tunnels: true)
        let first = try client("first", of: bench)
        let host = try #require(bench.accepted())
        #expect(bench.receives("\r\n\r\n", on: host))
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
        #expect(Sockets.send(answer.wire, from: 0, on: host) == answer.utf8.count)
        #expect(bench.receives("hello", on: first))
        #expect(bench.receives("5\r\nfirst\r\n", on: host))
        let blocks = bench.worker.memory.blocks
        blocks.allocatedBytesMax = blocks.allocatedBytes
        first.shutDown(Int(SHUT_WR))
        #expect(bench.ended(first))
        #expect(bench.ended(host))
        #expect(bench.turns { bench.clients == 0 && bench.gauge(.upstreamCxActive) == 0 })
        #expect(bench.gauge(.upstreamRqActive) == 0)
        #expect(bench.worker.streams.count == 0)
        // Memory is back: the next one is served.
        blocks.allocatedBytesMax = .max
        let second = try client("second", of: bench)
        let next = try #require(bench.accepted())
        #expect(bench.receives("\r\n\r\n", on: next))
        next.reset()
        #expect(bench.ended(second))
        #expect(bench.turns { bench.clients == 0 && bench.gauge(.upstreamCxActive) == 0 })
        for socket in [first, second, host] { socket.close() }
    }
}
