// `load_assignment`: the endpoints of a cluster as main keeps them.

import EnvoyAPI
import Primitives
import Upstream

/// One endpoint of the configuration: one host, or with DNS as many as its name has addresses.
struct EndpointSpec {
    var location: HostLocation
    /// In the cluster part's memory.
    var hostname: Bytes
    /// `envoy.lb` metadata `hash_key`; empty: none.
    var hashKey = Bytes.empty
    /// The first of `transport_socket_matches` that its metadata fulfil, counted from 1; 0: none.
    var transportMatch: UInt32 = 0
    /// Of `PerHostConfig` in its metadata, as on the wire.
    var proxyTLVs = Bytes.empty
    var weight: UInt32
    var priority: UInt32
    var health: Health
    /// Its locality's place in the order of their names, and that one's weight in this priority; 0: none.
    var locality: UInt32
    var localityWeight: UInt32
    /// Its place in `load_assignment.endpoints`.
    var group: Int
    /// In the cluster part's memory; empty: none.
    var zone: Bytes
    var isCanary: Bool
    var shown: ShownMetadata
    /// With `lb_subset_config`.
    var metadata: SubsetMetadata

    enum Health { case healthy, degraded, draining, unhealthy }
}

struct EndpointCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    func compile(_ cluster: ClusterMessage, resolves: Bool, _ place: Place) -> [EndpointSpec] {
        let message = cluster.loadAssignment
        refuseUnsupported(message, place)
        let localities = LocalityOrder(message)
        var endpoints: [EndpointSpec] = []
        for (i, locality) in message.endpoints.enumerated() {
            let at = place.at("endpoints", i)
            for (j, endpoint) in locality.lbEndpoints.enumerated() {
                let below = at.at("lb_endpoints", j)
                guard case .endpoint(let host) = endpoint.hostIdentifier else {
                    diagnostics.error(
                        below, "the endpoint has no address", expected: "endpoint: {address: …}")
                    continue
                }
                guard let location = location(host, resolves, below.at("endpoint")) else { continue }
                // What DNS was to resolve is the host's name, an address too.
                let hostname = host.hostname.isEmpty && resolves ? host.address.socketAddress.address : host.hostname
                let hashKey = endpoint.metadata.filterMetadata["envoy.lb"]?.fields["hash_key"]?.stringValue ?? ""
                endpoints.append(
                    EndpointSpec(
                        location: location, hostname: part.arena.text(hostname), hashKey: part.arena.text(hashKey),
                        transportMatch: transportMatch(cluster, endpoint.metadata, locality.metadata),
                        proxyTLVs: part.arena.text(
                            ProxyProtocolCompiler.tlvs(ofHost: endpoint.metadata, below.at("metadata"), diagnostics)),
                        weight: endpoint.hasLoadBalancingWeight ? endpoint.loadBalancingWeight.value : 1,
                        priority: locality.priority, health: health(endpoint.healthStatus),
                        locality: localities.place(locality.locality),
                        localityWeight: localities.weight(locality.locality, locality.priority),
                        group: i, zone: part.arena.text(locality.locality.zone),
                        isCanary: endpoint.metadata.filterMetadata["envoy.lb"]?.fields["canary"]?.boolValue ?? false,
                        shown: ShownMetadata(endpoint.metadata),
                        metadata: cluster.hasLbSubsetConfig || cluster.hasLoadBalancingPolicy
                            ? MetadataBytes.host(endpoint.metadata) : SubsetMetadata()))
            }
        }
        checkPriorities(message, place)
        return endpoints
    }

    /// Every field that a match names has to have its value in the metadata of the endpoint, or else of its locality.
    private func transportMatch(
        _ cluster: ClusterMessage, _ endpoint: Envoy_Config_Core_V3_Metadata, _ locality: Envoy_Config_Core_V3_Metadata
    ) -> UInt32 {
        let key = "envoy.transport_socket_match"
        guard !cluster.transportSocketMatches.isEmpty else { return 0 }
        let own = endpoint.filterMetadata[key]?.fields ?? [:]
        let shared = locality.filterMetadata[key]?.fields ?? [:]
        let found = cluster.transportSocketMatches.firstIndex { match in
            match.match.fields.allSatisfy { (own[$0.key] ?? shared[$0.key]) == $0.value }
        }
        return found.map { UInt32($0 + 1) } ?? 0
    }

    private func location(_ host: EndpointMessage, _ resolves: Bool, _ place: Place) -> HostLocation? {
        guard host.hasAddress else {
            diagnostics.error(place.at("address"), "the endpoint has no address", expected: "address: …")
            return nil
        }
        diagnostics.unsupported(
            place, "envoy.config.endpoint.v3.Endpoint",
            ["additional_addresses": !host.additionalAddresses.isEmpty])
        return AddressCompiler.host(host.address, resolves: resolves, place.at("address"), diagnostics)
    }

    private func health(_ status: Envoy_Config_Core_V3_HealthStatus) -> EndpointSpec.Health {
        switch status {
        case .unhealthy, .timeout: .unhealthy
        case .draining: .draining
        case .degraded: .degraded
        default: .healthy
        }
    }

    /// Priorities count from 0 without gaps, or the load would have nowhere to spill.
    private func checkPriorities(_ message: LoadAssignment, _ place: Place) {
        let used = Set(message.endpoints.map(\.priority))
        guard let highest = used.max() else { return }
        for priority in 0..<highest where !used.contains(priority) {
            diagnostics.warning(
                place.at("endpoints"), "priority \(priority) has no endpoints, but priority \(highest) has some")
        }
    }

    private func refuseUnsupported(_ message: LoadAssignment, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.endpoint.v3.ClusterLoadAssignment", ["named_endpoints": !message.namedEndpoints.isEmpty])
        diagnostics.unsupported(
            place.at("policy"), "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
            [
                "drop_overloads": !message.policy.dropOverloads.isEmpty,
                "endpoint_stale_after": message.policy.hasEndpointStaleAfter,
                "weighted_priority_health": message.policy.weightedPriorityHealth,
            ])
        for (i, locality) in message.endpoints.enumerated() where locality.lbConfig != nil {
            diagnostics.unsupported(
                place.at("endpoints", i), "envoy.config.endpoint.v3.LocalityLbEndpoints",
                ["load_balancer_endpoints": true])
        }
    }
}

