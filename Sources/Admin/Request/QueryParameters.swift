// `name=value&flag&…` with percent escapes; a plus stays a plus.

package struct QueryParameters {
    private var parameters: [(name: String, value: String)] = []
    /// The first value of each name: a query of 60 KiB may have fifteen thousand.
    private var firsts: [String: String] = [:]
    /// Names of those whose value is no UTF-8: it cannot be shown as it came.
    private var broken: Set<String> = []

    package init(_ text: Substring) {
        for part in text.utf8.split(separator: UInt8(ascii: "&")) {
            let mark = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let name = String(decoding: QueryParameters.decoded(part[..<mark]), as: UTF8.self)
            let bytes = QueryParameters.decoded(part[mark...].dropFirst())
            let value = String(decoding: bytes, as: UTF8.self)
            if firsts[name] == nil {
                firsts[name] = value
                if String(validating: bytes, as: UTF8.self) == nil { broken.insert(name) }
            }
            parameters.append((name, value))
        }
    }

    package var isEmpty: Bool { parameters.isEmpty }
    package var count: Int { parameters.count }
    package var all: [(name: String, value: String)] { parameters }

    /// The first value of that name; empty for a name without one.
    package subscript(_ name: String) -> String? { firsts[name] }

    /// A flag may stand alone: `?usedonly`.
    package func has(_ name: String) -> Bool { self[name] != nil }

    package func isBroken(_ name: String) -> Bool { broken.contains(name) }

    /// As `subscript`, but an empty value is as good as none.
    package func nonEmpty(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    private static func decoded(_ bytes: Substring.UTF8View) -> [UInt8] {
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
        return out
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
