// One of a route's `hash_policy`, frozen.

import Primitives
import Routing

@safe
package struct HashRule: BitwiseCopyable {
    /// Rules of a route: a stream notes in one word which of them have made a cookie.
    package static let rulesMax = 64

    package enum Kind: BitwiseCopyable { case header, cookie, sourceIP, queryParameter }

    package var kind: Kind
    /// A hash so far is final.
    package var isTerminal = false
    /// Of the header (lower case), the cookie or the parameter.
    package var name = Bytes.empty
    /// `header.regex_rewrite`
    package var rewrite: UnsafePointer<RegexRewrite>?
    /// `cookie.ttl`: a request without the cookie gets one. Its `set-cookie` is `name="`, the value, and this text.
    package var makesCookie = false
    package var cookieAttributes = Bytes.empty

    package init(_ kind: Kind) { self.kind = kind }
}
