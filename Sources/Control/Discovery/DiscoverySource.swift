// `ConfigSource` with `api_config_source`: where a management server is, what is spoken with it, how long its first answer is
// waited for. The same for every type of resource.

import EnvoyAPI
import Pipeline
import Primitives

typealias ConfigSourceMessage = Envoy_Config_Core_V3_ConfigSource

struct DiscoverySource {
    private let source: ConfigSourceMessage
    private let node: NodeMessage
    private var api: Envoy_Config_Core_V3_ApiConfigSource { source.apiConfigSource }

    init(_ source: ConfigSourceMessage, node: NodeMessage) {
        self.source = source
        self.node = node
    }

    static func cluster(_ source: ConfigSourceMessage) -> String? { source.apiConfigSource.grpcServices.first?.envoyGrpc.clusterName }

    private var isIncremental: Bool { api.apiType == .deltaGrpc }

    /// 0: without end.
    var fetchTimeoutMs: UInt64 {
        source.hasInitialFetchTimeout ? source.initialFetchTimeout.milliseconds : Subscription.fetchTimeoutMs
    }

    func session(type: String, names: [String]) -> DiscoverySession {
        DiscoverySession(
            typeURL: type, isIncremental: isIncremental, names: names, node: node, namesNodeOnce: api.setNodeOnFirstMessageOnly)
    }

    /// `resources`: as methods name them: `Secrets`.
    func shown(resources: String) -> String {
        "\(isIncremental ? "Delta" : "Stream")\(resources) gRPC config stream to \(DiscoverySource.cluster(source) ?? "")"
    }

    /// What a stream is opened with; lives with `part`.
    func call(service: String, resources: String, _ compilation: Compilation, _ part: PlanPart) -> UnsafePointer<ExportConfig> {
        let exports = ExportCompiler(compilation: compilation, part: part)
        var config = exports.config()
        if let grpc = api.grpcServices.first {
            let method = "/\(service)/\(isIncremental ? "Delta" : "Stream")\(resources)"
            exports.grpc(grpc, method: method, hasDeadline: false, Place.root, &config, missing: { _, _, _ in })
        }
        return unsafe part.arena.store(config)
    }

    // MARK: Mistakes

    /// Errors in Envoy's words. Nothing is asked for here.
    static func check(_ source: ConfigSourceMessage, _ place: Place, clusters: Set<String>, _ diagnostics: Diagnostics) {
        guard case .apiConfigSource(let api) = source.configSourceSpecifier else { return }
        let at = place.at("api_config_source")
        switch api.apiType {
        case .grpc, .deltaGrpc: break
        case .rest:
            diagnostics.error(at.at("api_type"), "api_type REST is not supported by Martlet yet", expected: "GRPC or DELTA_GRPC")
        case .aggregatedGrpc, .aggregatedDeltaGrpc:
            diagnostics.error(at.at("api_type"), "Unsupported config source \(api.apiType == .aggregatedGrpc ? "AGGREGATED_GRPC" : "AGGREGATED_DELTA_GRPC")", expected: "GRPC or DELTA_GRPC")
        case .deprecatedAndUnavailableDoNotUse, .UNRECOGNIZED:
            diagnostics.error(at.at("api_type"), "the api_type is missing", expected: "GRPC or DELTA_GRPC")
        }
        if api.transportApiVersion == .v2 {
            diagnostics.error(at.at("transport_api_version"), "V2 xDS transport protocol version is deprecated", expected: "V3")
        }
        let kind = "envoy.config.core.v3.ApiConfigSource::(AGGREGATED_)(DELTA_)GRPC"
        if !api.clusterNames.isEmpty {
            diagnostics.error(at.at("cluster_names"), "\(kind) must not have a cluster name specified", expected: "grpc_services")
        }
        if api.grpcServices.isEmpty {
            diagnostics.error(at.at("grpc_services"), "API configs must have either a gRPC service or a cluster name defined", expected: "one gRPC service")
        } else if api.grpcServices.count > 1 {
            diagnostics.error(at.at("grpc_services"), "\(kind) must have no more than 1 gRPC services specified")
        }
        if let name = cluster(source), !name.isEmpty, !clusters.contains(name) {
            diagnostics.warning(
                at.at("grpc_services", 0).at("envoy_grpc").at("cluster_name"), "unknown cluster '\(name)': nothing is fetched")
        }
    }
}
