// `name=value&flag&…` with percent escapes; a plus stays a plus.

package struct QueryParameters {
    private var parameters: [(name: String, value: String)] = []

    package init(_ text: Substring) {
        for part in text.utf8.split(separator: UInt8(ascii: "&")) {
            let mark = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let name = QueryParameters.decoded(part[..<mark])
            parameters.append((name, QueryParameters.decoded(part[mark...].dropFirst())))
        }
    }

    package var isEmpty: Bool { parameters.isEmpty }
    package var count: Int { parameters.count }
    package var all: [(name: String, value: String)] { parameters }

    /// The first value of that name; empty for a name without one.
    package subscript(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// A flag may stand alone: `?usedonly`.
    package func has(_ name: String) -> Bool { self[name] != nil }

    /// As `subscript`, but an empty value is as good as none.
    package func nonEmpty(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    private static func decoded(_ bytes: Substring.UTF8View) -> String {
        var out: [UInt8] = []
        var at = bytes.startIndex
        while at != bytes.endIndex {
            let byte = bytes[at]
            at = bytes.index(after: at)
            guard byte == UInt8(ascii: "%"), let high = digit(bytes, at), let low = digit(bytes, bytes.index(after: at))
            else {
                out.append(byte)
                continue
            }
            out.append(high << 4 | low)
            at = bytes.index(at, offsetBy: 2)
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func digit(_ bytes: Substring.UTF8View, _ at: Substring.UTF8View.Index) -> UInt8? {
        guard at < bytes.endIndex else { return nil }
        switch bytes[at] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return bytes[at] - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): return bytes[at] - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): return bytes[at] - UInt8(ascii: "A") + 10
        default: return nil
        }
    }
}
