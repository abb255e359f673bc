import Extensions
import Testing

@Suite struct HealthCheckCacheTests {
    @Test func answerIsGoodUntilTheNextTick() {
        let cache = HealthCheckCache(periodMs: 1000, nowMs: 5000)
        defer { cache.destroy() }
        #expect(cache.answer(nowMs: 5000) == nil)
        cache.keep(HealthCheckCache.Answer(status: 503, isDegraded: true), nowMs: 5400)
        #expect(cache.answer(nowMs: 5999) == HealthCheckCache.Answer(status: 503, isDegraded: true))
        #expect(cache.answer(nowMs: 6000) == nil)
        cache.keep(HealthCheckCache.Answer(status: 200, isDegraded: false), nowMs: 6000)
        #expect(cache.answer(nowMs: 6000) == HealthCheckCache.Answer(status: 200, isDegraded: false))
    }
}
