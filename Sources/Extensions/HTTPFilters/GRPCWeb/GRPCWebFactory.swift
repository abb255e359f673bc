import EnvoyAPI
import Pipeline

final class GRPCWebFactory: HTTPFilterFactory {
    private let scopes: GRPCMethodScopes

    private init(_ input: FilterInput) throws(FilterProblems) {
        _ = try input.message(Envoy_Extensions_Filters_Http_GrpcWeb_V3_GrpcWeb.self)
        scopes = GRPCMethodScopes(input)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { GRPCWebFilter(name: name, scopes) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.grpc_web", message: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
            make: { (input) throws(FilterProblems) in try GRPCWebFactory(input) })
    }
}
