import Pipeline
import Transport

final class HeaderMutationFactory: HTTPFilterFactory {
    private let set: MutationSet
    private let mostSpecificWins: Bool
    private var routes: [MutationSet] = []

    private init(_ input: FilterInput) throws(FilterProblems) {
        (set, mostSpecificWins) = try HeaderMutationConfig(input).read()
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter {
        HeaderMutationFilter(
            name: name, set, routes: routes, mostSpecificWins: mostSpecificWins,
            query: QueryMutator(pool: worker.memory.blocks))
    }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.header_mutation",
            message: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            routeMessage: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
            make: { (input) throws(FilterProblems) in try HeaderMutationFactory(input) },
            addRoute: { (factory, input) throws(FilterProblems) in
                guard let factory = factory as? HeaderMutationFactory else { return RouteFilterConfig.none }
                factory.routes.append(try HeaderMutationConfig(input).readRoute())
                return UInt32(factory.routes.count - 1)
            })
    }
}
