// Envoy's matcher messages → Routing's specifications: for routes, retries, access logs and filters alike. Regular
// expressions are judged by whoever makes something of the specification.

import EnvoyAPI
import Routing

/// Where a matcher stands in a configuration, and who is told what is wrong with it.
package protocol MatcherPlace {
    func at(_ field: StaticString) -> Self
    func at(_ field: StaticString, _ index: Int) -> Self
    func error(_ message: String)
    /// `field`: a path below the place.
    func error(in field: String, _ message: String)
}

package enum MatcherCompiler {
    /// Nil, with an error, for a matcher that this build does not have.
    package static func header(
        _ message: Envoy_Config_Route_V3_HeaderMatcher, _ place: some MatcherPlace
    ) -> HeaderMatchSpec? {
        guard let value = headerValue(message, place) else { return nil }
        return HeaderMatchSpec(
            message.name.lowercased(), value, invert: message.invertMatch,
            treatMissingAsEmpty: message.treatMissingHeaderAsEmpty)
    }

    private static func headerValue(
        _ message: Envoy_Config_Route_V3_HeaderMatcher, _ place: some MatcherPlace
    ) -> HeaderMatchSpec.Value? {
        switch message.headerMatchSpecifier {
        case .exactMatch(let text): return .string(StringMatchSpec(.exact(text)))
        case .safeRegexMatch(let regex): return .string(StringMatchSpec(.regex(regex.regex)))
        case .prefixMatch(let text): return .string(StringMatchSpec(.prefix(text)))
        case .suffixMatch(let text): return .string(StringMatchSpec(.suffix(text)))
        case .containsMatch(let text): return .string(StringMatchSpec(.contains(text)))
        case .rangeMatch(let range): return .range(range.start, range.end)
        case .presentMatch(let present): return .present(present)
        case .stringMatch(let matcher): return string(matcher, place.at("string_match")).map { .string($0) }
        case .none: return .present(true)
        }
    }

    package static func queryParameter(
        _ message: Envoy_Config_Route_V3_QueryParameterMatcher, _ place: some MatcherPlace
    ) -> QueryParameterMatchSpec? {
        switch message.queryParameterMatchSpecifier {
        case .stringMatch(let matcher):
            return string(matcher, place.at("string_match")).map { QueryParameterMatchSpec(message.name, .string($0)) }
        case .presentMatch(let present): return QueryParameterMatchSpec(message.name, .present(present))
        case .none: return QueryParameterMatchSpec(message.name, .present(true))
        }
    }

    package static func string(
        _ message: Envoy_Type_Matcher_V3_StringMatcher, _ place: some MatcherPlace
    ) -> StringMatchSpec? {
        let ignoreCase = message.ignoreCase
        switch message.matchPattern {
        case .exact(let text): return StringMatchSpec(.exact(text), ignoreCase: ignoreCase)
        case .prefix(let text): return StringMatchSpec(.prefix(text), ignoreCase: ignoreCase)
        case .suffix(let text): return StringMatchSpec(.suffix(text), ignoreCase: ignoreCase)
        case .contains(let text): return StringMatchSpec(.contains(text), ignoreCase: ignoreCase)
        case .safeRegex(let regex): return StringMatchSpec(.regex(regex.regex), ignoreCase: ignoreCase)
        case .custom(let custom):
            place.at("custom").error(
                "Didn't find a registered implementation for '\(custom.name)' with type URL: '\(custom.typedConfig.messageName)'")
            return nil
        case .none: return nil
        }
    }
}
