// One `rate_limits` entry, frozen: its actions in order give a descriptor's entries, or none when one of them has nothing to
// say. Of the filter local_ratelimit, of routes and of virtual hosts.

import Primitives

package struct RateLimitAction: BitwiseCopyable {
    package enum Kind: BitwiseCopyable {
        /// An entry of a fixed value.
        case fixed
        /// The value of the header `source`, or of the query parameter `source`.
        case header, queryParameter
        case destinationCluster, remoteAddress, maskedRemoteAddress
        /// A fixed value for requests that match, or that do not.
        case match
    }
    package var kind: Kind
    package var key: Bytes
    package var value = Bytes.empty
    package var source = Bytes.empty
    /// Without the header or parameter the entry is left out, not the whole descriptor.
    package var skipsAbsent = false
    package var predicate: HeaderPredicate?
    package var expectsMatch = true
    package var v4Bits: UInt8 = 32
    package var v6Bits: UInt8 = 128

    package init(kind: Kind, key: Bytes, value: Bytes = .empty) {
        self.kind = kind
        self.key = key
        self.value = value
    }
}

package struct RateLimitRule: BitwiseCopyable {
    package var actions: FrozenArray<RateLimitAction>
    /// Filters of another stage do not look at it.
    package var stage: UInt32

    package init(actions: FrozenArray<RateLimitAction>, stage: UInt32) {
        self.actions = actions
        self.stage = stage
    }
}
