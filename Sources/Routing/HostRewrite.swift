// `host_rewrite_path_regex`: the host for the upstream, made from the path. (`host_rewrite_literal` and
// `host_rewrite_header` need nothing but a copy.)

import Primitives
import Wire

package enum HostRewrite {
    // HOT: per message.
    /// The path without its query, with every match replaced, becomes the authority. False when the head has no room.
    package static func fromPath(_ head: inout MessageHead, _ rewrite: RegexRewrite) -> Bool {
        let host = rewrite.replaceAll(RequestPath.withoutQuery(head.text(head.path)))
        if host.isEmpty { return true }
        let span = head.store(host)
        guard !span.isEmpty else { return false }
        head.authority = span
        return true
    }
}
