import Primitives
import Routing
import Testing

@Suite struct RouteTableTests {
    /// A table over one virtual host `*`.
    private func table(_ routes: [RouteMatchSpec]) throws -> RouteTable {
        try RouteTable(
            RouteTableSpec(name: "t", virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)]),
            seed: 42)
    }

    private func route(
        _ routes: [RouteMatchSpec], _ request: TestRequest, _ context: MatchContext = MatchContext()
    ) throws -> UInt32? {
        let table = try table(routes)
        defer { table.destroy() }
        let result = request.withHead { table.match($0, context) }
        return result.outcome == .route ? result.routeIndex : nil
    }

    @Test func prefixExactAndRegexMatchInOrder() throws {
        let routes: [RouteMatchSpec] = [
            RouteMatchSpec(.exact("/a")), RouteMatchSpec(.regex("/a/[0-9]+")), RouteMatchSpec(.prefix("/a")),
            RouteMatchSpec(.prefix("/")),
        ]
        #expect(try route(routes, TestRequest("/a")) == 0)
        #expect(try route(routes, TestRequest("/a?x=/a/1")) == 0)
        #expect(try route(routes, TestRequest("/a/12")) == 1)
        #expect(try route(routes, TestRequest("/a/12x")) == 2)
        #expect(try route(routes, TestRequest("/b")) == 3)
        #expect(try route(routes, TestRequest("b")) == nil)
    }
}
