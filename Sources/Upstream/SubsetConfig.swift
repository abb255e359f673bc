// `lb_subset_config`, frozen with its cluster: which subsets there are, and what counts where there is none.

import Primitives

package enum SubsetFallback: UInt8, BitwiseCopyable { case notDefined, noFallback, anyEndpoint, defaultSubset, keysSubset }

package struct SubsetSelector: BitwiseCopyable {
    /// Ascending, each once.
    package var keys: FrozenArray<Bytes>
    package var fallback = SubsetFallback.notDefined
    package var fallbackKeys = FrozenArray<Bytes>()
    package init(keys: FrozenArray<Bytes>) { self.keys = keys }
}

package struct SubsetConfig: BitwiseCopyable {
    package var selectors = FrozenArray<SubsetSelector>()
    package var fallback = SubsetFallback.noFallback
    package var panicModeAny = false
    /// `metadata_fallback_policy: FALLBACK_LIST`
    package var usesFallbackList = false
    package var allowsRedundantKeys = false
    package init() {}
}

/// What of a host's metadata main builds subsets from.
package struct SubsetSpec: Sendable {
    package struct Selector: Sendable {
        /// Ascending, each once.
        package var keys: [String]
        package var takesOneHost: Bool
        package init(keys: [String], takesOneHost: Bool) {
            self.keys = keys
            self.takesOneHost = takesOneHost
        }
    }
    package var selectors: [Selector] = []
    package var defaultSubset: [String: [UInt8]] = [:]
    package var needsAny = false
    package var needsDefault = false
    package var listAsAny = false
    package var weighsLocalities = false
    package var scalesLocalities = false
    package init() {}
}

/// `envoy.lb` metadata of a host: values in the form that is compared, those of a list one by one.
package struct SubsetMetadata: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case one([UInt8])
        case list([[UInt8]], whole: [UInt8])

        var whole: [UInt8] {
            switch self {
            case .one(let value), .list(_, let value): value
            }
        }
    }
    package var fields: [String: Value] = [:]
    package init() {}
}
