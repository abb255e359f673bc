// `request_mirror_policies` of a route, a virtual host or a route configuration.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

typealias RequestMirrorPolicy = Envoy_Config_Route_V3_RouteAction.RequestMirrorPolicy

struct MirrorCompiler {
    let compilation: Compilation
    let part: PlanPart
    /// `validate_clusters`
    let validates: Bool
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// `timeoutMs`: the route's. `route`: how errors call it.
    func compile(
        _ messages: [RequestMirrorPolicy], timeoutMs: UInt64, route: String, _ place: Place
    ) -> FrozenArray<MirrorConfig> {
        part.arena.array(
            messages.enumerated().compactMap { i, message in
                mirror(message, timeoutMs, route, place.at("request_mirror_policies", i))
            })
    }

    private func mirror(
        _ message: RequestMirrorPolicy, _ timeoutMs: UInt64, _ route: String, _ place: Place
    ) -> MirrorConfig? {
        guard message.cluster.isEmpty != message.clusterHeader.isEmpty else {
            diagnostics.error(
                place,
                message.cluster.isEmpty
                    ? "Exactly one of cluster or cluster_header in request mirror policy must be specified"
                    : "Only one of cluster '\(message.cluster)' or cluster_header '\(message.clusterHeader)' in request mirror policy can be specified",
                expected: "'cluster' or 'cluster_header'")
            return nil
        }
        var target = RouteConfig()
        target.action = .forward
        target.timeoutMs = timeoutMs
        if message.cluster.isEmpty {
            target.clusterChoice = .header
            target.clusterHeader = part.arena.text(message.clusterHeader.lowercased())
        } else {
            if validates, !compilation.clusterNames.contains(message.cluster) {
                diagnostics.error(
                    place.at("cluster"), "route: unknown shadow cluster '\(message.cluster)' in \(route)",
                    expected: "the name of a cluster", suggestion: nearestName(message.cluster, compilation.clusterNames))
                return nil
            }
            let slot = part.slot(compilation.environment.clusterSlots, message.cluster)
            target.clusters = part.arena.array([RouteCluster(slot: slot, name: part.arena.text(message.cluster))])
        }
        var mirror = unsafe MirrorConfig(target: part.arena.store(target))
        if message.hasRuntimeFraction { mirror.fraction = compilation.runtime(part).fraction(message.runtimeFraction) }
        mirror.addsSuffix = !message.disableShadowHostSuffixAppend
        if message.hasTraceSampled { mirror.isTraceSampled = message.traceSampled.value }
        mirror.hostRewrite = part.arena.text(message.hostRewriteLiteral)
        mirror.mutations = HeaderMutationCompiler(compilation: compilation, part: part)
            .steps(message.requestHeadersMutations, place, field: "request_headers_mutations")
        return mirror
    }
}
