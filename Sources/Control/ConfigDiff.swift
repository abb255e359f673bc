// How a message differs from the one that it replaces, field by field, in words for people: the console's "what changed".

import EnvoyAPI
import SwiftProtobuf

package enum ConfigDiff {
    /// Of one changed thing; what is beyond them is told as a number by `ServerEvent.lineCount`.
    static let linesMax = 20
    /// Printing a larger message twice would hold main for too long.
    static let bytesMax = 64 * 1024
    private static let valueMax = 120

    /// `connect_timeout: 0.250s → 1s`; `routes[0].timeout: added 3s`. Secrets are redacted.
    static func lines<Message: SwiftProtobuf.Message>(_ old: Message, _ new: Message, bytes: Int) -> [String] {
        guard bytes <= bytesMax else { return ["too large to be compared field by field"] }
        let printer = MessageJSON()
        return lines(printer.text(old), printer.text(new))
    }

    /// Both as `MessageJSON` prints them.
    package static func lines(_ old: String, _ new: String) -> [String] {
        let before = flat(old)
        let after = flat(new)
        let was = Dictionary(before, uniquingKeysWith: { first, _ in first })
        let now = Dictionary(after, uniquingKeysWith: { first, _ in first })
        var lines: [String] = []
        for (path, value) in after where was[path] != value {
            lines.append(was[path].map { "\(path): \($0) → \(value)" } ?? "\(path): added \(value)")
        }
        for (path, value) in before where now[path] == nil { lines.append("\(path): removed (was \(value))") }
        return lines
    }

    /// Path and value of every scalar. An element of a list is called by its `name` where that comes first in it.
    static func flat(_ json: String) -> [(String, String)] {
        var result: [(String, String)] = []
        var path: [String] = []
        /// By level: the place in a list, or -1 in an object.
        var places: [Int] = [-1]
        let lines = json.split(separator: "\n").map { $0.drop { $0 == " " } }
        for (number, line) in lines.enumerated() where number > 0 {
            if line.hasPrefix("}") || line.hasPrefix("]") {
                if places.count > 1 { places.removeLast() }
                if !path.isEmpty { path.removeLast() }
                continue
            }
            let (key, value) = member(line)
            var segment = key.map { (path.isEmpty ? "" : ".") + $0 } ?? ""
            if key == nil, let place = places.last {
                places[places.count - 1] = place + 1
                let next = number + 1 < lines.count ? member(lines[number + 1]) : (nil, "")
                segment = next.0 == "name" ? "[\(unquoted(next.1))]" : "[\(place)]"
            }
            if value == "{" || value == "[" {
                path.append(segment)
                places.append(value == "[" ? 0 : -1)
            } else {
                result.append(((path + [segment]).joined(), shortened(unquoted(value))))
            }
        }
        return result
    }

    /// `"key": value,` → key and value; an element of a list has no key.
    private static func member(_ line: Substring) -> (String?, Substring) {
        let value = line.hasSuffix(",") ? line.dropLast() : line
        guard value.hasPrefix("\""), let end = keyEnd(value) else { return (nil, value) }
        return (String(value[value.index(after: value.startIndex)..<end]), value[value.index(end, offsetBy: 3)...])
    }

    /// The quote behind the key, if `": "` follows it.
    private static func keyEnd(_ line: Substring) -> Substring.Index? {
        var at = line.index(after: line.startIndex)
        while at != line.endIndex {
            if line[at] == "\\" {
                at = line.index(after: at)
                if at == line.endIndex { return nil }
            } else if line[at] == "\"" {
                return line[at...].hasPrefix("\": ") ? at : nil
            }
            at = line.index(after: at)
        }
        return nil
    }

    private static func unquoted(_ value: Substring) -> String {
        String(value.hasPrefix("\"") && value.hasSuffix("\"") && value.count > 1 ? value.dropFirst().dropLast() : value)
    }

    private static func shortened(_ value: String) -> String {
        value.utf8.count <= valueMax ? value : String(value.prefix(valueMax)) + "…"
    }
}
