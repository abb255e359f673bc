/// An instance of a schema: the cluster `up` has `StatScope<ClusterStat>`. Trivial, so plans and hot code carry it:
/// `cells.increment(cluster[.upstreamRqTotal])`.
package struct StatScope<Leaf: StatLeaf>: Sendable {
    package let base: StatID
    /// Main's handle, for retiring it and for text readouts.
    package let ref: StatScopeRef

    @inlinable package init(base: StatID, ref: StatScopeRef) {
        self.base = base
        self.ref = ref
    }

    // HOT: per message
    @inlinable package subscript(_ leaf: Leaf) -> StatID {
        base &+ leaf.rawValue
    }
}

/// Names one scope in the registry; stale once the scope is recycled.
package struct StatScopeRef: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}
