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

    /// SETTINGS and the connection's window: as much as a test may want to send.
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
        client.pending = FramesIn.preface + H2FullConnectionTests.opened
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
        say(H2FullConnectionTests.opened, upstream)
        client.takes = 0
        say(H2FullConnectionTests.answer(1) + H2FullConnectionTests.body(1, frames: 40, ends: ends), upstream)
        #expect(queued(client) >= H2Session.outMax)
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
        say(H2FullConnectionTests.post(1), client)
        let upstream = try upstream()
        say(H2FullConnectionTests.opened, upstream)
        upstream.takes = 0
        say(H2FullConnectionTests.body(1, frames: 40), client)
        #expect(queued(upstream) >= H2Session.outMax)
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
}
