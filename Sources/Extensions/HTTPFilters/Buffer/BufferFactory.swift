import Pipeline
import Primitives

final class BufferFactory: HTTPFilterFactory {
    private let settings: BufferSettings
    private var routes: [BufferSettings] = []

    private init(_ input: FilterInput) throws(FilterProblems) {
        settings = try BufferConfig.read(input)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { BufferFilter(name: name, settings, routes: routes) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.buffer", message: "envoy.extensions.filters.http.buffer.v3.Buffer",
            routeMessage: "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
            make: { (input) throws(FilterProblems) in try BufferFactory(input) },
            addRoute: { (factory, input) throws(FilterProblems) in
                guard let factory = factory as? BufferFactory else { return RouteFilterConfig.none }
                factory.routes.append(try BufferConfig.readRoute(input))
                return UInt32(factory.routes.count - 1)
            })
    }
}
