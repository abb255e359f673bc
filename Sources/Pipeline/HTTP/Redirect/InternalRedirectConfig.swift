// `internal_redirect_policy`, frozen.

import Primitives

package struct RedirectPredicate: BitwiseCopyable {
    package enum Kind: BitwiseCopyable { case allowListedRoutes, previousRoutes, safeCrossScheme }
    package var kind: Kind
    /// Of `allowListedRoutes`.
    package var names = FrozenArray<Bytes>()
    package init(_ kind: Kind) { self.kind = kind }
}

@safe
package struct InternalRedirectConfig: BitwiseCopyable {
    /// `previous_routes` remembers this many redirects of a request; further ones are not followed.
    package static let rememberedMax = 64

    package var redirectsMax: UInt32 = 1
    package var statuses = FrozenArray<UInt16>()
    package var allowsCrossScheme = false
    /// `response_headers_to_copy`, lower case.
    package var copiedHeaders = FrozenArray<Bytes>()
    package var predicates = FrozenArray<RedirectPredicate>()
    package init() {}

    func follows(_ status: UInt16) -> Bool {
        for i in 0..<statuses.count where statuses[i] == status { return true }
        return false
    }
}
