// `hash_balance_factor`: consistent hashing with bounded loads. A host that has its share of the active requests already
// passes the request on to another one, drawn in an order that the hash alone decides, so that equal requests meet at the
// same host again (Mirrokni et al., arXiv 1608.01350; random jumps as in arXiv 1908.08762).
//
// Owned by a worker's balancer. What is active is what this worker has active.

import Primitives

@safe
struct BoundedLoad {
    private let factor: UInt32
    /// A level's hosts and their shares.
    private let candidates: FrozenArray<UInt32>
    private let weights: FrozenArray<Double>
    /// The order of the hosts for one choice, and the generator's state.
    private let order: UnsafeMutablePointer<UInt32>
    private let state: UnsafeMutablePointer<UInt32>
    private var stateIndex = 0
    private static let stateCount = 624

    init(_ factor: UInt32, _ level: PriorityLevel) {
        self.factor = factor
        candidates = level.candidates
        weights = level.shares
        unsafe order = .allocate(capacity: max(level.candidates.count, 1))
        unsafe state = .allocate(capacity: BoundedLoad.stateCount)
    }

    func destroy() {
        unsafe order.deallocate()
        unsafe state.deallocate()
    }

    /// `first`: the host of the hash.
    mutating func choose(_ first: UInt32, hash: UInt64, active: (UInt32) -> UInt32) -> UInt32 {
        let count = candidates.count
        var overall: UInt64 = 0
        for i in 0..<count { overall &+= UInt64(active(candidates[i])) }
        let slots = ((overall &+ 1) &* UInt64(factor) &+ 99) / 100
        var least = first
        var leastLoad = load(first, slots, active)
        if leastLoad <= 1 { return first }
        seed(UInt32(truncatingIfNeeded: hash))
        for i in 0..<count { unsafe order[i] = UInt32(truncatingIfNeeded: i) }
        for i in 0..<count {
            let j = i &+ Int(below(UInt32(truncatingIfNeeded: count &- i)))
            let chosen = unsafe order[j]
            unsafe order[j] = unsafe order[i]
            unsafe order[i] = chosen
            let host = candidates[Int(chosen)]
            if host == first { continue }
            let load = load(host, slots, active)
            if load <= 1 { return host }
            if load < leastLoad { (least, leastLoad) = (host, load) }
        }
        return least
    }

    private func load(_ host: UInt32, _ slots: UInt64, _ active: (UInt32) -> UInt32) -> Double {
        var place = 0
        while place < candidates.count, candidates[place] != host { place &+= 1 }
        guard place < weights.count else { return 0 }
        let own = max((Double(slots) * weights[place]).rounded(.up), 1)
        return Double(active(host)) / own
    }

    // MARK: MT19937 (Matsumoto and Nishimura, 1998): the sequence that Envoy draws

    private mutating func seed(_ value: UInt32) {
        unsafe state[0] = value
        for i in 1..<BoundedLoad.stateCount {
            let before = unsafe state[i &- 1]
            unsafe state[i] = 1_812_433_253 &* (before ^ (before >> 30)) &+ UInt32(truncatingIfNeeded: i)
        }
        stateIndex = BoundedLoad.stateCount
    }

    private mutating func next() -> UInt32 {
        if stateIndex >= BoundedLoad.stateCount { twist() }
        var y = unsafe state[stateIndex]
        stateIndex &+= 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9d2c_5680
        y ^= (y << 15) & 0xefc6_0000
        return y ^ (y >> 18)
    }

    private mutating func twist() {
        let n = BoundedLoad.stateCount
        for i in 0..<n {
            let y = unsafe (state[i] & 0x8000_0000) | (state[(i &+ 1) % n] & 0x7fff_ffff)
            unsafe state[i] = unsafe state[(i &+ 397) % n] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
        }
        stateIndex = 0
    }

    private mutating func below(_ bound: UInt32) -> UInt32 {
        guard bound > 1 else {
            _ = next()
            return 0
        }
        let step = (UInt64(1) << 32) / UInt64(bound)
        var value = bound
        // Fewer than half of the draws are refused: 64 in a row never are.
        var draws = 0
        while value >= bound, draws < 64 {
            value = UInt32(truncatingIfNeeded: UInt64(next()) / step)
            draws &+= 1
        }
        return min(value, bound &- 1)
    }
}
