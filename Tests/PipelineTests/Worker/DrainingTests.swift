import Pipeline
import Testing

/// Which responses of a listener that drains say `Connection: close`: Envoy's rule.
@Suite struct DrainingTests {
    private func entry(timeS: UInt64, gradual: Bool = true) -> DrainingPart {
        DrainingPart(part: 1, startMs: 10_000, endMs: 10_000 + timeS * 1000, isGradual: gradual, isOver: false)
    }

    /// Of all that chance may say, on how many a response at this time says so.
    private func share(_ entry: DrainingPart, atMs: UInt64) -> UInt64 {
        var share: UInt64 = 0
        for chance in 0..<(entry.endMs - entry.startMs) / 1000 where entry.discourages(nowMs: 10_000 + atMs, random: { _ in chance }) {
            share += 1
        }
        return share
    }

    @Test func immediateIsAlways() {
        let entry = entry(timeS: 600, gradual: false)
        #expect(entry.discourages(nowMs: 10_000) { _ in fatalError("no chance is asked") })
    }

    @Test func theShareGrowsWithTheTime() {
        let entry = entry(timeS: 10)
        #expect(share(entry, atMs: 0) == 0)
        // What is left is rounded down.
        #expect(share(entry, atMs: 1) == 1)
        #expect(share(entry, atMs: 1_000) == 1)
        #expect(share(entry, atMs: 5_000) == 5)
        #expect(share(entry, atMs: 9_999) == 10)
    }

    @Test func behindTheTimeIsAlways() {
        #expect(entry(timeS: 10).discourages(nowMs: 20_000) { _ in fatalError("no chance is asked") })
        #expect(entry(timeS: 10).discourages(nowMs: .max) { _ in fatalError("no chance is asked") })
    }

    @Test func noTimeIsAlways() {
        #expect(entry(timeS: 0).discourages(nowMs: 10_000) { _ in fatalError("no chance is asked") })
        #expect(entry(timeS: 0).discourages(nowMs: 9_999) { _ in fatalError("no chance is asked") })
    }
}
