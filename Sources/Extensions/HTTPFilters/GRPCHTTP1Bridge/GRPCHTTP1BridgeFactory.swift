import EnvoyAPI
import Pipeline

final class GRPCHTTP1BridgeFactory: HTTPFilterFactory {
    private let settings: GRPCHTTP1BridgeSettings

    private init(_ input: FilterInput) throws(FilterProblems) {
        let message = try input.message(Envoy_Extensions_Filters_Http_GrpcHttp1Bridge_V3_Config.self)
        settings = GRPCHTTP1BridgeSettings(
            upgradesProtobuf: message.upgradeProtobufToGrpc, ignoresQuery: message.ignoreQueryParameters)
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { GRPCHTTP1BridgeFilter(name: name, settings) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.grpc_http1_bridge", message: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
            make: { (input) throws(FilterProblems) in try GRPCHTTP1BridgeFactory(input) })
    }
}
