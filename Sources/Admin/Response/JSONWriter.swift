// JSON as Envoy's admin interface lays it out: one space per level, `{}` and `[]` when empty, 64-bit numbers as strings.

import EnvoyAPI

package struct JSONWriter {
    package private(set) var text = ""
    private var levels: [Bool] = []

    package init() {}

    /// How deep the next value stands: for `MessageJSON.text(_:level:)`.
    package var level: Int { levels.count }

    /// What was written since the last call.
    package mutating func take() -> String {
        defer { text = "" }
        return text
    }

    // MARK: Structure

    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        open("{")
        body(&self)
        close("}")
    }

    package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    package mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        open("[")
        body(&self)
        close("]")
    }

    /// An element of an array that is an object.
    package mutating func element(_ body: (inout JSONWriter) -> Void) {
        next()
        object(body)
    }

    package mutating func open(_ bracket: String) {
        text += bracket
        levels.append(false)
    }

    package mutating func close(_ bracket: String) {
        let had = levels.popLast() ?? false
        if had { newLine() }
        text += bracket
    }

    /// The comma before a member or an element, and its line.
    package mutating func next() {
        guard let last = levels.last else { return }
        if last { text += "," }
        levels[levels.count - 1] = true
        newLine()
    }

    private mutating func newLine() {
        text += "\n"
        text += String(repeating: " ", count: levels.count)
    }

    /// The end of the text.
    package mutating func end() { text += "\n" }

    /// A value behind its key, as it is printed.
    package mutating func raw(_ json: String) { text += json }

    /// The members of an object that was printed one level further out.
    package mutating func members(_ object: String) {
        var inner = object.dropFirst().dropLast()
        guard !inner.isEmpty else { return }
        // Its first line break and the indentation of its last line are ours already.
        while let last = inner.last, last == " " { inner.removeLast() }
        inner = inner.drop { $0 == "\n" || $0 == " " }
        if inner.last == "\n" { inner.removeLast() }
        next()
        text += inner
    }

    // MARK: Values

    package mutating func key(_ name: String) {
        next()
        text += JSONText.quoted(name) + ": "
    }

    package mutating func member(_ name: String, _ value: String) { member(name, json: JSONText.quoted(value)) }
    package mutating func member(_ name: String, _ value: Bool) { member(name, json: value ? "true" : "false") }
    /// 32 bits and fewer.
    package mutating func member(_ name: String, _ value: UInt32) { member(name, json: "\(value)") }
    /// 64 bits: a string, as JSON's numbers do not hold them.
    package mutating func member(_ name: String, long value: UInt64) { member(name, json: "\"\(value)\"") }

    /// `json`: a value as it is printed, at this level.
    package mutating func member(_ name: String, json: String) {
        key(name)
        text += json
    }

    package mutating func element(_ value: String) { element(json: JSONText.quoted(value)) }

    package mutating func element(json: String) {
        next()
        text += json
    }
}
