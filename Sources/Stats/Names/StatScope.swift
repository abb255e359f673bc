/// An instance of a schema: the cluster `up` has `StatScope<ClusterStat>`. Trivial, so plans and hot code carry it:
/// `cells.increment(cluster[.upstreamRqTotal])`.
public struct StatScope<Leaf: StatLeaf>: Sendable {
    public let base: StatID
    /// Main's handle, for retiring it and for text readouts.
    public let ref: StatScopeRef

    @inlinable public init(base: StatID, ref: StatScopeRef) {
        self.base = base
        self.ref = ref
    }

    // HOT: per message
    @inlinable public subscript(_ leaf: Leaf) -> StatID {
        base &+ leaf.rawValue
    }
}

/// Names one scope in the registry; stale once the scope is recycled.
public struct StatScopeRef: Hashable, Sendable {
    @usableFromInline package let slot: UInt32
    @usableFromInline package let generation: UInt32

    @inlinable package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}
