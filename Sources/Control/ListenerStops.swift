// Listeners that take nothing more: stopped by `/drain_listeners`, closed at the end, or sending clients elsewhere.

import Pipeline
import Primitives

extension LiveListener {
    fileprivate var parts: [PlanPart] { [draft.part] + (predecessor.map { [$0.draft.part] } ?? []) }
}

extension Configurator {
    package func setDrain(_ state: DrainState) {
        drain = state
        if state == .closing { sockets.shutAll(but: [], forGood: true) }
        publish()
    }

    /// Responses send clients elsewhere; nothing stops.
    func discourage(inboundOnly: Bool, nowMs: UInt64) {
        draining.begin(inboundOnly: inboundOnly, nowMs: nowMs)
        publish()
    }

    /// Connections of removed listeners whose time is over are closed.
    func endDrains(nowMs: UInt64) {
        if draining.ticked(nowMs: nowMs) { publish() }
    }

    /// Nothing is accepted any more: addresses are free for whoever comes next. Every worker must have emptied its
    /// accept queues (`PlanPublisher.nobodyAccepts`).
    package func closeSockets() {
        for live in withPredecessors {
            for group in live.draft.part.sockets { group.release() }
            live.draft.part.sockets = []
        }
    }

    /// These listeners accept nothing more; what they have accepted goes on. Their sockets are shut, and closed when the
    /// workers have taken what waits (`closeStopped`).
    func stopListeners(inboundOnly: Bool) -> Int {
        let stopped = listeners.filter {
            !$0.isStopped && (!inboundOnly || $0.isInbound)
        }
        for live in stopped {
            live.isStopped = true
            for group in live.parts.flatMap(\.sockets) { group.shut(forGood: true) }
        }
        publish()
        closesStopped = closesStopped || !stopped.isEmpty
        return stopped.count
    }

    /// Called now and then. Who connects to a stopped listener is refused from here on, and its address is free: a socket
    /// that is only shut would leave clients waiting for an answer.
    func closeStopped() {
        guard closesStopped, publisher.nobodyLeaves else { return }
        closesStopped = false
        for part in listeners.filter(\.isStopped).flatMap(\.parts) {
            for group in part.sockets { group.release() }
            part.sockets = []
        }
    }
}
