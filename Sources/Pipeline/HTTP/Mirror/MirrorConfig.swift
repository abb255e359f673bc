// One of `request_mirror_policies`, frozen.

import Primitives
import Routing

@safe
package struct MirrorConfig: BitwiseCopyable {
    /// Where the copy goes: a route of its own, with one cluster or `cluster_header`.
    package var target: UnsafePointer<RouteConfig>
    package var fraction = RuntimeFraction(Fraction(100, .hundred))
    /// `-shadow` behind the host's name, where that is not rewritten.
    package var addsSuffix = true
    /// `host_rewrite_literal`; empty: none.
    package var hostRewrite = Bytes.empty
    package var mutations = FrozenArray<HeaderMutation>()
    /// `trace_sampled`: whether its span is recorded; nil: as the request's.
    package var isTraceSampled: Bool?

    package init(target: UnsafePointer<RouteConfig>) { unsafe self.target = unsafe target }
}
