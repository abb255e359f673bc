// `ConfigSource` with `api_config_source`: where a management server is, what is spoken with it, how long its first answer is
// waited for. The same for every type of resource.

import EnvoyAPI
import Pipeline
import Primitives

typealias ConfigSourceMessage = Envoy_Config_Core_V3_ConfigSource

typealias APIConfigSource = Envoy_Config_Core_V3_ApiConfigSource

struct DiscoverySource {
    let api: APIConfigSource
    let node: NodeMessage

    init(_ api: APIConfigSource, node: NodeMessage) {
        self.api = api
        self.node = node
    }

    static func cluster(_ api: APIConfigSource) -> String? {
        api.apiType == .rest ? api.clusterNames.first : api.grpcServices.first?.envoyGrpc.clusterName
    }

    /// REST: asked again and again.
    var isPolled: Bool { api.apiType == .rest }
    var refreshMs: UInt64 { max(1, api.refreshDelay.milliseconds) }

    /// Between streams.
    var pauses: ReconnectPauses { api.grpcServices.first.map { ReconnectPauses($0) } ?? ReconnectPauses() }

    private var isIncremental: Bool { api.apiType == .deltaGrpc }

    /// 0: without end.
    static func fetchTimeoutMs(_ source: ConfigSourceMessage) -> UInt64 {
        source.hasInitialFetchTimeout ? source.initialFetchTimeout.milliseconds : Subscription.fetchTimeoutMs
    }

    func session(type: String) -> DiscoverySession {
        DiscoverySession(
            typeURL: type, isIncremental: isIncremental, names: [], node: node, namesNodeOnce: api.setNodeOnFirstMessageOnly)
    }

    /// `resources`: as methods name them: `Secrets`.
    func shown(resources: String) -> String {
        "\(isIncremental ? "Delta" : "Stream")\(resources) gRPC config stream to \(DiscoverySource.cluster(api) ?? "")"
    }

    /// What requests are made with; lives with `part`.
    func requests(path: String, _ compilation: Compilation, _ part: PlanPart) -> UnsafePointer<ExportConfig> {
        let exports = ExportCompiler(compilation: compilation, part: part)
        var config = exports.config()
        let cluster = DiscoverySource.cluster(api) ?? ""
        let timeoutMs = api.hasRequestTimeout ? api.requestTimeout.milliseconds : DiscoverySource.requestTimeoutMs
        unsafe config.target = unsafe exports.target(cluster, timeoutMs: timeoutMs, Place.root, missing: { _, _, _ in })
        config.contentType = part.arena.text("application/json")
        config.host = part.arena.text(cluster)
        config.path = part.arena.text(path)
        return unsafe part.arena.store(config)
    }

    /// Envoy's `request_timeout`.
    private static let requestTimeoutMs: UInt64 = 1000

    /// What a stream is opened with; lives with `part`.
    func call(service: String, resources: String, _ compilation: Compilation, _ part: PlanPart) -> UnsafePointer<ExportConfig> {
        let exports = ExportCompiler(compilation: compilation, part: part)
        var config = exports.config()
        if let grpc = api.grpcServices.first {
            let method = "/\(service)/\(isIncremental ? "Delta" : "Stream")\(resources)"
            // Judged when it was loaded.
            exports.grpc(grpc, method: method, hasDeadline: false, isDiscovery: true, Place.root, &config, missing: { _, _, _ in })
        }
        return unsafe part.arena.store(config)
    }

    // MARK: Mistakes

    /// Errors in Envoy's words. Nothing is asked for here.
    static func check(_ source: ConfigSourceMessage, _ place: Place, _ compilation: Compilation) {
        switch source.configSourceSpecifier {
        case .apiConfigSource(let api): check(api, place.at("api_config_source"), compilation)
        case .ads where !compilation.hasAggregated:
            // Envoy 1.40 crashes.
            compilation.diagnostics.error(
                place.at("ads"), "ADS must be configured to support an ADS config source", expected: "dynamic_resources.ads_config")
        default: break
        }
    }

