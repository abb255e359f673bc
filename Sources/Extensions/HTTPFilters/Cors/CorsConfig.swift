// `envoy.extensions.filters.http.cors.v3`: the policy of one level.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing

/// What a level says. What it leaves out, the next one may say.
struct CorsPolicy: BitwiseCopyable {
    /// Empty: nothing is said.
    var origins = FrozenArray<TextMatcher>()
    var allowMethods = Bytes.empty
    var allowHeaders = Bytes.empty
    var exposeHeaders = Bytes.empty
    var maxAge = Bytes.empty
    var allowsCredentials: Bool?
    var allowsPrivateNetwork: Bool?
    var forwardsOthersPreflights: Bool?
    /// Both are said by the most specific level alone.
    var enabled = RuntimeFraction(Fraction(100, .hundred))
    var shadowed = RuntimeFraction(Fraction(0, .hundred))
}

struct CorsConfig {
    let input: FilterInput
    private let problems = Problems()

    init(_ input: FilterInput) { self.input = input }

    func readRoute() throws(FilterProblems) -> CorsPolicy {
        let message = try input.message(Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy.self)
        var policy = CorsPolicy()
        policy.origins = input.arena.array(
            message.allowOriginStringMatch.enumerated().compactMap { matcher($1, "allow_origin_string_match[\($0)]") })
        policy.allowMethods = input.arena.text(message.allowMethods)
        policy.allowHeaders = input.arena.text(message.allowHeaders)
        policy.exposeHeaders = input.arena.text(message.exposeHeaders)
        policy.maxAge = input.arena.text(message.maxAge)
        if message.hasAllowCredentials { policy.allowsCredentials = message.allowCredentials.value }
        if message.hasAllowPrivateNetworkAccess { policy.allowsPrivateNetwork = message.allowPrivateNetworkAccess.value }
        if message.hasForwardNotMatchingPreflights { policy.forwardsOthersPreflights = message.forwardNotMatchingPreflights.value }
        if message.hasFilterEnabled { policy.enabled = fraction(message.filterEnabled) }
        if message.hasShadowEnabled { policy.shadowed = fraction(message.shadowEnabled) }
        try problems.check()
        return policy
    }

    private func matcher(_ message: Envoy_Type_Matcher_V3_StringMatcher, _ path: String) -> TextMatcher? {
        guard let spec = MatcherCompiler.string(message, ProblemPlace(path, problems)) else { return nil }
        do throws(RegexProgram.Invalid) {
            let matcher = try TextMatcher(spec, in: input.arena)
            input.onRelease { matcher.destroy() }
            return matcher
        } catch {
            problems.add(path + ".safe_regex", "invalid regex: \(error.message)")
            return nil
        }
    }

    private func fraction(_ message: Envoy_Config_Core_V3_RuntimeFractionalPercent) -> RuntimeFraction {
        let value = message.defaultValue
        let denominator: FractionDenominator = switch value.denominator {
        case .tenThousand: .tenThousand
        case .million: .million
        default: .hundred
        }
        return RuntimeFraction(Fraction(value.numerator, denominator), cell: input.runtime(message.runtimeKey))
    }
}
