// `lb_subset_config`: what workers go by (`SubsetConfig`), and what main builds subsets from (`SubsetSpec`).

import EnvoyAPI
import Primitives
import Upstream

typealias LbSubsetConfig = ClusterMessage.LbSubsetConfig

struct SubsetCompiler {
    let diagnostics: Diagnostics
    let arena: FrozenArena

    /// Nil: there are no selectors, so there are no subsets.
    func compile(
        _ message: LbSubsetConfig, weighsLocalities: Bool, allowsRedundantKeys: Bool = false, _ place: Place,
        _ config: inout ClusterConfig
    ) -> SubsetSpec? {
        guard !message.subsetSelectors.isEmpty else { return nil }
        if message.localityWeightAware, !weighsLocalities {
            diagnostics.error(
                place.at("locality_weight_aware"),
                "Locality weight aware subset LB requires that a locality_weighted_lb_config be set",
                expected: "common_lb_config: {locality_weighted_lb_config: {}}")
        }
        var rules = SubsetConfig()
        var spec = SubsetSpec()
        spec.listAsAny = message.listAsAny
        spec.weighsLocalities = message.localityWeightAware
        spec.scalesLocalities = message.scaleLocalityWeight
        spec.defaultSubset = message.defaultSubset.fields.mapValues { MetadataBytes.bytes($0) }
        switch message.fallbackPolicy {
        case .anyEndpoint: rules.fallback = .anyEndpoint
        case .defaultSubset: rules.fallback = .defaultSubset
        default: rules.fallback = .noFallback
        }
        rules.panicModeAny = message.panicModeAny
        rules.allowsRedundantKeys = allowsRedundantKeys
        rules.usesFallbackList = message.metadataFallbackPolicy == .fallbackList
        rules.selectors = arena.array(selectors(message, place, &spec))
        spec.needsAny = message.panicModeAny || rules.fallback == .anyEndpoint || uses(.anyEndpoint, rules)
        spec.needsDefault = rules.fallback == .defaultSubset || uses(.defaultSubset, rules)
        unsafe config.subsets = unsafe arena.store(rules)
        return spec
    }

    private func uses(_ fallback: SubsetFallback, _ rules: SubsetConfig) -> Bool {
        (0..<rules.selectors.count).contains { rules.selectors[$0].fallback == fallback }
    }

    private func selectors(_ message: LbSubsetConfig, _ place: Place, _ spec: inout SubsetSpec) -> [SubsetSelector] {
        var seen: [[String]] = []
        return message.subsetSelectors.enumerated().map { i, selector in
            let at = place.at("subset_selectors", i)
            let keys = sorted(selector.keys)
            check(selector, keys, at)
            spec.selectors.append(SubsetSpec.Selector(keys: keys, takesOneHost: selector.singleHostPerSubset))
            var compiled = SubsetSelector(keys: arena.array(keys.map { arena.text($0) }))
            // As in Envoy: a fallback behind a selector that begins with the same keys is not looked at.
            if !seen.contains(where: { $0.starts(with: keys) }) {
                compiled.fallback = fallback(selector.fallbackPolicy)
                compiled.fallbackKeys = arena.array(sorted(selector.fallbackKeysSubset).map { arena.text($0) })
            } else if selector.fallbackPolicy != .notDefined {
                diagnostics.warning(
                    at.at("fallback_policy"), "a selector before this one begins with the same keys: its policy alone counts",
                    suggestion: "move this selector ahead of it")
            }
            seen.append(keys)
            return compiled
        }
    }

    private func sorted(_ keys: [String]) -> [String] {
        Set(keys).sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    }

    private func fallback(_ policy: LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy) -> SubsetFallback {
        switch policy {
        case .noFallback: .noFallback
        case .anyEndpoint: .anyEndpoint
        case .defaultSubset: .defaultSubset
        case .keysSubset: .keysSubset
        case .notDefined, .UNRECOGNIZED: .notDefined
        }
    }

    private func check(_ selector: LbSubsetConfig.LbSubsetSelector, _ keys: [String], _ place: Place) {
        let at = place.at("fallback_keys_subset")
        let fallbackKeys = Set(selector.fallbackKeysSubset)
        if selector.fallbackPolicy != .keysSubset {
            if !fallbackKeys.isEmpty { diagnostics.error(at, "fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy") }
        } else if fallbackKeys.isEmpty {
            diagnostics.error(at, "fallback_keys_subset cannot be empty", expected: "some of the selector's keys")
        } else if !fallbackKeys.isSubset(of: keys) {
            diagnostics.error(at, "fallback_keys_subset must be a subset of selector keys", expected: "some of the selector's keys")
        } else if fallbackKeys.count == keys.count {
            diagnostics.error(at, "fallback_keys_subset cannot be equal to keys", expected: "fewer than the selector's keys")
        }
    }
}
