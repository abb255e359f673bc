// Which route a request takes.

package struct RouteMatchResult: Equatable, BitwiseCopyable {
    package enum Outcome: UInt8, BitwiseCopyable {
        /// 404, flag NR.
        case noVirtualHost, noRoute
        /// `require_tls`: 301 to `RedirectLocation.https`.
        case tlsRequired
        case route
    }

    package var outcome: Outcome
    /// Position in `RouteTableSpec.virtualHosts`; valid but for `noVirtualHost`.
    package var virtualHostIndex: UInt32
    /// Position in `VirtualHostSpec.routes`; valid for `route`.
    package var routeIndex: UInt32
    /// Position among the routes of all virtual hosts in order: for one flat array of actions.
    package var flatIndex: UInt32
    /// How many bytes at the start of the request's path were matched, which is what `prefix_rewrite` replaces: the
    /// prefix, or the whole path without its query for every other kind. Nil when it does not begin with what was matched, since
    /// ignored parameters stand in between.
    package var matchedPathCount: UInt32?

    static func missed(_ outcome: Outcome, virtualHost: UInt32 = 0) -> RouteMatchResult {
        RouteMatchResult(
            outcome: outcome, virtualHostIndex: virtualHost, routeIndex: 0, flatIndex: 0, matchedPathCount: 0)
    }
}
