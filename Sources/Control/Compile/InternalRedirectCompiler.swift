// `internal_redirect_policy`.

import EnvoyAPI
import Pipeline
import Primitives

struct InternalRedirectCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    private static let kinds: [String: RedirectPredicate.Kind] = [
        "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig": .allowListedRoutes,
        "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig": .previousRoutes,
        "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig": .safeCrossScheme,
    ]
    /// Statuses that mean a redirect; others in the list are never followed (Envoy takes them without a word).
    private static let statuses: Set<UInt32> = [301, 302, 303, 307, 308]

    func compile(_ message: Envoy_Config_Route_V3_InternalRedirectPolicy, _ place: Place) -> UnsafePointer<InternalRedirectConfig> {
        var config = InternalRedirectConfig()
        if message.hasMaxInternalRedirects { config.redirectsMax = message.maxInternalRedirects.value }
        for (i, status) in message.redirectResponseCodes.enumerated()
        where !InternalRedirectCompiler.statuses.contains(status) {
            diagnostics.warning(
                place.at("redirect_response_codes", i), "a response with status \(status) is never followed",
                suggestion: "301, 302, 303, 307 and 308 are redirects")
        }
        let listed = message.redirectResponseCodes.filter { InternalRedirectCompiler.statuses.contains($0) }
        config.statuses = part.arena.array(
            message.redirectResponseCodes.isEmpty ? [302] : listed.map { UInt16(truncatingIfNeeded: $0) })
        config.allowsCrossScheme = message.allowCrossSchemeRedirect
        config.copiedHeaders = part.arena.array(message.responseHeadersToCopy.map { part.arena.text($0.lowercased()) })
        for (i, name) in message.responseHeadersToCopy.enumerated() where name.hasPrefix(":") || name.lowercased() == "host" {
            diagnostics.error(
                place.at("response_headers_to_copy", i),
                ":-prefixed headers or Hosts may not be specified here.", found: "'\(name)'")
        }
        config.predicates = part.arena.array(
            message.predicates.enumerated().compactMap { i, predicate in
                self.predicate(predicate, place.at("predicates", i))
            })
        return unsafe part.arena.store(config)
    }

    private func predicate(
        _ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place
    ) -> RedirectPredicate? {
        let type = message.typedConfig.messageName
        guard let kind = InternalRedirectCompiler.kinds[type] else {
            diagnostics.error(
                place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(type)'",
                expected: "allow_listed_routes, previous_routes or safe_cross_scheme of envoy.internal_redirect_predicates")
            return nil
        }
        var predicate = RedirectPredicate(kind)
        if kind == .allowListedRoutes,
            let list = try? Envoy_Extensions_InternalRedirect_AllowListedRoutes_V3_AllowListedRoutesConfig(
                serializedBytes: message.typedConfig.value)
        {
            predicate.names = part.arena.array(list.allowedRouteNames.map { part.arena.text($0) })
        }
        return predicate
    }
}
