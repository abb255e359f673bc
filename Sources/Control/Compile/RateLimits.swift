// `rate_limits` of routes and virtual hosts: what the filter local_ratelimit makes descriptors of where it has none of its own.

import EnvoyAPI
import Matching
import Pipeline
import Primitives

extension Compilation {
    func rateLimits(_ part: PlanPart) -> RateLimitCompiler {
        RateLimitCompiler(
            arena: part.arena, seed: environment.seed, nodeCluster: bootstrap.node.cluster, onRelease: { part.onDestroy($0) })
    }
}
