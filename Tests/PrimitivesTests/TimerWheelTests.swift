import Primitives
import Testing

/// Nodes in plain memory, as their owners have them.
@safe
private final class Nodes {
    let base: UnsafeMutablePointer<TimerNode>
    let count: Int
    init(_ count: Int) {
        self.count = count
        unsafe base = .allocate(capacity: count)
        for i in 0..<count { unsafe (base + i).initialize(to: TimerNode(token: UInt64(i))) }
    }
    deinit { unsafe base.deallocate() }
    subscript(_ index: Int) -> UnsafeMutablePointer<TimerNode> { unsafe base + index }
}

@Suite struct TimerWheelTests {
    private func fired(_ wheel: TimerWheel, at time: UInt64, limit: Int = .max) -> [UInt64] {
        var tokens: [UInt64] = []
        _ = wheel.advance(to: time, limit: limit) { tokens.append($0) }
        return tokens
    }

    @Test func firesAtItsDeadlineAndOnce() {
        let wheel = TimerWheel(now: 1000)
        defer { wheel.destroy() }
        let nodes = Nodes(1)
        unsafe wheel.arm(nodes[0], at: 1010)
        #expect(fired(wheel, at: 1009) == [])
        #expect(fired(wheel, at: 1010) == [0])
        #expect(unsafe !nodes[0].pointee.isArmed)
        #expect(fired(wheel, at: 100_000) == [])
        #expect(wheel.count == 0)
    }

    @Test func aDeadlineInThePastFiresAtTheNextTick() {
        let wheel = TimerWheel(now: 1000)
        defer { wheel.destroy() }
        let nodes = Nodes(1)
        unsafe wheel.arm(nodes[0], at: 3)
        #expect(fired(wheel, at: 1000) == [])
        #expect(fired(wheel, at: 1001) == [0])
    }

    @Test func cancelledNeverFires() {
        let wheel = TimerWheel(now: 0)
        defer { wheel.destroy() }
        let nodes = Nodes(3)
        for i in 0..<3 { unsafe wheel.arm(nodes[i], at: 50) }
        unsafe wheel.cancel(nodes[1])
        unsafe wheel.cancel(nodes[1])
        #expect(Set(fired(wheel, at: 60)) == [0, 2])
    }

    @Test func armNoLaterKeepsTheSooner() {
        let wheel = TimerWheel(now: 0)
        defer { wheel.destroy() }
        let nodes = Nodes(1)
        unsafe wheel.armNoLater(nodes[0], than: 100)
        unsafe wheel.armNoLater(nodes[0], than: 200)
        #expect(fired(wheel, at: 99) == [])
        unsafe wheel.armNoLater(nodes[0], than: 99)
        #expect(fired(wheel, at: 100) == [0])
    }

    @Test func beyondTheWheelsReach() {
        let wheel = TimerWheel(now: 12_345)
        defer { wheel.destroy() }
        let nodes = Nodes(1)
        let deadline = UInt64(1) << 37
        unsafe wheel.arm(nodes[0], at: deadline)
        #expect(fired(wheel, at: deadline - 1) == [])
        #expect(fired(wheel, at: deadline) == [0])
    }

    /// A machine that has been up for 2.18 years: the clock passes 2³⁶ ms, where the last level turns.
    @Test func acrossTheTurnOfTheLastLevel() {
        let wheel = TimerWheel(now: (1 << 36) - 5)
        defer { wheel.destroy() }
        let nodes = Nodes(2)
        unsafe wheel.arm(nodes[0], at: (1 << 36) + 10)
        unsafe wheel.arm(nodes[1], at: (1 << 36) + 100_000)
        #expect(fired(wheel, at: (1 << 36) + 9) == [])
        #expect(fired(wheel, at: (1 << 36) + 10) == [0])
        #expect(fired(wheel, at: (1 << 36) + 99_999) == [])
        #expect(fired(wheel, at: (1 << 36) + 100_000) == [1])
    }

    @Test func theLimitLeavesTheRestForTheNextCall() {
        let wheel = TimerWheel(now: 0)
        defer { wheel.destroy() }
        let nodes = Nodes(10)
        for i in 0..<10 { unsafe wheel.arm(nodes[i], at: 5) }
        var count = 0
        #expect(wheel.advance(to: 1000, limit: 4) { _ in count += 1 })
        #expect(count == 4)
        #expect(wheel.untilNext == 0, "more is due now")
        #expect(!wheel.advance(to: 1000, limit: 100) { _ in count += 1 })
        #expect(count == 10)
    }

    @Test func whatFiresMayArmAndCancel() {
        let wheel = TimerWheel(now: 0)
        defer { wheel.destroy() }
        let nodes = Nodes(3)
        unsafe wheel.arm(nodes[0], at: 10)
        unsafe wheel.arm(nodes[1], at: 10)
        unsafe wheel.arm(nodes[2], at: 11)
        var order: [UInt64] = []
        _ = wheel.advance(to: 100, limit: 100) { token in
            order.append(token)
            if order.count < 4 { unsafe wheel.arm(nodes[Int(token)], at: 20) }
            unsafe wheel.cancel(nodes[2])
        }
        #expect(order.count == 5 && !order.contains(2))
    }

    @Test func nothingArmedMeansNoWait() {
        let wheel = TimerWheel(now: 99)
        defer { wheel.destroy() }
        #expect(wheel.untilNext == nil)
        #expect(fired(wheel, at: 1 << 40) == [])
        #expect(wheel.now == 1 << 40)
    }

    /// Random arming, moving, cancelling and advancing against a table of deadlines: nothing early, nothing late,
    /// nothing twice, and whoever sleeps for `untilNext` misses nothing.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func randomUseEqualsASortedReference(seed: UInt64) {
        var random = Random(seed: seed)
        let start = random.below(1 << 34)
        let wheel = TimerWheel(now: start)
        defer { wheel.destroy() }
        let nodes = Nodes(200)
        var reference: [Int: UInt64] = [:]
        var now = start
        for _ in 0..<20_000 {
            let i = Int(random.below(200))
            switch random.below(8) {
            case 0...3:
                let deadline = now + random.below(1 << random.below(30))
                unsafe wheel.arm(nodes[i], at: deadline)
                reference[i] = max(deadline, now + 1)
            case 4:
                let deadline = now + random.below(1 << random.below(20))
                if reference[i].map({ $0 > deadline }) ?? true { reference[i] = max(deadline, now + 1) }
                unsafe wheel.armNoLater(nodes[i], than: deadline)
            case 5:
                unsafe wheel.cancel(nodes[i])
                reference[i] = nil
            default:
                if let wait = wheel.untilNext {
                    let soonest = reference.values.min() ?? .max
                    #expect(now + wait <= soonest, "the wheel sleeps past a deadline")
                } else {
                    #expect(reference.isEmpty)
                }
                now += random.below(1 << random.below(24))
                var seen: Set<Int> = []
                _ = wheel.advance(to: now, limit: .max) { seen.insert(Int($0)) }
                let due = Set(reference.filter { $0.value <= now }.keys)
                #expect(seen == due)
                for i in due { reference[i] = nil }
            }
            #expect(wheel.count == reference.count)
        }
    }
}
