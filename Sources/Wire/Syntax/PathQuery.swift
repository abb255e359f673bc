// Path and query of a request target: where one ends and the other begins (RFC 3986 §3.3, §3.4), and the query's
// parameters. All bytes as written: nothing is decoded here.

import Primitives

package struct PathQuery {
    package let path: Bytes
    /// Without the "?". Nil when there is none, which is not the same as an empty one.
    package let query: Bytes?

    package init(_ target: Bytes) {
        guard let mark = target.firstIndex(of: 0x3f) else {
            path = target
            query = nil
            return
        }
        path = target.prefix(mark)
        query = target.from(mark &+ 1)
    }
}

/// `name=value` pairs between "&". A pair without "=" has an empty value; empty pairs are skipped, as in Envoy.
package struct QueryParameters {
    private let query: Bytes
    private var cursor = 0

    package init(_ query: Bytes) { self.query = query }

    package mutating func next() -> (name: Bytes, value: Bytes)? {
        while cursor < query.count {
            let end = query.firstIndex(of: 0x26, from: cursor) ?? query.count
            let pair = query.part(cursor, end)
            cursor = end &+ 1
            if pair.isEmpty { continue }
            guard let equals = pair.firstIndex(of: 0x3d) else { return (pair, .empty) }
            return (pair.prefix(equals), pair.from(equals &+ 1))
        }
        return nil
    }

    /// The first value of `name`.
    package static func value(of name: Bytes, in query: Bytes) -> Bytes? {
        var parameters = QueryParameters(query)
        while let parameter = parameters.next() {
            if parameter.name.equals(name) { return parameter.value }
        }
        return nil
    }
}
