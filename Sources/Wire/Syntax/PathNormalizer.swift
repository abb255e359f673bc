// The path options of the connection manager: `path_with_escaped_slashes_action`, `normalize_path`, `merge_slashes`, in
// Envoy's order. The query is never touched.
//
// What normalising does was read off Envoy 1.40: unreserved bytes are decoded, `\` is a slash, bytes that a path cannot
// have are encoded, dot segments go (RFC 3986 §5.2.4; `..;x` is one too, since servers that know path parameters take it
// for one), a NUL is refused.

import Primitives

/// `path_with_escaped_slashes_action`.
package enum EscapedSlashAction: UInt8 {
    case keepUnchanged, rejectRequest, unescapeAndRedirect, unescapeAndForward
}

package struct PathOptions {
    package var normalize = false
    package var mergeSlashes = false
    package var escapedSlashes = EscapedSlashAction.keepUnchanged
    package init() {}
}

package enum PathVerdict {
    case unchanged
    /// The head has the new path.
    case changed
    /// 307 to the head's path, which has its slashes unescaped (and all else done to it).
    case redirect
    /// 400, `path_normalization_failed`.
    case rejected
}

package enum PathNormalizer {
    // HOT: per message.
    package static func apply(_ options: PathOptions, to head: inout MessageHead) -> PathVerdict {
        let target = PathQuery(head.text(head.path))
        // Only a path: "*" and the empty one of CONNECT stay.
        guard !target.path.isEmpty, target.path[0] == 0x2f else { return .unchanged }
        let escapes = hasEscapedSlash(target.path) ? options.escapedSlashes : .keepUnchanged
        if escapes == .rejectRequest {
            showUnescaped(&head, target.path.count)
            return .rejected
        }
        let unescape = escapes != .keepUnchanged
        guard unescape || options.normalize && mayNormalize(target.path) || options.mergeSlashes && hasDoubleSlash(target.path)
        else { return .unchanged }

        let mark = head.textBytes
        let pathCount = target.path.count
        // Encoding may triple the path.
        guard let memory = unsafe head.extend(3 &* pathCount &+ Int(head.path.count)) else { return .rejected }
        let whole = head.text(head.path)
        // The copy lies behind the output, which overtakes it never: each of its bytes makes three at the most.
        let copied = unsafe memory.base + (whole.count &+ 2 &* pathCount)
        var count = unsafe copy(whole.prefix(pathCount), unescape, to: copied)
        let source = unsafe bytes(copied, count)
        if options.normalize {
            guard let normal = unsafe normalize(source, to: memory.base) else {
                head.truncateText(to: mark)
                return .rejected
            }
            count = normal
        } else {
            count = unsafe copy(source, false, to: memory.base)
        }
        if options.mergeSlashes { count = unsafe merge(memory.base, count) }
        let query = whole.from(pathCount)
        _ = unsafe copy(query, false, to: memory.base + count)
        count &+= query.count
        head.truncateText(to: mark &+ count)
        if escapes != .unescapeAndRedirect, unsafe bytes(memory.base, count).equals(whole) {
            head.truncateText(to: mark)
            return .unchanged
        }
        head.path = unsafe Span32(offset: memory.span.offset, count: UInt32(truncatingIfNeeded: count))
        return escapes == .unescapeAndRedirect ? .redirect : .changed
    }

    /// What is refused stands in logs with its slashes unescaped, as in Envoy.
    private static func showUnescaped(_ head: inout MessageHead, _ pathCount: Int) {
        guard let memory = unsafe head.extend(Int(head.path.count)) else { return }
        let whole = head.text(head.path)
        var count = unsafe copy(whole.prefix(pathCount), true, to: memory.base)
        let query = whole.from(pathCount)
        _ = unsafe copy(query, false, to: memory.base + count)
        count &+= query.count
        head.path = unsafe Span32(offset: memory.span.offset, count: UInt32(truncatingIfNeeded: count))
    }

    private static func hasEscapedSlash(_ path: Bytes) -> Bool {
        var i = 0
        while let at = path.firstIndex(of: 0x25, from: i) {
            if let byte = PercentCoding.byte(path, at: at), byte == 0x2f || byte == 0x5c { return true }
            i = at &+ 1
        }
        return false
    }

    private static func hasDoubleSlash(_ path: Bytes) -> Bool {
        var i = 1
        while i < path.count {
            if path[i] == 0x2f, path[i &- 1] == 0x2f { return true }
            i &+= 1
        }
        return false
    }

    /// A dot behind a slash, an escape, or a byte that is not written so.
    private static func mayNormalize(_ path: Bytes) -> Bool {
        var i = 1
        while i < path.count {
            let byte = path[i]
            if byte == 0x2e && path[i &- 1] == 0x2f || byte == 0x25 || byte == 0x5c || mustEncode(byte) { return true }
            i &+= 1
        }
        return false
    }

    /// `" < > ^ \` { | }`: visible, and in no path (RFC 3986 §3.3).
    @inline(__always)
    private static func mustEncode(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x3c, 0x3e, 0x5e, 0x60, 0x7b, 0x7c, 0x7d: true
        default: false
        }
    }

    private static func bytes(_ base: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bytes {
        unsafe Bytes(UnsafeRawPointer(base), count)
    }

    private static func copy(_ text: Bytes, _ unescape: Bool, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 0
        var i = 0
        while i < text.count {
            unsafe target[count] = text[i]
            if unescape, let byte = PercentCoding.byte(text, at: i), byte == 0x2f || byte == 0x5c {
                unsafe target[count] = byte
                i &+= 2
            }
            count &+= 1
            i &+= 1
        }
        return count
    }

    private static func normalize(_ path: Bytes, to target: UnsafeMutablePointer<UInt8>) -> Int? {
        unsafe target[0] = 0x2f
        var count = 1
        // Where the segment that is being written began.
        var segment = 1
        var i = 1
        while i < path.count {
            let byte = path[i]
            i &+= 1
            if byte == 0x2f || byte == 0x5c {
                if unsafe !removeDots(target, &count, &segment) {
                    unsafe target[count] = 0x2f
                    count &+= 1
                    segment = count
                }
            } else if let decoded = PercentCoding.byte(path, at: i &- 1) {
                if decoded == 0 { return nil }
                if PercentCoding.isUnreserved(decoded) {
                    unsafe target[count] = decoded
                    count &+= 1
                } else {
                    unsafe target[count] = byte
                    unsafe target[count &+ 1] = path[i]
                    unsafe target[count &+ 2] = path[i &+ 1]
                    count &+= 3
                }
                i &+= 2
            } else if mustEncode(byte) {
                var output = unsafe OutputCursor(target + count, capacity: 3 &+ OutputCursor.spareBytes)
                PercentCoding.put(byte, into: &output)
                count &+= 3
            } else {
                unsafe target[count] = byte
                count &+= 1
            }
        }
        _ = unsafe removeDots(target, &count, &segment)
        return count
    }

    /// RFC 3986 §5.2.4, at the end of a segment: true when it was "." or "..", which then is gone with what it removes.
    private static func removeDots(
        _ target: UnsafeMutablePointer<UInt8>, _ count: inout Int, _ segment: inout Int
    ) -> Bool {
        let text = unsafe bytes(target + segment, count &- segment)
        let name = text.prefix(text.firstIndex(of: 0x3b) ?? text.count)
        let isParent = name.equals(Bytes(".."))
        guard isParent || name.equals(Bytes(".")) else { return false }
        count = segment
        if isParent, segment > 1 {
            count &-= 1
            while unsafe target[count &- 1] != 0x2f { count &-= 1 }
            segment = count
        }
        return true
    }

    private static func merge(_ text: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        var kept = 1
        var i = 1
        while i < count {
            if unsafe text[i] != 0x2f || text[kept &- 1] != 0x2f {
                unsafe text[kept] = unsafe text[i]
                kept &+= 1
            }
            i &+= 1
        }
        return kept
    }
}
