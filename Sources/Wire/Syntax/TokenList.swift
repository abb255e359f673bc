// Elements of a comma-separated list (RFC 9110 §5.6.1): trimmed, empty ones skipped.

import Primitives

package struct TokenList {
    private let list: Bytes
    private var cursor = 0

    package init(_ list: Bytes) { self.list = list }

    package mutating func next() -> Bytes? {
        while cursor < list.count {
            let end = list.firstIndex(of: 0x2c, from: cursor) ?? list.count
            let element = list.part(cursor, end).trimmed
            cursor = end &+ 1
            if !element.isEmpty { return element }
        }
        return nil
    }

    /// Whether one element equals `token`, ASCII case aside.
    package static func contains(_ list: Bytes, _ token: Bytes) -> Bool {
        var elements = TokenList(list)
        while let element = elements.next() {
            if element.equalsIgnoringCase(token) { return true }
        }
        return false
    }
}
