// What is wrong with a route table's specification. Control adds file, line and column from the place given here.

package struct RoutingError: Error, Equatable, Sendable {
    package var virtualHostIndex: Int?
    package var routeIndex: Int?
    /// The field below the route (or below the virtual host, or the table), in Envoy's names:
    /// `match.headers[2].string_match.safe_regex`.
    package var field: String
    /// Envoy's own words where it has some: existing searches and alerts keep working.
    package var message: String

    /// `virtual_hosts[1].routes[3].match.path`.
    package var path: String {
        var text = ""
        if let virtualHostIndex { text += "virtual_hosts[\(virtualHostIndex)]" }
        if let routeIndex { text += ".routes[\(routeIndex)]" }
        if !field.isEmpty { text += text.isEmpty ? field : "." + field }
        return text
    }
}

/// All errors of one table, in the order of the configuration.
package struct RoutingErrors: Error, Equatable, Sendable {
    package var list: [RoutingError]
}
