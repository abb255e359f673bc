// Header matchers outside of a route table, any of which may hold: `retriable_headers`, `retriable_request_headers`.
//
// Kept in a route table of one virtual host, each matcher the only condition of a route: the records, the programs and
// their memory are those of `RouteTable`, and so is the meaning.

import Primitives
import Wire

package struct HeaderMatchers: BitwiseCopyable, Sendable {
    /// Owned by whoever made this: destroyed with the plan part.
    package let table: RouteTable

    package init(_ specs: [HeaderMatchSpec], seed: UInt64) throws(RoutingErrors) {
        let routes = specs.map { spec in
            var match = RouteMatchSpec(.prefix("/"))
            match.headers = [spec]
            return match
        }
        table = try RouteTable(
            RouteTableSpec(name: "", virtualHosts: [VirtualHostSpec(name: "", domains: ["*"], routes: routes)]), seed: seed)
    }

    // HOT: per message.
    package func anyHolds(_ head: MessageHead) -> Bool {
        var i: UInt32 = 0
        let end = unsafe UInt32(truncatingIfNeeded: table.storage.pointee.headers.count)
        while i != end {
            if unsafe table.holds(table.storage.pointee.headers[i], head) { return true }
            i &+= 1
        }
        return false
    }
}
