// `secret_configs` of the formatter extension `envoy.formatter.generic_secret`: what the names in it stand for, and for those that
// a format writes the places where workers find them.
//
// Lives as long as its configuration is compiled.

import EnvoyAPI

typealias GenericSecretFormatter = Envoy_Extensions_Formatter_GenericSecret_V3_GenericSecret

/// What a name stands for.
enum FormatSecret {
    case configured(TLSSecret)
    case file(SecretReference, path: String, Place)
    case server(SecretReference)
    /// It has been said what is wrong.
    case wrong
}

final class FormatSecrets {
    private let statics: StaticSecrets
    private let environment: CompileEnvironment
    private let diagnostics: Diagnostics

    init(_ statics: StaticSecrets, _ environment: CompileEnvironment, _ diagnostics: Diagnostics) {
        self.statics = statics
        self.environment = environment
        self.diagnostics = diagnostics
    }

    /// Each mistake is said, whether a format writes the secret or not, and said once.
    func read(_ formatter: GenericSecretFormatter, _ place: Place) -> [String: FormatSecret] {
        var secrets: [String: FormatSecret] = [:]
        for (name, config) in formatter.secretConfigs.sorted(by: { $0.key < $1.key }) {
            secrets[name] = read(config, place.at("secret_configs", key: name))
        }
        return secrets
    }

    private func read(_ config: SecretReference, _ place: Place) -> FormatSecret {
        switch statics.generic(config, place) {
        case .secret(let secret):
            if let mistake = GenericSecrets.mistake(secret) {
                diagnostics.error(place, mistake)
                return .wrong
            }
            return .configured(secret)
        case .missing: return .wrong
        case .elsewhere: break
        }
        switch SecretSource(config, place, diagnostics) {
        case .nowhere: return .wrong
        case .server: return .server(config)
        case .file(let path, let at):
            guard FileWatch.identity(path).isEmpty else { return .file(config, path: path, at) }
            SecretSource.missing(path, at, diagnostics)
            return .wrong
        }
    }

    /// For as long as `part` lives; nobody is asked for what no format writes.
    func slot(_ secret: FormatSecret, _ part: PlanPart) -> UInt32 {
        let served = environment.genericSecrets
        switch secret {
        case .configured(let secret): return served.lease(secret, part)
        case .server(let config): return served.lease(config, environment.secrets.secret(config, .generic), part)
        case .file(let config, let path, let at):
            return served.lease(config, file: path, part) { reason in
                diagnostics.warning(at, "sds: secret '\(config.name)' config rejected: \(reason)")
            }
        // The configuration is refused.
        case .wrong: return .max
        }
    }
}
