// `secret_configs` of the formatter extension `envoy.formatter.generic_secret`: the places where workers find what its names
// stand for.
//
// Lives as long as its configuration is compiled.

import EnvoyAPI

typealias GenericSecretFormatter = Envoy_Extensions_Formatter_GenericSecret_V3_GenericSecret

final class FormatSecrets {
    private let statics: StaticSecrets
    private let environment: CompileEnvironment
    private let diagnostics: Diagnostics

    init(_ statics: StaticSecrets, _ environment: CompileEnvironment, _ diagnostics: Diagnostics) {
        self.statics = statics
        self.environment = environment
        self.diagnostics = diagnostics
    }

    /// Slots by name, for as long as `part` lives; as in Envoy of every secret, whether a format writes it or not.
    func read(_ formatter: GenericSecretFormatter, _ place: Place, _ part: PlanPart) -> [String: UInt32] {
        var slots: [String: UInt32] = [:]
        for (name, config) in formatter.secretConfigs.sorted(by: { $0.key < $1.key }) {
            // Where there is none, it has been said why, and the configuration is refused.
            slots[name] = slot(config, place.at("secret_configs", key: name), part) ?? .max
        }
        return slots
    }

    private func slot(_ config: SecretReference, _ place: Place, _ part: PlanPart) -> UInt32? {
        let served = environment.genericSecrets
        switch statics.generic(config, place) {
        case .secret(let secret):
            if let mistake = GenericSecrets.mistake(secret) {
                diagnostics.error(place, mistake)
                return nil
            }
            // Its file may have gone since.
            return served.lease(secret, part) { reason in diagnostics.error(place, reason) }
        case .missing: return nil
        case .elsewhere: break
        }
        func warn(_ place: Place, _ reason: String) {
            diagnostics.warning(place, "sds: secret '\(config.name)' config rejected: \(reason)")
        }
        switch SecretSource(config, place, diagnostics) {
        case .nowhere: return nil
        case .server:
            return served.lease(config, environment.secrets.secret(config, .generic), part) { warn(place, $0) }
        case .file(let path, let at):
            if FileWatch.identity(path).isEmpty {
                SecretSource.missing(path, at, diagnostics)
                return nil
            }
            return served.lease(config, file: path, part) { warn(at, $0) }
        }
    }
}
