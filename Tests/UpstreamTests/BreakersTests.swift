import Glibc
import Synchronization
import Testing
import Upstream

/// The limit is exact, whoever takes and whoever gives back.
@Suite struct BreakersTests {
    private func make(_ limit: UInt32, threads: Int) -> Breakers {
        var limits = CircuitLimits()
        limits.requests = limit
        return Breakers(normal: limits, high: CircuitLimits(), threads: threads)
    }

    @Test(arguments: [0, 1, 3, 31, 32, 33, 1000])
    func oneThreadGetsExactlyTheLimit(limit: UInt32) {
        let breakers = make(limit, threads: 3)
        defer { breakers.destroy() }
        var taken: UInt32 = 0
        while breakers.take(.requests, .normal, thread: 0) { taken += 1 }
        #expect(taken == limit)
        #expect(breakers.left(.requests, .normal) == 0)
        #expect(breakers.left(.requests, .high) == 1024, "priorities are apart")
    }

    /// Tokens that lie unused in another thread's line are found.
    @Test func anotherThreadsTokensAreTaken() {
        let breakers = make(100, threads: 2)
        defer { breakers.destroy() }
        #expect(breakers.take(.requests, .normal, thread: 1))
        var taken = 0
        while breakers.take(.requests, .normal, thread: 0) { taken += 1 }
        #expect(taken == 99)
        breakers.give(.requests, .normal, thread: 1)
        #expect(breakers.take(.requests, .normal, thread: 0))
        #expect(!breakers.take(.requests, .normal, thread: 1))
    }

    @Test func whatIsGivenBackIsThereAgain() {
        let breakers = make(500, threads: 2)
        defer { breakers.destroy() }
        for round in 0..<3 {
            var taken = 0
            while breakers.take(.requests, .normal, thread: round % 2) { taken += 1 }
            #expect(taken == 500)
            for i in 0..<taken { breakers.give(.requests, .normal, thread: i % 2) }
            #expect(breakers.left(.requests, .normal) == 500)
        }
    }

    @Test func beyondTheLimitIsPaidBackFirst() {
        let breakers = make(1, threads: 1)
        defer { breakers.destroy() }
        #expect(breakers.take(.requests, .normal, thread: 0))
        breakers.takeBeyond(.requests, .normal)
        #expect(breakers.left(.requests, .normal) == -1)
        breakers.give(.requests, .normal, thread: 0)
        #expect(!breakers.take(.requests, .normal, thread: 0))
        breakers.give(.requests, .normal, thread: 0)
        #expect(breakers.take(.requests, .normal, thread: 0))
    }

    /// Whoever has ever been asked is known by it, as long as the limit is not 0.
    @Test(arguments: [1, 2, 40, 1000])
    func whoWasAskedIsKnown(limit: UInt32) {
        for count in [1, 40, 300] where count <= Int(limit) {
            let breakers = make(limit, threads: 2)
            defer { breakers.destroy() }
            #expect(!breakers.isTouched(.requests, .normal, limit: limit))
            for i in 0..<count { #expect(breakers.take(.requests, .normal, thread: i % 2)) }
            #expect(breakers.isTouched(.requests, .normal, limit: limit))
            for _ in 0..<count { breakers.give(.requests, .normal, thread: 1) }
            #expect(breakers.left(.requests, .normal) == Int64(limit))
            #expect(breakers.isTouched(.requests, .normal, limit: limit), "\(count) of \(limit), all given back")
            #expect(!breakers.isTouched(.requests, .high, limit: 1024) && !breakers.isTouched(.connections, .normal, limit: 1024))
        }
        let breakers = make(limit, threads: 2)
        defer { breakers.destroy() }
        breakers.takeBeyond(.requests, .normal)
        breakers.give(.requests, .normal, thread: 0)
        #expect(breakers.isTouched(.requests, .normal, limit: limit))
    }

    /// Four threads take and give back; never more than the limit is out, and in the end nothing is lost.
    @Test func threadsTogetherNeverPassTheLimit() {
        let limit: Int64 = 50
        let breakers = make(UInt32(limit), threads: 4)
        defer { breakers.destroy() }
        let out = Atomic<Int64>(0)
        let most = Atomic<Int64>(0)
        let refused = Atomic<Int64>(0)
        let running = Atomic<Int>(4)
        for thread in 0..<4 {
            Thread.detach {
                var held = 0
                for i in 0..<200_000 {
                    if held < 20, (i ^ (i >> 3)) & 3 != 0 {
                        if breakers.take(.requests, .normal, thread: thread) {
                            held += 1
                            let now = out.add(1, ordering: .relaxed).newValue
                            most.max(now, ordering: .relaxed)
                        } else {
                            refused.add(1, ordering: .relaxed)
                        }
                    } else if held > 0 {
                        held -= 1
                        out.subtract(1, ordering: .relaxed)
                        breakers.give(.requests, .normal, thread: thread)
                    }
                }
                for _ in 0..<held {
                    out.subtract(1, ordering: .relaxed)
                    breakers.give(.requests, .normal, thread: thread)
                }
                running.subtract(1, ordering: .releasing)
            }
        }
        for _ in 0..<30_000 where running.load(ordering: .acquiring) > 0 { usleep(1_000) }
        #expect(running.load(ordering: .acquiring) == 0)
        #expect(most.load(ordering: .relaxed) <= limit)
        #expect(refused.load(ordering: .relaxed) > 0, "the limit was met")
        #expect(breakers.left(.requests, .normal) == limit)
    }
}

/// A thread that runs one closure.
private enum Thread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    static func detach(_ run: @escaping () -> Void) {
        var thread = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
        unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            unsafe Unmanaged<Body>.fromOpaque(opaque).takeRetainedValue().run()
            return nil
        }, unsafe body)
        pthread_detach(thread)
    }
}
