import Glibc
import Primitives
import Routing
import Testing

@Suite struct LinearReferenceTests {
    /// A million in `make soak`, else enough to catch a break.
    private static let lookups = unsafe getenv("MARTLET_SOAK") == nil ? 50_000 : 1_000_000
    private static let lookupsPerTable = 500

    @Test func theTableEqualsALinearReference() throws {
        var counts = (total: 0, routes: 0, hostsMissed: 0)
        var seed: UInt64 = 1
        while counts.total < LinearReferenceTests.lookups {
            seed += 1
            try compare(seed, &counts)
        }
        print("compared \(counts.total) lookups in \(seed - 1) tables: \(counts.routes) met a route, "
            + "\(counts.hostsMissed) no virtual host")
        #expect(counts.routes > counts.total / 4)
    }

    private func compare(_ seed: UInt64, _ counts: inout (total: Int, routes: Int, hostsMissed: Int)) throws {
        var tables = RandomTables(seed: seed)
        let spec = tables.table()
        let table = try RouteTable(spec, seed: seed)
        defer { table.destroy() }
        let reference = LinearReference(spec)
        for _ in 0..<LinearReferenceTests.lookupsPerTable {
            let request = tables.request(spec)
            let random = tables.random.next()
            let result = request.withHead { table.match($0, MatchContext(random: random)) }
            let expected = reference.match(request, random: random)
            let host = result.outcome == .noVirtualHost ? nil : Int(result.virtualHostIndex)
            let route = result.outcome == .route ? Int(result.routeIndex) : nil
            counts.total += 1
            if route != nil { counts.routes += 1 }
            if host == nil { counts.hostsMissed += 1 }
            guard host == expected.host, route == expected.route else {
                let routes = expected.host.map { spec.virtualHosts[$0].routes } ?? []
                Issue.record(
                    """
                    seed \(seed), ignoring parameters \(spec.ignorePathParameters): \(request)
                    got \(host as Any) \(route as Any) \(route.map { routes[$0] } as Any)
                    expected \(expected) \(expected.route.map { routes[$0] } as Any)
                    """)
                return
            }
        }
    }
}
