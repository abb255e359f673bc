// What a document becomes before anything of it is served: what is as it was is kept, the rest is compiled.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

struct CompiledConfig {
    private(set) var listeners: [LiveListener] = []
    private(set) var clusters: [LiveCluster] = []
    private(set) var adminLogs: AdminLogs?
    private(set) var statistics = StatisticsConfig()
    private(set) var statisticsHash = ContentHash()
    private(set) var watchdogs = WatchdogConfigs()
    private(set) var watchdogsHash = ContentHash()

    /// Mistakes are the compilation's. `old`: what is served now.
    init(_ compilation: Compilation, old: (listeners: [LiveListener], clusters: [LiveCluster])) {
        BootstrapCompiler(compilation: compilation).check()
        compileClusters(compilation, old.clusters)
        compileListeners(compilation, old.listeners)
        adminLogs = AdminLogCompiler(compilation: compilation).compile()
        let statistics = StatisticsCompiler(compilation: compilation)
        self.statistics = statistics.compile()
        statisticsHash = statistics.hash
        let dogs = WatchdogCompiler(compilation: compilation)
        watchdogs = dogs.compile()
        watchdogsHash = dogs.hash
    }

    private mutating func compileClusters(_ compilation: Compilation, _ served: [LiveCluster]) {
        let old = served.byKey
        var seen: Set<String> = []
        for (i, message) in compilation.bootstrap.staticResources.clusters.enumerated() {
            let place = Place.root.at("static_resources").at("clusters", i)
            guard seen.insert(message.name).inserted else {
                compilation.diagnostics.error(
                    place.at("name"), "cluster manager: duplicate cluster '\(message.name)'", found: "'\(message.name)'",
                    expected: "a name of its own for each cluster")
                continue
            }
            var hash = compilation.sharedHash
            hash.add(message)
            hash.add(compilation.bootstrap.clusterManager)
            hash.add(compilation.bootstrap.typedDnsResolverConfig)
            hash.add(compilation.bootstrap.dnsResolutionConfig)
            if let kept = old[message.name]?.unchanged(hash), kept.isAskable(compilation) {
                clusters.append(kept)
                continue
            }
            guard let draft = ClusterCompiler(compilation: compilation).compile(message, place, hash) else { continue }
            let control = draft.part.scope(
                compilation.stats, StatPrefix.cluster(draft.statName), ClusterControlStat.self)
            clusters.append(LiveCluster(draft, message, control))
        }
        checkLocalCluster(compilation)
    }

    private func checkLocalCluster(_ compilation: Compilation) {
        let name = compilation.bootstrap.clusterManager.localClusterName
        if name.isEmpty { return }
        let place = Place.root.at("cluster_manager").at("local_cluster_name")
        if compilation.clusterNames.contains(name) { return }
        compilation.diagnostics.error(
            place, "local cluster '\(name)' must be defined", expected: "the name of a cluster",
            suggestion: nearestName(name, compilation.clusterNames))
    }

    private mutating func compileListeners(_ compilation: Compilation, _ served: [LiveListener]) {
        let old = served.byKey
        var names: Set<String> = []
        var used: [String: String] = [:]
        for (i, message) in compilation.bootstrap.staticResources.listeners.enumerated() {
            let place = Place.root.at("static_resources").at("listeners", i)
            let key = ListenerCompiler.key(message)
            guard names.insert(key).inserted else {
                compilation.diagnostics.error(
                    place.at("name"), "duplicate listener name '\(key)'", found: "'\(key)'",
                    expected: "a name of its own for each listener")
                continue
            }
            var hash = compilation.sharedHash
            hash.add(message)
            // Routes name clusters: a cluster that comes or goes may make them right or wrong.
            for name in compilation.clusterNames.sorted() { hash.add(name) }
            let live: LiveListener
            if let kept = old[key]?.unchanged(hash), kept.isAskable(compilation) {
                live = kept
            } else {
                guard let draft = ListenerCompiler(compilation: compilation).compile(message, place, hash) else { continue }
                live = LiveListener(draft, message)
            }
            for address in live.draft.addresses where address.port != 0 || address.family == .unix {
                if used["\(address)"] != nil {
                    compilation.diagnostics.error(
                        place.at("address"),
                        "error adding listener: '\(key)' has duplicate address '\(address)' as existing listener, to check if the listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' for the listener"
                    )
                }
                used["\(address)"] = key
            }
            listeners.append(live)
        }
    }
}
