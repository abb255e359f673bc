import Pipeline
import Primitives
import Testing

@Suite struct TrustDomainTests {
    /// SPIFFE-ID §2.
    @Test(arguments: [
        ("spiffe://a.test/x", "a.test"), ("spiffe://a/", "a"), ("spiffe://a.test/x/y?z", "a.test"), ("spiffe://a.test", nil), ("spiffe://", nil), ("spiffe:///x", nil),
        ("SPIFFE://a.test/x", nil), ("https://a.test/x", nil), ("spiffe:/a/b", nil), ("", nil),
    ] as [(String, String?)])
    func aURINamesItsDomain(uri: String, wanted: String?) {
        #expect(uri.withBytes { PeerCheck.trustDomain(of: $0).map { String($0) } } == wanted)
    }
}
