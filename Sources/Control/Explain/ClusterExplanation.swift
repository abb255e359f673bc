// A cluster and its hosts, as far as they are known, for an explanation.

import EnvoyAPI
import Primitives
import Upstream

enum ClusterExplanation {
    static func describe(_ name: String, _ clusters: [LiveCluster]) -> Explained {
        guard let live = clusters.first(where: { $0.name == name }) else {
            return .object([.init("name", .text(name)), .init("exists", .bool(false))])
        }
        let message = live.message
        let hosts = live.hostConfigs.isEmpty ? configured(live) : served(live)
        var members: Explained.Members = [
            .init("name", .text(name)), .init("exists", .bool(true)), .init("type", .text(shown(message))),
            .init("balancing", .text(shown(live.draft.config.policy))),
        ]
        if let zones = ZoneExplanation.describe(live, clusters) { members.append(.init("zones", zones)) }
        members += [
            .init("host_count", .number(hosts.count)), .init("hosts", .list(Array(hosts.prefix(RouteExplainer.listedMax)))),
        ]
        if hosts.count > RouteExplainer.listedMax {
            members.append(.init("hosts_left_out", .number(hosts.count - RouteExplainer.listedMax)))
        }
        return .object(members)
    }

    private static func shown(_ message: ClusterMessage) -> String {
        switch message.clusterDiscoveryType {
        case .type(let type): "\(type)".uppercasedWords
        case .clusterType(let custom): custom.name
        case .none: "STATIC"
        }
    }

    private static func shown(_ policy: BalancingPolicy) -> String {
        switch policy {
        case .roundRobin: "ROUND_ROBIN"
        case .leastRequest: "LEAST_REQUEST"
        case .random: "RANDOM"
        case .ringHash: "RING_HASH"
        case .maglev: "MAGLEV"
        }
    }

    private static func served(_ live: LiveCluster) -> [Explained] {
        live.hostViews.map { host in
            entry(
                "\(host.address)", host.hostname, "\(host.health)", priority: host.priority, weight: host.weight,
                locality: [host.region, host.zone, host.subZone])
        }
    }

    /// Not served: what the file says.
    private static func configured(_ live: LiveCluster) -> [Explained] {
        let localities = LocalityCount.names(live)
        return live.draft.endpoints.map { endpoint in
            let address =
                switch endpoint.location {
                case .address(let address): "\(address)"
                case .name(let name, let port): "\(name):\(port)"
                }
            return entry(
                address, String(endpoint.hostname), "\(endpoint.health)", priority: endpoint.priority, weight: endpoint.weight,
                locality: localities[endpoint.locality] ?? [])
        }
    }

    private static func entry(
        _ address: String, _ hostname: String, _ health: String, priority: UInt32, weight: UInt32, locality: [String]
    ) -> Explained {
        var members: Explained.Members = [.init("address", .text(address)), .init("health", .text(health))]
        if !hostname.isEmpty, !address.hasPrefix(hostname) { members.append(.init("hostname", .text(hostname))) }
        let place = ZoneExplanation.shown(locality)
        if !place.isEmpty { members.append(.init("locality", .text(place))) }
        if priority != 0 { members.append(.init("priority", .number(Int(priority)))) }
        if weight != 1 { members.append(.init("weight", .number(Int(weight)))) }
        return .object(members)
    }
}

extension String {
    /// `strictDns` → `STRICT_DNS`.
    fileprivate var uppercasedWords: String {
        var text = ""
        for character in self {
            if character.isUppercase, !text.isEmpty { text += "_" }
            text += character.uppercased()
        }
        return text
    }
}
