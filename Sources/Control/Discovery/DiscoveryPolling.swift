// A management server that is asked over and over (REST): one request, one answer, a pause.
//
// Owner: main, on whose worker it runs. The pause is `refresh_delay` and, by chance, up to as much again, whatever the answer
// was: Envoy's.

import Pipeline
import Primitives

@safe
final class DiscoveryPolling: Fetch, DiscoveryTransport {
    private let worker: Worker
    private let config: UnsafePointer<ExportConfig>
    private let path: String
    private let refreshMs: UInt64
    private let channel: DiscoveryChannel
    private let subscription: Subscription
    private let log: (String) -> Void

    private var timer: ControlTimer?

    /// `refreshMs`: 1 at least.
    init(
        _ worker: Worker, _ config: UnsafePointer<ExportConfig>, path: String, refreshMs: UInt64, _ channel: DiscoveryChannel,
        _ subscription: Subscription, log: @escaping (String) -> Void
    ) {
        self.worker = worker
        unsafe self.config = unsafe config
        self.path = path
        self.refreshMs = refreshMs
        self.subscription = subscription
        self.channel = channel
        self.log = log
        super.init()
    }

    /// The worker sees its plan at the end of a turn, and a request needs the cluster: the first one is a moment later.
    func start(_ reactor: DNSReactor) {
        let timer = reactor.timer { [unowned self] in ask() }
        self.timer = timer
        timer.arm(afterMs: 1)
    }

    func stop() {
        timer?.end()
        timer = nil
        worker.cancel(self)
    }

    private func ask() {
        subscription.asked()
        let request = channel.fetching()
        if !request.withBytes({ unsafe worker.open(self, config, $0) }) { answered(status: 0, .empty) }
    }

    override func answered(status: UInt16, _ body: Bytes) {
        switch status {
        case 200: taken([UInt8](body))
        // RFC 9110 §15.4.5: what is known is good still.
        case 304: break
        default:
            log("REST update for \(path) failed")
            subscription.failed()
        }
        timer?.arm(afterMs: refreshMs &+ worker.random.next() % refreshMs)
    }

    private func taken(_ body: [UInt8]) {
        do throws(DiscoveryRefusal) {
            _ = channel.received(try channel.session.read(json: body, path))
        } catch {
            subscription.rejected(error)
        }
    }
}
