// One thing that a management server is asked for: which resources, what becomes of them, what is counted.
//
// Owner: main. It knows no stream: `DiscoveryStream` brings what comes. Whoever wants the resources gives `update`, which
// takes a response whole or refuses it (false: it says nothing of what was asked for), and `settled`, which is told once, when
// there is no sense in waiting any more.

import Pipeline
import Primitives
import Stats
import StatsStore

package final class Subscription {
    /// Envoy's `initial_fetch_timeout`.
    static let fetchTimeoutMs: UInt64 = 15_000

    package let names: [String]
    private let update: (DiscoveryUpdate) throws(DiscoveryRefusal) -> Bool
    private let settled: () -> Void
    private let log: (String) -> Void

    /// How lines of the log begin: `gRPC config`.
    private let shown: String
    /// What they call it: the type, or the path.
    private let subject: String
    /// REST and files: each look is an attempt, not each answer.
    private let isPolled: Bool

    private let stats: StatRegistry
    private let scope: StatScope<SubscriptionStat>
    private var timeout: ControlTimer?
    /// An update has come, has been refused, or the time is over.
    package private(set) var isSettled = false

    /// `path`: of REST, or with `isFile` of the file; nil: messages of a stream bring what comes.
    package init(
        _ names: [String], type: String, path: String?, isFile: Bool = false, _ stats: StatRegistry, _ scope: StatScope<SubscriptionStat>,
        update: @escaping (DiscoveryUpdate) throws(DiscoveryRefusal) -> Bool, settled: @escaping () -> Void, log: @escaping (String) -> Void
    ) {
        self.names = names
        isPolled = path != nil
        shown = path == nil ? "gRPC config" : isFile ? "Filesystem config" : "REST config"
        subject = path ?? type
        self.stats = stats
        self.scope = scope
        self.update = update
        self.settled = settled
        self.log = log
    }

    private var cells: StatCells { stats.mainCells }

    func attempted() { if !isPolled { asked() } }

    /// REST: a request leaves. A file is read.
    func asked() { cells.increment(scope[.updateAttempt]) }

    /// `timeoutMs` 0: waits without end.
    func start(_ reactor: DNSReactor, timeoutMs: UInt64) {
        attempted()
        guard timeoutMs > 0 else { return }
        let timer = reactor.timer { [unowned self] in timedOut() }
        timer.arm(afterMs: timeoutMs)
        timeout = timer
    }

    func stop() {
        timeout?.end()
        timeout = nil
    }

    // MARK: What the stream brings

    /// What concerns it. A refusal is counted by whoever tells all of it (`rejected`).
    func take(_ response: DiscoveryUpdate) throws(DiscoveryRefusal) {
        let began = Clock.monotonicNs()
        guard try update(response) else { return }
        cells.increment(scope[.updateSuccess])
        attempted()
        cells.set(scope[.updateTime], Clock.wallNs() / 1_000_000)
        cells.record(scope[.updateDuration], (Clock.monotonicNs() &- began) / 1_000_000)
        let version = Array(response.version.utf8)
        stats.set(scope[.version], wide: version.withBytes { XXHash64.hash($0) })
        stats.setText(scope[.versionText], ShownText.of(response.version))
        settle()
    }

    /// What has come cannot be used: what was there before goes on, and nothing is waited for.
    func rejected(_ refusal: DiscoveryRefusal) {
        cells.increment(scope[.updateRejected])
        attempted()
        log("\(shown) for \(subject) rejected: \(ShownText.of(refusal.reason))")
        settle()
    }

    /// A file that cannot be read, or is no response.
    func broken(_ reason: String) {
        failed()
        log("\(shown) update failure: in \(subject), \(ShownText.of(reason))")
        settle()
    }

    /// The stream has ended or could not be opened, or nobody has answered.
    func failed() {
        cells.increment(scope[.updateFailure])
        attempted()
    }

    private func timedOut() {
        guard !isSettled else { return }
        cells.increment(scope[.initFetchTimeout])
        attempted()
        log("\(shown): initial fetch timed out for \(subject)")
        settle()
    }

    private func settle() {
        guard !isSettled else { return }
        isSettled = true
        stop()
        settled()
    }
}
