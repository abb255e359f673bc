import Primitives
import Routing
import Testing
import Wire

@Suite struct RouteTableTests {
    @Test func theFirstRouteThatMatchesWins() throws {
        let routes: [RouteMatchSpec] = [
            RouteMatchSpec(.exact("/a")), RouteMatchSpec(.regex("/a/[0-9]+")), RouteMatchSpec(.prefix("/a")),
            RouteMatchSpec(.prefix("/")),
        ]
        #expect(try firstRoute(routes, TestRequest("/a")) == 0)
        #expect(try firstRoute(routes, TestRequest("/a?x=/a/1")) == 0)
        #expect(try firstRoute(routes, TestRequest("/a/12")) == 1)
        #expect(try firstRoute(routes, TestRequest("/a/12x")) == 2)
        #expect(try firstRoute(routes, TestRequest("/b")) == 3)
        #expect(try firstRoute(routes, TestRequest("b")) == nil)
    }

    @Test func pathsMatchAsInEnvoy() throws {
        func holds(_ path: RouteMatchSpec.Path, _ request: String, caseSensitive: Bool = true) throws -> Bool {
            var match = RouteMatchSpec(path)
            match.caseSensitive = caseSensitive
            return try oneRoute(match, TestRequest(request))
        }
        #expect(try !holds(.prefix("/?q"), "/?q"))
        #expect(try holds(.prefix(""), "/x"))
        #expect(try holds(.exact("/AbC"), "/aBc?x", caseSensitive: false))
        #expect(try !holds(.exact("/AbC"), "/abcd", caseSensitive: false))
        #expect(try holds(.prefix("/AbC"), "/ABCd", caseSensitive: false))
        #expect(try !holds(.regex("/abc"), "/AbC", caseSensitive: false))
        #expect(try holds(.regex("/a.c"), "/abc?q"))
        #expect(try holds(.separatedPrefix("/abc"), "/abc"))
        #expect(try holds(.separatedPrefix("/abc"), "/abc/d"))
        #expect(try !holds(.separatedPrefix("/abc"), "/abcd"))
        #expect(try holds(.separatedPrefix("/abc"), "/abc?d"))
        #expect(try holds(.separatedPrefix("/aBc"), "/AbC/", caseSensitive: false))
    }

