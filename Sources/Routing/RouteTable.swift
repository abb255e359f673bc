// The frozen route table: one block of trivial records, shared by all workers, immutable until destroyed.
//
// Made by `RouteTable.init(_: RouteTableSpec)` on the main thread or its helper; matched by any worker at any time
// without a lock or a reference count (RE2 alone takes a reader's lock of its own, see docs/decisions); destroyed by
// whoever owns the plan, once no worker can be inside `match`.

import Glibc
import Primitives
import Wire

@safe
package struct RouteTable: BitwiseCopyable, @unchecked Sendable {  // immutable after init
    let storage: UnsafePointer<RouteTableStorage>

    package var virtualHostCount: Int { unsafe storage.pointee.virtualHosts.count }
    package var routeCount: Int { unsafe storage.pointee.routes.count }
    /// The table's own block; RE2 programs (`programCount` of them) come on top.
    package var blockBytes: Int { unsafe storage.pointee.blockBytes }
    package var programCount: Int { unsafe storage.pointee.programs.count }

    /// Frees everything. No copy of this table may be used afterwards.
    package func destroy() {
        unsafe storage.pointee.programs.forEach { $0.destroy() }
        unsafe storage.pointee.sets.forEach { $0.destroy() }
        unsafe free(UnsafeMutableRawPointer(mutating: storage))
    }

    // HOT: per message.
    /// The route of a request. Virtual host first, then the first route in order whose every condition holds.
    package func match(_ head: MessageHead, _ context: MatchContext) -> RouteMatchResult {
        guard let number = virtualHost(head) else { return .missed(.noVirtualHost) }
        let host = unsafe storage.pointee.virtualHosts[number]
        if host.requireTLS != .none, !context.flags.contains(.forwardedHTTPS),
            host.requireTLS == .all || !context.flags.contains(.internalRequest)
        {
            return .missed(.tlsRequired, virtualHost: number)
        }
        let path = RequestPath.withoutQuery(head.text(head.path))
        guard unsafe storage.pointee.ignorePathParameters, let first = path.firstIndex(of: UInt8(ascii: ";")) else {
            return match(head, path: path, firstParameter: path.count, of: path.count, context, host, number)
        }
        return RequestPath.withoutParameters(path, from: first) {
            match(head, path: $0, firstParameter: first, of: path.count, context, host, number)
        }
    }

    /// `path` is matched, without query and, where they are ignored, parameters, the first of which stands behind
    /// `firstParameter` bytes of the `count` that the request's own path has.
    @inline(__always)
    private func match(
        _ head: MessageHead, path: Bytes, firstParameter: Int, of count: Int, _ context: MatchContext,
        _ host: VirtualHostRecord, _ number: UInt32
    ) -> RouteMatchResult {
        let found = RouteSearch.lowestRoute(in: self, host, path: path, head, context)
        guard found != noIndex else { return .missed(.noRoute, virtualHost: number) }
        let route = unsafe storage.pointee.routes[found]
        // What matched a literal does not stand in the request's own path when parameters stand inside of it.
        func literal(_ bytes: Int) -> UInt32? { firstParameter < bytes ? nil : UInt32(truncatingIfNeeded: bytes) }
        let matched =
            switch route.kind {
            case .prefix, .separatedPrefix: literal(Int(route.literalCount))
            case .exact: literal(path.count)
            default: UInt32(truncatingIfNeeded: count)
            }
        return RouteMatchResult(
            outcome: .route, virtualHostIndex: number, routeIndex: found &- host.firstRoute, flatIndex: found,
            matchedPathCount: matched)
    }

    // MARK: Sections

    @inline(__always)
    func text(_ ref: TextRef) -> Bytes {
        unsafe Bytes(storage.pointee.text + Int(ref.offset), Int(ref.count))
    }

    @inline(__always)
    func program(_ index: UInt32) -> RegexProgram { unsafe storage.pointee.programs[index] }

    @inline(__always)
    var trie: FrozenTrie { unsafe FrozenTrie(nodes: storage.pointee.nodes, text: storage.pointee.text) }
}

/// Head of the block; the sections follow it in the same allocation.
@safe
struct RouteTableStorage {
    var blockBytes = 0
    var ignorePortInHost = false
    var ignorePathParameters = false
    var hashSeed: UInt64 = 0
    /// Where the host comes from; the authority unless `vhost_header` says otherwise.
    var hostSource = HeaderSource(kind: .authority, isInline: true, id: .other, name: .empty)
    /// Tries over the domains, or `noIndex`: exact and `prefix.*` forwards, `*.suffix` backwards; `*` itself.
    var domainRoot = noIndex
    var domainSuffixRoot = noIndex
    var defaultVirtualHost = noIndex

    var text: UnsafePointer<UInt8>
    var virtualHosts: FrozenSection<VirtualHostRecord>
    var nodes: FrozenSection<TrieNode>
    var buckets: FrozenSection<BucketRecord>
    var lists: FrozenSection<UInt32>
    var groups: FrozenSection<HeaderGroupRecord>
    var slots: FrozenSection<HeaderSlotRecord>
    var regexSets: FrozenSection<RegexSetRecord>
    var routes: FrozenSection<RouteRecord>
    var conditions: FrozenSection<ConditionRecord>
    var headers: FrozenSection<HeaderMatchRecord>
    var queryParameters: FrozenSection<QueryParameterMatchRecord>
    var cookies: FrozenSection<CookieMatchRecord>
    var external: FrozenSection<UInt32>
    var programs: FrozenSection<RegexProgram>
    var sets: FrozenSection<RegexSet>
}
