// Earliest deadline first: entries take turns, each as often as its weight says. What is next costs the logarithm of how
// many there are.
//
// Owned by a worker's balancer.

import Primitives

@safe
struct WeightedSchedule {
    private struct Turn: BitwiseCopyable {
        var deadline: Double
        var order: UInt64
        var entry: UInt32
    }

    private var now = 0.0
    private var added: UInt64 = 0
    /// A binary heap.
    private var heap: PlainArray<Turn>

    init(capacity: Int) { heap = PlainArray(capacity: capacity) }

    func destroy() { heap.destroy() }

    /// `weight`: above 0.
    mutating func add(_ entry: UInt32, weight: Double) {
        push(Turn(deadline: now + 1 / weight, order: added, entry: entry))
        added &+= 1
    }

    /// The entry whose turn it is; its next one comes after 1/weight, as its weight is now.
    mutating func next(weight: (UInt32) -> Double) -> UInt32? {
        guard let turn = pop() else { return nil }
        now = turn.deadline
        add(turn.entry, weight: weight(turn.entry))
        return turn.entry
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
