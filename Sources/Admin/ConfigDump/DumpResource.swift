// The lists of a configuration dump: which fields there are, what their elements hold, and where the elements come from.

import Control
import EnvoyAPI
import Primitives

/// One repeated field of one of the dumps: `static_clusters` of `ClustersConfigDump`.
struct DumpList {
    /// `ClustersConfigDump`.
    let section: String
    /// `static_clusters`.
    let field: String
    /// `StaticCluster`.
    let element: String
    /// The element's field that holds the resource, and the resource's type.
    let inner: String
    let type: String
    let hasTime: Bool
    var hasName = false
    /// A version too, and it and the time stand before the resource.
    var hasVersion = false
    /// The field of a message that the resource and its time stand in, of an element that has no other.
    var state: String?

    /// The fields that an element has.
    var fields: [String] {
        if let state { return ["name", state] }
        return (hasName ? ["name"] : []) + [inner] + (hasTime ? ["last_updated"] : []) + (hasVersion ? ["version_info"] : [])
    }
}

struct DumpItem {
    let name: String
    let updatedNs: UInt64
    let versionInfo: String
    private let encoded: () -> [UInt8]

    init(_ name: String, _ updatedNs: UInt64, versionInfo: String = "", _ encoded: @escaping () -> [UInt8]) {
        self.name = name
        self.updatedNs = updatedNs
        self.versionInfo = versionInfo
        self.encoded = encoded
    }

    /// The resource in protobuf's wire format: made when it is shown, which a filter may keep it from.
    var bytes: [UInt8] { encoded() }
}

enum DumpLists {
    static let clusters = DumpList(
        section: "ClustersConfigDump", field: "static_clusters", element: "StaticCluster", inner: "cluster",
        type: "envoy.config.cluster.v3.Cluster", hasTime: true)
    static let endpoints = DumpList(
        section: "EndpointsConfigDump", field: "static_endpoint_configs", element: "StaticEndpointConfig",
        inner: "endpoint_config", type: "envoy.config.endpoint.v3.ClusterLoadAssignment", hasTime: false)
    static let listeners = DumpList(
        section: "ListenersConfigDump", field: "static_listeners", element: "StaticListener", inner: "listener",
        type: "envoy.config.listener.v3.Listener", hasTime: true)
    static let routes = DumpList(
        section: "RoutesConfigDump", field: "static_route_configs", element: "StaticRouteConfig",
        inner: "route_config", type: "envoy.config.route.v3.RouteConfiguration", hasTime: true)

    static let secrets = DumpList(
        section: "SecretsConfigDump", field: "static_secrets", element: "StaticSecret", inner: "secret",
        type: "envoy.extensions.transport_sockets.tls.v3.Secret", hasTime: false, hasName: true)

    static let activeSecrets = DumpList(
        section: "SecretsConfigDump", field: "dynamic_active_secrets", element: "DynamicSecret", inner: "secret",
        type: "envoy.extensions.transport_sockets.tls.v3.Secret", hasTime: true, hasName: true, hasVersion: true)
    static let warmingSecrets = DumpList(
        section: "SecretsConfigDump", field: "dynamic_warming_secrets", element: "DynamicSecret", inner: "secret",
        type: "envoy.extensions.transport_sockets.tls.v3.Secret", hasTime: true, hasName: true, hasVersion: true)

    // Behind a reload, while their secrets are on their way.
    static let warmingClusters = DumpList(
        section: "ClustersConfigDump", field: "dynamic_warming_clusters", element: "DynamicCluster", inner: "cluster",
        type: "envoy.config.cluster.v3.Cluster", hasTime: true)
    static let warmingListeners = DumpList(
        section: "ListenersConfigDump", field: "dynamic_listeners", element: "DynamicListener", inner: "listener",
        type: "envoy.config.listener.v3.Listener", hasTime: true, hasName: true, state: "warming_state")

    /// Fields that a dump may have and ours never fills: what they would hold comes from a control plane.
    static let alwaysEmpty: Set<String> = [
        "dynamic_active_clusters", "dynamic_route_configs",
        "inline_scoped_route_configs", "dynamic_scoped_route_configs",
    ]
    /// The same, shown only when endpoints are asked for.
    static let alwaysEmptyEndpoints = "dynamic_endpoint_configs"
    /// Fields that are no lists.
    static let single: Set<String> = ["bootstrap", "last_updated", "version_info"]
}

/// Where the elements of a list come from: `count` sources, each with any number of elements.
struct DumpSource {
    let count: Int
    let items: (Int) -> [DumpItem]

