// Which subset a request's host comes from: the one that its route asks for, else what its keys or the cluster fall back to.
// Step by step as Envoy's subset balancer, whose `chooseHost` says what counts where.

import Primitives

/// What a choice counts as.
package enum SubsetOutcome: UInt8, BitwiseCopyable { case none, selected, fallback, fallbackPanic }

extension Cluster {
    // HOT: per request, with subsets.
    mutating func choose(
        _ rules: UnsafePointer<SubsetConfig>, _ criteria: UnsafePointer<MetadataCriteria>?, _ ask: ClusterAsk,
        _ slab: Slab<Host>, _ random: inout Random
    ) -> UnsafeMutablePointer<Host>? {
        guard let criteria = unsafe criteria else { return unsafe choose(rules, nil as MetadataSelection?, ask, slab, &random) }
        guard unsafe rules.pointee.usesFallbackList, unsafe criteria.pointee.hasFallbackList else {
            return unsafe choose(rules, MetadataSelection(criteria.pointee.pairs), ask, slab, &random)
        }
        if unsafe criteria.pointee.fallbacks.isEmpty {
            return unsafe choose(rules, MetadataSelection(criteria.pointee.withoutFallbackList), ask, slab, &random)
        }
        for i in unsafe 0..<criteria.pointee.fallbacks.count {
            if let host = unsafe choose(rules, MetadataSelection(criteria.pointee.fallbacks[i]), ask, slab, &random) { return unsafe host }
        }
        return nil
    }

    private mutating func choose(
        _ rules: UnsafePointer<SubsetConfig>, _ asked: MetadataSelection?, _ ask: ClusterAsk, _ slab: Slab<Host>,
        _ random: inout Random
    ) -> UnsafeMutablePointer<Host>? {
        var asked = asked
        // Each turn asks for fewer keys than the one before.
        while let wanted = asked {
            let used = unsafe rules.pointee.allowsRedundantKeys ? reduced(wanted, rules) : wanted
            if let number = unsafe set.pointee.subsets.find(used) {
                subsetOutcome = .selected
                return unsafe choose(subset: number, ask, slab, &random)
            }
            guard let selector = unsafe selector(used, rules), unsafe selector.pointee.fallback != .notDefined else { break }
            switch unsafe selector.pointee.fallback {
            case .keysSubset: asked = unsafe used.filtered(selector.pointee.fallbackKeys)
            case .anyEndpoint: return unsafe choose(subset: set.pointee.subsets.any, ask, slab, &random)
            case .defaultSubset: return unsafe choose(subset: set.pointee.subsets.standard, ask, slab, &random)
            case .noFallback, .notDefined: return nil
            }
        }
        return unsafe fallBack(rules, ask, slab, &random)
    }

    /// What is left when the keys of no selector are all there stays as it is.
    private func reduced(_ wanted: MetadataSelection, _ rules: UnsafePointer<SubsetConfig>) -> MetadataSelection {
        for i in unsafe 0..<rules.pointee.selectors.count {
            let keys = unsafe rules.pointee.selectors[i].keys
            let filtered = wanted.filtered(keys)
            if filtered.count == keys.count, filtered.count > 0 { return filtered }
        }
        return wanted
    }

    private func selector(_ asked: MetadataSelection, _ rules: UnsafePointer<SubsetConfig>) -> UnsafePointer<SubsetSelector>? {
        guard asked.count > 0 else { return nil }
        for i in unsafe 0..<rules.pointee.selectors.count {
            let selector = unsafe rules.pointee.selectors.pointer(i)
            if unsafe asked.hasNames(selector.pointee.keys) { return unsafe selector }
        }
        return nil
    }

    private mutating func fallBack(
        _ rules: UnsafePointer<SubsetConfig>, _ ask: ClusterAsk, _ slab: Slab<Host>, _ random: inout Random
    ) -> UnsafeMutablePointer<Host>? {
        let number: UInt32
        switch unsafe rules.pointee.fallback {
        case .anyEndpoint: number = unsafe set.pointee.subsets.any
        case .defaultSubset: number = unsafe set.pointee.subsets.standard
        case .noFallback, .notDefined, .keysSubset: return nil
        }
        if let host = unsafe choose(subset: number, ask, slab, &random) {
            subsetOutcome = .fallback
            return unsafe host
        }
        guard unsafe rules.pointee.panicModeAny, let host = unsafe choose(subset: set.pointee.subsets.any, ask, slab, &random)
        else { return nil }
        subsetOutcome = .fallbackPanic
        return unsafe host
    }
}
