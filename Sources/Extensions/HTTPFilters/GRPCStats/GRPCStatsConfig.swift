// `envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`.

import EnvoyAPI
import Pipeline
import Primitives

struct GRPCStatsSettings: BitwiseCopyable {
    /// Every method of every service has statistics of its own.
    var countsAll = false
    /// Methods that have some where not all do; the others count together.
    var listed = FrozenArray<GRPCListedMethod>()
    var countsUpstreamTime = false
    /// `emit_filter_state`: logs may show the messages of each call.
    var leavesCounts = false
    /// Of names that come with the requests; the listed ones stay as they are.
    var replacesDots = false
}

struct GRPCListedMethod: BitwiseCopyable {
    var service: Bytes
    var method: Bytes
}

enum GRPCStatsConfig {
    static func read(_ input: FilterInput) throws(FilterProblems) -> GRPCStatsSettings {
        let message = try input.message(Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig.self)
        var settings = GRPCStatsSettings()
        settings.leavesCounts = message.emitFilterState
        settings.countsUpstreamTime = message.enableUpstreamStats
        settings.replacesDots = message.replaceDotsInGrpcServiceName
        switch message.perMethodStatSpecifier {
        case .statsForAllMethods(let all): settings.countsAll = all.value
        case .individualMethodStatsAllowlist(let list):
            settings.listed = input.arena.array(
                list.services.flatMap { service in
                    service.methodNames.map {
                        GRPCListedMethod(service: input.arena.text(service.name), method: input.arena.text($0))
                    }
                })
        case .none: break
        }
        return settings
    }
}
