// What zones make of a cluster's hosts, for an explanation: how much of what comes stays in this process's own locality, and
// why zones do not count where they do not. Of a configuration that is not served a name counts as one host.

import EnvoyAPI
import Primitives
import Upstream

enum ZoneExplanation {
    /// Nil: the configuration has no local cluster, and zones mean nothing.
    static func describe(_ live: LiveCluster, _ clusters: [LiveCluster]) -> Explained? {
        let options = live.draft.balancing
        guard !options.localCluster.isEmpty, let local = clusters.first(where: { $0.name == options.localCluster }) else { return nil }
        var members: Explained.Members = []
        if !options.ownLocality.allSatisfy(\.isEmpty) { members.append(.init("own", .text(shown(options.ownLocality)))) }
        switch outcome(live, local) {
        case .failure(let why): members.append(.init("not_counted", .text(why.text)))
        case .success(let plan): members += shares(plan, live)
        }
        return .object(members)
    }

    /// `region/zone/sub_zone`, without what is empty.
    static func shown(_ locality: [String]) -> String { locality.filter { !$0.isEmpty }.joined(separator: "/") }

    private struct Reason: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    private static func outcome(_ live: LiveCluster, _ local: LiveCluster) -> Result<ZonePlan, Reason> {
        let options = live.draft.balancing
        let config = live.draft.config
        if live.name == options.localCluster { return .failure(Reason("it is the local cluster itself")) }
        if config.policy.isHashing { return .failure(Reason("a host is chosen by a hash, wherever it is")) }
        if options.weighsLocalities { return .failure(Reason("localities have weights, and those count")) }
        let percent = config.zonePercentCell?.integer(default: UInt64(config.zonePercent)) ?? UInt64(config.zonePercent)
        if percent == 0 { return .failure(Reason("routing_enabled is 0 %")) }
        let hosts = live.knownHosts
        let first = hosts.indices.filter { hosts[$0].priority == 0 }.map { UInt32($0) }
        var here = PriorityMembers()
        for i in first { here.add(i, hosts[Int(i)]) }
        var spec = live.zoneOptions
        let counted = LocalityCount(local, hosts: local.knownHosts, countsWeights: spec.countsWeights)
            .seen(from: live, ownLocality: options.ownLocality)
        spec.local = counted
        if Set(first.map { hosts[Int($0)].locality }).count < 2 { return .failure(Reason("all its hosts are in one locality")) }
        if counted.localityCount < 2, spec.ownSizeMin == nil {
            return .failure(Reason("all hosts of '\(local.name)' are in one locality"))
        }
        guard counted.hasOwn else { return .failure(Reason("'\(local.name)' has no host in this process's own locality")) }
        guard UInt64(here.healthy.count) >= spec.clusterSizeMin else {
            return .failure(Reason("\(here.healthy.count) healthy hosts, and min_cluster_size is \(spec.clusterSizeMin)"))
        }
        if counted.panics(options.panicThresholdPercent) { return .failure(Reason("too few hosts of '\(local.name)' are healthy (panic)")) }
        if PriorityLoads([here], overprovisioning: options.overprovisioning, panicThresholdPercent: options.panicThresholdPercent).panics[0] {
            return .failure(Reason("too few of its own hosts are healthy (panic)"))
        }
        var facts = ZoneFacts()
        guard let plan = ZonePlan(spec, hosts: hosts, all: first, healthy: here.healthy, facts: &facts) else {
            return .failure(Reason("zones do not count for these hosts"))
        }
        return .success(plan)
    }

    /// Of requests for priority 0.
    private static func shares(_ plan: ZonePlan, _ live: LiveCluster) -> Explained.Members {
        let names = LocalityCount.names(live)
        func name(_ place: UInt32) -> String { names[place].map(shown).flatMap { $0.isEmpty ? nil : $0 } ?? "no locality" }
        let config = live.draft.config
        let percent = config.zonePercentCell?.integer(default: UInt64(config.zonePercent)) ?? UInt64(config.zonePercent)
        var members: Explained.Members = []
        if percent < 100 { members.append(.init("counted", .text("for \(percent) % of requests"))) }
        if plan.isDirect {
            members.append(.init("stays", .text("100 %")))
            return members
        }
        members.append(.init("stays", .text(Self.percent(plan.hasOwn ? plan.ownShare : 0))))
        let left = plan.left.last ?? 0
        let leaving = 10_000 - min(plan.ownShare, 10_000)
        var before: UInt64 = 0
        var others: [Explained] = []
        for (place, sum) in zip(plan.order, plan.left) {
            // Where nobody has anything left, any locality is as good as another.
            let share = left == 0 ? leaving / UInt64(plan.order.count) : leaving * (sum - before) / left
            before = sum
            if share > 0 { others.append(.object([.init("locality", .text(name(place))), .init("share", .text(Self.percent(share)))])) }
        }
        members.append(.init("leaves", .list(others)))
        return members
    }

    /// Of 10,000.
    private static func percent(_ share: UInt64) -> String {
        let rest = share % 100
        let decimals = rest == 0 ? "" : rest % 10 == 0 ? ".\(rest / 10)" : rest < 10 ? ".0\(rest)" : ".\(rest)"
        return "\(share / 100)\(decimals) %"
    }
}

extension LiveCluster {
    /// Those that are served; else what the configuration says of them.
    var knownHosts: [HostConfig] {
        guard hostConfigs.isEmpty else { return hostConfigs }
        return draft.endpoints.map { endpoint in
            var host = HostConfig()
            host.weight = endpoint.weight
            host.priority = endpoint.priority
            host.isHealthy = endpoint.health == .healthy || endpoint.health == .degraded
            host.isDegraded = endpoint.health == .degraded
            host.isExcluded = endpoint.health == .draining
            host.locality = endpoint.locality
            return host
        }
    }

    /// Without the local cluster's hosts.
    var zoneOptions: ZoneSpec {
        var spec = draft.balancing.zones
        if let cell = draft.balancing.zoneSizeMinCell { spec.clusterSizeMin = cell.integer(default: spec.clusterSizeMin) }
        return spec
    }
}
