// `static_resources.secrets`, by name.

import EnvoyAPI

struct StaticSecrets {
    private let secrets: [String: TLSSecret]
    private let diagnostics: Diagnostics
    /// Where others come from.
    var check: (ConfigSourceMessage, Place) -> Void = { _, _ in }

    init(_ secrets: [TLSSecret], _ diagnostics: Diagnostics) {
        self.diagnostics = diagnostics
        self.secrets = Dictionary(secrets.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
        var seen: Set<String> = []
        for (i, secret) in secrets.enumerated() where !seen.insert(secret.name).inserted {
            diagnostics.error(
                Place.root.at("static_resources").at("secrets", i).at("name"), "Duplicate static Secret secret name \(secret.name)",
                found: "'\(secret.name)'", expected: "a name of its own for each secret")
        }
    }

    func resolve(_ message: DownstreamTLSContext, _ place: Place) -> ResolvedContext<DownstreamTLSContext> {
        substitution.resolve(ResolvedContext(message: message, certificateNames: unnamed(message.commonTlsContext)), place)
    }

    func resolve(_ message: UpstreamTLSContext, _ place: Place) -> ResolvedContext<UpstreamTLSContext> {
        substitution.resolve(ResolvedContext(message: message, certificateNames: unnamed(message.commonTlsContext)), place)
    }

    /// One that formats write, under the name that they have for it.
    func generic(_ config: SecretReference, _ place: Place) -> FoundSecret {
        if config.hasSdsConfig {
            check(config.sdsConfig, place.at("sds_config"))
            return .elsewhere
        }
        let generic = secrets.filter { if case .genericSecret = $0.value.type { true } else { false } }
        if let secret = generic[config.name] { return .secret(secret) }
        diagnostics.error(
            place.at("name"), "envoy.formatter.generic_secret: secret '\(config.name)' not found in static bootstrap resources",
            found: "'\(config.name)'", expected: "the name of a generic_secret in static_resources.secrets, or an sds_config",
            suggestion: nearestName(config.name, generic.keys))
        return .missing
    }

    private func unnamed(_ context: CommonTLSContext) -> [String] {
        [String](repeating: "", count: context.tlsCertificates.count)
    }

    private var substitution: SecretSubstitution {
        SecretSubstitution(diagnostics: diagnostics) { config, kind, place in
            // Those of others are looked for whenever the context is made.
            if config.hasSdsConfig {
                check(config.sdsConfig, place.at("sds_config"))
                return .elsewhere
            }
            if let secret = secrets[config.name] { return .secret(secret) }
            diagnostics.error(
                place.at("name"), "Unknown static \(kind.rawValue): \(config.name)", found: "'\(config.name)'",
                expected: "the name of a secret in static_resources.secrets, or an sds_config",
                suggestion: nearestName(config.name, secrets.keys))
            return .missing
        }
    }
}
