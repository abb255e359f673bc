// `match`: from Envoy's message to Routing's specification. Regexes are judged by Routing itself.

import EnvoyAPI
import Routing

typealias UriTemplateMatch = Envoy_Extensions_Path_Match_UriTemplate_V3_UriTemplateMatchConfig

struct RouteMatchCompiler {
    let diagnostics: Diagnostics
    /// Nil where no runtime key can stand (header matchers).
    var runtime: RuntimeCompiler?

    func compile(_ message: RouteMatchMessage, _ place: Place) -> RouteMatchSpec {
        var spec = RouteMatchSpec(path(message, place))
        if message.hasCaseSensitive { spec.caseSensitive = message.caseSensitive.value }
        if message.hasRuntimeFraction {
            spec.runtimeFraction = runtime?.fraction(message.runtimeFraction)
        }
        spec.headers = message.headers.enumerated().compactMap { header($0.element, place.at("headers", $0.offset)) }
        spec.queryParameters = message.queryParameters.enumerated().compactMap {
            queryParameter($0.element, place.at("query_parameters", $0.offset))
        }
        spec.cookies = message.cookies.enumerated().compactMap { i, cookie in
            string(cookie.stringMatch, place.at("cookies", i).at("string_match")).map {
                CookieMatchSpec(cookie.name, $0, invert: cookie.invertMatch)
            }
        }
        spec.grpcOnly = message.hasGrpc
        if message.hasTlsContext {
            if message.tlsContext.hasPresented { spec.certificatePresented = message.tlsContext.presented.value }
            if message.tlsContext.hasValidated { spec.certificateValidated = message.tlsContext.validated.value }
        }
        // No filter of ours sets dynamic metadata or filter state yet: there is never a value to look at.
        if message.dynamicMetadata.contains(where: { !$0.invert }) || !message.filterState.isEmpty {
            spec.external = [RouteMatchCompiler.never]
        }
        return spec
    }

    /// An external matcher that nobody answers for.
    private static let never: UInt32 = 0

    private func path(_ message: RouteMatchMessage, _ place: Place) -> RouteMatchSpec.Path {
        switch message.pathSpecifier {
        case .prefix(let prefix): return .prefix(prefix)
        case .path(let path): return .exact(path)
        case .safeRegex(let regex): return .regex(regex.regex)
        case .connectMatcher: return .connect
        case .pathSeparatedPrefix(let prefix): return .separatedPrefix(prefix)
        case .pathMatchPolicy(let policy):
            guard let template = RouteMatchCompiler.template(policy) else {
                diagnostics.error(
                    place.at("path_match_policy"),
                    "Didn't find a registered implementation for '\(policy.name)' with type URL: '\(policy.typedConfig.messageName)'",
                    expected: UriTemplateMatch.protoMessageName)
                return .connect
            }
            return .template(template)
        case .none: return .connect
        }
    }

    /// Nil: another extension.
    static func template(_ policy: Envoy_Config_Core_V3_TypedExtensionConfig) -> String? {
        guard policy.typedConfig.messageName == UriTemplateMatch.protoMessageName else { return nil }
        return (try? UriTemplateMatch(serializedBytes: policy.typedConfig.value))?.pathTemplate
    }

    func header(_ message: HeaderMatcher, _ place: Place) -> HeaderMatchSpec? {
        guard let value = headerValue(message, place) else { return nil }
        return HeaderMatchSpec(
            message.name.lowercased(), value, invert: message.invertMatch,
            treatMissingAsEmpty: message.treatMissingHeaderAsEmpty)
    }

    private func headerValue(_ message: HeaderMatcher, _ place: Place) -> HeaderMatchSpec.Value? {
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

    private func queryParameter(
        _ message: Envoy_Config_Route_V3_QueryParameterMatcher, _ place: Place
    ) -> QueryParameterMatchSpec? {
        switch message.queryParameterMatchSpecifier {
        case .stringMatch(let matcher):
            return string(matcher, place.at("string_match")).map { QueryParameterMatchSpec(message.name, .string($0)) }
        case .presentMatch(let present): return QueryParameterMatchSpec(message.name, .present(present))
        case .none: return QueryParameterMatchSpec(message.name, .present(true))
        }
    }

    func string(_ message: StringMatcher, _ place: Place) -> StringMatchSpec? {
        let ignoreCase = message.ignoreCase
        switch message.matchPattern {
        case .exact(let text): return StringMatchSpec(.exact(text), ignoreCase: ignoreCase)
        case .prefix(let text): return StringMatchSpec(.prefix(text), ignoreCase: ignoreCase)
        case .suffix(let text): return StringMatchSpec(.suffix(text), ignoreCase: ignoreCase)
        case .contains(let text): return StringMatchSpec(.contains(text), ignoreCase: ignoreCase)
        case .safeRegex(let regex): return StringMatchSpec(.regex(regex.regex), ignoreCase: ignoreCase)
        case .custom(let custom):
            diagnostics.error(
                place.at("custom"),
                "Didn't find a registered implementation for '\(custom.name)' with type URL: '\(custom.typedConfig.messageName)'"
            )
            return nil
        case .none: return nil
        }
    }
}
