// Cookie fields of a request (RFC 6265 §4.2.1), read leniently as Envoy reads them.

import Primitives

package struct Cookies {
    private let list: Bytes
    private var cursor = 0

    package init(_ field: Bytes) { list = field }

    /// `name=value`, spaces around both dropped, one pair of quotes around the value too.
    package mutating func next() -> (name: Bytes, value: Bytes)? {
        while cursor < list.count {
            let end = list.firstIndex(of: 0x3b, from: cursor) ?? list.count
            let pair = list.part(cursor, end).trimmed
            cursor = end &+ 1
            guard let equals = pair.firstIndex(of: 0x3d) else { continue }
            var value = pair.from(equals &+ 1).trimmed
            if value.count >= 2, value[0] == 0x22, value[value.count &- 1] == 0x22 {
                value = value.part(1, value.count &- 1)
            }
            return (pair.prefix(equals).trimmed, value)
        }
        return nil
    }

    /// The first cookie of that name in any Cookie field.
    package static func value(of name: Bytes, in head: MessageHead) -> Bytes? {
        var i = 0
        while let at = head.index(of: .cookie, from: i) {
            i = at &+ 1
            var cookies = Cookies(head.value(at))
            while let cookie = cookies.next() {
                if cookie.name.equals(name) { return cookie.value }
            }
        }
        return nil
    }
}
