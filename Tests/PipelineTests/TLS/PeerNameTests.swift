import Pipeline
import Primitives
import Testing

/// RFC 6125 §6.4.3.
@Suite struct PeerNameTests {
    private func covers(_ pattern: String, _ name: String) -> Bool {
        Array(pattern.utf8).withBytes { pattern in Array(name.utf8).withBytes { PeerCheck.dnsName(pattern, covers: $0) } }
    }

    @Test func aStarStandsForOneLabel() {
        #expect(covers("a.test", "A.Test"))
        #expect(covers("*.a.test", "b.a.test"))
        #expect(!covers("*.a.test", "c.b.a.test"))
        #expect(!covers("*.a.test", "a.test"))
        #expect(!covers("*.a.test", ".a.test"))
        #expect(!covers("b*.a.test", "bc.a.test"))
        #expect(!covers("*", "test"))
        #expect(!covers("*.", "a."))
    }

    @Test func addressesHaveFourOrSixteenBytes() {
        #expect([127, 0, 0, 1].withBytes { PeerCheck.address($0) } == SocketAddress(ip: "127.0.0.1", port: 0))
        #expect([UInt8](repeating: 0, count: 15).withBytes { PeerCheck.address($0) } == nil)
        #expect(([UInt8](repeating: 0, count: 15) + [1]).withBytes { PeerCheck.address($0) } == SocketAddress(ip: "::1", port: 0))
    }
}
