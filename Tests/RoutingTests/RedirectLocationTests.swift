// Expectations were read off Envoy 1.40.

import Primitives
import Routing
import Testing
import Wire

@Suite struct RedirectLocationTests {
    private func location(
        _ authority: String, _ path: String, proto: String = "http", _ set: (inout RedirectParts) -> Void
    ) -> String {
        var parts = RedirectParts()
        set(&parts)
        var request = TestRequest(path, authority: authority)
        request.scheme = proto
        let pool = BlockPool()
        defer { pool.destroy() }
        guard var response = MessageHead(pool: pool) else { return "no memory" }
        defer { response.destroy() }
        return request.withHead { head in
            proto.withBytes { proto in
                let span = RedirectLocation.build(
                    parts, request: head, scheme: head.text(head.scheme), forwardedProto: proto, into: &response)
                return String(response.text(span))
            }
        }
    }

    @Test func schemeHostAndPort() {
        #expect(location("h.t", "/s") { $0.httpsRedirect = true } == "https://h.t/s")
        #expect(location("h.t:80", "/s") { $0.httpsRedirect = true } == "https://h.t/s")
        #expect(location("h.t:80", "/s", proto: "https") { $0.httpsRedirect = true } == "https://h.t:80/s")
        #expect(location("h.t:443", "/s") { $0.httpsRedirect = true } == "https://h.t:443/s")
        #expect(location("h.t:9", "/s") { $0.httpsRedirect = true } == "https://h.t:9/s")
        #expect(location("h.t:443", "/h", proto: "https") { $0.schemeRedirect = Bytes("http") } == "http://h.t/h")
        #expect(location("h.t:80", "/h", proto: "https") { $0.schemeRedirect = Bytes("http") } == "http://h.t:80/h")
        #expect(location("h.t:9", "/p") { $0.port = 8 } == "http://h.t:8/p")
        #expect(location("[::1]", "/p", proto: "https") { $0.port = 8 } == "https://[::1]:8/p")
        #expect(location("[::1]:80", "/s") { $0.httpsRedirect = true } == "https://[::1]/s")
        #expect(location("[::1]:443", "/s") { $0.httpsRedirect = true } == "https://[::1]:443/s")
        #expect(location("h.t:80", "/x") { $0.schemeRedirect = Bytes("HTTPS") } == "HTTPS://h.t/x")
        #expect(location("h.t", "/p") { $0.port = 65535 } == "http://h.t:65535/p")
        let all = location("h.t:80", "/x") {
            $0.httpsRedirect = true
            $0.hostRedirect = Bytes("n.com")
            $0.port = 443
        }
        #expect(all == "https://n.com:443/x")
    }

    @Test func pathAndQuery() {
        #expect(location("a", "/abc?q") { $0.pathRedirect = Bytes("/new") } == "http://a/new?q")
        #expect(location("a", "/abb?") { $0.pathRedirect = Bytes("/new") } == "http://a/new?")
        #expect(location("a", "/abc?q") { $0.pathRedirect = Bytes("/new?") } == "http://a/new?")
        #expect(location("a", "/abc?q") { $0.pathRedirect = Bytes("new") } == "http://a/new?q")
        #expect(location("a", "/abc?q") { $0.stripQuery = true } == "http://a/abc")
        let kept = location("a", "/abc?q") {
            $0.pathRedirect = Bytes("/new?x=1")
            $0.stripQuery = true
        }
        #expect(kept == "http://a/new?x=1")
        let stripped = location("a", "/abc?q") {
            $0.pathRedirect = Bytes("/new")
            $0.stripQuery = true
        }
        #expect(stripped == "http://a/new")
    }

    @Test func requiredTLSKeepsThePort() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        var response = try #require(MessageHead(pool: pool))
        defer { response.destroy() }
        let location = TestRequest("/r?q", authority: "t:80").withHead {
            String(response.text(RedirectLocation.https(request: $0, into: &response)))
        }
        #expect(location == "https://t:80/r?q")
    }
}
