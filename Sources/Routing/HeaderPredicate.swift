// A list of header matchers by itself, as filters have it: all of them must hold.
//
// It is a route table of one route, so that matchers mean the same everywhere.

import Primitives
import Wire

@safe
package struct HeaderPredicate: BitwiseCopyable, @unchecked Sendable {  // a table is immutable
    private let table: RouteTable

    /// Errors name the matcher: `headers[2].string_match.safe_regex`.
    package init(
        _ headers: [HeaderMatchSpec], queryParameters: [QueryParameterMatchSpec] = [], seed: UInt64
    ) throws(RoutingErrors) {
        var route = RouteMatchSpec(.prefix("/"))
        route.headers = headers
        route.queryParameters = queryParameters
        let host = VirtualHostSpec(name: "", domains: ["*"], routes: [route])
        do throws(RoutingErrors) {
            table = try RouteTable(RouteTableSpec(name: "", virtualHosts: [host]), seed: seed)
        } catch {
            throw RoutingErrors(
                list: error.list.map { problem in
                    let field = problem.field.hasPrefix("match.") ? String(problem.field.dropFirst(6)) : problem.field
                    return RoutingError(virtualHostIndex: nil, routeIndex: nil, field: field, message: problem.message)
                })
        }
    }

    package func destroy() { table.destroy() }

    // HOT: per message.
    package func matches(_ head: MessageHead) -> Bool { table.match(head, MatchContext()).outcome == .route }
}
