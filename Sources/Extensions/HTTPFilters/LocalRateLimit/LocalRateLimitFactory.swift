import Pipeline

final class LocalRateLimitFactory: HTTPFilterFactory {
    /// The filter's own settings first, then those of routes.
    private var settings: [LocalRateLimitSettings]

    private init(_ input: FilterInput) throws(FilterProblems) {
        settings = [try LocalRateLimitConfig(input, isRoute: false).read()]
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { LocalRateLimitFilter(name: name, settings) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.local_ratelimit",
            message: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            routeMessage: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            make: { (input) throws(FilterProblems) in try LocalRateLimitFactory(input) },
            addRoute: { (factory, input) throws(FilterProblems) in
                guard let factory = factory as? LocalRateLimitFactory else { return RouteFilterConfig.none }
                factory.settings.append(try LocalRateLimitConfig(input, isRoute: true).read())
                return UInt32(factory.settings.count - 1)
            })
    }
}
