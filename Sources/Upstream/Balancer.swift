// Chooses a host of one priority level: round robin, least request or random. One per worker and level, so that no
// state is shared; with weights, the earliest-deadline-first schedule that Envoy uses.

import Glibc
import Primitives

@safe
package struct Balancer {
    /// A place in the weighted schedule.
    private struct Turn: BitwiseCopyable {
        var deadline: Double
        var order: UInt64
        var candidate: UInt32
    }

    package let level: PriorityLevel
    private let hosts: FrozenArray<HostConfig>
    private let policy: BalancingPolicy
    private let choiceCount: UInt32
    /// How much active requests weigh against a weight; 0: not at all.
    private let activeRequestBias: Double
    private let scansAll: Bool
    private var bounded: BoundedLoad?
    private var next: UInt64
    private var now = 0.0
    private var added: UInt64 = 0
    /// A binary heap, used only when weights differ.
    private var heap: PlainArray<Turn>

    package init(
        level: PriorityLevel, hosts: FrozenArray<HostConfig>, policy: BalancingPolicy, choiceCount: UInt32,
        activeRequestBias: Double = 1, scansAll: Bool = false, balanceFactor: UInt32 = 0, random: inout Random
    ) {
        bounded = policy.isHashing && balanceFactor > 0 ? BoundedLoad(balanceFactor, level) : nil
        self.level = level
        self.hosts = hosts
        self.policy = policy
        self.choiceCount = max(choiceCount, 1)
        self.activeRequestBias = activeRequestBias
        self.scansAll = scansAll
        // Workers begin at different hosts, or the first host would get the first request of each.
        next = random.next() >> 1
        heap = PlainArray(capacity: level.hasEqualWeights ? 1 : max(level.candidates.count, 1))
        guard !level.hasEqualWeights, policy != .random, !policy.isHashing else { return }
        for i in 0..<level.candidates.count {
            push(Turn(deadline: 1 / weight(UInt32(i)), order: added, candidate: UInt32(i)))
            added &+= 1
        }
        var skip = level.candidates.isEmpty ? 0 : random.below(UInt64(level.candidates.count))
        while skip > 0 {
            _ = scheduled { _ in 0 }
            skip -= 1
        }
    }

    package func destroy() {
        heap.destroy()
        bounded?.destroy()
    }

    private func weight(_ candidate: UInt32) -> Double {
        Double(max(hosts[Int(level.candidates[Int(candidate)])].weight, 1))
    }

    // HOT: per request.
    /// An index into the host set; nil when the level has no candidate. `active` gives a host's active requests.
    /// `hash`, `attempt`: for hashing policies, the request's hash and how many hosts were refused before.
    package mutating func choose(
        random: inout Random, hash: UInt64 = 0, attempt: UInt32 = 0, active: (UInt32) -> UInt32
    ) -> UInt32? {
        let count = level.candidates.count
        guard count > 0 else { return nil }
        if count == 1 { return level.candidates[0] }
        if policy.isHashing {
            let first = policy == .ringHash ? level.ring.choose(hash, attempt: attempt) : level.maglev.choose(hash, attempt: attempt)
            guard let first, bounded != nil else { return first }
            return bounded?.choose(first, hash: hash, active: active)
        }
        if !level.hasEqualWeights, policy != .random { return scheduled(active) }
        switch policy {
        case .roundRobin:
            next &+= 1
            return level.candidates[Int(next % UInt64(count))]
        case .random, .ringHash, .maglev:
            return level.candidates[Int(random.below(UInt64(count)))]
        case .leastRequest:
            if scansAll { return scan(&random, active) }
            var best = level.candidates[Int(random.below(UInt64(count)))]
            var bestActive = active(best)
            var tries: UInt32 = 1
            while tries < choiceCount {
                let other = level.candidates[Int(random.below(UInt64(count)))]
                let otherActive = active(other)
                if otherActive < bestActive {
                    best = other
                    bestActive = otherActive
                }
                tries &+= 1
            }
            return best
        }
    }

    /// Every candidate is looked at: the least busy. Of several any one, each with the same chance (reservoir sampling).
    private func scan(_ random: inout Random, _ active: (UInt32) -> UInt32) -> UInt32? {
        var best = level.candidates[0]
        var bestActive = active(best)
        var ties: UInt64 = 1
        var place = 1
        while place < level.candidates.count {
            let other = level.candidates[place]
            let otherActive = active(other)
            if otherActive < bestActive {
                best = other
                bestActive = otherActive
                ties = 1
            } else if otherActive == bestActive {
                ties &+= 1
                if random.below(ties) == 0 { best = other }
            }
            place &+= 1
        }
        return best
    }

    /// The candidate whose turn it is; its next turn comes after 1/weight. Least request divides the weight by the
    /// requests that are active, to the power of the bias, as Envoy does.
    private mutating func scheduled(_ active: (UInt32) -> UInt32) -> UInt32? {
        guard var turn = pop() else { return nil }
        now = turn.deadline
        let index = level.candidates[Int(turn.candidate)]
        var weight = weight(turn.candidate)
        if policy == .leastRequest {
            let busy = Double(active(index)) + 1
            weight /= activeRequestBias == 1 ? busy : pow(busy, activeRequestBias)
        }
        turn.deadline = now + 1 / weight
        turn.order = added
        added &+= 1
        push(turn)
        return index
    }

    private func isBefore(_ a: Turn, _ b: Turn) -> Bool {
        a.deadline < b.deadline || (a.deadline == b.deadline && a.order < b.order)
    }

    private mutating func push(_ turn: Turn) {
        heap.append(turn)
        var child = heap.count &- 1
        while child > 0 {
            let parent = (child &- 1) >> 1
            guard isBefore(heap[child], heap[parent]) else { return }
            (heap[child], heap[parent]) = (heap[parent], heap[child])
            child = parent
        }
    }

    private mutating func pop() -> Turn? {
        guard !heap.isEmpty else { return nil }
        let top = heap[0]
        heap[0] = heap[heap.count &- 1]
        _ = heap.popLast()
        var parent = 0
        while true {
            let left = parent &* 2 &+ 1
            guard left < heap.count else { return top }
            let right = left &+ 1
            let child = right < heap.count && isBefore(heap[right], heap[left]) ? right : left
            guard isBefore(heap[child], heap[parent]) else { return top }
            (heap[child], heap[parent]) = (heap[parent], heap[child])
            parent = child
        }
    }
}
