// What calls are configured by: one connection manager's worth of defaults for all of them, and a route per target.

import Primitives
import Routing
import Upstream
import Wire

package enum CallConfig {
    /// Number of the chain of calls. 0 is the admin's; those of the configuration follow.
    package static let filterChain: UInt32 = 1

    /// Made once by main, before any worker starts; lives as long as the process.
    /// `routerStats`: first statistic of `http.async-client.` (`RouterStat`).
    package static func make(routerStats: UInt32) -> UnsafePointer<HTTPConfig> {
        let arena = FrozenArena()
        guard let table = try? RouteTable(RouteTableSpec(name: "", virtualHosts: []), seed: 0) else {
            fatalError("an empty route table can be made")
        }
        let routes = unsafe arena.store(RouteTableConfig(table: table))
        var config = unsafe HTTPConfig(routes: routes)
        config.routerStats = routerStats
        config.generateRequestID = false
        // What a connection of `tcp_proxy` has sent through a tunnel is such a call's (`noteTunnel`).
        config.metersWire = true
        let spec = FilterChainSpec(factories: [CallSinkFactory()])
        unsafe config.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passRetained(spec).toOpaque())
        config.filterChain = filterChain
        let place = unsafe arena.store(config)
        _ = unsafe Unmanaged.passRetained(arena)
        return unsafe place
    }
}

/// The service that a filter calls.
package enum CallTarget {
    /// `slot`: the cluster's, from `FilterInput.cluster`. `timeoutMs` 0: none.
    package static func make(
        cluster slot: UInt32, name: String, timeoutMs: UInt64, isTCP: Bool = false,
        retry: UnsafePointer<RetryConfig>? = nil, in arena: FrozenArena
    ) -> UnsafePointer<RouteConfig> {
        var route = RouteConfig()
        route.action = .forward
        route.clusters = arena.array([RouteCluster(slot: slot, name: arena.text(name))])
        route.timeoutMs = timeoutMs
        route.terminatesConnect = isTCP
        unsafe route.retry = unsafe retry
        return unsafe arena.store(route)
    }
}
