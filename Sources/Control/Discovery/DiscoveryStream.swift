// The stream to a management server: opened, opened again behind a pause when it ends, and what its messages mean to the
// subscriptions on it.
//
// Owner: main, on whose worker it runs; the cluster of the server is in the plan that main's worker has (`Configurator`).

import Pipeline
import Primitives
import Stats
import StatsStore

/// How a subscription asks: over a stream, or again and again.
protocol DiscoveryTransport: AnyObject {
    func start(_ reactor: DNSReactor)
    func stop()
}

@safe
final class DiscoveryStream: CallStream, DiscoveryTransport {
    private let worker: Worker
    private let config: UnsafePointer<ExportConfig>
    /// What errors call it: the method's and the cluster's names.
    private let shown: String
    private(set) var channels: [DiscoveryChannel]
    private let stats: StatRegistry
    private let scope: StatScope<ControlPlaneStat>
    private let log: (String) -> Void

    private var timer: ControlTimer?
    private var pauses: ReconnectPauses
    private var isStopped = false
    private(set) var isOpen = false
    /// A response is being taken: what follows from it is asked for behind the answer to it.
    private var isTaking = false

    init(
        _ worker: Worker, _ config: UnsafePointer<ExportConfig>, shown: String, _ channels: [DiscoveryChannel], _ pauses: ReconnectPauses,
        _ stats: StatRegistry, _ scope: StatScope<ControlPlaneStat>, log: @escaping (String) -> Void
    ) {
        self.worker = worker
        unsafe self.config = unsafe config
        self.shown = shown
        self.channels = channels
        self.pauses = pauses
        self.stats = stats
        self.scope = scope
        self.log = log
    }

    /// The worker sees its plan at the end of a turn, and a stream needs the cluster: the first try is a moment later.
    func start(_ reactor: DNSReactor) {
        let timer = reactor.timer { [unowned self] in connect() }
        self.timer = timer
        timer.arm(afterMs: 1)
    }

    func stop() {
        isStopped = true
        timer?.end()
        timer = nil
        worker.cancel(self)
    }

    private func connect() {
        guard unsafe worker.open(self, config) else { return again("no memory for a stream", status: 14) }
        stats.mainCells.set(scope[.connectedState], 1)
        isOpen = true
        for channel in channels where isOpen { send(channel.opening()) }
    }

    /// Another type: asked for from here on (`sendChanges`).
    func add(_ channel: DiscoveryChannel) { channels.append(channel) }

    /// Once for all that has changed in a turn. A server that takes nothing is told when it does (`drained`).
    func sendChanges() {
        if isTaking { return }
        for channel in channels where isOpen && !worker.isFull(self) {
            if let request = channel.changes() { send(request) }
        }
    }

    override func drained() { sendChanges() }

    private func send(_ request: [UInt8]) {
        _ = request.withBytes { worker.send($0, on: self) }
    }

    // MARK: What the server says

    override func received(_ message: Bytes) {
        pauses.reset()
        let bytes = [UInt8](message)
        for channel in channels {
            switch channel.session.read(bytes) {
            case .update(let update):
                if !update.server.isEmpty { stats.setText(scope[.identifier], ShownText.of(update.server)) }
                isTaking = true
                let answer = channel.received(update)
                isTaking = false
                guard isOpen else { return }
                send(answer)
                return sendChanges()
            case .foreign: continue
            case .malformed:
                worker.cancel(self)
                return again("a response that is none", status: 13)
            }
        }
    }

    override func ended(_ end: CallStreamEnd) {
        again(String(decoding: [UInt8](end.message), as: UTF8.self), status: end.status)
    }

    private func again(_ reason: String, status: Int64) {
        stats.mainCells.set(scope[.connectedState], 0)
        isOpen = false
        guard !isStopped else { return }
        log("\(shown) closed: \(status), \(ShownText.of(reason))")
        for channel in channels { channel.failed() }
        timer?.arm(afterMs: pauses.next(worker.random.next()))
    }
}
