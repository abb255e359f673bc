// METADATA of a whole connection is bounded, in what waits and in what one receive decodes.

import Primitives
import TestSupport
import Testing

@Suite(.serialized) struct H2MetadataBoundsTests {
    /// METADATA is allowed, up to 1,024 bytes in a stream, so 4,096 for a connection.
    private static let small = FedVariant([.small, .wide, .http2Upstream]).rawValue
    // Steps of `FramesIn` and `H2Invariants`.
    private static let post: [UInt8] = [0x01, 1, 1, 1]
    private static let turn: UInt8 = 11
    private static let client: UInt8 = 0x0c
    private static let upstream: UInt8 = 0x1c

    /// 0x4d is METADATA, its flag 4 ends a block.
    private static func metadata(_ payload: [UInt8]) -> [UInt8] { [10, 0x4d, 4, 1, UInt8(payload.count)] + payload }

    /// A field that the decoder remembers, 104 bytes, and a block of 19 that names it so many times: 1,976 bytes.
    private static let remembered = metadata([0x40, 1, 97, 100] + [UInt8](repeating: 98, count: 100))
    private static let named = metadata([UInt8](repeating: 0xbe, count: 19))

    private func run(_ steps: [UInt8], piece: UInt8 = 0) throws -> FedWorker {
        let fed = try FedWorker()
        ([H2MetadataBoundsTests.small, piece] + steps).withBytes { H2Invariants.check(fed, $0) }
        return fed
    }

    private func client(_ fed: FedWorker) throws -> FramesOut { try #require(fed.peers.first?.frames) }
    private typealias Steps = H2MetadataBoundsTests

    @Test func aFewBlocksReachTheUpstream() throws {
        let fed = try run(Steps.post + Steps.remembered + Steps.named + Steps.named + [Steps.turn])
        #expect(try !client(fed).hasFailed)
        let upstream = try #require(fed.peers.first { !$0.isClient }?.frames)
        #expect(upstream.metadataEntries == 39)
    }

    @Test func whatOneReceiveDecodesEndsTheConnection() throws {
        let fed = try run(Steps.post + Steps.remembered + Steps.named + Steps.named + Steps.named + [Steps.turn])
        #expect(try client(fed).hasFailed)
    }

    /// The first 240 bytes end behind the first block of names; the rest comes before the upstream is connected.
    @Test func whatWaitsForTheUpstreamEndsItsRequest() throws {
        let fed = try run(Steps.post + Steps.remembered + Steps.named + Steps.named + Steps.named + [Steps.turn], piece: 240)
        #expect(try client(fed).resets[1] == 2)
        #expect(try !client(fed).hasFailed)
    }

    /// What waits to be sent to a host is no reason to end its connection when it says something itself.
    @Test func whatWaitsAndWhatComesAreCountedApart() throws {
        let settings: [UInt8] = [0x24, 4, 0]
        let body: [UInt8] = [0x02, 1, 10]
        var steps = Steps.post + [Steps.turn, Steps.upstream] + settings + [Steps.turn, Steps.client] + body + Steps.remembered
        // 4,056 of 4,096 bytes wait.
        for _ in 0..<2 { steps += Steps.named + [Steps.turn] }
        let literal: [UInt8] = [0, 1, 97, 58] + [UInt8](repeating: 98, count: 58)
        steps += [Steps.upstream] + Steps.metadata(literal) + [Steps.turn]
        let fed = try run(steps)
        #expect(try !client(fed).hasFailed)
        #expect(try client(fed).resets.isEmpty)
        let upstream = try #require(fed.peers.first { !$0.isClient }?.frames)
        #expect(!upstream.hasFailed && upstream.resets.isEmpty)
        #expect(try client(fed).metadataEntries == 1)
    }

    /// The upstream's window for the stream is 0: a body stays, and what comes behind it.
    @Test func whatWaitsBehindABodyEndsItsRequest() throws {
        let settings: [UInt8] = [0x24, 4, 0]
        let body: [UInt8] = [0x02, 1, 10]
        var steps = Steps.post + [Steps.turn, Steps.upstream] + settings + [Steps.turn, Steps.client] + body + Steps.remembered
        for _ in 0..<3 { steps += Steps.named + [Steps.turn] }
        let fed = try run(steps)
        #expect(try client(fed).resets[1] == 2)
        #expect(try !client(fed).hasFailed)
        let upstream = try #require(fed.peers.first { !$0.isClient }?.frames)
        #expect(upstream.metadataEntries == 0)
        #expect(upstream.resets[1] != nil)
    }
}
