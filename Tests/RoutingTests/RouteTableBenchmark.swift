// What a match costs: the first route of one against the last of ten thousand. Prints figures; run with
//   MARTLET_BENCHMARKS=1 swift test -c release --filter RouteTableBenchmark
// (A package of its own in Benchmarks/ could not see `package` functions.)

import Glibc
import Primitives
import Routing
import Testing
import Wire

@Suite(.serialized, .enabled(if: unsafe getenv("MARTLET_BENCHMARKS") != nil)) struct RouteTableBenchmark {
    private enum Kind: Int, CaseIterable { case prefix, exact, regex, header }

    private func route(_ kind: Kind, _ i: Int) -> RouteMatchSpec {
        switch kind {
        case .prefix: return RouteMatchSpec(.prefix("/api/v1/service\(i)/"))
        case .exact: return RouteMatchSpec(.exact("/static/pages/page\(i).html"))
        case .regex: return RouteMatchSpec(.regex("/users/group\(i)/[0-9]+/items/.*"))
        case .header:
            var match = RouteMatchSpec(.prefix("/"))
            match.headers = [HeaderMatchSpec("x-tenant", .string(StringMatchSpec(.exact("tenant\(i)"))))]
            return match
        }
    }

    private func request(_ kind: Kind, _ i: Int) -> TestRequest {
        let path =
            switch kind {
            case .prefix: "/api/v1/service\(i)/orders/12?page=3"
            case .exact: "/static/pages/page\(i).html"
            case .regex: "/users/group\(i)/4711/items/abc"
            case .header: "/some/other/path"
            }
        var headers = [
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"), ("accept", "text/html,*/*;q=0.8"),
            ("accept-encoding", "gzip, deflate, br"), ("cookie", "session=0123456789abcdef"),
            ("x-request-id", "b8d3f2e0-1c57-4a43-9f52-6d1f0f0c3a77"), ("x-forwarded-proto", "http"),
            ("x-custom-one", "1"), ("x-custom-two", "2"),
        ]
        if kind == .header { headers.append(("x-tenant", "tenant\(i)")) }
        return TestRequest(path, headers: headers)
    }

    /// The best of several rounds, in ns a match.
    private func time(_ table: RouteTable, _ request: TestRequest, expect route: UInt32) -> Double {
        request.withHead { head in
            #expect(table.match(head, MatchContext()).flatIndex == route)
            let count = 20_000
            let rounds = 50
            var best = Double.infinity
            var sum: UInt32 = 0
            for _ in 0..<rounds {
                let start = RouteTableBenchmark.now()
                for _ in 0..<count { sum &+= table.match(head, MatchContext()).flatIndex }
                best = min(best, Double(RouteTableBenchmark.now() - start) / Double(count))
            }
            #expect(sum == UInt32(truncatingIfNeeded: count * rounds) &* route)
            return best
        }
    }

    /// This thread's own time: other work on the machine disturbs it less.
    private static func now() -> UInt64 {
        var spec = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spec)
        return UInt64(spec.tv_sec) * 1_000_000_000 + UInt64(spec.tv_nsec)
    }

    private func table(_ routes: [RouteMatchSpec], domains: [String] = ["*"]) throws -> RouteTable {
        try RouteTable(
            RouteTableSpec(name: "b", virtualHosts: [VirtualHostSpec(name: "v", domains: domains, routes: routes)]),
            seed: 42)
    }

    @Test func lastOfManyAgainstFirstOfOne() throws {
        for count in [1, 10, 100, 1000, 10_000] {
            let perKind = count
            var routes: [RouteMatchSpec] = []
            for i in 0..<(count == 1 ? 1 : perKind / 4 + 1) { for kind in Kind.allCases { routes.append(route(kind, i)) } }
            for kind in Kind.allCases {
                let own = count == 1 ? [route(kind, 0)] : routes
                let start = RouteTableBenchmark.now()
                let table = try table(own)
                let built = Double(RouteTableBenchmark.now() - start) / 1e6
                defer { table.destroy() }
                let last = count == 1 ? 0 : perKind / 4
                let index = UInt32(count == 1 ? 0 : last * 4 + kind.rawValue)
                print(
                    "\(kind): last of \(own.count): \(time(table, request(kind, last), expect: index)) ns; "
                        + "built in \(built) ms, \(table.blockBytes / own.count) B/route, \(table.programCount) programs")
            }
        }
    }

    @Test func manyVirtualHosts() throws {
        let hosts = (0..<10_000).map {
            VirtualHostSpec(name: "v\($0)", domains: ["svc\($0).example.com"], routes: [RouteMatchSpec(.prefix("/"))])
        }
        let table = try RouteTable(RouteTableSpec(name: "b", virtualHosts: hosts), seed: 42)
        defer { table.destroy() }
        var request = request(.prefix, 1)
        request.authority = "svc9999.example.com"
        print("last of 10000 virtual hosts: \(time(table, request, expect: 9999)) ns, \(table.blockBytes / 10_000) B/host")
    }

    @Test func regexesWithoutALiteral() throws {
        let routes = (0..<1000).map { RouteMatchSpec(.regex("/[a-z]+/service\($0)/.*")) }
        let table = try table(routes)
        defer { table.destroy() }
        print("last of 1000 regexes without a literal: \(time(table, TestRequest("/abc/service999/x"), expect: 999)) ns")
    }
}
