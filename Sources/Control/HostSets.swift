// From endpoints and their addresses to the host sets that workers read: at start, and whenever a name's addresses
// change.

import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

extension Configurator {
    /// A cluster begins: what is numeric is known, names are looked up. Until a name is answered for, a changed cluster
    /// keeps the hosts of the one that it replaces, so that no request meets an empty one.
    func beginHosts(_ live: LiveCluster, replacing old: LiveCluster?) {
        live.addresses = live.draft.endpoints.map { endpoint in
            switch endpoint.location {
            case .address(let address): [address]
            case .name(let name, let port): known(name, port, in: old)
            }
        }
        if live.addresses.allSatisfy(\.isEmpty), let old, !old.hostConfigs.isEmpty {
            live.borrowed = zip(old.hostConfigs, old.hostMetadata).map { KnownHost(config: $0, metadata: $1) }
        }
        buildHosts(live)
        guard let reactor = dns else { return }
        live.resolution = ClusterResolution(
            live, reactor, resolved: { [unowned self, unowned live] in resolved(live, $0, $1) },
            warmed: { [unowned self] in clusterWarmed() })
        if live.resolution == nil, live.draft.discovery.dns != nil {
            // Addresses need no look-up; Envoy's resolver answers for them at once.
            environment.stats.mainCells.increment(live.control[.updateAttempt])
            environment.stats.mainCells.increment(live.control[.updateSuccess])
        }
    }

    private func known(_ name: String, _ port: UInt16, in old: LiveCluster?) -> [SocketAddress] {
        guard let old else { return [] }
        for (endpoint, addresses) in zip(old.draft.endpoints, old.addresses)
        where endpoint.location == .name(name, port: port) { return addresses }
        return []
    }

    private func resolved(_ live: LiveCluster, _ endpoint: Int, _ addresses: [SocketAddress]) -> Bool {
        let isNews = !live.answeredEndpoints.insert(endpoint).inserted
        guard live.borrowed != nil || !HostSetOrder.isSame(live.addresses[endpoint], addresses) else { return false }
        live.borrowed = nil
        live.addresses[endpoint] = addresses
        let before = live.hostConfigs.map(\.address)
        buildHosts(live)
        // As in Envoy: of a cluster that has begun, and a logical host that moves is none of its members.
        if isNews, !live.draft.discovery.isLogical {
            environment.stats.mainCells.increment(environment.stats.scope("cluster_manager.", ClusterManagerStat.self)[.clusterUpdated])
        }
        publishSoon()
        onHosts(live.name, before, live.hostConfigs.map(\.address))
        return true
    }

    /// A new host set part from the endpoints' addresses. `tells`: in statistics, too.
    func buildHosts(_ live: LiveCluster, tells: Bool = true) {
        let part = PlanPart(.hosts, live.name, ContentHash(), matcher: live.draft.part.matcher)
        publisher.number(part)
        hostVersion += 1
        let before = live.hostConfigs.map(\.address)
        let known = live.borrowed ?? hosts(live)
        // A host that was there before keeps its time.
        let nowMs = Clock.monotonicNs() / 1_000_000
        let since = live.draft.config.slowStart == nil ? [:] : Dictionary(
            live.hostConfigs.map { (scopeName(live, $0), $0.addedMs) }, uniquingKeysWith: min)
        var scopes: [StatScopeRef] = []
        let owned = known.map { host in
            var config = host.config
            config.hostname = part.arena.text([UInt8](config.hostname))
            config.proxyTLVs = part.arena.text([UInt8](config.proxyTLVs))
            config.hashKey = part.arena.text([UInt8](config.hashKey))
            let name = scopeName(live, config)
            config.metadata = host.shown?.frozen(part.arena)
            config.addedMs = live.draft.config.slowStart == nil ? 0 : since[name] ?? nowMs
            config.connections = connections(name, live, part)
            let scope = part.scope(environment.stats, name, HostStat.self)
            if live.draft.showsEndpoints { scopes.append(scope.ref) }
            config.stats = scope.base
            config.zone = part.arena.text([UInt8](config.zone))
            config.zoneStats = zoneStats(live.draft, config, part)
            return config
        }
        let options = live.draft.balancing
        var set = HostSet.build(
            owned, overprovisioning: options.overprovisioning,
            panicThresholdPercent: options.panicThresholdPercent, policy: live.draft.config.policy,
            hashing: live.draft.config.hashing, weighsLocalities: options.weighsLocalities, zones: zoneSpec(live),
            subsets: options.subsets,
            metadata: known.map(\.metadata), version: hostVersion, in: part.arena)
        set.part = part.id
        if tells {
            show(set.tableFacts, live.draft)
            show(set.subsets, live)
            count(set.zoneFacts, live)
        }
        unsafe live.set = unsafe part.arena.store(set)
        if let old = live.hosts { publisher.retire(old) }
        live.hosts = part
        live.hostConnections = live.hostConnections.filter { $0.value.owner != nil }
        live.hostConfigs = owned
        live.hostScopes = scopes
        live.hostMetadata = known.map(\.metadata)
        if tells {
            countTransports(owned.filter { !before.contains($0.address) }, live)
            count(live, changed: !HostSetOrder.isSame(before, owned.map(\.address)))
        }
        rezone(after: live)
    }

