// `virtual_clusters` of a virtual host.

import EnvoyAPI
import Pipeline
import Primitives
import Routing
import Stats

struct VirtualClusterCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// Nil: there are none, or after an error.
    func compile(_ message: VirtualHostMessage, _ place: Place) -> VirtualClusters? {
        guard !message.virtualClusters.isEmpty else { return nil }
        let matches = RouteMatchCompiler(diagnostics: diagnostics)
        var groups: [[HeaderMatchSpec]] = []
        var clusters: [VirtualClusterConfig] = []
        for (i, cluster) in message.virtualClusters.enumerated() {
            let at = place.at("virtual_clusters", i)
            if cluster.headers.isEmpty {
                diagnostics.error(
                    at, "virtual clusters must define 'headers'", expected: "at least one header matcher",
                    suggestion: "a request that no virtual cluster takes is counted under 'other' anyhow")
            }
            groups.append(cluster.headers.enumerated().compactMap { matches.header($0.element, at.at("headers", $0.offset)) })
            clusters.append(config(cluster.name, message))
        }
        var other = config("other", message)
        // Counted by this name, and called by none.
        other.name = .empty
        clusters.append(other)
        guard let groups = compile(groups, place) else { return nil }
        return VirtualClusters(groups: groups, clusters: part.arena.array(clusters))
    }

    private func config(_ name: String, _ host: VirtualHostMessage) -> VirtualClusterConfig {
        let prefix = StatPrefix.virtualCluster(host.name, name)
        return VirtualClusterConfig(
            name: part.arena.text(name), stats: part.processScope(compilation.stats, prefix, VirtualClusterStat.self).base)
    }

    private func compile(_ groups: [[HeaderMatchSpec]], _ place: Place) -> HeaderGroups? {
        do throws(RoutingErrors) {
            let compiled = try HeaderGroups(groups, seed: compilation.environment.seed)
            part.own(compiled.table)
            return compiled
        } catch {
            for problem in error.list {
                diagnostics.error(place.at("virtual_clusters", problem.routeIndex ?? 0), problem.message)
            }
            return nil
        }
    }
}
