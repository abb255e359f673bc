// A token bucket in one word: the moment at which it was empty, had nothing been taken since. What it holds now is the
// time since then times its rate, at most its size. So it fills by itself, and taking a token is one exchange of one
// word: no lock, no timer, exact for any number of workers.

import CMartlet

package struct BucketSpec: BitwiseCopyable {
    /// Tokens that it holds at most, full at the beginning.
    package var tokensMax: Double
    /// Tokens that come back in a second.
    package var tokensPerSecond: Double

    package init(tokensMax: Double, tokensPerSecond: Double) {
        self.tokensMax = tokensMax
        self.tokensPerSecond = tokensPerSecond
    }
}

/// One word on a cache line of its own, or a worker's alone.
@safe
package struct TokenBucket: BitwiseCopyable {
    /// Words from one bucket to the next, so that no two share a cache line.
    static let stride = 8

    /// What rounding takes of a token: times are sums of quotients.
    private static let slack = 1e-6
    private static let whole = 1 - slack

    private let word: UnsafeMutablePointer<UInt64>
    private let spec: BucketSpec

    package init(_ word: UnsafeMutablePointer<UInt64>, _ spec: BucketSpec) {
        unsafe self.word = unsafe word
        self.spec = spec
    }

    package func fill(nowNs: UInt64) {
        let emptyAt = TokenBucket.seconds(nowNs) - spec.tokensMax / spec.tokensPerSecond
        unsafe cmartlet_store_relaxed(word, emptyAt.bitPattern)
    }

    // HOT: per message.
    /// False: there are not as many tokens, and none is taken. No tokens are never there, as in Envoy.
    package func take(_ count: Double = 1, nowNs: UInt64) -> Bool {
        guard count > 0 else { return false }
        let now = TokenBucket.seconds(nowNs)
        var old = unsafe cmartlet_load_relaxed(word)
        while true {
            let tokens = held(old, now)
            guard tokens >= count - TokenBucket.slack else { return false }
            let new = (now - max(0, tokens - count) / spec.tokensPerSecond).bitPattern
            let found = unsafe cmartlet_compare_exchange(word, old, new)
            if found == old { return true }
            old = found
        }
    }

    // HOT: per message.
    /// Puts tokens back, as many as fit.
    package func give(_ count: Double, nowNs: UInt64) {
        let now = TokenBucket.seconds(nowNs)
        var old = unsafe cmartlet_load_relaxed(word)
        while true {
            let tokens = min(spec.tokensMax, held(old, now) + count)
            let new = (now - tokens / spec.tokensPerSecond).bitPattern
            let found = unsafe cmartlet_compare_exchange(word, old, new)
            if found == old { return }
            old = found
        }
    }

    /// Whole tokens now, and whole seconds until there is one.
    package func state(nowNs: UInt64) -> (remaining: UInt64, resetSeconds: UInt64) {
        let tokens = unsafe held(cmartlet_load_relaxed(word), TokenBucket.seconds(nowNs))
        let reset = tokens >= TokenBucket.whole ? 0 : ((1 - tokens) / spec.tokensPerSecond).rounded(.up)
        return (UInt64(max(0, tokens + (1 - TokenBucket.whole))), UInt64(min(max(0, reset), 1e15)))
    }

    private func held(_ word: UInt64, _ now: Double) -> Double {
        min(spec.tokensMax, (now - Double(bitPattern: word)) * spec.tokensPerSecond)
    }

    private static func seconds(_ ns: UInt64) -> Double { Double(ns) / 1e9 }
}