/// The localities of a load assignment in the order that Envoy keeps them in, by region, zone and sub-zone. Endpoints without
/// a locality have one of their own, without a weight.
struct LocalityOrder {
    private var places: [[String]: UInt32] = [:]
    private var weights: [UInt32: [[String]: UInt32]] = [:]

    init(_ message: LoadAssignment) {
        let names = Set(message.endpoints.map { LocalityOrder.name($0.locality) })
        let sorted = names.sorted { a, b in
            a.map { Array($0.utf8) }.lexicographicallyPrecedes(b.map { Array($0.utf8) }) { $0.lexicographicallyPrecedes($1) }
        }
        for (i, name) in sorted.enumerated() { places[name] = UInt32(i) }
        for entry in message.endpoints where entry.hasLocality && entry.hasLoadBalancingWeight {
            weights[entry.priority, default: [:]][LocalityOrder.name(entry.locality)] = entry.loadBalancingWeight.value
        }
    }

    static func name(_ locality: Envoy_Config_Core_V3_Locality) -> [String] {
        [locality.region, locality.zone, locality.subZone]
    }

    func place(_ locality: Envoy_Config_Core_V3_Locality) -> UInt32 { places[LocalityOrder.name(locality)] ?? 0 }

    func weight(_ locality: Envoy_Config_Core_V3_Locality, _ priority: UInt32) -> UInt32 {
        weights[priority]?[LocalityOrder.name(locality)] ?? 0
    }
}
