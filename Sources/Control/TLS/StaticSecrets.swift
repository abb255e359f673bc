// `static_resources.secrets`: put in the place of the names that contexts call them by.

import EnvoyAPI

struct StaticSecrets {
    private let secrets: [String: TLSSecret]
    private let diagnostics: Diagnostics

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

    private func find(_ name: String, _ kind: String, _ place: Place) -> TLSSecret? {
        if let secret = secrets[name] { return secret }
        diagnostics.error(
            place.at("name"), "Unknown static \(kind): \(name)", found: "'\(name)'",
            expected: "the name of a secret in static_resources.secrets; SDS is not supported by Martlet yet",
            suggestion: nearestName(name, secrets.keys))
        return nil
    }

    private func wrong(_ name: String, _ kind: String, _ place: Place) {
        diagnostics.error(place.at("name"), "the secret '\(name)' is no \(kind)")
    }

    func resolve(_ message: DownstreamTLSContext, _ place: Place) -> DownstreamTLSContext {
        var message = message
        resolve(&message.commonTlsContext, place.at("common_tls_context"))
        if case .sessionTicketKeysSdsSecretConfig(let config) = message.sessionTicketKeysType {
            let at = place.at("session_ticket_keys_sds_secret_config")
            switch find(config.name, "session ticket keys", at)?.type {
            case .sessionTicketKeys(let keys): message.sessionTicketKeys = keys
            case .none: break
            default: wrong(config.name, "session_ticket_keys", at)
            }
        }
        return message
    }

    func resolve(_ message: UpstreamTLSContext, _ place: Place) -> UpstreamTLSContext {
        var message = message
        resolve(&message.commonTlsContext, place.at("common_tls_context"))
        return message
    }

    private func resolve(_ message: inout CommonTLSContext, _ place: Place) {
        for (i, config) in message.tlsCertificateSdsSecretConfigs.enumerated() {
            let at = place.at("tls_certificate_sds_secret_configs", i)
            switch find(config.name, "TLS certificate", at)?.type {
            case .tlsCertificate(let certificate): message.tlsCertificates.append(certificate)
            case .none: break
            default: wrong(config.name, "tls_certificate", at)
            }
        }
        message.tlsCertificateSdsSecretConfigs = []
        switch message.validationContextType {
        case .validationContextSdsSecretConfig(let config):
            let at = place.at("validation_context_sds_secret_config")
            if let context = validation(config.name, at) { message.validationContext = context }
        case .combinedValidationContext(let combined):
            let at = place.at("combined_validation_context").at("validation_context_sds_secret_config")
            guard let dynamic = validation(combined.validationContextSdsSecretConfig.name, at) else { return }
            var context = combined.defaultValidationContext
            // A merge as protobuf does it: what the secret sets wins, lists are joined.
            if let bytes: [UInt8] = try? dynamic.serializedBytes() { try? context.merge(serializedBytes: bytes) }
            message.validationContext = context
        default: break
        }
    }

    private func validation(_ name: String, _ place: Place) -> ValidationContext? {
        switch find(name, "certificate validation context", place)?.type {
        case .validationContext(let context): return context
        case .none: return nil
        default:
            wrong(name, "validation_context", place)
            return nil
        }
    }
}
