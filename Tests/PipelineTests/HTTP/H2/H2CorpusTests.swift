// The fuzzer's corpus, replayed, and what it found, by name.

import Primitives
import TestSupport
import Testing

@Suite(.serialized) struct H2CorpusTests {
    @Test func replay() throws {
        let fed = try FedWorker()
        let inputs = FuzzCorpus.inputs(of: "H2Fuzz")
        for input in inputs { input.withBytes { H2Invariants.check(fed, $0) } }
        #expect(inputs.count >= 100)
    }

    /// POST from a client of HTTP/2; an upstream of HTTP/2 whose SETTINGS, interim head and final head come in one piece.
    /// The final head was lost: it had been read when the interim one was told.
    /// 101 (12) is no status of HTTP/2 (RFC 9113 §8.6), and as with Envoy an error of the upstream's.
    @Test(arguments: [(8, 200), (12, 502)] as [(UInt8, Int)])
    func anInterimHeadAndTheFinalOneInOnePiece(interim: UInt8, status: Int) throws {
        let post: [UInt8] = [0x11, 1, 1, 1]
        let turn: UInt8 = 11
        let heads: [UInt8] = [4, 1, 1, 1, interim, 0x11, 1, 1, 7]
        let input = [FedVariant.http2Upstream.rawValue, 0] + post + [turn, 0x1c] + heads + [turn]
        let fed = try FedWorker()
        input.withBytes { H2Invariants.check(fed, $0) }
        #expect(fed.peers.first?.frames?.statuses == [status])
    }
}
