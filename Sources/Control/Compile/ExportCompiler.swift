// Services that batches of spans, log lines and metrics are sent to: `grpc_service`, `http_service`, and what both share.

import EnvoyAPI
import Pipeline
import Primitives

typealias GRPCServiceMessage = Envoy_Config_Core_V3_GrpcService
typealias HTTPServiceMessage = Envoy_Config_Core_V3_HttpService

struct ExportCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var arena: FrozenArena { part.arena }

    /// What an unknown cluster is: an error, or a warning.
    typealias Missing = (_ cluster: String, Diagnostics, Place) -> Void

    /// A new exporter that nothing is said of yet.
    func config() -> ExportConfig {
        var config = ExportConfig()
        (config.number, config.serial) = PlaceNumbers.exporters.acquire()
        let number = config.number
        part.onDestroy { PlaceNumbers.exporters.release(number) }
        config.address = NodeAddress.ipv4
        return config
    }

    /// `method`: `/package.Service/Method`. `hasDeadline`: the service's `timeout` is one for each request. `retry`: what goes
    /// before the service's own policy. `isDiscovery`: the service's `retry_policy` says how long pauses between streams are.
    func grpc(
        _ message: GRPCServiceMessage, method: String, hasDeadline: Bool, isDiscovery: Bool = false, retry: ServiceRetries? = nil, _ place: Place,
        _ config: inout ExportConfig, missing: Missing
    ) {
        let service = message.envoyGrpc
        let timeoutMs = hasDeadline && message.hasTimeout ? message.timeout.milliseconds : 0
        if service.hasRetryPolicy, !isDiscovery {
            compilation.diagnostics.warning(
                place.at("envoy_grpc").at("retry_policy"), "'retry_policy' of 'envoy_grpc' is for streams of xDS only",
                suggestion: "the service's own 'retry_policy'")
        }
        let own = message.hasRetryPolicy ? ServiceRetries(policy: message.retryPolicy, place: place.at("retry_policy")) : nil
        let policy = unsafe (retry ?? own).map { retries in
            unsafe RetryCompiler(compilation: compilation, part: part).compile(retries)
        }
        unsafe config.target = unsafe target(
            service.clusterName, timeoutMs: timeoutMs, retry: policy, place.at("envoy_grpc").at("cluster_name"), missing: missing)
        config.isFramed = true
        config.envelope = .message
        config.contentType = arena.text("application/grpc")
        config.path = arena.text(method)
        config.host = arena.text(service.authority.isEmpty ? service.clusterName : service.authority)
        config.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(message.initialMetadata, place, field: "initial_metadata")
    }

    /// OTLP in protobuf.
    func http(_ message: HTTPServiceMessage, _ place: Place, _ config: inout ExportConfig, missing: Missing) {
        service(message, timeoutMs: message.httpUri.timeout.milliseconds, place, &config, missing: missing)
        config.envelope = .message
        config.contentType = arena.text("application/x-protobuf")
        config.userAgent = arena.text("OTel-OTLP-Exporter-Envoy/" + compilation.environment.version)
    }

    /// Which service, whatever is sent to it.
    func service(
        _ message: HTTPServiceMessage, timeoutMs: UInt64, _ place: Place, _ config: inout ExportConfig, missing: Missing
    ) {
        let uri = message.httpUri
        unsafe config.target = unsafe target(
            uri.cluster, timeoutMs: timeoutMs, place.at("http_uri").at("cluster"), missing: missing)
        let (host, path) = ExportCompiler.split(uri.uri, cluster: uri.cluster)
        config.host = arena.text(host)
        config.path = arena.text(path)
        config.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(message.requestHeadersToAdd, place, field: "request_headers_to_add")
    }

    /// Where requests go. `isTCP`: what is sent is no HTTP.
    func target(
        _ cluster: String, timeoutMs: UInt64, isTCP: Bool = false, retry: UnsafePointer<RetryConfig>? = nil, _ place: Place,
        missing: Missing
    ) -> UnsafePointer<RouteConfig> {
        if !compilation.clusterNames.contains(cluster) { missing(cluster, compilation.diagnostics, place) }
        let slot = part.slot(compilation.environment.clusterSlots, cluster)
        return unsafe CallTarget.make(cluster: slot, name: cluster, timeoutMs: timeoutMs, isTCP: isTCP, retry: retry, in: arena)
    }

    /// `resource { scope { items… } }`: OTLP's requests for spans, logs and metrics are alike.
    func otlpLayers(resource: [UInt8], scope: [UInt8]) -> (FrozenArray<ExportLayer>, head: Bytes) {
        (arena.array([ExportLayer(field: 1, prefix: arena.text(resource)), ExportLayer(field: 2)]), arena.text(scope))
    }

    /// Host and path of a URI; without a scheme it is a path, and the host is the cluster's name.
    static func split(_ uri: String, cluster: String) -> (host: String, path: String) {
        let marker = Array("://".utf8)
        let bytes = Array(uri.utf8)
        guard let scheme = (0..<max(0, bytes.count - 2)).first(where: { Array(bytes[$0..<($0 + 3)]) == marker }) else {
            return (cluster, uri)
        }
        let rest = bytes[(scheme + 3)...]
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return (String(decoding: rest, as: UTF8.self), "/") }
        let host = String(decoding: rest[..<slash], as: UTF8.self)
        return (host.isEmpty ? cluster : host, String(decoding: rest[slash...], as: UTF8.self))
    }
}
