// `weighted_clusters`: one random value chooses an entry in proportion to its weight.

import Primitives

/// Owned by the plan part that made it; immutable.
@safe
package struct WeightedChoice: BitwiseCopyable, @unchecked Sendable {
    /// Running sums of the weights: entry `i` takes the values below `sums[i]` that no entry before it takes.
    private let sums: UnsafePointer<UInt32>
    private let count: Int

    /// Envoy's messages; `route` is the route's name.
    package init(weights: [UInt32], route: String) throws(RoutingError) {
        var total: UInt64 = 0
        let sums = UnsafeMutablePointer<UInt32>.allocate(capacity: max(weights.count, 1))
        for (index, weight) in weights.enumerated() {
            total += UInt64(weight)
            unsafe (sums + index).initialize(to: UInt32(truncatingIfNeeded: total))
        }
        guard total > 0, total <= UInt64(UInt32.max) else {
            unsafe sums.deallocate()
            throw RoutingError(
                virtualHostIndex: nil, routeIndex: nil, field: "route.weighted_clusters",
                message: total == 0
                    ? "Sum of weights in the weighted_cluster must be greater than 0."
                    : "The sum of weights of all weighted clusters of route \(route) exceeds 4294967295")
        }
        unsafe self.sums = UnsafePointer(sums)
        count = weights.count
    }

    package func destroy() { unsafe sums.deallocate() }

    package var totalWeight: UInt32 { unsafe sums[count &- 1] }

    // HOT: per message.
    /// The entry's position. Every value chooses one; an entry of weight 0 never.
    package func index(for random: UInt64) -> Int {
        let value = unsafe UInt32(truncatingIfNeeded: random % UInt64(sums[count &- 1]))
        var low = 0
        var high = count &- 1
        while low < high {
            let middle = (low &+ high) >> 1
            if unsafe sums[middle] > value { high = middle } else { low = middle &+ 1 }
        }
        return low
    }
}