    init(_ list: DumpList, _ configurator: Configurator) {
        switch list.field {
        case DumpLists.clusters.field:
            let clusters = configurator.activeClusters.sorted { $0.name < $1.name }
            count = clusters.count
            items = { i in [DumpItem(clusters[i].name, clusters[i].message, clusters[i].updatedNs)] }
        case DumpLists.warmingClusters.field:
            let clusters = configurator.warmingClusters.sorted { $0.name < $1.name }
            count = clusters.count
            items = { i in [DumpItem(clusters[i].name, clusters[i].message, clusters[i].updatedNs)] }
        case DumpLists.warmingListeners.field:
            let listeners = configurator.warmingListeners
            count = listeners.count
            items = { i in [DumpItem(listeners[i].name, listeners[i].message, listeners[i].updatedNs)] }
        case DumpLists.endpoints.field:
            let clusters = configurator.activeClusters.sorted { $0.name < $1.name }
            count = clusters.count
            items = { i in [DumpItem(clusters[i].name, 0) { EndpointsDump.message(clusters[i]).wire }] }
        case DumpLists.listeners.field:
            let listeners = configurator.activeListeners
            count = listeners.count
            items = { i in [DumpItem(listeners[i].name, listeners[i].message, listeners[i].updatedNs)] }
        case DumpLists.secrets.field:
            let secrets = configurator.document?.secrets ?? []
            count = secrets.count
            items = { i in [DumpItem(secrets[i].name, secrets[i], 0)] }
        case DumpLists.activeSecrets.field, DumpLists.warmingSecrets.field:
            let secrets = configurator.dynamicSecrets.filter { $0.isActive == (list.field == DumpLists.activeSecrets.field) }
            count = secrets.count
            items = { i in
                [DumpItem(secrets[i].name, secrets[i].updatedNs, versionInfo: secrets[i].versionInfo) { secrets[i].bytes }]
            }
        default:
            let listeners = configurator.activeListeners
            count = listeners.count
            items = { i in
                RoutesDump.tables(of: listeners[i].message).map { DumpItem($0.name, $0, listeners[i].updatedNs) }
            }
        }
    }
}

extension DumpItem {
    /// A message is kept encoded: to have it is work, too.
    fileprivate init(_ name: String, _ message: @escaping @autoclosure () -> some SwiftProtobuf.Message, _ updatedNs: UInt64) {
        self.init(name, updatedNs) { message().wire }
    }
}

extension SwiftProtobuf.Message {
    fileprivate var wire: [UInt8] { (try? serializedBytes()) ?? [] }
}

/// Route tables that stand in the connection managers of a listener.
enum RoutesDump {
    static func tables(of listener: ListenerMessage) -> [RouteConfiguration] {
        var chains = listener.filterChains
        if listener.hasDefaultFilterChain { chains.append(listener.defaultFilterChain) }
        return chains.flatMap(\.filters).compactMap { filter in
            let config = filter.typedConfig
            guard config.typeURL.hasSuffix("." + "HttpConnectionManager"),
                let manager = try? ConnectionManager(serializedBytes: [UInt8](config.value)),
                case .routeConfig(let table)? = manager.routeSpecifier
            else { return nil }
            return table
        }
    }
}

/// The endpoints that a cluster has now, as an assignment.
enum EndpointsDump {
    static func message(_ cluster: LiveCluster) -> LoadAssignment {
        var message = LoadAssignment()
        message.clusterName = cluster.name
        let isDNS = cluster.message.type == .strictDns || cluster.message.type == .logicalDns
        for host in cluster.hostViews {
            var locality = Envoy_Config_Core_V3_Locality()
            locality.region = host.region
            locality.zone = host.zone
            locality.subZone = host.subZone
            let group: Int
            if let known = message.endpoints.firstIndex(where: { $0.locality == locality && $0.priority == host.priority }) {
                group = known
            } else {
                var endpoints = Envoy_Config_Endpoint_V3_LocalityLbEndpoints()
                endpoints.locality = locality
                endpoints.priority = host.priority
                endpoints.loadBalancingWeight = .init(0)
                message.endpoints.append(endpoints)
                group = message.endpoints.count - 1
            }
            message.endpoints[group].lbEndpoints.append(endpoint(host, isDNS: isDNS))
        }
        message.policy.overprovisioningFactor = .init(140)
        return message
    }

    private static func endpoint(_ host: HostView, isDNS: Bool) -> Envoy_Config_Endpoint_V3_LbEndpoint {
        var endpoint = Envoy_Config_Endpoint_V3_LbEndpoint()
        endpoint.endpoint.address = address(host.address)
        endpoint.endpoint.healthCheckConfig = .init()
        endpoint.endpoint.hostname = host.hostname
        endpoint.healthStatus =
            switch host.health {
            case .healthy: .healthy
            case .degraded: .degraded
            case .draining, .unhealthy: .unhealthy
            }
        if let metadata = host.metadata {
            endpoint.metadata = metadata
        } else if isDNS {
            endpoint.metadata = .init()
        }
        endpoint.loadBalancingWeight = .init(host.weight)
        return endpoint
    }

    private static func address(_ address: SocketAddress) -> AddressMessage {
        var message = AddressMessage()
        if address.family == .unix {
            message.pipe.path = "\(address)"
        } else {
            message.socketAddress.address = address.ipDescription
            message.socketAddress.portValue = UInt32(address.port)
        }
        return message
    }
}
