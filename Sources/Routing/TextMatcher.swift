// A string matcher by itself: `StringMatcher` where it is asked of something else than a request's head.

import Primitives

@safe
package struct TextMatcher: BitwiseCopyable, @unchecked Sendable {  // immutable
    private enum Kind: BitwiseCopyable { case exact, prefix, suffix, contains }
    private let kind: Kind
    private let text: Bytes
    private let ignoreCase: Bool
    private let program: RegexProgram?

    package init(_ spec: StringMatchSpec, in arena: FrozenArena) throws(RegexProgram.Invalid) {
        ignoreCase = spec.ignoreCase
        switch spec.kind {
        case .exact(let string): (kind, text, program) = (.exact, arena.text(string), nil)
        case .prefix(let string): (kind, text, program) = (.prefix, arena.text(string), nil)
        case .suffix(let string): (kind, text, program) = (.suffix, arena.text(string), nil)
        case .contains(let string): (kind, text, program) = (.contains, arena.text(string), nil)
        case .regex(let pattern): (kind, text, program) = (.exact, .empty, try RegexProgram(pattern))
        }
    }

    package func destroy() { program?.destroy() }

    // HOT: per header field.
    package func matches(_ value: Bytes) -> Bool {
        if let program { return program.matches(value) }
        guard value.count >= text.count else { return false }
        switch kind {
        case .exact: return value.count == text.count && equals(value)
        case .prefix: return equals(value.part(0, text.count))
        case .suffix: return equals(value.from(value.count &- text.count))
        case .contains:
            var i = 0
            while i &+ text.count <= value.count {
                if equals(value.part(i, i &+ text.count)) { return true }
                i &+= 1
            }
            return false
        }
    }

    private func equals(_ part: Bytes) -> Bool { ignoreCase ? part.equalsIgnoringCase(text) : part.equals(text) }
}
