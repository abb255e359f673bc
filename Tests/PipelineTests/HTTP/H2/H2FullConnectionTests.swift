// A peer that takes nothing: what is framed for it fills the connection's queue (`H2Session.outMax`), and whatever happens to
// its streams waits behind that.

import CNghttp2
@testable import Pipeline
import Primitives
import Stats
import StatsStore
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct H2FullConnectionTests {
    private let fed: FedWorker
    private let client: FedPeer
    private static let second: UInt64 = 1_000_000_000

    private static func frame(_ kind: H2Frame.Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        H2Frame(kind, flags: flags, stream: stream, payload).bytes
    }

    private static let settings = frame(.settings)
    /// Windows as wide as a test may want them. What has waited for them is framed in one go: so a frame is begun that finds no room.
    private static let opened = frame(.settings, [0, 4] + H2Frame.word(1 << 30)) + frame(.windowUpdate, H2Frame.word(1 << 30))
    private static func get(_ id: UInt32, _ path: String = "/") -> [UInt8] { H2Frame.head(id, H2Frame.request("GET", path)).bytes }
    private static func post(_ id: UInt32) -> [UInt8] { H2Frame.head(id, H2Frame.request("POST", "/"), flags: 4).bytes }
    private static func answer(_ id: UInt32, flags: UInt8 = 4) -> [UInt8] { H2Frame.head(id, [(":status", "200")], flags: flags).bytes }
    private static func body(_ id: UInt32, frames: Int, ends: Bool = false) -> [UInt8] {
        let part = [UInt8](repeating: 0x78, count: 16_000)
        return (1...frames).flatMap { frame(.data, flags: ends && $0 == frames ? 1 : 0, stream: id, part) }
    }
    private static func reset(_ id: UInt32) -> [UInt8] { frame(.reset, stream: id, H2Frame.word(8)) }

    init() throws {
        fed = try FedWorker()
        fed.begin()
        fed.connect(.http2Upstream)
        client = try #require(fed.peers.last)
        client.pending = FramesIn.preface + H2FullConnectionTests.settings
        fed.settle()
    }

    private func upstream() throws -> FedPeer { try #require(fed.peers.last { !$0.isClient }) }

    private func say(_ bytes: [UInt8], _ peer: FedPeer) {
        peer.pending += bytes
        fed.settle()
        fed.settle()
    }

    private func pass(seconds: UInt64) {
        fed.turn(afterNs: seconds * H2FullConnectionTests.second)
        fed.settle()
    }

    private func queued(_ peer: FedPeer) -> Int { unsafe fed.worker.connections.slab[peer.connection]?.pointee.out.count ?? 0 }
    private func count(_ leaf: HTTPConnectionManagerStat) -> UInt64 { fed.configuration.stats.counter(fed.configuration.http[leaf]) }
    private func count(_ leaf: ClusterStat) -> UInt64 { fed.configuration.stats.counter(fed.configuration.cluster[leaf]) }

    private func conclude() {
        for seconds: UInt64 in [0, 1, 600, 4_000, 4_000] {
            for peer in fed.peers { peer.end = .reset }
            pass(seconds: seconds)
        }
        let held = fed.worker.http2Holdings
        #expect(held.sessions == 0 && held.streams == 0 && held.heapBytes == 0)
        #expect(fed.worker.streams.count == 0 && fed.worker.connections.slab.count == 0)
    }

    /// A client that takes nothing, and an upstream with an answer of 640,000 bytes for its first request.
    private func fillClient(ends: Bool) throws -> FedPeer {
        say(H2FullConnectionTests.get(1), client)
        let upstream = try upstream()
        say(H2FullConnectionTests.settings, upstream)
        client.takes = 0
        say(H2FullConnectionTests.answer(1) + H2FullConnectionTests.body(1, frames: 40, ends: ends), upstream)
        say(H2FullConnectionTests.opened, client)
        #expect(queued(client) >= H2Session.outMax)
        return upstream
    }

    /// A host that takes nothing, and a client with a request of 640,000 bytes for it.
    private func fillHost(ends: Bool) throws -> FedPeer {
        say(H2FullConnectionTests.post(1), client)
        let upstream = try upstream()
        say(H2FullConnectionTests.settings, upstream)
        upstream.takes = 0
        say(H2FullConnectionTests.body(1, frames: 40, ends: ends), client)
        say(H2FullConnectionTests.opened, upstream)
        #expect(queued(upstream) >= H2Session.outMax)
        return upstream
    }

    // MARK: Streams that are reset meanwhile

    /// Its DATA frame had been begun and waited for room: the nine bytes in front of it left alone, and what followed on other
    /// streams was read as its payload.
    @Test func anAnswerThatIsResetWhileItWaitsLeavesTheOthersWhole() throws {
        let upstream = try fillClient(ends: false)
        say(H2FullConnectionTests.reset(1), upstream)
        say(H2FullConnectionTests.get(3, "/d"), client)
        client.takes = .max
        fed.settle()
        let frames = try #require(client.frames)
        #expect(frames.statuses == [200, 200])
        #expect(frames.resets == [1: 2])
        #expect(frames.isOver(3) && !frames.hasFailed)
        conclude()
    }

    /// The same towards an upstream: another client's request was swallowed.
    @Test func aRequestThatIsTakenBackWhileItWaitsLeavesTheOthersWhole() throws {
        let upstream = try fillHost(ends: false)
        say(H2FullConnectionTests.reset(1), client)
        say(H2FullConnectionTests.get(3), client)
        upstream.takes = .max
        fed.settle()
        let frames = try #require(upstream.frames)
        #expect(frames.requests == [1, 3])
        #expect(frames.resets == [1: 2])
        #expect(frames.isOver(3) && !frames.hasFailed)
        say(H2FullConnectionTests.answer(3, flags: 5), upstream)
        #expect(client.frames?.statuses == [200])
        conclude()
    }

    // MARK: Peers that never take anything again

    /// Its stream's reset cannot be framed: the connection counted as busy for ever.
    @Test func aClientThatTakesNothingIsGivenUp() throws {
        _ = try fillClient(ends: true)
        pass(seconds: 301)
        #expect(fed.configuration.stats.counter(fed.configuration.server[.txFlushTimeout]) == 1)
        #expect(fed.isThere(client))
        pass(seconds: 3_600)
        #expect(count(.downstreamCxIdleTimeout) == 1)
        // `drain_timeout`, then `delayed_close_timeout`.
        pass(seconds: 6)
        #expect(fed.isThere(client))
        pass(seconds: 2)
        #expect(!fed.isThere(client))
        #expect(count(.downstreamCxDelayedCloseTimeout) == 1)
        conclude()
    }

    /// Answers without a body, of which no queue has a byte.
    @Test func aClientThatTakesNoHeadsIsGivenUp() throws {
        client.takes = 0
        var id: UInt32 = 1
        func ask(_ count: Int) {
            for _ in 0..<count {
                client.pending += H2FullConnectionTests.get(id, "/r")
                id += 2
            }
            fed.settle()
        }
        while queued(client) < H2Session.outMax, id < 60_000 { ask(100) }
        ask(100)
        #expect(queued(client) >= H2Session.outMax && fed.worker.http2Holdings.streams > 0)
        #expect(fed.worker.streams.count == 0)
        for seconds: UInt64 in [301, 3_601, 6, 2] { pass(seconds: seconds) }
        #expect(!fed.isThere(client))
        conclude()
    }

    /// One that takes little at a time, while its listener drains, gets all of it.
    @Test func aClientThatTakesSlowlyKeepsItsConnection() throws {
        _ = try fillClient(ends: true)
        fed.publish(.draining)
        pass(seconds: 6)
        client.takes = 4_000
        for _ in 0..<400 where fed.isThere(client) { fed.turn(afterNs: H2FullConnectionTests.second / 2) }
        let frames = try #require(client.frames)
        #expect(frames.isOver(1) && frames.resets.isEmpty && !frames.hasFailed)
        #expect(count(.downstreamCxDelayedCloseTimeout) <= 1)
        #expect(fed.configuration.stats.counter(fed.configuration.server[.txFlushTimeout]) == 0)
        fed.publish(.serving)
        conclude()
    }

    /// The request times out; its connection takes no other, and goes.
    @Test func aHostThatTakesNothingIsGivenUp() throws {
        let upstream = try fillHost(ends: true)
        pass(seconds: 6)
        #expect(client.frames?.statuses == [504])
        #expect(fed.isThere(upstream), "a slow host has time for what it was sent")
        say(H2FullConnectionTests.get(3), client)
        pass(seconds: 6)
        #expect(client.frames?.statuses == [504, 504])
        #expect(!fed.isThere(upstream))
        conclude()
    }

    /// It says itself that it is going: nothing is left to come from it, and nothing looks at it but the time.
    @Test func aHostThatGoesAndTakesNothingIsGivenUp() throws {
        let upstream = try fillHost(ends: true)
        say(H2FullConnectionTests.frame(.goaway, H2Frame.word(1) + H2Frame.word(0)), upstream)
        pass(seconds: 6)
        #expect(client.frames?.statuses == [504])
        #expect(fed.isThere(upstream))
        pass(seconds: 5)
        #expect(!fed.isThere(upstream))
        conclude()
    }

    /// It answers ahead of a body that its window has no room for: the connection is idle all the same.
    @Test func aHostThatAnswersAheadOfTheBodyIsIdleBehindIt() throws {
        say(H2FullConnectionTests.post(1), client)
        let upstream = try upstream()
        say(H2FullConnectionTests.settings, upstream)
        say(H2FullConnectionTests.body(1, frames: 6, ends: true), client)
        say(H2FullConnectionTests.answer(1, flags: 5), upstream)
        #expect(client.frames?.statuses == [200])
        #expect(fed.isThere(upstream))
        pass(seconds: 3_601)
        #expect(!fed.isThere(upstream))
        #expect(count(.upstreamCxIdleTimeout) == 1)
        conclude()
    }

    /// One that was taken back at once is no reason to give up the connection, until it has been idle for its time.
    @Test func aHostThatTakesNothingForAMomentIsKept() throws {
        let upstream = try fillHost(ends: false)
        say(H2FullConnectionTests.reset(1), client)
        #expect(fed.isThere(upstream) && queued(upstream) >= H2Session.outMax)
        pass(seconds: 3_601)
        #expect(!fed.isThere(upstream))
        #expect(count(.upstreamCxIdleTimeout) == 1)
        conclude()
    }
}
