import CNghttp2
@testable import Pipeline
import Primitives
import Stats
import StatsStore
import TestSupport
import Testing
import Transport

/// A connection to a host has numbers for so many streams: then it serves those that it has, and new requests get another one.
@Suite(.serialized) struct H2StreamIDsTests {
    private struct NoSession: Error {}
    private static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]

    private static func head(_ payload: [UInt8], _ id: Int32) -> [UInt8] {
        [0, 0, UInt8(payload.count), 1, 5] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (24 - 8 * $0)) } + payload
    }

    /// `GET /` of the host `a`, and the answer 200, both without a body.
    private static func get(_ id: Int32) -> [UInt8] { head([0x82, 0x84, 0x86, 0x41, 1, 97], id) }
    private static func ok(_ id: Int32) -> [UInt8] { head([0x88], id) }

    private let fed: FedWorker
    private let client: FedPeer
    private var cluster: StatScope<ClusterStat> { fed.configuration.cluster }

    init() throws {
        fed = try FedWorker()
        fed.begin()
        fed.connect(.http2Upstream)
        client = try #require(fed.peers.last)
        client.pending = FramesIn.preface + H2StreamIDsTests.settings + H2StreamIDsTests.get(1)
        fed.settle()
    }

    private func count(_ leaf: ClusterStat) -> UInt64 { fed.configuration.stats.counter(cluster[leaf]) }
    private var upstreams: [FedPeer] { fed.peers.filter { !$0.isClient } }
    private var answers: UInt64 { fed.configuration.stats.counter(fed.configuration.http[.downstreamRq2xx]) }

    /// The session of a connection to the host.
    private func session(_ peer: FedPeer) throws -> UnsafeMutablePointer<H2Session> {
        guard let connection = unsafe fed.worker.connections.slab[peer.connection],
            let session = unsafe fed.worker.h2.sessions[connection.pointee.session]
        else { throw NoSession() }
        return unsafe session
    }

    private func setNext(_ id: Int32, _ peer: FedPeer) throws -> Int32 {
        let session = unsafe try session(peer)
        return unsafe nghttp2_session_set_next_stream_id(session.pointee.codec, id)
    }

    /// As if its numbers had not been counted.
    private func forgetCount(_ peer: FedPeer) throws {
        let session = unsafe try session(peer)
        unsafe session.pointee.pool.isDraining = false
    }

    private func say(_ bytes: [UInt8], _ peer: FedPeer) {
        peer.pending += bytes
        fed.settle()
    }

    private func conclude() {
        for seconds: UInt64 in [0, 1, 600, 4_000, 4_000] {
            for peer in fed.peers { peer.end = .reset }
            fed.turn(afterNs: seconds * 1_000_000_000)
            fed.settle()
        }
        let held = fed.worker.http2Holdings
        #expect(held.sessions == 0 && held.streams == 0 && held.heapBytes == 0)
        #expect(fed.worker.streams.count == 0 && fed.worker.connections.slab.count == 0)
    }

    @Test func theLastNumberIsTheLastRequest() throws {
        let first = try #require(upstreams.first)
        say(H2StreamIDsTests.settings + H2StreamIDsTests.ok(1), first)
        #expect(answers == 1)
        let last = Worker.streamIDMax
        #expect(try setNext(last - 2, first) == 0)
        say(H2StreamIDsTests.get(3), client)
        #expect(upstreams.count == 1 && count(.upstreamCxMaxRequests) == 0)
        say(H2StreamIDsTests.get(5), client)
        #expect(upstreams.count == 1 && count(.upstreamCxMaxRequests) == 1)
        // The next one goes elsewhere; the connection stays for what it carries.
        say(H2StreamIDsTests.get(7), client)
        try #require(upstreams.count == 2)
        #expect(fed.isThere(first))
        say(H2StreamIDsTests.ok(last), first)
        #expect(fed.isThere(first) && answers == 2)
        say(H2StreamIDsTests.ok(last - 2), first)
        #expect(!fed.isThere(first) && answers == 3)
        say(H2StreamIDsTests.settings + H2StreamIDsTests.ok(1), upstreams[1])
        #expect(fed.isThere(upstreams[1]) && answers == 4)
        #expect(count(.upstreamCxMaxRequests) == 1 && count(.upstreamCxTotal) == 2)
        conclude()
    }

    /// nghttp2 takes no request any more. `carries`: while another one is under way, or when there is none.
    @Test(arguments: [true, false])
    func aRequestThatCannotBeSubmitted(carries: Bool) throws {
        let first = try #require(upstreams.first)
        say(H2StreamIDsTests.settings + (carries ? [] : H2StreamIDsTests.ok(1)), first)
        #expect(try setNext(.max, first) == 0)
        say(H2StreamIDsTests.get(3), client)
        if !carries { say(H2StreamIDsTests.ok(.max), first) }
        // One that carries nothing has been closed.
        if carries {
            try forgetCount(first)
            say(H2StreamIDsTests.get(5), client)
            #expect(fed.configuration.stats.counter(fed.configuration.http[.downstreamRq5xx]) == 1)
            #expect(upstreams.count == 1 && fed.isThere(first))
            say(H2StreamIDsTests.ok(1), first)
            #expect(fed.isThere(first))
            say(H2StreamIDsTests.ok(.max), first)
        }
        #expect(!fed.isThere(first))
        conclude()
    }

    /// The same on a connection that carries nothing at all: it ends in the same turn.
    @Test func aRequestThatCannotBeSubmittedIsTheOnlyOne() throws {
        let first = try #require(upstreams.first)
        say(H2StreamIDsTests.settings, first)
        #expect(try setNext(.max, first) == 0)
        say(H2StreamIDsTests.get(3), client)
        try forgetCount(first)
        say(H2StreamIDsTests.ok(1) + H2StreamIDsTests.ok(.max), first)
        #expect(fed.isThere(first) && answers == 2)
        say(H2StreamIDsTests.get(5), client)
        #expect(!fed.isThere(first))
        #expect(fed.configuration.stats.counter(fed.configuration.http[.downstreamRq5xx]) == 1)
        conclude()
    }
}
