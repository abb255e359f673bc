import Pipeline
import Primitives
import Stats

final class CorsFactory: HTTPFilterFactory {
    private let stats: StatID
    private var policies: [CorsPolicy] = []

    private init(_ input: FilterInput) throws(FilterProblems) {
        stats = input.scope(input.statPrefix + "cors.", leaf: CorsStat.self)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { CorsFilter(name: name, policies: policies, stats: stats) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.cors", message: "envoy.extensions.filters.http.cors.v3.Cors",
            routeMessage: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
            make: { (input) throws(FilterProblems) in try CorsFactory(input) },
            addRoute: { (factory, input) throws(FilterProblems) in
                guard let factory = factory as? CorsFactory else { return RouteFilterConfig.none }
                factory.policies.append(try CorsConfig(input).readRoute())
                return UInt32(factory.policies.count - 1)
            })
    }
}
