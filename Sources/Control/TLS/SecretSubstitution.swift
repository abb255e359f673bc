// Secrets in the place of the names that contexts call them by, wherever they come from.

import EnvoyAPI

typealias SecretReference = Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig

/// A context with secrets in it, and what they were called.
struct ResolvedContext<Message> {
    var message: Message
    /// By certificate; empty: it has no name.
    var certificateNames: [String]
    var authorityName = ""
}

/// What a secret is for; as words of errors.
enum SecretKind: String {
    case certificate = "TLS certificate"
    case validation = "certificate validation context"
    case ticketKeys = "session ticket keys"
    /// What formats write.
    case generic = "generic secret"
}

enum FoundSecret {
    case secret(TLSSecret)
    /// Somebody else's to find: the name stays.
    case elsewhere
    /// Not there; it has been said.
    case missing
}

struct SecretSubstitution {
    let diagnostics: Diagnostics
    /// By reference, what it has to be, and where the reference stands.
    let find: (SecretReference, SecretKind, Place) -> FoundSecret

    func resolve(_ context: ResolvedContext<DownstreamTLSContext>, _ place: Place) -> ResolvedContext<DownstreamTLSContext> {
        var context = context
        let common = resolve(
            ResolvedContext(message: context.message.commonTlsContext, certificateNames: context.certificateNames, authorityName: context.authorityName),
            place.at("common_tls_context"))
        context.message.commonTlsContext = common.message
        context.certificateNames = common.certificateNames
        context.authorityName = common.authorityName
        if case .sessionTicketKeysSdsSecretConfig(let config) = context.message.sessionTicketKeysType {
            let at = place.at("session_ticket_keys_sds_secret_config")
            switch find(config, .ticketKeys, at) {
            case .secret(let secret):
                if case .sessionTicketKeys(let keys) = secret.type {
                    context.message.sessionTicketKeys = keys
                } else {
                    wrong(config.name, "session_ticket_keys", at)
                }
            case .elsewhere, .missing: break
            }
        }
        return context
    }

    func resolve(_ context: ResolvedContext<UpstreamTLSContext>, _ place: Place) -> ResolvedContext<UpstreamTLSContext> {
        var context = context
        let common = resolve(
            ResolvedContext(message: context.message.commonTlsContext, certificateNames: context.certificateNames, authorityName: context.authorityName),
            place.at("common_tls_context"))
        context.message.commonTlsContext = common.message
        context.certificateNames = common.certificateNames
        context.authorityName = common.authorityName
        return context
    }

    private func resolve(_ context: ResolvedContext<CommonTLSContext>, _ place: Place) -> ResolvedContext<CommonTLSContext> {
        var context = context
        var left: [SecretReference] = []
        for (i, config) in context.message.tlsCertificateSdsSecretConfigs.enumerated() {
            let at = place.at("tls_certificate_sds_secret_configs", i)
            switch find(config, .certificate, at) {
            case .secret(let secret):
                guard case .tlsCertificate(let certificate) = secret.type else {
                    wrong(config.name, "tls_certificate", at)
                    continue
                }
                context.message.tlsCertificates.append(certificate)
                context.certificateNames.append(config.name)
            case .elsewhere: left.append(config)
            case .missing: break
            }
        }
        context.message.tlsCertificateSdsSecretConfigs = left
        switch context.message.validationContextType {
        case .validationContextSdsSecretConfig(let config):
            context.authorityName = config.name
            if let found = validation(config, place.at("validation_context_sds_secret_config")) {
                context.message.validationContext = found
            }
        case .combinedValidationContext(let combined):
            let config = combined.validationContextSdsSecretConfig
            context.authorityName = config.name
            let at = place.at("combined_validation_context").at("validation_context_sds_secret_config")
            guard let dynamic = validation(config, at) else { break }
            var whole = combined.defaultValidationContext
            // A merge as protobuf does it: what the secret sets wins, lists are joined.
            if let bytes: [UInt8] = try? dynamic.serializedBytes() { try? whole.merge(serializedBytes: bytes) }
            context.message.validationContext = whole
        default: break
        }
        return context
    }

    private func validation(_ config: SecretReference, _ place: Place) -> ValidationContext? {
        guard case .secret(let secret) = find(config, .validation, place) else { return nil }
        if case .validationContext(let context) = secret.type { return context }
        wrong(config.name, "validation_context", place)
        return nil
    }

    private func wrong(_ name: String, _ kind: String, _ place: Place) {
        diagnostics.error(place.at("name"), "the secret '\(name)' is no \(kind)")
    }
}
