// Cookie matchers: `cookies` of a route match.

import Primitives
import Wire

struct CookieMatchRecord {
    var name: TextRef
    var value: ValueMatchRecord
    var invert: Bool
}

extension RouteTable {
    // HOT: per message.
    func holds(_ record: CookieMatchRecord, _ head: MessageHead) -> Bool {
        guard let value = RequestCookies.firstValue(of: text(record.name), in: head) else { return record.invert }
        return holds(record.value, value) != record.invert
    }
}

package enum RequestCookies {
    // HOT: per message.
    /// The first cookie of that name in all `cookie` fields (RFC 6265 §5.4), without the quotes around its value.
    package static func firstValue(of name: Bytes, in head: MessageHead) -> Bytes? {
        var next = head.index(of: .cookie)
        while let index = next {
            if let value = firstValue(of: name, inField: head.value(index)) { return value }
            next = head.index(of: .cookie, from: index &+ 1)
        }
        return nil
    }

    static func firstValue(of name: Bytes, inField field: Bytes) -> Bytes? {
        var start = 0
        while start < field.count {
            let end = field.firstIndex(of: UInt8(ascii: ";"), from: start) ?? field.count
            // White space before the name only: what stands behind a name or a value belongs to it, as in Envoy.
            while start < end, field[start] == UInt8(ascii: " ") { start &+= 1 }
            let pair = field.part(start, end)
            if let equals = pair.firstIndex(of: UInt8(ascii: "=")), pair.prefix(equals).equals(name) {
                let value = pair.from(equals &+ 1)
                let quoted = value.count >= 2 && value[0] == 0x22 && value[value.count &- 1] == 0x22
                return quoted ? value.part(1, value.count &- 1) : value
            }
            start = end &+ 1
        }
        return nil
    }
}
