// The shortest way from conditions and a request to an answer.

import Routing

/// The position of the route that the request takes in a virtual host `*`.
func firstRoute(
    _ routes: [RouteMatchSpec], _ request: TestRequest, _ context: MatchContext = MatchContext()
) throws -> Int? {
    let spec = RouteTableSpec(
        name: "t", virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)])
    let table = try RouteTable(spec, seed: 42)
    defer { table.destroy() }
    let result = request.withHead { table.match($0, context) }
    return result.outcome == .route ? Int(result.routeIndex) : nil
}

func oneRoute(
    _ match: RouteMatchSpec, _ request: TestRequest, _ context: MatchContext = MatchContext()
) throws -> Bool {
    try firstRoute([match], request, context) == 0
}

/// The errors of a table; empty when it is good.
func errors(_ spec: RouteTableSpec) -> [RoutingError] {
    do throws(RoutingErrors) {
        try RouteTable(spec, seed: 1).destroy()
        return []
    } catch {
        return error.list
    }
}
