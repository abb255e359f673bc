import Primitives
import Testing
import Wire

// RFC 9110 §7.6.1
@Suite struct HopByHopTests {
    static func stripped(_ fields: [(String, String)], keepUpgrade: Bool = false) -> String? {
        withHead { head in
            for (name, value) in fields { head.add(name, value) }
            return HopByHop.strip(&head, keepUpgrade: keepUpgrade) == .stripped ? Probe.fields(head) : nil
        } ?? nil
    }

    @Test func connectionFieldsGo() {
        #expect(
            HopByHopTests.stripped([
                ("a", "1"), ("Connection", "X-Foo, keep-alive,close,,x-bar"), ("X-Foo", "1"), ("x-foo", "2"),
                ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"), ("Trailer", "x"), ("b", "2"), ("Connection", "x-baz"), ("x-baz", "3"),
            ]) == "a=1|trailer=x|b=2")
    }

    // RFC 9110 §10.1.4
    @Test func teKeepsTrailersOnly() {
        #expect(HopByHopTests.stripped([("te", "trailers"), ("a", "1")]) == "te=trailers|a=1")
        #expect(HopByHopTests.stripped([("te", "gzip, trailers"), ("te", "trailers")]) == "te=trailers")
        #expect(HopByHopTests.stripped([("te", "gzip, Trailers"), ("te", "trailers")]) == "te=trailers")
        #expect(HopByHopTests.stripped([("connection", "te"), ("te", "gzip"), ("te", "trailers")]) == "te=trailers")
        for other in ["gzip", "Trailers", "trailers;q=1", "TRAILERS, gzip", ","] { #expect(HopByHopTests.stripped([("te", other)]) == "", "\(other)") }
        #expect(HopByHopTests.stripped([("te", "")]) == "te=")
        #expect(HopByHopTests.stripped([("connection", "te"), ("te", "")]) == "")
    }

    @Test func upgradeIsKeptAsItCame() {
        #expect(
            HopByHopTests.stripped(
                [("connection", "keep-alive, Upgrade, x"), ("upgrade", "websocket"), ("x", "1")], keepUpgrade: true)
                == "connection=keep-alive, Upgrade, x|upgrade=websocket")
        #expect(HopByHopTests.stripped([("connection", "close"), ("upgrade", "h2c")]) == "")
    }

    @Test(arguments: ["host", "Host", "x-forwarded-for", "X-Forwarded-Proto", "x-forwarded-host", ":path"])
    func whoTheRequestIsFromIsNotForTheClientToRemove(_ name: String) {
        #expect(HopByHopTests.stripped([("connection", name), (name.hasPrefix(":") ? "x" : name, "1")]) == nil)
    }

    @Test func whatNamesTheHostIsStrippedAllTheSame() {
        withHead { head in
            for (name, value) in [("a", "1"), ("connection", "x, host, y"), ("x", "1"), ("y", "2"), ("upgrade", "z")] { head.add(name, value) }
            #expect(HopByHop.strip(&head) == .withoutHost)
            #expect(Probe.fields(head) == "a=1")
        }
    }

    @Test func lengthIsTheEncodersAnyway() {
        #expect(HopByHopTests.stripped([("connection", "content-length"), ("content-length", "3")]) == "")
    }

    @Test func optionsAreBounded() {
        let nine = (0..<9).map { "x\($0)" }.joined(separator: ",")
        #expect(HopByHopTests.stripped([("connection", nine)]) == "")
        #expect(HopByHopTests.stripped([("connection", nine), ("connection", "y")]) == nil)
    }
}
