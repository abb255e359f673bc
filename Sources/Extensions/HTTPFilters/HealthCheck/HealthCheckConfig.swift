// `envoy.extensions.filters.http.health_check.v3`.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing
import Stats

struct ClusterMinimum: BitwiseCopyable {
    var name: Bytes
    /// Percent of the cluster's hosts that have to be usable.
    var percent: UInt64
}

struct HealthCheckSettings: BitwiseCopyable {
    var passesThrough = false
    var cacheTimeMs: UInt64 = 0
    /// Which requests are health checks.
    var predicate: HeaderPredicate
    var minimums = FrozenArray<ClusterMinimum>()
    /// `node.cluster`, told with every answer.
    var clusterName = Bytes.empty
    var stats: UInt32 = 0
    var tracingStats: UInt32 = 0
}

enum HealthCheckConfig {
    static func read(_ input: FilterInput) throws(FilterProblems) -> HealthCheckSettings {
        let message = try input.message(Envoy_Extensions_Filters_Http_HealthCheck_V3_HealthCheck.self)
        let problems = Problems()
        let passesThrough = message.passThroughMode.value
        let cacheTime = message.cacheTime
        let cacheTimeMs = UInt64(max(0, cacheTime.seconds)) * 1000 + UInt64(max(0, cacheTime.nanos)) / 1_000_000
        if !passesThrough, cacheTimeMs > 0 {
            problems.add("cache_time", "cache_time_ms must not be set when path_through_mode is disabled")
        }
        let specs = message.headers.enumerated().compactMap { MatcherCompiler.header($0.element, ProblemPlace("headers[\($0.offset)]", problems)) }
        let predicate: HeaderPredicate
        do throws(RoutingErrors) {
            predicate = try HeaderPredicate(specs, seed: input.seed)
            input.onRelease { predicate.destroy() }
        } catch {
            problems.add("", error)
            throw FilterProblems(problems.list)
        }
        try problems.check()
        var settings = HealthCheckSettings(predicate: predicate)
        settings.passesThrough = passesThrough
        settings.cacheTimeMs = cacheTimeMs
        // As in Envoy they count for nothing where the upstream says how it is.
        if !passesThrough {
            settings.minimums = input.arena.array(
                message.clusterMinHealthyPercentages.sorted { $0.key < $1.key }.map {
                    ClusterMinimum(name: input.arena.text($0.key), percent: UInt64(min(100, max(0, $0.value.value))))
                })
        }
        settings.clusterName = input.arena.text(input.nodeCluster)
        settings.stats = input.scope(input.statPrefix + "health_check.", leaf: HealthCheckStat.self)
        settings.tracingStats = input.scope(input.statPrefix + "tracing.", leaf: HTTPTracingStat.self)
        return settings
    }
}
