// One `rate_limits` entry, frozen: its actions in order give a descriptor's entries, or none when one of them has nothing to
// say. Of the filter local_ratelimit, of routes and of virtual hosts.

import Primitives
import Routing

package struct RateLimitAction: BitwiseCopyable {
    package enum Kind: BitwiseCopyable {
        /// An entry of a fixed value.
        case fixed
        /// The value of the header `source`, or of the query parameter `source`.
        case header, queryParameter
        case destinationCluster, remoteAddress, maskedRemoteAddress
        /// A fixed value for clients of `networks`, or of no one of them.
        case remoteAddressMatch
        /// A text of the route's or the cluster's metadata at `source` (`FrozenMetadata`); of an owner that has none yet: nothing.
        case routeMetadata, clusterMetadata, noMetadata
        /// A fixed value for requests that match, or that do not.
        case match
        /// What an expression gives, as a text.
        case expression
        /// What a matcher's input gives.
        case input
    }
    package var kind: Kind
    package var key: Bytes
    package var value = Bytes.empty
    package var source = Bytes.empty
    /// Instead of a text that is not there; empty: none.
    package var fallback = Bytes.empty
    /// Without the header, the parameter, the text or the expression's value the entry is left out, not the whole descriptor.
    package var skipsAbsent = false
    package var predicate: HeaderPredicate?
    package var expectsMatch = true
    package var networks = FrozenArray<AddressNetwork>()
    package var program: CELProgram?
    package var input = MatchInput(.requestHeader)
    package var v4Bits: UInt8 = 32
    package var v6Bits: UInt8 = 128

    package init(kind: Kind, key: Bytes, value: Bytes = .empty) {
        self.kind = kind
        self.key = key
        self.value = value
    }
}

/// `address_matcher.ranges`
package struct AddressNetwork: BitwiseCopyable {
    private let network: SocketAddress
    private let bits: UInt8

    package init(_ address: SocketAddress, bits: UInt8) {
        network = address.masked(bits: bits)
        self.bits = bits
    }

    package func contains(_ address: SocketAddress) -> Bool {
        guard address.family == network.family else { return false }
        let masked = address.masked(bits: bits)
        return masked.high == network.high && masked.low == network.low
    }
}

/// Whether the response tells of the limit, as one rule says (`x_ratelimit_option`).
package enum RateLimitHeaders: UInt8, BitwiseCopyable { case asFilterSays, off, on }

package struct RateLimitRule: BitwiseCopyable {
    package var actions: FrozenArray<RateLimitAction>
    /// Filters of another stage do not look at it.
    package var stage: UInt32
    /// `disable_key`: the filter has no use for it, and leaves such a rule out.
    package var isDisabled = false
    package var headers = RateLimitHeaders.asFilterSays

    package init(actions: FrozenArray<RateLimitAction>, stage: UInt32) {
        self.actions = actions
        self.stage = stage
    }
}
