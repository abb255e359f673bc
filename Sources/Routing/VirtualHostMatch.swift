// The virtual host of a request: exact domain, longest `*.suffix`, longest `prefix.*`, `*`.

import Primitives
import Wire

extension RouteTable {
    // HOT: per message.
    func virtualHost(_ head: MessageHead) -> UInt32? {
        let fallback = unsafe storage.pointee.defaultVirtualHost
        // The commonest table has `*` alone: nothing to read.
        if unsafe storage.pointee.domainRoot == noIndex && storage.pointee.domainSuffixRoot == noIndex {
            return fallback == noIndex ? nil : fallback
        }
        // Without a host (or without the configured header) not even `*` is taken.
        guard let host = unsafe firstHeaderValue(storage.pointee.hostSource, head) else { return nil }
        let found = namedVirtualHost(host)
        if found != noIndex { return found }
        return fallback == noIndex ? nil : fallback
    }

    private func namedVirtualHost(_ value: Bytes) -> UInt32 {
        let host = unsafe storage.pointee.ignorePortInHost ? HostName.withoutPort(value) : value
        var byPrefix = noIndex
        if unsafe storage.pointee.domainRoot != noIndex {
            var cursor = unsafe trie.enter(storage.pointee.domainRoot, host, lowercasing: true)
            while let at = cursor {
                if at.depth == host.count {
                    if at.node.exactValue != noIndex { return at.node.exactValue }
                    break
                }
                // `foo.*` needs something in the star's place; the last one met is the longest.
                if at.node.prefixValue != noIndex { byPrefix = at.node.prefixValue }
                cursor = trie.next(at, host, lowercasing: true)
            }
        }
        var bySuffix = noIndex
        if unsafe storage.pointee.domainSuffixRoot != noIndex {
            var cursor = unsafe trie.enter(
                storage.pointee.domainSuffixRoot, host, lowercasing: true, reversed: true)
            while let at = cursor, at.depth < host.count {
                if at.node.prefixValue != noIndex { bySuffix = at.node.prefixValue }
                cursor = trie.next(at, host, lowercasing: true, reversed: true)
            }
        }
        return bySuffix != noIndex ? bySuffix : byPrefix
    }
}

package enum HostName {
    // HOT: per message.
    /// Without `:port`. A colon inside of `[…]` belongs to an IPv6 address (RFC 3986 §3.2.2).
    package static func withoutPort(_ host: Bytes) -> Bytes {
        portStart(host).map { host.prefix($0) } ?? host
    }

    /// The position of the colon before the port.
    package static func portStart(_ host: Bytes) -> Int? {
        var i = host.count &- 1
        while i >= 0 {
            if host[i] == UInt8(ascii: "]") { return nil }
            if host[i] == UInt8(ascii: ":") { return i }
            i &-= 1
        }
        return nil
    }
}
