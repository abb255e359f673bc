// Statistics of the process itself, which main writes: `server.`, `listener_manager.`, `cluster_manager.`, and the scopes
// that Envoy always shows.

import ConfigTree
import Pipeline
import Primitives
import Stats
import StatsStore

final class ProcessStatistics {
    private let stats: StatRegistry
    private let server: StatScope<ServerStat>
    private let listeners: StatScope<ListenerManagerStat>
    private let clusters: StatScope<ClusterManagerStat>
    private let inflated: [StatScope<ThreadLocalClusterManagerStat>]
    private let runtime: StatScope<RuntimeStat>
    private var isFirstRuntime = true
    private var hasHadOverrides = false
    private var drainingCount = 0
    private var deprecatedSeen: UInt64 = 0

    init(_ stats: StatRegistry) {
        self.stats = stats
        server = stats.scope("server.", ServerStat.self)
        listeners = stats.scope("listener_manager.", ListenerManagerStat.self)
        clusters = stats.scope("cluster_manager.", ClusterManagerStat.self)
        runtime = stats.scope("runtime.", RuntimeStat.self)
        let threads = ["main_thread"] + (0..<stats.workerCount).map { "worker_\($0)" }
        inflated = threads.map { stats.scope("thread_local_cluster_manager.\($0).", ThreadLocalClusterManagerStat.self) }
        for thread in threads { _ = stats.scope("server.\(thread).", WatchdogStat.self) }
        _ = stats.scope("main_thread.", WatchdogStat.self)
        _ = stats.scope("workers.", WatchdogStat.self)
        _ = stats.scope("filesystem.", FilesystemStat.self)
        _ = stats.scope("overload.", OverloadStat.self)
        _ = stats.scope("envoy.overload_actions.reset_high_memory_stream.", OverloadActionStat.self)
        _ = stats.scope("http.async-client.", RouterStat.self)
    }

    func began(concurrency: Int, version: UInt64) {
        let cells = stats.mainCells
        cells.set(server[.concurrency], UInt64(concurrency))
        cells.set(server[.version], version)
        cells.set(server[.daysUntilFirstCertExpiring], UInt64(UInt32.max))
        cells.set(server[.compilationSettingsFipsMode], 0)
        cells.set(server[.statsRecentLookups], 0)
        cells.set(listeners[.workersStarted], 0)
    }

    func workersStarted(afterNs: UInt64) {
        stats.mainCells.set(listeners[.workersStarted], 1)
        stats.mainCells.record(server[.initializationTimeMs], afterNs / 1_000_000)
    }

    /// What a configuration has that Envoy counts: fields that nobody knows once, deprecated ones each.
    func warned(_ warnings: [ConfigError]) {
        let cells = stats.mainCells
        if warnings.contains(where: { $0.kind == .unknownField }) { cells.increment(server[.staticUnknownFields]) }
        let deprecated = warnings.count { $0.kind == .deprecatedField }
        guard deprecated > 0 else { return }
        cells.add(runtime[.deprecatedFeatureUse], UInt64(deprecated))
        deprecatedSeen += UInt64(deprecated)
        cells.set(runtime[.deprecatedFeatureSeenSinceProcessStart], deprecatedSeen)
    }

    /// What a configuration has changed.
    func applied(_ changes: ConfigChanges) {
        let cells = stats.mainCells
        let workers = UInt64(stats.workerCount)
        cells.add(listeners[.listenerAdded], UInt64(changes.listeners.added))
        cells.add(listeners[.listenerModified], UInt64(changes.listeners.modified))
        cells.add(listeners[.listenerRemoved], UInt64(changes.listeners.removed))
        cells.add(
            listeners[.listenerCreateSuccess], workers * UInt64(changes.listeners.added + changes.listeners.modified))
        cells.add(clusters[.clusterAdded], UInt64(changes.clusters.added))
        cells.add(clusters[.clusterModified], UInt64(changes.clusters.modified))
        cells.add(clusters[.clusterRemoved], UInt64(changes.clusters.removed))
    }

    /// What serves, and what waits for its secrets behind a reload.
    func counted(_ listenerCounts: (active: Int, warming: Int), _ clusterCounts: (active: Int, warming: Int)) {
        let cells = stats.mainCells
        cells.set(listeners[.totalListenersActive], UInt64(listenerCounts.active))
        cells.set(listeners[.totalListenersWarming], UInt64(listenerCounts.warming))
        cells.set(clusters[.activeClusters], UInt64(clusterCounts.active))
        cells.set(clusters[.warmingClusters], UInt64(clusterCounts.warming))
        for thread in inflated { cells.set(thread[.clustersInflated], UInt64(clusterCounts.active)) }
    }

    func stopped(listeners count: Int) {
        stats.mainCells.add(listeners[.listenerStopped], UInt64(count))
    }

    /// Listeners that were removed and whose connections have some time left.
    func draining(listeners count: Int) {
        // A gauge that was never set is not shown by `usedonly`.
        if count == drainingCount { return }
        drainingCount = count
        stats.mainCells.set(listeners[.totalListenersDraining], UInt64(count))
    }

    func runtime(_ values: RuntimeValues) {
        let cells = stats.mainCells
        cells.set(runtime[.numLayers], UInt64(values.layers.count))
        cells.set(runtime[.numKeys], UInt64(values.entries.count))
        if values.hasOverrides { hasHadOverrides = true }
        if hasHadOverrides { cells.set(runtime[.adminOverridesActive], values.hasOverrides ? 1 : 0) }
        // Envoy makes its first snapshot twice: without and with the layers of a control plane.
        let loads: UInt64 = isFirstRuntime ? 2 : 1
        isFirstRuntime = false
        cells.add(runtime[.loadSuccess], loads)
        cells.add(runtime[values.hasOverrideDirectory ? .overrideDirExists : .overrideDirNotExists], loads)
    }

    func runtimeFailed() { stats.mainCells.increment(runtime[.loadError]) }

    /// Nil: there is none.
    func firstCertificateExpires(inDays days: UInt64?) {
        stats.mainCells.set(server[.daysUntilFirstCertExpiring], days ?? UInt64(UInt32.max))
    }

    /// Nil: there is none, and as in Envoy the gauge stays as it is.
    func firstStapleExpires(inSeconds seconds: UInt64?) {
        if let seconds { stats.mainCells.set(server[.secondsUntilFirstOcspResponseExpiring], seconds) }
    }

    /// Gauges that are looked up rather than counted.
    func refresh(uptimeNs: UInt64, state: String, connections: UInt64) {
        let cells = stats.mainCells
        let memory = ProcessMemory.now()
        cells.set(server[.uptime], uptimeNs / 1_000_000_000)
        cells.set(server[.live], state == "LIVE" ? 1 : 0)
        let states = ["LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"]
        cells.set(server[.state], UInt64(states.firstIndex(of: state) ?? 0))
        cells.set(server[.memoryAllocated], memory.allocated)
        cells.set(server[.memoryHeapSize], memory.heapSize)
        cells.set(server[.memoryPhysicalSize], memory.physical)
        cells.set(server[.totalConnections], connections)
    }
}
