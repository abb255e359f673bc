// What the compilers share while they turn one configuration into plan parts.

import EnvoyAPI
import Primitives
import Stats
import StatsStore

/// Things of the process that parts are made with; the same for every configuration.
package final class CompileEnvironment {
    let stats: StatRegistry
    let filters: FilterRegistry
    let workers: Int
    /// Secret of the process: for tables whose keys a peer's values are looked up in.
    let seed = Random.systemSeed()
    let clusterSlots = SlotTable()
    let listenerSlots = SlotTable()
    let tlsSlots = SlotTable()
    let balances: ListenerBalances
    package let runtime = RuntimeTable()
    /// Of management servers.
    let aggregated = AggregatedStream()
    let secrets: DiscoveredSecrets
    let layers: DiscoveredRuntime
    /// Clusters that main's own worker asks management servers over.
    var managementClusters: Set<String> { secrets.clusters.union(layers.clusters) }
    package let logSinks: LogSinks
    let planTexts = PlanTexts()
    let texts: WatchedTexts
    let genericSecrets: GenericSecrets
    /// What this build calls itself.
    package var version = ""

    package init(stats: StatRegistry, filters: FilterRegistry, workers: Int, logFlushIntervalMs: UInt64) {
        self.stats = stats
        self.filters = filters
        self.workers = workers
        secrets = DiscoveredSecrets(aggregated)
        texts = WatchedTexts(planTexts)
        genericSecrets = GenericSecrets(planTexts, stats, clusterSlots)
        layers = DiscoveredRuntime(aggregated)
        balances = ListenerBalances(workers: workers)
        // Main writes logs too: its admin listener has one.
        logSinks = LogSinks(writers: workers + 1, flushIntervalMs: logFlushIntervalMs)
    }
}

/// One configuration being compiled.
final class Compilation {
    let environment: CompileEnvironment
    let bootstrap: Bootstrap
    let diagnostics: Diagnostics
    private(set) var secrets: StaticSecrets
    private lazy var formatSecrets = FormatSecrets(secrets, environment, diagnostics)
    /// There is an `ads_config`.
    var hasAggregated: Bool { bootstrap.dynamicResources.hasAdsConfig }
    /// Names of all clusters of this configuration.
    let clusterNames: Set<String>
    /// Parts made for it, to be given back when it is refused.
    private var made: [PlanPart] = []

    init(_ environment: CompileEnvironment, _ document: ConfigDocument) {
        self.environment = environment
        bootstrap = document.bootstrap
        diagnostics = Diagnostics(document.source)
        clusterNames = Set(document.bootstrap.staticResources.clusters.map(\.name))
        let dynamic = document.bootstrap.dynamicResources
        secrets = StaticSecrets(document.bootstrap.staticResources.secrets, diagnostics)
        secrets.check = { [unowned self] source, place in DiscoverySource.check(source, place, self) }
        if dynamic.hasAdsConfig {
            DiscoverySource.check(aggregated: dynamic.adsConfig, Place.root.at("dynamic_resources").at("ads_config"), self)
        }
    }

    var stats: StatRegistry { environment.stats }

    /// TLS contexts are made with the parts of this configuration.
    var tls: TLSContextCompiler {
        TLSContextCompiler(environment: environment, diagnostics: diagnostics) { [self] source in
            part(.tls, source.statPrefix, ContentHash(), matcher: source.owner.matcher)
        }
    }

    func part(_ kind: PlanPart.Kind, _ name: String, _ hash: ContentHash, matcher: StatNameMatcher? = nil) -> PlanPart {
        let part = PlanPart(kind, name, hash, matcher: matcher)
        part.texts = environment.texts
        part.secrets = formatSecrets
        part.arena.node = { [node = bootstrap.node] in FrozenValues.node(node, $0) }
        made.append(part)
        return part
    }

    /// The configuration is refused: nothing of it was ever shown to a worker.
    func discard() {
        for part in made { part.destroy(environment.stats, environment.clusterSlots) }
        made = []
        environment.stats.recycle(environment.stats.retiredScopes())
    }

    /// What every listener depends on beside its own message.
    lazy var sharedHash: ContentHash = {
        var hash = ContentHash()
        hash.add(bootstrap.node.id)
        hash.add(bootstrap.node.cluster)
        hash.add(bootstrap.node.locality)
        hash.add(bootstrap.node.metadata)
        hash.add(bootstrap.tracing)
        for secret in bootstrap.staticResources.secrets { hash.add(secret) }
        return hash
    }()
}
