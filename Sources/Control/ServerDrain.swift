// The end of serving: health checks that fail, listeners that are drained, and the process, which goes when its last
// connection has gone and what tells of it has left.

import Pipeline
import Primitives
import Stats

extension Server {
    package func quit() { beginDrain("/quitquitquit") }

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

    /// `/drain_listeners`.
    package func drainListeners(inboundOnly: Bool, graceful: Bool, skipsExit: Bool) {
        let stopped = listenerDrain.begin(
            inboundOnly: inboundOnly, graceful: graceful, skipsExit: skipsExit, nowMs: main.nowMs)
        statistics.stopped(listeners: stopped)
        events.add(.listenersDrained, "/drain_listeners", version: publisher.version)
    }

    func beginDrain(_ why: String) {
        isDraining = true
        events.add(.draining, why, version: publisher.version)
        setHealthChecksFailing(true)
        drainDeadlineMs = main.nowMs + options.shutdownGraceS * 1000
        log.write(
            .info, "main",
            "\(why): draining \(activeConnections) connections, at most \(options.shutdownGraceS) s (--shutdown-grace-s)")
        configurator.setDrain(.closing)
    }

    /// Looks whether the last connection has gone, or the time is over.
    func goOnDraining() {
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
}
