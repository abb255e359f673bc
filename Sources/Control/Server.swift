// The process: main's own ring and worker threads, signals, reload, drain, exit.
//
// Main runs a `Worker` of its own (index = number of workers): it serves the admin interface and the demo endpoints,
// and its timers and completions drive the control plane. Everything here runs on the main thread.

import CLiburing
import CMartlet
import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Ring
import Stats
import StatsStore
import Transport

@safe
package final class Server {
    /// How often main looks after what has no event of its own: parts to free, a drain that may be over.
    private static let tickMs: UInt64 = 50
    /// How long the end of the process waits for access logs that nobody reads.
    private static let logFlushLimitMs = 2000
    /// How long it waits for collectors of spans and log lines.
    static let exportFlushLimitMs: UInt64 = 2000
    /// How long it waits for a sink of statistics.
    private static let sinkFlushLimitMs = 500

    package let options: ServerOptions
    package let stats: StatRegistry
    package let configurator: Configurator
    package let publisher: PlanPublisher
    package let startedNs = Clock.monotonicNs()
    private var threads: [WorkerThread] = []
    package let main: Worker
    package let mainMailbox = Mailbox()
    let exportInbox = ExportInbox()
    private let signals: Int32
    private let signalBytes = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
    private let tick = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    /// There from `start` on.
    package private(set) var statisticsFlush: StatisticsFlush?
    /// Nil: no such sink is configured.
    package private(set) var hystrix: HystrixSink?
    var drainDeadlineMs: UInt64 = 0
    var exportsDeadlineMs: UInt64 = 0
    package internal(set) var isDraining = false
    var socketsAreClosed = false
    package internal(set) var failsHealthChecks = false
    package let log: Log
    package let profiler = CPUProfiler()
    package let allocationProfiler = AllocationProfiler()
    /// Whoever waits for something that another thread or the time brings.
    package var onTick: (() -> Void)?
    let statistics: ProcessStatistics
    let listenerDrain: ListenerDrain
    package var runtime: RuntimeValues {
        get { configurator.runtime }
        set {
            configurator.runtime = newValue
            statistics.runtime(newValue)
        }
    }
    package internal(set) var events = ServerEvents()
    private let filesystemScope: StatScope<FilesystemStat>
    let planScope: StatScope<PlanStat>
    private var watch: FileWatch?
    private var runtimeWatch: RuntimeWatch?
    private let mainNumber: Int32
    private var watchdog: Watchdog?
    private var watchdogStatistics: WatchdogStatistics?

    /// Reads nothing and serves nothing yet. Signals are blocked from here on, so call it before any thread starts.
    package init(_ options: ServerOptions, filters: FilterRegistry, log: Log) throws(ServerError) {
        self.options = options
        self.log = log
        signals = martlet_signals()
        martlet_profile_prepare()
        mainNumber = unsafe martlet_thread_enter("main_thread")
        if options.countsLockWaits, martlet_locks_prepare() < 0 {
            log.write(.warning, "main", "--enable-mutex-tracing: no call of a lock was found to stand in front of")
        }
        if let bytes = options.heapSampleBytes { Server.profileHeap(allocationProfiler, bytes, log) }
        stats = StatRegistry(workers: options.concurrency)
        let mailboxes = (0..<options.concurrency).map { _ in Mailbox() }
        publisher = PlanPublisher(mailboxes: mailboxes, main: mainMailbox)
        configurator = Configurator(
            stats: stats, filters: filters, workers: options.concurrency, publisher: publisher,
            logFlushIntervalMs: options.logFlushIntervalMs)
        configurator.version = options.version
        configurator.draining.options = options.drain
        statistics = ProcessStatistics(stats)
        listenerDrain = ListenerDrain(configurator)
        filesystemScope = stats.scope("filesystem.", FilesystemStat.self)
        planScope = stats.scope("martlet.plan.", PlanStat.self)
        let workerStats = stats.scope("martlet.workers.", WorkerStat.self).base
        let callConfig = unsafe CallConfig.make(
            routerStats: stats.scope("http.async-client.", RouterStat.self).base)
        do throws(RingError) {
            var workerOptions = WorkerOptions()
            workerOptions.index = options.concurrency
            workerOptions.receiveBuffers = 64
            workerOptions.stats = workerStats
            unsafe workerOptions.callConfig = unsafe callConfig
            main = try Worker(options: workerOptions, mailbox: mainMailbox, cells: stats.mainCells)
        } catch {
            throw .ring(error)
        }
        configurator.dns = DNSReactor(main, stats)
        configurator.onDiscovery = { [log] line in log.write(.warning, "config", line) }
        configurator.onLayer = { [unowned self] in layerChanged($0, $1) }
        configurator.onHosts = { [unowned self] in hostsChanged($0, $1, $2) }
        stats.refresh = { [unowned configurator] in configurator.refreshBreakerGauges() }
        stats.endpointGroups = { [unowned configurator] in configurator.endpointGroups }
        threads = mailboxes.enumerated().map { i, mailbox in
            unsafe WorkerThread(
                index: i, mailbox: mailbox, cells: stats.cells(worker: i), stats: workerStats, pins: options.pinsWorkers,
                callConfig: callConfig, exportInbox: i == 0 ? exportInbox : nil)
        }
    }

    private static func profileHeap(_ profiler: AllocationProfiler, _ bytes: UInt64, _ log: Log) {
        let range = AllocationProfiler.intervals
        do throws(AllocationProfiler.Failure) {
            try profiler.start(.heap, interval: min(max(bytes, range.lowerBound), range.upperBound))
        } catch {
            log.write(.warning, "main", "--sample-heap-bytes: allocations cannot be sampled in this build")
        }
    }

    /// Applies the first configuration and starts the workers.
    package func start(_ document: ConfigDocument) throws(ServerError) {
        let bootstrap = document.bootstrap
        statistics.began(
            concurrency: options.concurrency,
            version: bootstrap.hasStatsServerVersionOverride ? bootstrap.statsServerVersionOverride.value : options.versionHash)
        if bootstrap.enableWorkerCpuAffinity { for thread in threads { thread.pins = true } }
        publisher.workersRun = false
        do throws(Configurator.Failure) {
            try configurator.apply(document)
        } catch {
            switch error {
            case .config(let errors): throw .config(errors)
            case .listen(let error): throw .listen(error)
            }
        }
        if configurator.isWarm {
            do throws(RingError) {
                try startThreads()
            } catch {
                throw .ring(error)
            }
        } else {
            configurator.onWarm = { [unowned self] in clustersAreWarm() }
        }
        publisher.wake = { [unowned self] in wakeWorkers() }
        configurationApplied()
        events.add(
            .applied, options.configPath ?? "", version: publisher.version, changes: configurator.changes)
        refreshStatistics()
        if let reactor = configurator.dns {
            let sinks = configurator.statistics.sinks.map { spec in
                StatsSink.make(spec, configurator, stats, reactor, exportInbox) { [unowned self] in wakeWorkers() }
            }
            hystrix = sinks.lazy.compactMap { $0 as? HystrixSink }.first
            statisticsFlush = StatisticsFlush(stats, configurator.statistics, sinks, reactor) { [unowned self] in
                refreshStatistics()
            }
        }
    }

    func configurationApplied() {
        statistics.applied(configurator.changes)
        countResources()
        let bootstrap = configurator.document?.bootstrap ?? .init()
        runtimeWatch = RuntimeWatch(bootstrap)
        loadRuntime()
    }

    private func countResources() {
        statistics.counted(
            (configurator.activeListeners.count, configurator.warmingListeners.count),
            (configurator.activeClusters.count, configurator.warmingClusters.count))
    }

    /// All layers anew; one that cannot be read leaves everything as it was.
    private func loadRuntime() {
        let values = RuntimeValues(configurator.document?.bootstrap ?? .init(), overrides: runtime)
        guard let failure = values.failure else {
            runtime = values
            return
        }
        statistics.runtimeFailed()
        log.write(.warning, "runtime", "error loading runtime values from disk: \(failure)")
    }

    private func lookAtRuntime() {
        guard runtimeWatch?.hasChanged() == true else { return }
        loadRuntime()
        events.add(.runtime, "disk_layer", version: publisher.version)
        log.write(.info, "runtime", "runtime values read again")
    }

    /// Gauges that are looked up when somebody asks, and every few seconds.
    package func refreshStatistics() {
        statistics.refresh(
            uptimeNs: Clock.monotonicNs() - startedNs, state: state, connections: activeConnections)
        countResources()
        let now = Int(Clock.wallNs() / 1_000_000_000)
        let days = configurator.certificates.flatMap { $0.chains + $0.authorities }.map { $0.daysLeft(now: now) }
        statistics.firstCertificateExpires(inDays: days.min())
        statistics.firstStapleExpires(inSeconds: configurator.certificates.flatMap(\.chains).compactMap { $0.stapleSecondsLeft(now: now) }.min())
        countParts()
    }

    private func startThreads() throws(RingError) {
        publisher.workersRun = true
        for thread in threads { try thread.start() }
        startWatchdog()
        workersAreStarted = true
        statistics.workersStarted(afterNs: Clock.monotonicNs() - startedNs)
        countParts()
    }

    /// Every name of a static cluster has had its first answer, or none: as in Envoy nothing is served before that.
    private func clustersAreWarm() {
        do throws(RingError) {
            try startThreads()
            log.write(.info, "main", "all dependencies initialized: workers started")
        } catch {
            log.write(.error, "main", error.text)
            exitStatus = 1
            main.stop()
        }
    }

    private func startWatchdog() {
        let configs = configurator.watchdogs ?? WatchdogConfigs()
        let main = WatchedThread("main_thread", number: mainNumber) { [mainMailbox] in mainMailbox.turn }
        let workers = threads.map { thread in
            WatchedThread("worker_\(thread.index)", number: thread.number) { [mailbox = thread.mailbox] in mailbox.turn }
        }
        let watchdog = Watchdog(
            [WatchedGroup(.main, [main], configs), WatchedGroup(.workers, workers, configs)], log)
        self.watchdog = watchdog
        watchdogStatistics = WatchdogStatistics(stats, watchdog, [main], workers, configs)
        watchdog.start()
    }

    /// Nil before the workers have started: the watchdog begins with what is configured then.
    func changeWatchdogs(_ configs: WatchdogConfigs) {
        watchdogStatistics?.keepActions(configs)
        watchdog?.change(configs)
    }

    package private(set) var workersAreStarted = false
    private var exitStatus: Int32 = 0

    package var state: String {
        if workersAreStarted { return isDraining || failsHealthChecks ? "DRAINING" : "LIVE" }
        return configurator.clustersAreWarm && configurator.layersAreSettled ? "INITIALIZING" : "PRE_INITIALIZING"
    }

    private var kept: [AnyObject] = []
    /// Keeps an object as long as the process serves.
    package func keep(_ object: AnyObject) { kept.append(object) }

    func logWarnings() {
        statistics.warned(configurator.warnings)
        for warning in configurator.warnings { log.write(.warning, "config", warning.description) }
    }

    private func wakeWorkers() {
        for thread in threads where thread.ringDescriptor >= 0 {
            unsafe martlet_prep_message(
                main.ring.entry(), thread.ringDescriptor, Operation.message.token(.none), 0,
                Operation.message.token(.none))
        }
    }

    // MARK: The main loop

    /// Serves until a signal or a command ends it; the exit status.
    package func run() -> Int32 {
        logWarnings()
        main.onOther = { [unowned self] completion in
            switch Operation.of(completion.user_data) {
            case .read: signalled(completion.result)
            case .poll: configurator.dns?.polled(completion)
            default: break
            }
        }
        main.onExport = { [unowned self] batch in
            guard exportInbox.put(batch) else { return false }
            wakeWorkers()
            return true
        }
        main.onTimer = { [unowned self] token in
            if configurator.dns?.fired(token) != true { ticked() }
        }
        unsafe tick.initialize(to: TimerNode(token: Operation.other.token(.none)))
        unsafe main.timers.arm(tick, at: main.nowMs + Server.tickMs)
        if options.watches, let path = options.configPath { watch = FileWatch(path) }
        readSignals()
        statisticsFlush?.start()
        martlet_release_spare_memory()
        main.run()
        for thread in threads { thread.mailbox.stop() }
        publisher.wake = {}
        configurator.setDrain(.closing)
        wakeWorkers()
        main.connections.flushAll()
        main.ring.turn(timeoutNs: 0)
        if workersAreStarted {
            for thread in threads { thread.join() }
        }
        watchdog?.stop()
        statisticsFlush?.finish(limitMs: Server.sinkFlushLimitMs)
        configurator.logSinks.finish(limitMs: Server.logFlushLimitMs)
        log.write(.info, "main", "exiting")
        return exitStatus
    }

    private func readSignals() {
        unsafe martlet_prep_read(main.ring.entry(), signals, signalBytes, 128, Operation.read.token(.none))
    }

    private func signalled(_ result: Int32) {
        defer { readSignals() }
        guard result >= 4 else { return }
        let number = unsafe Int32(truncatingIfNeeded: signalBytes.load(as: UInt32.self))
        switch number {
        case SIGTERM, SIGINT:
            if isDraining {
                log.write(.warning, "main", "second signal while draining: exiting at once")
                main.stop()
            } else {
                beginDrain(number == SIGTERM ? "SIGTERM" : "SIGINT")
            }
        case SIGHUP: reload()
        case SIGUSR1:
            log.write(.info, "main", "SIGUSR1: reopening logs")
            reopenLogs()
        default: break
        }
    }

    /// SIGUSR1, `/reopen_logs`
    package func reopenLogs() {
        log.reopen()
        configurator.logSinks.reopen()
    }

    /// `/runtime_modify` has set `runtime`.
    package func runtimeModified(_ assignments: [String]) {
        events.add(.runtime, "/runtime_modify", version: publisher.version, lines: assignments)
    }

    /// Downstream connections of all workers.
    package var activeConnections: UInt64 {
        configurator.listeners.reduce(0) { sum, live in
            guard let config = unsafe live.config else { return sum }
            return unsafe sum
                + stats.gauge(
                    config.pointee.stats + ListenerStat.downstreamCxActive.rawValue,
                    ListenerStat.downstreamCxActive.descriptor.kind
                ).value
        }
    }

    private func countParts() {
        let cells = stats.mainCells
        cells.set(planScope[.version], publisher.version)
        cells.set(planScope[.partsLive], UInt64(publisher.livePartCount))
        cells.set(planScope[.partsRetiring], UInt64(publisher.retiringCount))
        cells.set(planScope[.addressesOpen], UInt64(configurator.openAddressCount))
    }

    private func ticked() {
        unsafe main.timers.arm(tick, at: main.nowMs + Server.tickMs)
        publisher.collect()
        log.tellRepeats()
        profiler.ticked()
        allocationProfiler.ticked()
        watchdogStatistics?.publish()
        onTick?()
        SessionResumption.rotateWhenDue()
        reloadCertificates()
        reloadTexts()
        lookAtRuntime()
        configurator.logSinks.start()
        configurator.logSinks.publish(stats.mainCells, filesystemScope)
        let retired = stats.retiredScopes()
        if !retired.isEmpty { stats.recycle(retired) }
        countParts()
        statistics.stopped(listeners: listenerDrain.ticked(nowMs: main.nowMs))
        configurator.endDrains(nowMs: main.nowMs)
        configurator.closeStopped()
        statistics.draining(listeners: configurator.draining.removedCount)
        if watch?.hasChanged() == true { reload() }
        if isDraining { goOnDraining() }
    }

    private func layerChanged(_ layer: String, _ values: RuntimeValues) {
        runtime = values
        events.add(.runtime, layer, version: publisher.version)
    }

    private func hostsChanged(_ cluster: String, _ before: [SocketAddress], _ now: [SocketAddress]) {
        // Published a moment later: the next plan has them.
        events.add(
            .hosts, cluster, version: publisher.version + 1,
            lines: now.filter { !before.contains($0) }.map { "+ \($0)" } + before.filter { !now.contains($0) }.map { "- \($0)" })
    }
}