    static func check(aggregated api: APIConfigSource, _ at: Place, _ compilation: Compilation) {
        guard api.apiType == .grpc || api.apiType == .deltaGrpc else {
            return compilation.diagnostics.error(
                at.at("api_type"), "envoy.config.core.v3.ApiConfigSource type must be of non-aggregated gRPC", expected: "GRPC or DELTA_GRPC")
        }
        check(api, at, compilation)
    }

    private static func check(_ api: APIConfigSource, _ at: Place, _ compilation: Compilation) {
        let diagnostics = compilation.diagnostics
        let clusters = compilation.clusterNames
        switch api.apiType {
        case .grpc, .deltaGrpc: break
        case .rest: return checkPolled(api, at, clusters: clusters, diagnostics)
        case .aggregatedGrpc, .aggregatedDeltaGrpc:
            diagnostics.error(at.at("api_type"), "Unsupported config source \(api.apiType == .aggregatedGrpc ? "AGGREGATED_GRPC" : "AGGREGATED_DELTA_GRPC")", expected: "GRPC, DELTA_GRPC or REST")
        case .deprecatedAndUnavailableDoNotUse, .UNRECOGNIZED:
            diagnostics.error(at.at("api_type"), "the api_type is missing", expected: "GRPC, DELTA_GRPC or REST")
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
        checkVersion(api, at, diagnostics)
        if let name = cluster(api), !name.isEmpty, !clusters.contains(name) {
            diagnostics.warning(
                at.at("grpc_services", 0).at("envoy_grpc").at("cluster_name"), "unknown cluster '\(name)': nothing is fetched")
        }
        checkCall(api, at, compilation)
    }

    /// What its calls are made with is made once and thrown away.
    private static func checkCall(_ api: APIConfigSource, _ at: Place, _ compilation: Compilation) {
        guard let grpc = api.grpcServices.first else { return }
        let part = PlanPart(.tls, "discovery", ContentHash())
        defer { part.destroy(compilation.environment.stats, compilation.environment.clusterSlots) }
        let exports = ExportCompiler(compilation: compilation, part: part)
        var config = exports.config()
        let place = at.at("grpc_services", 0)
        exports.grpc(grpc, method: "", hasDeadline: false, isDiscovery: true, place, &config, missing: { _, _, _ in })
        ReconnectPauses.check(grpc, place.at("envoy_grpc").at("retry_policy"), compilation.diagnostics)
    }

    private static func checkVersion(_ api: APIConfigSource, _ at: Place, _ diagnostics: Diagnostics) {
        if api.transportApiVersion == .v2 {
            diagnostics.error(at.at("transport_api_version"), "V2 xDS transport protocol version is deprecated", expected: "V3")
        }
    }

    private static func checkPolled(
        _ api: APIConfigSource, _ at: Place, clusters: Set<String>, _ diagnostics: Diagnostics
    ) {
        checkVersion(api, at, diagnostics)
        if !api.hasRefreshDelay {
            diagnostics.error(at.at("refresh_delay"), "refresh_delay is required for REST API configuration sources", expected: "1s, for instance")
        } else if api.refreshDelay.milliseconds == 0 {
            // Envoy 1.40 divides by it.
            diagnostics.error(at.at("refresh_delay"), "refresh_delay must be a millisecond at least", expected: "1s, for instance")
        }
        if let name = api.clusterNames.first {
            if !clusters.contains(name) {
                diagnostics.warning(at.at("cluster_names", 0), "unknown cluster '\(name)': nothing is fetched")
            }
            if api.clusterNames.count > 1 {
                diagnostics.warning(at.at("cluster_names", 1), "only the first cluster is asked")
            }
        } else {
            // Envoy 1.40 crashes.
            diagnostics.error(at.at("cluster_names"), "API configs must have either a gRPC service or a cluster name defined", expected: "one cluster")
        }
        if !api.grpcServices.isEmpty {
            diagnostics.warning(at.at("grpc_services"), "a gRPC service has no sense with api_type REST", suggestion: "leave it out")
        }
    }
}
