import EnvoyAPI
import Pipeline

final class TranscoderFactory: HTTPFilterFactory {
    /// The filter's own first, then those of routes.
    private var configs: [TranscoderConfig]
    private let stats: UInt32

    private init(_ input: FilterInput) throws(FilterProblems) {
        configs = [try TranscoderConfig.read(input)]
        stats = input.scope(input.statPrefix, leaf: TranscoderStat.self)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { TranscoderFilter(name: name, configs.map(TranscoderTables.init), stats: stats) }

    static var filterExtension: FilterExtension {
        let message = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
        return FilterExtension(
            name: "envoy.filters.http.grpc_json_transcoder", message: message, routeMessage: message,
            make: { (input) throws(FilterProblems) in try TranscoderFactory(input) },
            addRoute: { (factory, input) throws(FilterProblems) in
                guard let factory = factory as? TranscoderFactory else { return RouteFilterConfig.none }
                factory.configs.append(try TranscoderConfig.read(input))
                return UInt32(factory.configs.count - 1)
            })
    }
}
