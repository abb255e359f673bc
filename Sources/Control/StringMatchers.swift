// A list of `envoy.type.matcher.v3.StringMatcher`, any of which may match: what admin's `allow_paths` means.

import EnvoyAPI
import Primitives
import Routing

package final class StringMatchers {
    private enum Rule {
        case exact(String), prefix(String), suffix(String), contains(String)
        case regex(RegexProgram)
    }

    private var rules: [(rule: Rule, ignoresCase: Bool)] = []

    package init() {}

    /// Throws RE2's words about a wrong pattern.
    package init(_ messages: [StringMatcher]) throws(RegexProgram.Invalid) {
        for message in messages {
            let folded = { (text: String) in message.ignoreCase ? text.lowercased() : text }
            let rule: Rule
            switch message.matchPattern {
            case .exact(let text): rule = .exact(folded(text))
            case .prefix(let text): rule = .prefix(folded(text))
            case .suffix(let text): rule = .suffix(folded(text))
            case .contains(let text): rule = .contains(folded(text))
            case .safeRegex(let regex): rule = .regex(try RegexProgram(regex.regex))
            default: continue
            }
            rules.append((rule, message.ignoreCase))
        }
    }

    deinit {
        for case (.regex(let program), _) in rules { program.destroy() }
    }

    package var isEmpty: Bool { rules.isEmpty }

    package func matches(_ text: String) -> Bool {
        rules.contains { rule, ignoresCase in
            let subject = ignoresCase ? text.lowercased() : text
            switch rule {
            case .exact(let wanted): return subject == wanted
            case .prefix(let wanted): return subject.hasPrefix(wanted)
            case .suffix(let wanted): return subject.hasSuffix(wanted)
            case .contains(let wanted): return subject.contains(wanted)
            case .regex(let program): return text.withBytes { program.matches($0) }
            }
        }
    }
}
