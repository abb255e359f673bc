// When does a thread hang? A pure machine: time and the threads' words come in, findings go out.
//
// A thread's word is odd while it works and another number each turn; even while it waits in the kernel, which is no
// hanging. So an idle thread has nothing to do for its watchdog. Thresholds, and when a miss counts again, are Envoy's.

package struct GuardDog {
    package struct Watched {
        package var lastCheckinNs: UInt64
        fileprivate var word: UInt64 = 0
        fileprivate var missed = false
        fileprivate var megamissed = false
    }

    package enum Finding: Equatable {
        case miss(Int)
        case megamiss(Int)
        case kill(Int)
        case multikill([Int])
    }

    package let config: WatchdogConfig
    package let intervalNs: UInt64
    package private(set) var watched: [Watched]
    private var lastStepNs: UInt64

    package init(_ config: WatchdogConfig, count: Int, nowNs: UInt64) {
        self.config = config
        intervalNs = config.intervalNs
        watched = (0..<count).map { _ in Watched(lastCheckinNs: nowNs) }
        lastStepNs = nowNs
    }

    /// What was found took its time: looking up names, an action. That is nobody's pause.
    package mutating func resumed(atNs: UInt64) { lastStepNs = atNs }

    /// Indices of findings are those of `words`.
    package mutating func step<Words: RandomAccessCollection>(nowNs: UInt64, words: Words) -> [Finding]
    where Words.Element == UInt64, Words.Index == Int {
        // Whoever looks was held up as well: the process was stopped, or the machine has no room. Nothing can be said.
        let wasHeldUp = nowNs &- lastStepNs > 2 * intervalNs + 100 * WatchdogConfig.ms
        lastStepNs = nowNs
        var findings: [Finding] = []
        var megamisses: [Finding] = []
        var hanging: [Int] = []
        for i in watched.indices {
            let word = words[i]
            if word & 1 == 0 || word != watched[i].word || wasHeldUp {
                watched[i] = Watched(lastCheckinNs: nowNs, word: word)
                continue
            }
            let delta = nowNs &- watched[i].lastCheckinNs
            if delta > config.missNs, !watched[i].missed {
                watched[i].missed = true
                findings.append(.miss(i))
            }
            if delta > config.megamissNs, !watched[i].megamissed {
                watched[i].megamissed = true
                megamisses.append(.megamiss(i))
            }
            if config.killNs > 0, delta > config.killNs { return findings + megamisses + [.kill(i)] }
            if config.multikillNs > 0, delta > config.multikillNs {
                hanging.append(i)
                if hanging.count >= config.multikillCount(of: watched.count) {
                    return findings + megamisses + [.multikill(hanging)]
                }
            }
        }
        return findings + megamisses
    }
}
