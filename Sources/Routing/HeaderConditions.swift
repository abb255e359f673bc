// Header matchers outside a route: all of a list must hold. A route table of one route that is asked for nothing else,
// so that a matcher means the same wherever it stands.

import Primitives
import Wire

@safe
package struct HeaderConditions: BitwiseCopyable {
    /// Whoever compiles owns it, and destroys it with the plan part.
    package let table: RouteTable

    package init(_ headers: [HeaderMatchSpec], seed: UInt64) throws(RoutingErrors) {
        var match = RouteMatchSpec(.connect)
        match.headers = headers
        let host = VirtualHostSpec(name: "", domains: ["*"], routes: [match])
        table = try RouteTable(RouteTableSpec(name: "", virtualHosts: [host]), seed: seed)
    }

    // HOT: per message.
    package func hold(_ head: MessageHead) -> Bool {
        let conditions = unsafe table.storage.pointee.routes[0].conditions
        return conditions == noIndex || table.conditionsHold(conditions, head, MatchContext())
    }
}
