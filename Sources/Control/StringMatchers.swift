// A list of `envoy.type.matcher.v3.StringMatcher`, any of which may match: what admin's `allow_paths` and
// `stats_config.stats_matcher` mean.

import EnvoyAPI
import Primitives
import Routing

package final class StringMatchers {
    private enum Rule {
        case exact([UInt8]), prefix([UInt8]), suffix([UInt8]), contains([UInt8])
        case regex(RegexProgram)
    }

    private var rules: [(rule: Rule, ignoresCase: Bool)] = []

    package init() {}

    /// Throws RE2's words about a wrong pattern.
    package init(_ messages: [StringMatcher]) throws(RegexProgram.Invalid) {
        for message in messages {
            let rule: Rule
            switch message.matchPattern {
            case .exact(let text): rule = .exact(Array(text.utf8))
            case .prefix(let text): rule = .prefix(Array(text.utf8))
            case .suffix(let text): rule = .suffix(Array(text.utf8))
            case .contains(let text):
                rule = .contains(text.utf8.map { message.ignoreCase ? Bytes.lower($0) : $0 })
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

    package func matches(_ text: String) -> Bool { text.withBytes { matches($0) } }

    package func matches(_ text: Bytes) -> Bool {
        rules.contains { rule, ignoresCase in
            switch rule {
            case .exact(let wanted):
                wanted.withBytes { ignoresCase ? text.equalsIgnoringCase($0) : text.equals($0) }
            case .prefix(let wanted):
                wanted.withBytes { ignoresCase ? text.hasPrefixIgnoringCase($0) : text.hasPrefix($0) }
            case .suffix(let wanted):
                wanted.withBytes { ignoresCase ? text.hasSuffixIgnoringCase($0) : text.hasSuffix($0) }
            case .contains(let wanted):
                if ignoresCase {
                    Array(text).map(Bytes.lower).withBytes { folded in
                        wanted.withBytes { folded.firstIndex(of: $0) } != nil
                    }
                } else {
                    wanted.withBytes { text.firstIndex(of: $0) } != nil
                }
            case .regex(let program): program.matches(text)
            }
        }
    }
}
