// How a filter presents itself to the configuration: the target Extensions lists its filters as these, `martlet` hands
// the list over, and Control finds them by type or by name. Main thread.

import Primitives
import Stats

/// What is wrong with a filter's configuration; paths are relative to its message: `token_bucket.max_tokens`.
package struct FilterProblem {
    package var path: String
    package var message: String
    package var found: String?
    package var expected: String?
    package var suggestion: String?
    package init(
        _ path: String, _ message: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil
    ) {
        self.path = path
        self.message = message
        self.found = found
        self.expected = expected
        self.suggestion = suggestion
    }
}

package struct FilterProblems: Error {
    package var list: [FilterProblem]
    package init(_ list: [FilterProblem]) { self.list = list }
    package init(_ path: String, _ message: String) { list = [FilterProblem(path, message)] }
}

/// What a factory gets to make its filter from.
package struct FilterInput {
    /// The message in protobuf's wire format; empty when the configuration names the filter and nothing more.
    package let bytes: [UInt8]
    /// `http_filters[].name`.
    package let name: String
    /// `http.<stat_prefix>.`: what the filter's own statistics begin with.
    package let statPrefix: String
    /// `node.cluster` of the bootstrap.
    package let nodeCluster: String
    /// `cluster_manager.local_cluster_name`; empty: none.
    package let localCluster: String
    /// Secret of the process, for tables whose keys come from peers.
    package let seed: UInt64
    /// Memory that lives as long as the filter's factory: for formats and texts.
    package let arena: FrozenArena
    /// Makes a statistics scope that goes with the filter; its base.
    package let scope: (_ prefix: String, _ schema: any StatLeaf.Type) -> StatID
    /// The process's table of scopes that workers name by themselves.
    package let dynamicScopes: (_ schema: StatSchema) -> DynamicScopes
    /// The slot of a cluster that the filter calls; nil after an error that has been reported.
    package let cluster: (_ name: String) -> UInt32?
    /// A cluster's slot by name, for one that may be missing: nil when there is none now.
    package let clusterIfPresent: (_ name: String) -> UInt32?
    /// Where the filter reads a runtime key; nil for an empty key.
    package let runtime: (_ key: String) -> RuntimeCell?
    /// Called when the filter's part of the plan goes.
    package let onRelease: (_ body: @escaping () -> Void) -> Void

    package init(
        bytes: [UInt8], name: String, statPrefix: String, nodeCluster: String, localCluster: String, seed: UInt64, arena: FrozenArena,
        scope: @escaping (String, any StatLeaf.Type) -> StatID,
        dynamicScopes: @escaping (StatSchema) -> DynamicScopes, cluster: @escaping (String) -> UInt32?,
        clusterIfPresent: @escaping (String) -> UInt32?, runtime: @escaping (String) -> RuntimeCell?,
        onRelease: @escaping (@escaping () -> Void) -> Void
    ) {
        self.bytes = bytes
        self.name = name
        self.statPrefix = statPrefix
        self.nodeCluster = nodeCluster
        self.localCluster = localCluster
        self.seed = seed
        self.arena = arena
        self.scope = scope
        self.dynamicScopes = dynamicScopes
        self.cluster = cluster
        self.clusterIfPresent = clusterIfPresent
        self.runtime = runtime
        self.onRelease = onRelease
    }
}

package struct FilterExtension {
    /// Today's name: `envoy.filters.http.buffer`.
    package let name: String
    /// Full name of its message, without the host of a type URL.
    package let message: String
    /// Full name of its per-route message; nil: the filter has no configuration per route.
    package let routeMessage: String?
    package let make: (FilterInput) throws(FilterProblems) -> HTTPFilterFactory
    /// Adds a per-route configuration to a factory that `make` made: its number there.
    package let addRoute: (HTTPFilterFactory, FilterInput) throws(FilterProblems) -> UInt32

    package init(
        name: String, message: String, routeMessage: String? = nil,
        make: @escaping (FilterInput) throws(FilterProblems) -> HTTPFilterFactory,
        addRoute: @escaping (HTTPFilterFactory, FilterInput) throws(FilterProblems) -> UInt32 = {
            (_, _) throws(FilterProblems) in RouteFilterConfig.none
        }
    ) {
        self.name = name
        self.message = message
        self.routeMessage = routeMessage
        self.make = make
        self.addRoute = addRoute
    }
}
