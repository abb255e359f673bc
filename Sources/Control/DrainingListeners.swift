// Listeners whose connections shall go elsewhere: those that a reload has removed, and after `/drain_listeners?graceful`
// those that are served still. Main keeps the times; the plan tells the workers (`DrainingPart`), who do the rest.

import Pipeline
import Primitives

package struct DrainOptions {
    /// `--drain-time-s`, in milliseconds.
    package var timeMs: UInt64 = 600_000
    /// `--drain-strategy`.
    package var isGradual = true
    package init() {}
}

final class DrainingListeners {
    var options = DrainOptions()

    private struct Removed {
        /// Those that some worker still uses: the listener's last part, and earlier ones that connections keep.
        var parts: Set<PartID>
        let startMs: UInt64
        let endMs: UInt64
        var isOver = false
    }
    private var removed: [Removed] = []
    private var graceful: (startMs: UInt64, endMs: UInt64, inboundOnly: Bool)?

    /// `listener_manager.total_listeners_draining`
    var removedCount: Int { removed.count { !$0.isOver } }

    /// `parts`: all of the listener's that are not destroyed. Some may go already, since it was removed before.
    func remove(_ parts: [PartID], nowMs: UInt64) {
        let known = removed.reduce(into: Set<PartID>()) { $0.formUnion($1.parts) }
        removed.append(Removed(parts: Set(parts).subtracting(known), startMs: nowMs, endMs: nowMs + options.timeMs))
    }

    /// The part is gone, and its number may be given to another.
    func destroyed(_ part: PartID) {
        for i in removed.indices { removed[i].parts.remove(part) }
    }

    /// Whether a drain's time is over since the last call: the workers have to be told.
    func ticked(nowMs: UInt64) -> Bool {
        var changed = false
        for i in removed.indices where !removed[i].isOver && nowMs >= removed[i].endMs {
            removed[i].isOver = true
            changed = true
        }
        removed.removeAll { $0.isOver && $0.parts.isEmpty }
        return changed
    }

    /// `/drain_listeners?graceful`: the first one counts, as in Envoy.
    func begin(inboundOnly: Bool, nowMs: UInt64) {
        if graceful != nil, inboundOnly || graceful?.inboundOnly == false { return }
        graceful = (nowMs, nowMs + options.timeMs, inboundOnly)
    }

    func entries(_ served: [LiveListener]) -> [DrainingPart] {
        var entries = removed.flatMap { entry in
            entry.parts.sorted().map {
                DrainingPart(
                    part: $0, startMs: entry.startMs, endMs: entry.endMs, isGradual: options.isGradual, isOver: entry.isOver)
            }
        }
        guard let graceful else { return entries }
        for live in served where !graceful.inboundOnly || live.isInbound {
            entries.append(
                DrainingPart(
                    part: live.draft.part.id, startMs: graceful.startMs, endMs: graceful.endMs, isGradual: options.isGradual,
                    isOver: false))
        }
        return entries
    }
}
