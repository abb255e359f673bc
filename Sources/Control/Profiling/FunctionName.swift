// A demangled Swift name as it is shown: where it is and what it is called, with the labels of its parameters. Without the
// types, and without what tells one compilation from another.

package enum FunctionName {
    package static func shown(_ demangled: String) -> String { shown(Array(demangled.utf8), depth: 0) }

    private static let nestingMax = 8

    private static func shown(_ whole: [UInt8], depth: Int) -> String {
        var text = whole[...]
        for prefix in ["@objc ", "merged ", "@nonobjc "] where starts(text, prefix) { text = text.dropFirst(prefix.utf8.count) }
        // `generic specialization <…> of Module.f(…)`: what was specialised is the function.
        if text.first != UInt8(ascii: "("), let of = topLevel(text, " of "), contains(text[..<of], "specialization"), depth < nestingMax {
            return shown(Array(text[of...].dropFirst(4)), depth: depth + 1)
        }
        for prefix in ["partial apply forwarder for ", "protocol witness for ", "reabstraction thunk helper "]
        where starts(text, prefix) && depth < nestingMax {
            return prefix + shown(Array(text.dropFirst(prefix.utf8.count)), depth: depth + 1)
        }
        if starts(text, "closure #") {
            let name = text.split(separator: UInt8(ascii: " "), maxSplits: 2).prefix(2).joined(separator: [UInt8(ascii: " ")])
            guard let outer = topLevel(text, " in "), depth < nestingMax else { return string(ArraySlice(name)) }
            return string(ArraySlice(name)) + " in " + shown(Array(text[outer...].dropFirst(4)), depth: depth + 1)
        }
        if let outer = topLevel(text, " in "), depth < nestingMax {
            return shown(Array(text[..<outer]), depth: depth + 1) + " in " + shown(Array(text[outer...].dropFirst(4)), depth: depth + 1)
        }
        if let arrow = topLevel(text, " -> ") { text = text[..<arrow] }
        if let type = topLevel(text, " : ") { text = text[..<type] }
        for effect in [" throws", " async", " rethrows"] {
            if let end = topLevel(text, effect), end > text.startIndex, text[end - 1] == UInt8(ascii: ")") { text = text[..<end] }
        }
        return withLabels(withoutDiscriminators(string(text)))
    }

    /// `f(_: A, label: B)` becomes `f(_:label:)`.
    private static func withLabels(_ name: String) -> String {
        let text = Array(name.utf8)
        guard text.last == UInt8(ascii: ")") else { return name }
        var depth = 0
        var open = text.count
        repeat {
            open -= 1
            if text[open] == UInt8(ascii: ")") { depth += 1 }
            if text[open] == UInt8(ascii: "(") { depth -= 1 }
        } while depth > 0 && open > 0
        guard depth == 0, open > 0, open + 2 < text.count else { return name }
        let parameters = text[(open + 1)..<(text.count - 1)]
        var labels = ""
        var rest = parameters
        while true {
            let end = topLevel(rest, ", ") ?? rest.endIndex
            let parameter = rest[..<end]
            let colon = topLevel(parameter, ": ")
            labels += (colon.map { string(parameter[..<$0]) } ?? "_") + ":"
            if end == rest.endIndex { break }
            rest = rest[end...].dropFirst(2)
        }
        return string(text[..<open]) + "(" + labels + ")"
    }

    /// `(name in _A34F…)` becomes `name`.
    private static func withoutDiscriminators(_ name: String) -> String {
        var text = Array(name.utf8)
        var from = 0
        while let mark = find(text[from...], " in _") {
            let end = text[(mark + 5)...].firstIndex { !isHex($0) } ?? text.count
            guard end < text.count, text[end] == UInt8(ascii: ")"), let open = text[..<mark].lastIndex(of: UInt8(ascii: "(")) else {
                from = mark + 5
                continue
            }
            text.removeSubrange(mark...end)
            text.remove(at: open)
            from = open
        }
        return string(text[...])
    }

    // MARK: Text

    private static func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
    private static func isHex(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (65...70).contains(byte) }
    private static func starts(_ text: ArraySlice<UInt8>, _ needle: String) -> Bool { text.starts(with: needle.utf8) }
    private static func contains(_ text: ArraySlice<UInt8>, _ needle: String) -> Bool { find(text, needle) != nil }

    private static func find(_ text: ArraySlice<UInt8>, _ needle: String) -> Int? {
        text.indices.first { text[$0...].starts(with: needle.utf8) }
    }

    /// Where `needle` is outside of any brackets.
    private static func topLevel(_ text: ArraySlice<UInt8>, _ needle: String) -> Int? {
        var depth = 0
        for at in text.indices {
            if depth == 0, text[at...].starts(with: needle.utf8) { return at }
            switch text[at] {
            case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "<"): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
            // An arrow is no bracket.
            case UInt8(ascii: ">") where at == text.startIndex || text[at - 1] != UInt8(ascii: "-"): depth -= 1
            default: break
            }
        }
        return nil
    }
}
