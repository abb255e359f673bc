import Routing
import Testing

/// Where a wrong cut would change what a regex means. (What right cuts are worth shows in the benchmark.)
@Suite struct RegexLiteralPrefixTests {
    @Test func cuttingNeverChangesTheMeaning() throws {
        for (pattern, yes, no) in [
            ("/a|/b", ["/a", "/b"], ["/a|/b", "/"]), ("/ab?c", ["/ac", "/abc"], ["/ab"]),
            ("/ab*", ["/a", "/abb"], ["/"]), ("/ab+", ["/ab", "/abb"], ["/a"]), ("/ab{2}", ["/abb"], ["/ab", "/ab{2}"]),
            ("/é?x", ["/éx"], ["/x", "/éé"]), ("/a\\.b", ["/a.b"], ["/axb"]), ("/a\\d", ["/a1"], ["/ad", "/a\\d"]),
            ("^/a$", ["/a"], ["^/a$"]), ("/a\\b/x", ["/a/x"], ["/ab/x"]), ("/a\\B.", ["/ab"], ["/a-"]),
            ("/(a|b)c", ["/ac", "/bc"], ["/abc"]), ("/[^/]+x", ["/yx"], ["/x", "//x"]), ("/[|]x", ["/|x"], ["/x"]),
            ("/[]|]x", ["/]x", "/|x"], ["/x"]), ("/[[:alpha:]|]x", ["/ax", "/|x"], ["/:x", "x"]),
            ("(?i)/AB", ["/ab", "/AB"], ["/a"]), ("/a(?i)B", ["/ab", "/aB"], ["/Ab"]), ("/\\Qa.b\\E", ["/a.b"], ["/axb"]),
            ("/x\\x41", ["/xA"], ["/xx41"]), ("/a(?:)*", ["/a"], ["/"]), ("/\\/", ["//"], ["/\\/"]), ("", [], ["/"]),
            ("/a\\|b", ["/a|b"], ["/a", "b"]), ("/a(b|c)|/d", ["/ab", "/ac", "/d"], ["/a"]), ("/a\\[|b", ["/a["], ["/a"]),
        ] as [(String, [String], [String])] {
            for path in yes { #expect(try oneRoute(RouteMatchSpec(.regex(pattern)), TestRequest(path)), "\(pattern) \(path)") }
            for path in no { #expect(try !oneRoute(RouteMatchSpec(.regex(pattern)), TestRequest(path)), "\(pattern) \(path)") }
        }
    }

    @Test func manyRegexesUnderOneLiteralKeepTheirOrder() throws {
        let routes = (0..<200).map { RouteMatchSpec(.regex("/[a-z]+/(\($0)|all)(/.*)?")) }
        for i in [0, 1, 77, 199] { #expect(try firstRoute(routes, TestRequest("/x/\(i)/y")) == i) }
        #expect(try firstRoute(routes, TestRequest("/x/all")) == 0)
        #expect(try firstRoute(routes, TestRequest("/x/200")) == nil)
    }
}
