// Rewrites of a request's path. The query stays as it is. The head keeps the old text, so a `Span32` of the old path
// that the caller took before (for `x-envoy-original-path`) stays good.

import Primitives
import Wire

package enum PathRewrite {
    // HOT: per message.
    /// `prefix_rewrite`: the matched part (`RouteMatchResult.matchedPathCount`) gives way to `replacement`. How the
    /// prefix was written does not matter, so a case-insensitive match needs nothing of its own. False when the head
    /// has no room, or nothing was matched at the path's start.
    package static func prefix(_ head: inout MessageHead, matchedCount: UInt32?, by replacement: Bytes) -> Bool {
        guard let matchedCount else { return false }
        let path = head.path
        return replace(&head, Span32(offset: path.offset, count: min(matchedCount, path.count)), by: replacement)
    }

    // HOT: per message.
    /// `regex_rewrite`. Nothing changes when nothing matches. False when no path would be left (Envoy keeps it then), too.
    package static func regex(_ head: inout MessageHead, _ rewrite: RegexRewrite) -> Bool {
        let path = RequestPath.withoutQuery(head.text(head.path))
        let result = rewrite.replaceAll(path)
        if result.isEmpty { return false }
        if result.equals(path) { return true }
        return replace(
            &head, Span32(offset: head.path.offset, count: UInt32(truncatingIfNeeded: path.count)), by: result)
    }

    // HOT: per message.
    /// `path_rewrite`: `replacement` takes the place of all but the query. False when the head has no room.
    package static func whole(_ head: inout MessageHead, by replacement: Bytes) -> Bool {
        let count = RequestPath.withoutQuery(head.text(head.path)).count
        return replace(&head, Span32(offset: head.path.offset, count: UInt32(truncatingIfNeeded: count)), by: replacement)
    }

    /// `head`, the path's beginning, becomes `replacement`; the rest follows.
    private static func replace(_ head: inout MessageHead, _ start: Span32, by replacement: Bytes) -> Bool {
        let rest = Int(head.path.count &- start.count)
        guard let (span, base) = unsafe head.extend(replacement.count &+ rest) else { return false }
        // Taken after `extend`, which may have moved the text.
        let old = head.text(head.path).from(Int(start.count))
        unsafe base.update(from: replacement.base, count: replacement.count)
        unsafe (base + replacement.count).update(from: old.base, count: rest)
        head.path = span
        return true
    }
}
