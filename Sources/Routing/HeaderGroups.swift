// Groups of header matchers outside of a route table; of a group all must hold, and the first group that does counts:
// `virtual_clusters`.
//
// Kept in a route table of one virtual host, each group the conditions of a route (`HeaderMatchers`).

import Primitives
import Wire

package struct HeaderGroups: BitwiseCopyable, Sendable {
    /// Owned by whoever made this: destroyed with the plan part.
    package let table: RouteTable

    /// A group without matchers always holds.
    package init(_ groups: [[HeaderMatchSpec]], seed: UInt64) throws(RoutingErrors) {
        let routes = groups.map { group in
            var match = RouteMatchSpec(.prefix("/"))
            match.headers = group
            return match
        }
        table = try RouteTable(
            RouteTableSpec(name: "", virtualHosts: [VirtualHostSpec(name: "", domains: ["*"], routes: routes)]), seed: seed)
    }

    // HOT: per message.
    /// Position of the first group that holds.
    package func first(_ head: MessageHead) -> Int? {
        var i: UInt32 = 0
        let end = unsafe UInt32(truncatingIfNeeded: table.storage.pointee.routes.count)
        let context = MatchContext(random: 0)
        while i != end {
            let conditions = unsafe table.storage.pointee.routes[i].conditions
            if conditions == noIndex || table.conditionsHold(conditions, head, context) { return Int(i) }
            i &+= 1
        }
        return nil
    }
}
