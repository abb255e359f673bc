// The upstream's last answer to a health check, shared by all workers: one word.
//
// As in Envoy a clock ticks every `cache_time` from the filter's making on; an answer is good until the next tick, so
// between nothing and `cache_time`.

import CMartlet
import Primitives

@safe
package struct HealthCheckCache: @unchecked Sendable {  // one atomic word
    package struct Answer: Equatable {
        var status: UInt16
        var isDegraded: Bool
        package init(status: UInt16, isDegraded: Bool) {
            self.status = status
            self.isDegraded = isDegraded
        }
    }

    /// Answer in the low 17 bits (16: degraded), above it 1 + the tick in which it came; 0: none yet.
    private let word: UnsafeMutablePointer<UInt64>
    private let periodMs: UInt64
    private let startMs: UInt64

    package init(periodMs: UInt64, nowMs: UInt64) {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        self.periodMs = max(periodMs, 1)
        startMs = nowMs
    }

    package func destroy() { unsafe word.deallocate() }

    private func tick(_ nowMs: UInt64) -> UInt64 { (nowMs &- startMs) / periodMs &+ 1 }

    package func answer(nowMs: UInt64) -> Answer? {
        let value = unsafe cmartlet_load_relaxed(word)
        guard value != 0, value >> 17 == tick(nowMs) else { return nil }
        return Answer(status: UInt16(truncatingIfNeeded: value), isDegraded: value & 1 << 16 != 0)
    }

    package func keep(_ answer: Answer, nowMs: UInt64) {
        let value = UInt64(answer.status) | (answer.isDegraded ? 1 << 16 : 0) | tick(nowMs) << 17
        unsafe cmartlet_store_relaxed(word, value)
    }
}
