// `slow_start_config`: a host that is new gets a growing share of its weight until its window is over.

import Glibc
import Primitives

package struct SlowStart: BitwiseCopyable {
    package var windowMs: UInt64
    /// The share grows with the time's power of 1/aggression. A runtime value goes first.
    package var aggression = 1.0
    package var aggressionCell: RuntimeCell?
    /// The least share, from 0 to 1.
    package var weightMin = 0.1
    package init(windowMs: UInt64) { self.windowMs = windowMs }

    // HOT: per request, while a host is new.
    /// What a host's weight is multiplied by. `addedMs`: since when it has been there.
    package func factor(addedMs: UInt64, nowMs: UInt64) -> Double {
        guard isNew(addedMs: addedMs, nowMs: nowMs) else { return 1 }
        let passed = max(1, nowMs > addedMs ? nowMs &- addedMs : 0)
        let time = Double(passed) / Double(windowMs)
        let set = aggressionCell?.number(default: aggression) ?? aggression
        let aggression = set > 0 ? set : 1
        let grown = aggression == 1 || time >= 1 ? time : pow(time, 1 / aggression)
        return max(grown, weightMin, Double.leastNormalMagnitude)
    }

    package func isNew(addedMs: UInt64, nowMs: UInt64) -> Bool { nowMs < addedMs &+ windowMs }
}