    private func zoneStats(_ draft: ClusterDraft, _ host: HostConfig, _ part: PlanPart) -> UInt32 {
        guard !draft.localZone.isEmpty, !host.zone.isEmpty else { return 0 }
        let prefix = StatPrefix.zone(draft.statName, from: draft.localZone, to: String(host.zone))
        return part.scope(environment.stats, prefix, ClusterZoneStat.self).base
    }

    /// As in Envoy a new host counts with the socket that it was given.
    private func countTransports(_ hosts: [HostConfig], _ live: LiveCluster) {
        let cells = environment.stats.mainCells
        for host in hosts {
            let match = Int(host.transportMatch)
            if match > 0, match <= live.draft.matches.count {
                cells.increment(live.draft.matches[match - 1][.totalMatchCount])
            } else {
                cells.increment(live.control[.defaultTotalMatchCount])
            }
        }
    }

    /// Every endpoint's hosts in order; an address that two endpoints of a priority share counts once.
    private func hosts(_ live: LiveCluster) -> [KnownHost] {
        var isLogical = false
        if case .logicalDNS = live.draft.discovery { isLogical = true }
        var hosts: [KnownHost] = []
        for (endpoint, addresses) in zip(live.draft.endpoints, live.addresses) {
            for address in addresses {
                var host = HostConfig()
                host.address = address
                host.hostname = endpoint.hostname
                host.hashKey = endpoint.hashKey
                host.weight = endpoint.weight
                host.priority = endpoint.priority
                host.isHealthy = endpoint.health == .healthy || endpoint.health == .degraded
                host.isDegraded = endpoint.health == .degraded
                host.isExcluded = endpoint.health == .draining
                host.isLogical = isLogical
                host.transportMatch = endpoint.transportMatch
                host.proxyTLVs = endpoint.proxyTLVs
                host.locality = endpoint.locality
                host.localityWeight = endpoint.localityWeight
                host.zone = endpoint.zone
                host.isCanary = endpoint.isCanary
                hosts.append(KnownHost(config: host, metadata: endpoint.metadata, shown: endpoint.shown))
            }
        }
        return hosts
    }

    /// One count for each host as long as some host set has it. Nil: nothing limits its connections.
    private func connections(_ name: String, _ live: LiveCluster, _ part: PlanPart) -> HostConnections? {
        let limits = live.limits
        guard limits.normal.connectionsPerHost != nil || limits.high.connectionsPerHost != nil else { return nil }
        let owner = live.hostConnections[name]?.owner ?? HostConnectionsOwner()
        live.hostConnections[name] = WeakConnections(owner: owner)
        part.own(owner)
        return owner.connections
    }

