import Extensions
import Testing

@Suite struct TokenBucketTests {
    private let second: UInt64 = 1_000_000_000

    private func with(_ max: Double, _ rate: Double, _ body: (TokenBucket) -> Void) {
        let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        defer { unsafe word.deallocate() }
        unsafe word.initialize(to: 0)
        let bucket = unsafe TokenBucket(word, BucketSpec(tokensMax: max, tokensPerSecond: rate))
        bucket.fill(nowNs: 1000 * second)
        body(bucket)
    }

    @Test func beginsFullAndRunsEmpty() {
        with(3, 1) { bucket in
            for left in [2, 1, 0] as [UInt64] {
                #expect(bucket.take(nowNs: 1000 * second))
                #expect(bucket.state(nowNs: 1000 * second).remaining == left)
            }
            #expect(!bucket.take(nowNs: 1000 * second))
            #expect(bucket.state(nowNs: 1000 * second).resetSeconds == 1)
        }
    }

    @Test func fillsSteadilyAndNotBeyondItsSize() {
        with(2, 0.5) { bucket in
            #expect(bucket.take(nowNs: 1000 * second) && bucket.take(nowNs: 1000 * second))
            #expect(!bucket.take(nowNs: 1001 * second))
            #expect(bucket.take(nowNs: 1002 * second))
            #expect(!bucket.take(nowNs: 1002 * second))
            #expect(bucket.state(nowNs: 9000 * second).remaining == 2)
        }
    }

    @Test func takesSeveralOrNone() {
        with(5, 1) { bucket in
            #expect(bucket.take(2, nowNs: 1000 * second) && bucket.take(2, nowNs: 1000 * second))
            #expect(!bucket.take(2, nowNs: 1000 * second))
            #expect(bucket.state(nowNs: 1000 * second).remaining == 1)
            #expect(!bucket.take(0, nowNs: 1000 * second))
        }
    }

    @Test func givesBackWhatFits() {
        with(3, 1) { bucket in
            #expect(bucket.take(2, nowNs: 1000 * second))
            bucket.give(1, nowNs: 1000 * second)
            #expect(bucket.state(nowNs: 1000 * second).remaining == 2)
            bucket.give(9, nowNs: 1000 * second)
            #expect(bucket.state(nowNs: 1000 * second).remaining == 3)
        }
    }

    /// A worker whose clock is a turn behind another's takes nothing that is not there.
    @Test func earlierClockTakesNothing() {
        with(1, 1000) { bucket in
            #expect(bucket.take(nowNs: 1000 * second))
            #expect(!bucket.take(nowNs: 999 * second))
        }
    }
}
