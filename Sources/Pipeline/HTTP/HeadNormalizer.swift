// Host and path of a request as the connection manager's options want them, before any route is looked for. Apart from
// the worker, so that who explains a route without a request gets the very same head.

import Primitives
import Wire

package enum HeadNormalizer {
    // HOT: per message.
    /// `strip_matching_host_port`, `strip_any_host_port`, `strip_trailing_host_dot`.
    @inline(__always)
    package static func host(_ http: UnsafePointer<HTTPConfig>, _ head: inout MessageHead, localPort: UInt16) {
        guard unsafe http.pointee.stripTrailingHostDot || http.pointee.stripPort != .none else { return }
        unsafe strip(http, &head, localPort)
    }

    // HOT: per message.
    /// `path_with_escaped_slashes_action`, `normalize_path`, `merge_slashes`.
    @inline(__always)
    package static func path(_ http: UnsafePointer<HTTPConfig>, _ head: inout MessageHead) -> PathVerdict {
        // RFC 9112 §3.2: no form of a target has a fragment.
        if head.text(head.path).firstIndex(of: 0x23) != nil { return .rejected }
        guard unsafe http.pointee.normalizePath || http.pointee.mergeSlashes || http.pointee.escapedSlashes != .keep else {
            return .unchanged
        }
        var options = PathOptions()
        options.normalize = unsafe http.pointee.normalizePath
        options.mergeSlashes = unsafe http.pointee.mergeSlashes
        switch unsafe http.pointee.escapedSlashes {
        case .keep: options.escapedSlashes = .keepUnchanged
        case .reject: options.escapedSlashes = .rejectRequest
        case .unescapeAndRedirect: options.escapedSlashes = .unescapeAndRedirect
        case .unescapeAndForward: options.escapedSlashes = .unescapeAndForward
        }
        return PathNormalizer.apply(options, to: &head)
    }

    private static func strip(_ http: UnsafePointer<HTTPConfig>, _ head: inout MessageHead, _ localPort: UInt16) {
        var host = head.text(head.authority)
        let before = host.count
        if unsafe http.pointee.stripPort != .none, let parsed = HostPort(host), let port = parsed.port {
            if unsafe http.pointee.stripPort == .any || port == localPort { host = parsed.host }
        }
        if unsafe http.pointee.stripTrailingHostDot {
            if host.count > 1, host[host.count &- 1] == UInt8(ascii: ".") {
                host = host.part(0, host.count &- 1)
            } else if let parsed = HostPort(host), parsed.port != nil, parsed.host.count > 1,
                parsed.host[parsed.host.count &- 1] == UInt8(ascii: ".")
            {
                return dropDot(&head, host.count, at: parsed.host.count &- 1)
            }
        }
        guard host.count != before else { return }
        head.authority = head.store(host)
    }

    /// The host's dot before its port.
    private static func dropDot(_ head: inout MessageHead, _ count: Int, at dot: Int) {
        guard let (span, base) = unsafe head.extend(count &- 1) else { return }
        // Taken after `extend`, which may have moved the text.
        let old = head.text(head.authority)
        unsafe base.update(from: old.base, count: dot)
        unsafe (base + dot).update(from: old.base + dot + 1, count: count &- dot &- 1)
        head.authority = span
    }
}
