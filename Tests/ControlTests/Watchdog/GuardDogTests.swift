import Control
import Testing

/// Envoy's rules (guarddog), with the time as an argument.
struct GuardDogTests {
    private let ms = WatchdogConfig.ms

    private func dog(_ count: Int = 1, _ change: (inout WatchdogConfig) -> Void = { _ in }) -> GuardDog {
        var config = WatchdogConfig()
        change(&config)
        return GuardDog(config, count: count, nowNs: 0)
    }

    private func steps(_ dog: inout GuardDog, to endMs: UInt64, from beginMs: UInt64 = 0, words: [UInt64]) -> [(UInt64, GuardDog.Finding)] {
        var found: [(UInt64, GuardDog.Finding)] = []
        for at in stride(from: beginMs + 50, through: endMs, by: 50) {
            for finding in dog.step(nowNs: at * ms, words: words) { found.append((at, finding)) }
        }
        return found
    }

    @Test
    func aThreadThatWorksOnIsFoundOnceEach() {
        var dog = dog()
        let found = steps(&dog, to: 3000, words: [7])
        // Seen at 50 ms for the first time.
        #expect(found.map(\.0) == [300, 1100])
        #expect(found.map(\.1) == [.miss(0), .megamiss(0)])
    }

    @Test
    func whoRestsOrTurnsIsNotFound() {
        var dog = dog(2)
        for turn in 0..<100 {
            #expect(dog.step(nowNs: UInt64(turn) * 50 * ms, words: [4, UInt64(turn) * 2 + 1]).isEmpty)
        }
    }

    @Test
    func aSecondHangCountsAgain() {
        var dog = dog()
        #expect(steps(&dog, to: 400, words: [7]).map(\.1) == [.miss(0)])
        #expect(steps(&dog, to: 800, from: 400, words: [9]).map(\.1) == [.miss(0)])
        #expect(steps(&dog, to: 1200, from: 800, words: [10]).isEmpty)
    }

    @Test
    func killComesWhereItIsConfigured() {
        var dog = dog { $0.killNs = 500 * WatchdogConfig.ms }
        let found = steps(&dog, to: 600, words: [7])
        #expect(found.map(\.1) == [.miss(0), .kill(0)] && found.last?.0 == 600)
    }

    @Test(arguments: [(0.0, 2), (50.0, 2), (60.0, 3), (100.0, 4)])
    func multikillNeedsItsShare(_ percent: Double, _ needed: Int) {
        for hanging in 0...4 {
            var dog = dog(4) {
                $0.multikillNs = 500 * WatchdogConfig.ms
                $0.multikillPercent = percent
            }
            let words = (0..<4).map { UInt64($0 < hanging ? 7 : 8) }
            let kills = steps(&dog, to: 700, words: words).contains { if case .multikill = $0.1 { true } else { false } }
            #expect(kills == (hanging >= needed), "\(hanging) of 4 at \(percent) %")
        }
    }

    /// The process was stopped: the watchdog, too.
    @Test
    func aPauseOfTheWholeProcessIsNoHang() {
        var dog = dog { $0.killNs = 2000 * WatchdogConfig.ms }
        #expect(dog.step(nowNs: 50 * ms, words: [7]).isEmpty)
        #expect(dog.step(nowNs: 60_000 * ms, words: [7]).isEmpty)
        #expect(dog.step(nowNs: 60_050 * ms, words: [7]).isEmpty)
    }

    @Test
    func intervalIsTheShortestTime() {
        var config = WatchdogConfig()
        #expect(config.intervalNs == 200 * ms)
        config.killNs = 100 * ms
        #expect(config.intervalNs == 100 * ms)
        config.missNs = 0
        config.megamissNs = 0
        config.killNs = 0
        #expect(config.intervalNs == 200 * ms)
    }
}
