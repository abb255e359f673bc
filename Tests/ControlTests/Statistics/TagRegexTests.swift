@testable import Control
import Stats
import StatsStore
import Testing

/// Patterns of ECMAScript: those that Istio's sidecars come with, and what Envoy makes of odd ones.
@Suite struct TagRegexTests {
    private func found(_ pattern: String, _ name: String) throws -> String? {
        let regex = try TagRegex(pattern)
        let bytes = Array(name.utf8)
        guard let match = regex.match(bytes.span) else { return nil }
        return String(decoding: bytes[match.removed], as: UTF8.self) + "|"
            + String(decoding: bytes[match.value], as: UTF8.self)
    }

    @Test(arguments: [
        (
            #"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"#,
            "cluster.outbound|80||a.ns.svc.cluster.local.upstream_cx_total",
            "outbound|80||a.ns.svc.cluster.local.|outbound|80||a.ns.svc.cluster.local"
        ),
        (#"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"#, "cluster.xds-grpc.bind_errors", "xds-grpc.|xds-grpc"),
        (#"^tcp\.((.*?)\.)\w+?$"#, "tcp.a.b.downstream_cx_total", "a.b.|a.b"),
        (#"_rq(_(\dxx))$"#, "cluster.a.upstream_rq_2xx", "_2xx|2xx"),
        // The branch without a group of the pattern's first: nothing leaves the name, the value is empty.
        (#"(response_code=\.=(.+?);\.;)|_rq(_(\d{3}))$"#, "cluster.a.upstream_rq_200", "|"),
        (
            #"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"#,
            "listener.0.0.0.0_15006.http.10.0.0.1_80.downstream_rq_2xx", "10.0.0.1_80.|10.0.0.1_80"
        ),
        (
            #"^http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"#, "http.[__1]_80.rq_total",
            "[__1]_80.|[__1]_80"
        ),
        (#"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"#, "listener.admin.x", nil),
        (#"(reporter=\.=(.*?);\.;)"#, "istio_requests_total.reporter=.=source;.;x=.=y;.;", "reporter=.=source;.;|source"),
        (#"^cluster(?=\.)\.(outbound)"#, "cluster.outbound.x", "outbound|outbound"),
        ("upstream", "cluster.a.upstream_cx_total", nil),
        ("upstream()", "cluster.a.upstream_cx_total", "|"),
        ("(zzz)?cx", "cluster.a.upstream_cx_total", "|"),
        ("(a)", "", nil),
    ])
    func matches(pattern: String, name: String, expected: String?) throws {
        #expect(try found(pattern, name) == expected)
    }

    @Test(arguments: ["(x", "[a", "a{2,1}", "(?<=a)b", "*", "\\"])
    func wrongPatterns(pattern: String) {
        #expect(throws: TagRegex.Invalid.self) { try TagRegex(pattern) }
    }

    @Test(arguments: [
        (#"^cluster\.(a)"#, "cluster"), (#"^listener(?=\.).*"#, "listener"), (#"^a_1\.(.*)$"#, "a_1"),
        (#"^cluster(.)a"#, nil), (#"^\.a"#, nil), (#"cluster\.(a)"#, nil), ("^", nil), ("^cluster", nil), ("", nil),
    ])
    func firstWords(pattern: String, word: String?) {
        #expect(TagRegex.firstWord(pattern) == word)
    }
}
