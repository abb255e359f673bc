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
import Transport

package struct ServerOptions {
    package var concurrency: Int
    package var configPath: String?
    package var configYAML: String?
    package var shutdownGraceS: UInt64 = 30
    package var pinsWorkers = false
    package var watches = false
    /// What a field is that Martlet does not know, in the bootstrap.
    package var unknownFields = ConfigError.Severity.error
    /// `--drain-time-s` and `--drain-strategy`.
    /// What this build calls itself.
    package var version = ""
    package var drain = DrainOptions()
    /// First digits of the commit, as `server.version` shows them.
    package var versionHash: UInt64 = 0
    /// `--enable-mutex-tracing`, `--sample-heap-bytes`.
    package var countsLockWaits = false
    package var heapSampleBytes: UInt64?
    package var logFlushIntervalMs: UInt64 = 10_000
    package init(concurrency: Int) { self.concurrency = concurrency }
}

package enum ServerError: Error {
    case config(ConfigErrors)
    case listen(ListenError)
    case ring(RingError)
}

@safe
package final class Server {
    /// How often main looks after what has no event of its own: parts to free, a drain that may be over.
    private static let tickMs: UInt64 = 50
    /// How long the end of the process waits for access logs that nobody reads.
    private static let logFlushLimitMs = 2000
    /// How long it waits for collectors of spans and log lines.
    private static let exportFlushLimitMs: UInt64 = 2000
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
    private let exportInbox = ExportInbox()
    private let signals: Int32
    private let signalBytes = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
    private let tick = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    /// There from `start` on.
    package private(set) var statisticsFlush: StatisticsFlush?
    /// Nil: no such sink is configured.
    package private(set) var hystrix: HystrixSink?
    private var drainDeadlineMs: UInt64 = 0
    private var exportsDeadlineMs: UInt64 = 0
    package private(set) var isDraining = false
    private var socketsAreClosed = false
    package private(set) var failsHealthChecks = false
    package let log: Log
    package let profiler = CPUProfiler()
    package let allocationProfiler = AllocationProfiler()
    /// Whoever waits for something that another thread or the time brings.
    package var onTick: (() -> Void)?
    private let statistics: ProcessStatistics
    private let listenerDrain: ListenerDrain
    package var runtime: RuntimeValues {
        get { configurator.runtime }
        set {
            configurator.runtime = newValue
            statistics.runtime(newValue)
        }
    }
    package private(set) var events = ServerEvents()
    private let filesystemScope: StatScope<FilesystemStat>
    private let planScope: StatScope<PlanStat>
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
        let callConfig = unsafe CallConfig.make(
            routerStats: stats.scope("http.async-client.", RouterStat.self).base)
        do throws(RingError) {
            var workerOptions = WorkerOptions()
            workerOptions.index = options.concurrency
            workerOptions.receiveBuffers = 64
            unsafe workerOptions.callConfig = unsafe callConfig
            main = try Worker(options: workerOptions, mailbox: mainMailbox, cells: stats.mainCells)
        } catch {
            throw .ring(error)
        }
        configurator.dns = DNSReactor(main, stats)
        configurator.onDiscovery = { [log] line in log.write(.warning, "config", line) }
        configurator.onHosts = { [unowned self] in hostsChanged($0, $1, $2) }
        stats.refresh = { [unowned configurator] in configurator.refreshBreakerGauges() }
        threads = mailboxes.enumerated().map { i, mailbox in
            unsafe WorkerThread(
                index: i, mailbox: mailbox, cells: stats.cells(worker: i), pins: options.pinsWorkers,
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
        statistics.began(concurrency: options.concurrency, versionHash: options.versionHash)
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

    private func configurationApplied() {
        statistics.applied(
            configurator.changes, listeners: configurator.listeners.count, clusters: configurator.clusters.count)
        let bootstrap = configurator.document?.bootstrap ?? .init()
        runtimeWatch = RuntimeWatch(bootstrap)
        loadRuntime()
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
        let now = Int(Clock.wallNs() / 1_000_000_000)
        let days = configurator.certificates.flatMap { $0.chains + $0.authorities }.map { $0.daysLeft(now: now) }
        statistics.firstCertificateExpires(inDays: days.min())
        statistics.firstStapleExpires(inSeconds: configurator.certificates.flatMap(\.chains).compactMap { $0.stapleSecondsLeft(now: now) }.min())
        countParts()
    }

    private func startThreads() throws(RingError) {
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
    private func changeWatchdogs(_ configs: WatchdogConfigs) {
        watchdogStatistics?.keepActions(configs)
        watchdog?.change(configs)
    }

    package private(set) var workersAreStarted = false
    private var exitStatus: Int32 = 0

    package var state: String {
        isDraining || failsHealthChecks ? "DRAINING" : workersAreStarted ? "LIVE" : configurator.clustersAreWarm ? "INITIALIZING" : "PRE_INITIALIZING"
    }

    private var kept: [AnyObject] = []
    /// Keeps an object as long as the process serves.
    package func keep(_ object: AnyObject) { kept.append(object) }

    private func logWarnings() {
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

    package func quit() { beginDrain("/quitquitquit") }

    /// SIGUSR1, `/reopen_logs`
    package func reopenLogs() {
        log.reopen()
        configurator.logSinks.reopen()
    }

    /// `/healthcheck/fail` and `/healthcheck/ok`.
    package func failHealthChecks(_ failing: Bool) {
        events.add(
            failing ? .healthChecksFail : .healthChecksPass, failing ? "/healthcheck/fail" : "/healthcheck/ok",
            version: publisher.version)
        setHealthChecksFailing(failing)
    }

    private func setHealthChecksFailing(_ failing: Bool) {
        failsHealthChecks = failing
        ServerHealth.shared.setFailing(failing || isDraining)
        refreshStatistics()
    }

    /// `/runtime_modify` has set `runtime`.
    package func runtimeModified(_ assignments: [String]) {
        events.add(.runtime, "/runtime_modify", version: publisher.version, lines: assignments)
    }

    /// `/drain_listeners`.
    package func drainListeners(inboundOnly: Bool, graceful: Bool, skipsExit: Bool) {
        let stopped = listenerDrain.begin(
            inboundOnly: inboundOnly, graceful: graceful, skipsExit: skipsExit, nowMs: main.nowMs)
        statistics.stopped(listeners: stopped)
        events.add(.listenersDrained, "/drain_listeners", version: publisher.version)
    }

    private func beginDrain(_ why: String) {
        isDraining = true
        events.add(.draining, why, version: publisher.version)
        setHealthChecksFailing(true)
        drainDeadlineMs = main.nowMs + options.shutdownGraceS * 1000
        log.write(
            .info, "main",
            "\(why): draining \(activeConnections) connections, at most \(options.shutdownGraceS) s (--shutdown-grace-s)")
        configurator.setDrain(.closing)
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
        lookAtRuntime()
        configurator.logSinks.publish(stats.mainCells, filesystemScope)
        let retired = stats.retiredScopes()
        if !retired.isEmpty { stats.recycle(retired) }
        countParts()
        statistics.stopped(listeners: listenerDrain.ticked(nowMs: main.nowMs))
        configurator.endDrains(nowMs: main.nowMs)
        statistics.draining(listeners: configurator.draining.removedCount)
        if watch?.hasChanged() == true { reload() }
        guard isDraining else { return }
        if !socketsAreClosed, publisher.nobodyAccepts || !workersAreStarted {
            configurator.closeSockets()
            socketsAreClosed = true
        }
        // Connections of listeners that are gone, too.
        let open = socketsAreClosed ? publisher.connections : activeConnections
        if open == 0 && socketsAreClosed && exportsAreFlushed || main.nowMs >= drainDeadlineMs {
            if open > 0 { log.write(.warning, "main", "grace period over: closing \(open) connections") }
            main.stop()
        }
    }

    /// The last connection's lines and spans have left, or nobody takes them.
    private var exportsAreFlushed: Bool {
        if exportsDeadlineMs == 0 {
            exportsDeadlineMs = main.nowMs + Server.exportFlushLimitMs
            statisticsFlush?.flushMetrics()
            main.endExports()
        }
        if publisher.pendingExports == 0 && exportInbox.isEmpty { return true }
        return main.nowMs >= exportsDeadlineMs
    }

    private func hostsChanged(_ cluster: String, _ before: [SocketAddress], _ now: [SocketAddress]) {
        // Published a moment later: the next plan has them.
        events.add(
            .hosts, cluster, version: publisher.version + 1,
            lines: now.filter { !before.contains($0) }.map { "+ \($0)" } + before.filter { !now.contains($0) }.map { "- \($0)" })
    }

    // MARK: Reload

    /// Reads the bootstrap again. A wrong one is refused with its errors, and the old plan serves on.
    package func reload() {
        guard let path = options.configPath else {
            log.write(.warning, "config", "nothing to reload: the configuration is not a file")
            return
        }
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(
                path: path, yaml: options.configYAML, unknownFields: options.unknownFields)
            apply(document, path)
        } catch {
            refuse(error, path)
        }
    }

    private func apply(_ document: ConfigDocument, _ path: String) {
        do throws(Configurator.Failure) {
            let before = configurator.watchdogs
            try configurator.apply(document)
            if let configs = configurator.watchdogs, configs != before { changeWatchdogs(configs) }
            logWarnings()
            configurationApplied()
            events.add(
                .applied, path, version: publisher.version, changes: configurator.changes, lines: configurator.changes.lines)
            stats.mainCells.increment(planScope[.reloadsApplied])
            log.write(.info, "config", "\(path): applied")
            martlet_release_spare_memory()
        } catch {
            switch error {
            case .config(let errors): refuse(errors, path)
            case .listen(let error):
                stats.mainCells.increment(planScope[.reloadsRefused])
                events.add(.refused, path, version: publisher.version, lines: [error.text])
                log.write(.error, "config", "\(path): refused, the old configuration serves on: \(error.text)")
            }
        }
    }

    private func reloadCertificates() {
        configurator.reloadCertificates { owner in
            stats.mainCells.increment(planScope[.certificatesRenewed])
            events.add(.certificates, owner + "ssl", version: publisher.version)
            log.write(.info, "config", "\(owner)ssl: certificates read again")
        } failed: { owner, errors in
            stats.mainCells.increment(planScope[.certificatesRefused])
            events.add(
                .certificatesRefused, owner + "ssl", version: publisher.version, lines: errors.map(\.description))
            for error in errors {
                let found = error.found.map { ": \($0)" } ?? ""
                log.write(.error, "config", "\(owner)ssl: the old certificates serve on: \(error.message)\(found)")
            }
        }
    }

    private func refuse(_ errors: ConfigErrors, _ path: String) {
        stats.mainCells.increment(planScope[.reloadsRefused])
        events.add(.refused, path, version: publisher.version, lines: errors.errors.map(\.description))
        log.write(.error, "config", "\(path): refused, the old configuration serves on")
        for error in errors.errors { log.write(.error, "config", error.description) }
    }
}

extension ListenError {
    /// One clear line.
    package var text: String {
        switch self {
        case .inUse(let address): "cannot bind '\(address)': Address already in use"
        case .denied(let address): "cannot bind '\(address)': Permission denied"
        case .other(let address, let error): unsafe "cannot bind '\(address)': \(String(cString: strerror(error)))"
        }
    }
}

extension RingError {
    package var text: String {
        switch self {
        case .setup(let error) where error == EPERM || error == EACCES:
            "io_uring is not allowed here (EPERM): set the sysctl kernel.io_uring_disabled to 0, and let the container's seccomp profile pass io_uring_setup, io_uring_enter and io_uring_register"
        case .setup(let error) where error == ENOSYS:
            "there is no io_uring here (ENOSYS): Linux 6.1 or newer is needed, and a seccomp profile that passes io_uring_setup, io_uring_enter and io_uring_register"
        case .setup(let error) where error == ENOMEM:
            unsafe "io_uring cannot be set up (\(String(cString: strerror(error)))): raise the limit of locked memory (ulimit -l) or the memory of the container"
        case .setup(let error): unsafe "io_uring cannot be set up: \(String(cString: strerror(error)))"
        case .kernelTooOld: "the kernel's io_uring is too old: Linux 6.1 or newer is needed"
        case .buffers(let error): unsafe "receive buffers cannot be registered: \(String(cString: strerror(error)))"
        }
    }
}
