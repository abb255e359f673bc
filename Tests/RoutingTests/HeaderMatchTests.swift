// Expectations marked "Envoy" were read off Envoy 1.40.

import Primitives
import Routing
import Testing

@Suite struct HeaderMatchTests {
    private func holds(_ spec: HeaderMatchSpec, _ headers: [(String, String)]) throws -> Bool {
        var match = RouteMatchSpec(.prefix("/"))
        match.headers = [spec]
        return try oneRoute(match, TestRequest("/", headers: headers))
    }

    /// Answers for: absent, "", "a", "5".
    private func answers(_ spec: HeaderMatchSpec) throws -> [Bool] {
        [
            try holds(spec, []), try holds(spec, [("x-h", "")]), try holds(spec, [("x-h", "a")]),
            try holds(spec, [("x-h", "5")]),
        ]
    }

    // A byte that is no UTF-8 is matched as any other: it takes nobody past a rule. Envoy.
    @Test func expressionsAreOfBytes() throws {
        func matches(_ pattern: String, _ value: String) throws -> Bool {
            try holds(HeaderMatchSpec("x-h", .string(StringMatchSpec(.regex(pattern)))), [("x-h", value)])
        }
        #expect(try matches("evil.*", "evil"))
        #expect(try matches("evil..", "evil\u{e9}"))
        #expect(try !matches("evil.", "evil\u{e9}"))
        #expect(try matches("\u{e9}", "\u{e9}"))
        #expect(try matches(#"\xc3[\x80-\xbf]"#, "\u{e9}"))
    }

    @Test func aRequestWithoutASchemeIsOfHTTP() throws {
        func matches(_ value: HeaderMatchSpec.Value) throws -> Bool { try holds(HeaderMatchSpec(":scheme", value), []) }
        #expect(try matches(.string(StringMatchSpec(.exact("http")))))
        #expect(try !matches(.string(StringMatchSpec(.exact("https")))))
        #expect(try matches(.present(true)))
    }

    @Test func absenceAndInversionAreEnvoys() throws {
        let exact = HeaderMatchSpec.Value.string(StringMatchSpec(.exact("a")))
        let range = HeaderMatchSpec.Value.range(0, 10)
        #expect(try answers(HeaderMatchSpec("x-h", exact)) == [false, false, true, false])
        #expect(try answers(HeaderMatchSpec("x-h", exact, invert: true)) == [false, true, false, true])
        #expect(try answers(HeaderMatchSpec("x-h", range, invert: true)) == [false, true, true, false])
        #expect(
            try answers(HeaderMatchSpec("x-h", range, invert: true, treatMissingAsEmpty: true))
                == [true, true, true, false])
        #expect(try answers(HeaderMatchSpec("x-h", .present(true))) == [false, true, true, true])
        #expect(try answers(HeaderMatchSpec("x-h", .present(false))) == [true, false, false, false])
        #expect(try answers(HeaderMatchSpec("x-h", .present(true), invert: true)) == [true, false, false, false])
        #expect(try answers(HeaderMatchSpec("x-h", .present(false), invert: true)) == [false, true, true, true])
        #expect(
            try answers(HeaderMatchSpec("x-h", .present(true), treatMissingAsEmpty: true)) == [true, true, true, true])
        #expect(
            try answers(HeaderMatchSpec("x-h", .present(false), treatMissingAsEmpty: true))
                == [false, false, false, false])
        let empty = HeaderMatchSpec.Value.string(StringMatchSpec(.exact("")))
        #expect(try answers(HeaderMatchSpec("x-h", empty)) == [false, true, false, false])
        #expect(try answers(HeaderMatchSpec("x-h", empty, treatMissingAsEmpty: true)) == [true, true, false, false])
    }

    @Test func severalFieldsAreAskedOneByOne() throws {
        let fields = [("x-h", "a"), ("X-H", "b")]
        for (value, expected) in [("a", true), ("b", true), ("a,b", false), ("c", false)] {
            let spec = HeaderMatchSpec("x-h", .string(StringMatchSpec(.exact(value))))
            #expect(try holds(spec, fields) == expected)
            #expect(try holds(HeaderMatchSpec("x-h", spec.value, invert: true), fields) == !expected)
        }
        #expect(try holds(HeaderMatchSpec("cookie", .string(StringMatchSpec(.exact("b")))), [("cookie", "a"), ("cookie", "b")]))
        #expect(try holds(HeaderMatchSpec("x-h", .range(1, 10)), [("x-h", "50"), ("x-h", "6")]))
    }

    @Test func inlineHeadersAreJoined() throws {
        func joined(_ values: [String], _ wanted: String) throws -> Bool {
            try holds(
                HeaderMatchSpec("user-agent", .string(StringMatchSpec(.exact(wanted)))),
                values.map { ("user-agent", $0) })
        }
        #expect(try joined(["a", "b"], "a,b"))
        #expect(try !joined(["a", "b"], "a"))
        #expect(try joined(["", "b"], "b"))
        #expect(try joined(["a", ""], "a"))
        #expect(try joined(["", ""], ""))
        // Beyond what the stack holds.
        let long = String(repeating: "x", count: 3000)
        #expect(try joined([long, long], long + "," + long))
    }

    @Test func pseudoHeadersAreHeaders() throws {
        let request = TestRequest("/p?q=1", method: "POST", authority: "LocalHost")
        for (name, value) in [
            (":path", "/p?q=1"), (":method", "POST"), (":authority", "LocalHost"), ("Host", "LocalHost"),
            (":scheme", "http"),
        ] {
            var match = RouteMatchSpec(.prefix("/"))
            match.headers = [HeaderMatchSpec(name, .string(StringMatchSpec(.exact(value))))]
            #expect(try oneRoute(match, request), "\(name)")
        }
    }

    @Test func manyExactValuesAreFoundInOrder() throws {
        var routes: [RouteMatchSpec] = []
        for i in 0..<1000 {
            var match = RouteMatchSpec(.prefix("/"))
            match.headers = [HeaderMatchSpec("x-tenant", .string(StringMatchSpec(.exact("t\(i % 500)"))))]
            if i < 500 { match.headers.append(HeaderMatchSpec(":method", .string(StringMatchSpec(.exact("GET"))))) }
            routes.append(match)
        }
        for i in [0, 7, 499] {
            #expect(try firstRoute(routes, TestRequest("/x", headers: [("x-tenant", "t\(i)")])) == i)
            #expect(
                try firstRoute(routes, TestRequest("/x", method: "PUT", headers: [("x-tenant", "t\(i)")])) == 500 + i)
        }
        #expect(try firstRoute(routes, TestRequest("/x", headers: [("x-tenant", "t500")])) == nil)
        #expect(
            try firstRoute(routes, TestRequest("/x", headers: [("x-tenant", "none"), ("x-tenant", "t3")])) == 3)
    }
}
