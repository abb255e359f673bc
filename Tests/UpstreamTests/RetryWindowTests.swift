import Testing
import Upstream

/// `budget_interval`: what has begun within it, over all threads.
@Suite struct RetryWindowTests {
    private func limits(_ intervalMs: UInt64) -> CircuitLimits {
        var limits = CircuitLimits()
        var budget = RetryBudget()
        budget.intervalMs = intervalMs
        limits.retryBudget = budget
        return limits
    }

    @Test func withoutAnIntervalThereIsNone() {
        #expect(RetryWindow(normal: CircuitLimits(), high: limits(0), threads: 2) == nil)
    }

    @Test func whatIsOldIsForgotten() throws {
        let window = try #require(RetryWindow(normal: limits(1000), high: CircuitLimits(), threads: 2))
        defer { window.destroy() }
        #expect(window.count(.normal, nowMs: 50) == 0)
        #expect(window.count(.high, nowMs: 50) == nil)
        for i in 0..<10 { window.note(.normal, thread: i % 2, nowMs: 5_000 + UInt64(i) * 100) }
        window.note(.high, thread: 0, nowMs: 5_000)
        #expect(window.count(.normal, nowMs: 5_900) == 10)
        #expect(window.count(.normal, nowMs: 5_999) == 10)
        #expect(window.count(.normal, nowMs: 6_000) == 9)
        #expect(window.count(.normal, nowMs: 6_450) == 5)
        #expect(window.count(.normal, nowMs: 6_900) == 0)
        #expect(window.count(.normal, nowMs: 60_000) == 0)
    }

    /// A slot's word serves again, for another time.
    @Test func timeGoesOn() throws {
        let window = try #require(RetryWindow(normal: CircuitLimits(), high: limits(500), threads: 1))
        defer { window.destroy() }
        for ms in stride(from: UInt64(0), to: 20_000, by: 25) {
            window.note(.high, thread: 0, nowMs: ms)
            if ms >= 500 { #expect(window.count(.high, nowMs: ms) == Int64(18 + (ms % 50 == 0 ? 1 : 2))) }
        }
    }

    @Test func anIntervalOfLessThanItsSlotsIsThatMany() throws {
        let window = try #require(RetryWindow(normal: limits(1), high: CircuitLimits(), threads: 1))
        defer { window.destroy() }
        for _ in 0..<3 { window.note(.normal, thread: 0, nowMs: 100) }
        window.note(.normal, thread: 7, nowMs: 100)
        #expect(window.count(.normal, nowMs: 100) == 3)
        #expect(window.count(.normal, nowMs: 109) == 3)
        #expect(window.count(.normal, nowMs: 110) == 0)
    }
}
