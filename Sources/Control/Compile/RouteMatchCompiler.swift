// `match`: from Envoy's message to Routing's specification. Regexes are judged by Routing itself.

import EnvoyAPI
import Matching
import Primitives
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
            MatcherCompiler.queryParameter(
                $0.element, DiagnosedPlace(place.at("query_parameters", $0.offset), diagnostics))
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
        for (i, state) in message.filterState.enumerated() {
            for (j, range) in state.addressMatch.ranges.enumerated() where SocketAddress(ip: range.addressPrefix, port: 0) == nil {
                diagnostics.error(
                    place.at("filter_state", i).at("address_match").at("ranges", j).at("address_prefix"),
                    "malformed IP address: \(range.addressPrefix)", found: "'\(range.addressPrefix)'",
                    expected: "an IPv4 or IPv6 address")
            }
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
        MatcherCompiler.header(message, DiagnosedPlace(place, diagnostics))
    }

    func string(_ message: StringMatcher, _ place: Place) -> StringMatchSpec? {
        MatcherCompiler.string(message, DiagnosedPlace(place, diagnostics))
    }
}

/// Where a matcher stands in the configuration.
struct DiagnosedPlace: MatcherPlace {
    private let place: Place
    private let diagnostics: Diagnostics

    init(_ place: Place, _ diagnostics: Diagnostics) {
        self.place = place
        self.diagnostics = diagnostics
    }

    func at(_ field: StaticString) -> DiagnosedPlace { DiagnosedPlace(place.at(field), diagnostics) }
    func at(_ field: StaticString, _ index: Int) -> DiagnosedPlace { DiagnosedPlace(place.at(field, index), diagnostics) }
    func error(_ message: String) { diagnostics.error(place, message) }
    func error(in field: String, _ message: String) { diagnostics.error(path: place.path(field), message) }
}
