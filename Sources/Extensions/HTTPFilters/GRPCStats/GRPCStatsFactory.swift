import Pipeline

final class GRPCStatsFactory: HTTPFilterFactory {
    private let settings: GRPCStatsSettings
    private let scopes: GRPCMethodScopes

    private init(_ input: FilterInput) throws(FilterProblems) {
        settings = try GRPCStatsConfig.read(input)
        scopes = GRPCMethodScopes(input)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { GRPCStatsFilter(name: name, settings, scopes) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.grpc_stats", message: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
            make: { (input) throws(FilterProblems) in try GRPCStatsFactory(input) })
    }
}
