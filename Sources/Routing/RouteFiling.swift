// Files the routes of one virtual host under the literals that their paths begin with.

import Primitives

struct RouteFiling {
    struct Filed {
        var number: UInt32
        var path: RouteTableBuilder.CompiledPath
        var match: RouteMatchSpec
        /// Accepts whatever is led to it: no later route of its bucket is ever reached.
        var isUnconditional = false
    }

    private struct Literal {
        /// For paths that begin with the literal, and for the path that is the literal. Ascending.
        var prefix: [Filed] = []
        var exact: [Filed] = []
    }

    private var caseSensitive: [[UInt8]: Literal] = [:]
    private var caseInsensitive: [[UInt8]: Literal] = [:]
    private var connect: [Filed] = []

    mutating func add(_ number: UInt32, _ path: RouteTableBuilder.CompiledPath, _ match: RouteMatchSpec) {
        let filed = Filed(number: number, path: path, match: match)
        if path.kind == .connect {
            connect.append(filed)
        } else if path.ignoreCase {
            RouteFiling.append(filed, to: &caseInsensitive[path.literal, default: Literal()])
        } else {
            RouteFiling.append(filed, to: &caseSensitive[path.literal, default: Literal()])
        }
    }

    private static func append(_ filed: Filed, to literal: inout Literal) {
        if filed.path.kind == .exact { literal.exact.append(filed) } else { literal.prefix.append(filed) }
    }

    /// Makes buckets and tries.
    func file(
        into builder: inout RouteTableBuilder, firstRoute: UInt32, requireTLS: TLSRequirement
    ) -> VirtualHostRecord {
        VirtualHostRecord(
            caseSensitiveRoot: RouteFiling.trie(caseSensitive, &builder),
            caseInsensitiveRoot: RouteFiling.trie(caseInsensitive, &builder),
            connectBucket: BucketBuilder.add(connect, to: &builder),
            firstRoute: firstRoute, requireTLS: requireTLS)
    }

    private static func trie(_ literals: [[UInt8]: Literal], _ builder: inout RouteTableBuilder) -> UInt32 {
        if literals.isEmpty { return noIndex }
        var entries: [TrieBuilder.Entry] = []
        entries.reserveCapacity(literals.count)
        for (key, literal) in literals {
            entries.append(
                TrieBuilder.Entry(
                    key: key, prefixValue: BucketBuilder.add(literal.prefix, to: &builder),
                    exactValue: BucketBuilder.add(literal.exact, to: &builder)))
        }
        return TrieBuilder.add(entries, nodes: &builder.nodes, text: &builder.text)
    }
}
