// Expectations were read off Envoy 1.40.

import Primitives
import Routing
import Testing

@Suite struct VirtualHostMatchTests {
    private let domains = [
        "a.com", "*.a.com", "*.x.a.com", "a.*", "x.a.*", "*-y.a.com", "*", "*foo.z", "[::1]", "b.com",
    ]

    private func host(
        _ authority: String, _ domains: [String], headers: [(String, String)] = [],
        _ set: (inout RouteTableSpec) -> Void = { _ in }
    ) throws -> String? {
        var spec = RouteTableSpec(
            name: "t", virtualHosts: domains.map { VirtualHostSpec(name: $0, domains: [$0], routes: []) })
        set(&spec)
        let table = try RouteTable(spec, seed: 3)
        defer { table.destroy() }
        let result = TestRequest("/", authority: authority, headers: headers).withHead {
            table.match($0, MatchContext())
        }
        return result.outcome == .noVirtualHost ? nil : domains[Int(result.virtualHostIndex)]
    }

    @Test func exactThenSuffixThenPrefixThenAny() throws {
        for (authority, expected) in [
            ("a.com", "a.com"), ("A.COM", "a.com"), ("b.a.com", "*.a.com"), (".a.com", "*"), ("x.a.com", "*.a.com"),
            ("y.x.a.com", "*.x.a.com"), (".x.a.com", "*.a.com"), ("a.", "*"), ("a.z", "a.*"), ("x.a.q", "x.a.*"),
            ("x.a.", "*"), ("z-y.a.com", "*-y.a.com"), ("-y.a.com", "*.a.com"), ("foo.z", "*"), ("1foo.z", "*foo.z"),
            ("a.com:80", "a.*"), ("a.com.", "a.*"), ("[::1]:80", "*"), ("b.com:80", "*"), ("[::1]", "[::1]"),
        ] {
            #expect(try host(authority, domains) == expected, "\(authority)")
        }
        #expect(try host("q", ["a.com", "*.b"]) == nil)
    }

    @Test func portsAreIgnoredOnDemand() throws {
        for (authority, expected) in [
            ("a.com:80", "a.com"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]"), ("b.com:81", "b.com"), ("a.com:", "a.com"),
            ("a.com:x", "a.com"), ("[::1]:", "[::1]"),
        ] {
            #expect(try host(authority, domains) { $0.ignorePortInHost = true } == expected, "\(authority)")
        }
    }

    @Test func anotherHeaderMayNameTheHost() throws {
        func named(_ headers: [(String, String)], _ domains: [String] = ["a.com", "*", "*.b.com"]) throws -> String? {
            try host("a.com", domains, headers: headers) { $0.virtualHostHeader = "X-VH" }
        }
        #expect(try named([]) == nil)
        #expect(try named([("x-vh", "A.com")]) == "a.com")
        #expect(try named([("x-vh", "z.b.com")]) == "*.b.com")
        #expect(try named([("x-vh", "q")]) == "*")
        #expect(try named([("x-vh", "")]) == "*")
        #expect(try named([("x-vh", "a.com"), ("x-vh", "b")]) == "a.com")
        #expect(try named([], ["*"]) == "*")
    }

    @Test func noHostMeetsOnlyALoneWildcard() throws {
        #expect(try host("", ["*"]) == "*")
        #expect(try host("", ["*", "a.com"]) == nil)
    }
}