    @Test func pathParametersAreIgnoredOnDemand() throws {
        let routes = [RouteMatchSpec(.exact("/a/b")), RouteMatchSpec(.regex("/r[a-z]+")), RouteMatchSpec(.prefix("/a/"))]
        var spec = RouteTableSpec(
            name: "t", virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)])
        spec.ignorePathParameters = true
        let table = try RouteTable(spec, seed: 1)
        defer { table.destroy() }
        for (path, expected) in [
            ("/a/b;x", 0), ("/a;x/b", 0), ("/a;x;y/b;", 0), ("/r;b", nil), ("/ra;b", 1), ("/ra;b/c", nil), ("/a/;b", 2),
            ("/a/b?x;y", 0), ("/a;/c", 2), ("/;/a/b", nil), ("/a;x?/b", nil),
        ] as [(String, UInt32?)] {
            let result = TestRequest(path).withHead { table.match($0, MatchContext()) }
            #expect((result.outcome == .route ? result.routeIndex : nil) == expected, "\(path)")
        }
        // What a rewrite replaces: nothing, where parameters stand inside of what was matched.
        for (path, expected) in [
            ("/a/b;x", 4), ("/a;x/b", nil), ("/ra;b", 5), ("/a/;b", 3), ("/a/c;b", 3), ("/a;/c", nil), ("/a/b", 4),
        ] as [(String, UInt32?)] {
            let result = TestRequest(path).withHead { table.match($0, MatchContext()) }
            #expect(result.matchedPathCount == expected, "\(path)")
        }
    }

    @Test func connectHasNoPath() throws {
        let routes = [RouteMatchSpec(.prefix("")), RouteMatchSpec(.connect)]
        #expect(try firstRoute(routes, TestRequest("", method: "CONNECT")) == 1)
        #expect(try firstRoute(routes, TestRequest("/", method: "CONNECT")) == 0)
        #expect(try firstRoute([routes[1]], TestRequest("/")) == nil)
    }

    @Test func theResultSaysWhatWasMatched() throws {
        let hosts = [
            VirtualHostSpec(name: "a", domains: ["a"], routes: [RouteMatchSpec(.prefix("/")), RouteMatchSpec(.exact("/x"))]),
            VirtualHostSpec(
                name: "b", domains: ["*"],
                routes: [
                    RouteMatchSpec(.exact("/exact")), RouteMatchSpec(.separatedPrefix("/sep")),
                    RouteMatchSpec(.regex("/re.*")),
                ]),
        ]
        let table = try RouteTable(RouteTableSpec(name: "t", virtualHosts: hosts), seed: 9)
        defer { table.destroy() }
        func result(_ path: String, _ authority: String) -> [UInt32?] {
            let result = TestRequest(path, authority: authority).withHead { table.match($0, MatchContext()) }
            return [result.virtualHostIndex, result.routeIndex, result.flatIndex, result.matchedPathCount]
        }
        #expect(result("/x?q", "a") == [0, 0, 0, 1])
        #expect(result("/exact?q", "b") == [1, 0, 2, 6])
        #expect(result("/sep/more?q", "b") == [1, 1, 3, 4])
        #expect(result("/reg/x?q", "b") == [1, 2, 4, 6])
        #expect(table.routeCount == 5 && table.virtualHostCount == 2)
    }

    @Test func tlsIsRequired() throws {
        var hosts = [
            VirtualHostSpec(name: "all", domains: ["all"], routes: [RouteMatchSpec(.prefix("/"))]),
            VirtualHostSpec(name: "ext", domains: ["ext"], routes: [RouteMatchSpec(.prefix("/"))]),
        ]
        hosts[0].requireTLS = .all
        hosts[1].requireTLS = .externalOnly
        let table = try RouteTable(RouteTableSpec(name: "t", virtualHosts: hosts), seed: 9)
        defer { table.destroy() }
        func outcome(_ host: String, _ flags: MatchContext.Flags) -> RouteMatchResult.Outcome {
            TestRequest("/", authority: host).withHead { table.match($0, MatchContext(flags: flags)).outcome }
        }
        #expect(outcome("all", []) == .tlsRequired)
        #expect(outcome("all", .internalRequest) == .tlsRequired)
        #expect(outcome("all", .forwardedHTTPS) == .route)
        #expect(outcome("ext", []) == .tlsRequired)
        #expect(outcome("ext", .internalRequest) == .route)
        #expect(outcome("none", []) == .noVirtualHost)
    }

    @Test func anEmptyTableMatchesNothing() throws {
        #expect(try firstRoute([], TestRequest("/")) == nil)
        let table = try RouteTable(RouteTableSpec(name: "t", virtualHosts: []), seed: 0)
        defer { table.destroy() }
        #expect(TestRequest("/").withHead { table.match($0, MatchContext()).outcome } == .noVirtualHost)
    }

    @Test func prefixesThatExtendEachOtherNeedNoRecursion() throws {
        let routes = (1...600).reversed().map { RouteMatchSpec(.prefix(String(repeating: "/", count: $0))) }
        #expect(try firstRoute(routes, TestRequest(String(repeating: "/", count: 500))) == 100)
        #expect(try firstRoute(routes, TestRequest(String(repeating: "/", count: 700))) == 0)
    }

    @Test func hostilePathsTrapNothing() throws {
        var routes = [RouteMatchSpec(.regex("/(a|b)*c")), RouteMatchSpec(.separatedPrefix("/é")), RouteMatchSpec(.exact("/x"))]
        routes[2].caseSensitive = false
        let hostile: [[UInt8]] = [
            [0], [0xff, 0xfe], Array(repeating: 0x2f, count: 70_000), Array("/é".utf8.dropLast()), [0x2f, 0x80],
        ]
        for bytes in hostile {
            let pool = BlockPool()
            defer { pool.destroy() }
            var head = try #require(MessageHead(pool: pool))
            defer { head.destroy() }
            head.path = bytes.withBytes { head.store($0) }
            let table = try RouteTable(
                RouteTableSpec(name: "t", virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)]),
                seed: 1)
            defer { table.destroy() }
            #expect(table.match(head, MatchContext()).outcome == .noRoute)
        }
    }

    @Test func errorsNameTheirPlace() {
        var bad = RouteMatchSpec(.regex("/a(b"))
        bad.headers = [HeaderMatchSpec("x", .string(StringMatchSpec(.regex("a{2000}"))))]
        bad.queryParameters = [QueryParameterMatchSpec("q", .string(StringMatchSpec(.regex("a"), ignoreCase: true)))]
        let spec = RouteTableSpec(
            name: "rc",
            virtualHosts: [
                VirtualHostSpec(name: "v", domains: ["A.com", "*"], routes: [RouteMatchSpec(.prefix("/")), bad]),
                VirtualHostSpec(name: "w", domains: ["a.com", "*", "*.x", "*.X", "y.*", "y.*"], routes: []),
            ])
        let found = errors(spec)
        func has(_ path: String, _ message: String) -> Bool { found.contains { $0.path == path && $0.message == message } }
        #expect(found.count == 7)
        #expect(has("virtual_hosts[0].routes[1].match.safe_regex", "missing ): /a(b"))
        #expect(
            has(
                "virtual_hosts[0].routes[1].match.headers[0].string_match.safe_regex",
                "invalid repetition size: {2000}"))
        #expect(
            has(
                "virtual_hosts[0].routes[1].match.query_parameters[0].string_match",
                "ignore_case has no effect for safe_regex."))
        #expect(has("virtual_hosts[1].domains[1]", "Only a single wildcard domain is permitted in route rc"))
        for (number, domain) in [(0, "a.com"), (3, "*.x"), (5, "y.*")] {
            #expect(
                has(
                    "virtual_hosts[1].domains[\(number)]",
                    "Only unique values for domains are permitted. Duplicate entry of domain \(domain) in route rc"))
        }
    }
}
