// The literal that a regex begins with, so that a regex route can be filed in the trie by it, and what is left.
//
// `/svc7/[0-9]+/.*` is filed under `/svc7/` and only `[0-9]+/.*` is ever run; ten thousand routes that differ in the
// literal alone share one compiled program. The scan is careful rather than clever: whatever it is not sure of ends the
// literal, and where cutting the regex in two could change its meaning there is none.

struct RegexLiteralPrefix: Equatable {
    var literal: [UInt8]
    /// The regex for what follows the literal.
    var rest: String

    /// `pattern` is a valid RE2 pattern.
    init(_ pattern: String) {
        let bytes = Array(pattern.utf8)
        var reader = Reader(bytes: bytes)
        guard !reader.hasTopLevelAlternation, !reader.looksBehind else {
            literal = []
            rest = pattern
            return
        }
        literal = reader.readLiteral()
        rest = String(decoding: bytes[reader.position...], as: UTF8.self)
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        /// A `|` outside of every group: the literal would belong to the first alternative alone.
        var hasTopLevelAlternation: Bool {
            var depth = 0
            var found = false
            forEachOutsideClasses { byte, _ in
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") { depth -= 1 }
                if byte == UInt8(ascii: "|"), depth == 0 { found = true }
            }
            return found
        }

        /// `^`, `\A`, `\b`, `\B` ask for what stands before: they would see the text's start where the cut is. `\Q`
        /// quotes and `\C` (one byte, perhaps half a character) are left alone too.
        var looksBehind: Bool {
            var found = false
            forEachOutsideClasses { byte, escaped in
                if escaped {
                    if [UInt8(ascii: "A"), UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "Q"), UInt8(ascii: "C")]
                        .contains(byte)
                    {
                        found = true
                    }
                } else if byte == UInt8(ascii: "^") {
                    found = true
                }
            }
            return found
        }

        /// Visits metacharacters and plain ones outside of `[…]`; escaped ones with `escaped`.
        private func forEachOutsideClasses(_ visit: (UInt8, _ escaped: Bool) -> Void) {
            var i = 0
            while i < bytes.count {
                if bytes[i] == UInt8(ascii: "\\") {
                    if i + 1 < bytes.count { visit(bytes[i + 1], true) }
                    i += 2
                } else if bytes[i] == UInt8(ascii: "[") {
                    i = endOfClass(i)
                } else {
                    visit(bytes[i], false)
                    i += 1
                }
            }
        }

        /// The position after the `]` that closes the class at `start`. A `]` in first place is a member, and
        /// `[:alpha:]` brings its own.
        private func endOfClass(_ start: Int) -> Int {
            var i = start + 1
            if i < bytes.count, bytes[i] == UInt8(ascii: "^") { i += 1 }
            if i < bytes.count, bytes[i] == UInt8(ascii: "]") { i += 1 }
            while i < bytes.count, bytes[i] != UInt8(ascii: "]") {
                if bytes[i] == UInt8(ascii: "\\") {
                    i += 2
                } else if bytes[i] == UInt8(ascii: "["), i + 1 < bytes.count, bytes[i + 1] == UInt8(ascii: ":") {
                    var end = i + 2
                    while end + 1 < bytes.count, !(bytes[end] == UInt8(ascii: ":") && bytes[end + 1] == UInt8(ascii: "]"))
                    {
                        end += 1
                    }
                    i = end + 1 < bytes.count ? end + 2 : i + 1
                } else {
                    i += 1
                }
            }
            return i + 1
        }

        /// Plain characters and escaped punctuation from `position` on, without one that a quantifier follows.
        mutating func readLiteral() -> [UInt8] {
            var literal: [UInt8] = []
            while position < bytes.count {
                var next = position
                var character: [UInt8] = []
                if bytes[next] == UInt8(ascii: "\\") {
                    guard next + 1 < bytes.count, Reader.isPunctuation(bytes[next + 1]) else { break }
                    character = [bytes[next + 1]]
                    next += 2
                } else if Reader.isMeta(bytes[next]) {
                    break
                } else {
                    // A whole UTF-8 character: a quantifier after it means all of it.
                    repeat {
                        character.append(bytes[next])
                        next += 1
                    } while next < bytes.count && bytes[next] & 0xC0 == 0x80
                }
                if next < bytes.count, Reader.isQuantifier(bytes[next]) { break }
                literal += character
                position = next
            }
            return literal
        }

        private static func isPunctuation(_ byte: UInt8) -> Bool {
            (0x21...0x2F).contains(byte) || (0x3A...0x40).contains(byte) || (0x5B...0x60).contains(byte)
                || (0x7B...0x7E).contains(byte)
        }

        private static func isMeta(_ byte: UInt8) -> Bool { ".^$|()[]*+?{}\\".utf8.contains(byte) }

        private static func isQuantifier(_ byte: UInt8) -> Bool { "*+?{".utf8.contains(byte) }
    }
}
