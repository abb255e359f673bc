// `static_resources.secrets`: put in the place of the names that contexts call them by.

import EnvoyAPI

/// A context with its secrets in it, and what they were called.
struct ResolvedContext<Message> {
    var message: Message
    /// By certificate; empty: it has no name.
    var certificateNames: [String]
    var authorityName = ""
}

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

    private func find(_ config: Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig, _ kind: String, _ place: Place) -> TLSSecret? {
        let name = config.name
        diagnostics.unsupported(
            place, "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig", ["sds_config": config.hasSdsConfig])
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

    func resolve(_ message: DownstreamTLSContext, _ place: Place) -> ResolvedContext<DownstreamTLSContext> {
        let common = resolve(message.commonTlsContext, place.at("common_tls_context"))
        var message = message
        message.commonTlsContext = common.message
        if case .sessionTicketKeysSdsSecretConfig(let config) = message.sessionTicketKeysType {
            let at = place.at("session_ticket_keys_sds_secret_config")
            switch find(config, "session ticket keys", at)?.type {
            case .sessionTicketKeys(let keys): message.sessionTicketKeys = keys
            case .none: break
            default: wrong(config.name, "session_ticket_keys", at)
            }
        }
        return ResolvedContext(message: message, certificateNames: common.certificateNames, authorityName: common.authorityName)
    }

    func resolve(_ message: UpstreamTLSContext, _ place: Place) -> ResolvedContext<UpstreamTLSContext> {
        let common = resolve(message.commonTlsContext, place.at("common_tls_context"))
        var message = message
        message.commonTlsContext = common.message
        return ResolvedContext(message: message, certificateNames: common.certificateNames, authorityName: common.authorityName)
    }

    private func resolve(_ context: CommonTLSContext, _ place: Place) -> ResolvedContext<CommonTLSContext> {
        var message = context
        var names = [String](repeating: "", count: message.tlsCertificates.count)
        var authorityName = ""
        for (i, config) in message.tlsCertificateSdsSecretConfigs.enumerated() {
            let at = place.at("tls_certificate_sds_secret_configs", i)
            switch find(config, "TLS certificate", at)?.type {
            case .tlsCertificate(let certificate):
                message.tlsCertificates.append(certificate)
                names.append(config.name)
            case .none: break
            default: wrong(config.name, "tls_certificate", at)
            }
        }
        message.tlsCertificateSdsSecretConfigs = []
        switch message.validationContextType {
        case .validationContextSdsSecretConfig(let config):
            let at = place.at("validation_context_sds_secret_config")
            authorityName = config.name
            if let context = validation(config, at) { message.validationContext = context }
        case .combinedValidationContext(let combined):
            let at = place.at("combined_validation_context").at("validation_context_sds_secret_config")
            authorityName = combined.validationContextSdsSecretConfig.name
            guard let dynamic = validation(combined.validationContextSdsSecretConfig, at) else { break }
            var context = combined.defaultValidationContext
            // A merge as protobuf does it: what the secret sets wins, lists are joined.
            if let bytes: [UInt8] = try? dynamic.serializedBytes() { try? context.merge(serializedBytes: bytes) }
            message.validationContext = context
        default: break
        }
        return ResolvedContext(message: message, certificateNames: names, authorityName: authorityName)
    }

    private func validation(_ config: Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig, _ place: Place) -> ValidationContext? {
        switch find(config, "certificate validation context", place)?.type {
        case .validationContext(let context): return context
        case .none: return nil
        default:
            wrong(config.name, "validation_context", place)
            return nil
        }
    }
}