    /// Subsets that are there now and were not, and the other way round.
    private func show(_ table: SubsetTable, _ live: LiveCluster) {
        guard live.draft.balancing.subsets != nil else { return }
        let cells = environment.stats.mainCells
        var names: Set<[[UInt8]]> = []
        for i in 0..<Int(table.namedCount) {
            let pairs = table.subsets[i].pairs
            names.insert((0..<pairs.count).flatMap { [[UInt8](pairs[$0].name), [UInt8](pairs[$0].value)] })
        }
        // Envoy has a balancer, with subsets of its own, for each worker and for main.
        let threads = UInt64(environment.workers + 1)
        cells.add(live.control[.lbSubsetsCreated], UInt64(names.subtracting(live.subsetNames).count) * threads)
        cells.add(live.control[.lbSubsetsRemoved], UInt64(live.subsetNames.subtracting(names).count) * threads)
        cells.set(live.control[.lbSubsetsActive], UInt64(names.count) * threads)
        if let subsets = live.draft.subsets { cells.set(subsets[.singleHostPerSubsetDuplicate], UInt64(table.duplicates)) }
        live.subsetNames = names
    }

    /// A logical host is one host whatever its address.
    private func scopeName(_ live: LiveCluster, _ host: HostConfig) -> String {
        let prefix = StatPrefix.cluster(live.draft.statName) + "host."
        return host.isLogical
            ? "\(prefix)\(String(host.hostname)):\(host.address.port)."
            : "\(prefix)\(host.address)."
    }

    /// What Envoy's gauges tell of the hash table.
    private func show(_ facts: HashTableFacts, _ draft: ClusterDraft) {
        let cells = environment.stats.mainCells
        if let ring = draft.ring {
            cells.set(ring[.size], facts.size)
            cells.set(ring[.minHashesPerHost], facts.entriesMin)
            cells.set(ring[.maxHashesPerHost], facts.entriesMax)
        }
        if let maglev = draft.maglev {
            cells.set(maglev[.minEntriesPerHost], facts.entriesMin)
            cells.set(maglev[.maxEntriesPerHost], facts.entriesMax)
        }
    }

    private func count(_ live: LiveCluster, changed: Bool) {
        let cells = environment.stats.mainCells
        let hosts = live.hostConfigs
        if unsafe live.draft.config.originalDst != nil, hosts.isEmpty { return }
        cells.set(live.control[.membershipTotal], UInt64(hosts.count))
        cells.set(live.control[.membershipHealthy], UInt64(hosts.filter { $0.isHealthy && !$0.isDegraded }.count))
        cells.set(live.control[.membershipDegraded], UInt64(hosts.filter(\.isDegraded).count))
        cells.set(live.control[.membershipExcluded], UInt64(hosts.filter(\.isExcluded).count))
        if changed, !(live.draft.discovery.isLogical && live.hadHosts) {
            // As in Envoy a change of each priority counts; of a cluster whose hosts stand in the configuration all come at once.
            let priorities = live.draft.discovery.isStatic ? Set(hosts.map(\.priority)).count : 1
            cells.add(live.control[.membershipChange], UInt64(max(1, priorities)))
        }
        if case .strictDNS = live.draft.discovery, let heaviest = hosts.map(\.weight).max() {
            cells.set(live.control[.maxHostWeight], UInt64(heaviest))
        }
        if !hosts.isEmpty { live.hadHosts = true }
    }
}

enum HostSetOrder {
    /// The same addresses, in whatever order: servers rotate their answers, and an order is no change.
    static func isSame(_ a: [SocketAddress], _ b: [SocketAddress]) -> Bool {
        a.count == b.count && a.allSatisfy { b.contains($0) } && b.allSatisfy { a.contains($0) }
    }
}

/// A host as its endpoint makes it.
struct KnownHost {
    var config: HostConfig
    var metadata: SubsetMetadata
    /// Nil: of a cluster that is gone.
    var shown: ShownMetadata?
}

struct WeakConnections {
    weak var owner: HostConnectionsOwner?
}
