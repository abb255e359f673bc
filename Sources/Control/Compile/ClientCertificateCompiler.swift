// `forward_client_cert_details` and `set_current_client_cert_details`.

import EnvoyAPI
import Pipeline

extension ConnectionManagerCompiler {
    func clientCertificate(_ message: ConnectionManager, _ config: inout HTTPConfig) {
        config.clientCertificate =
            switch message.forwardClientCertDetails {
            case .forwardOnly: .forwardOnly
            case .appendForward: .appendForward
            case .sanitizeSet: .sanitizeSet
            case .alwaysForwardOnly: .alwaysForwardOnly
            case .sanitize, .UNRECOGNIZED: .sanitize
            }
        let wanted = message.setCurrentClientCertDetails
        var details: ClientCertificateDetails = []
        if wanted.cert { details.insert(.cert) }
        if wanted.chain { details.insert(.chain) }
        if wanted.subject.value { details.insert(.subject) }
        if wanted.uri { details.insert(.uri) }
        if wanted.dns { details.insert(.dns) }
        if wanted.issuer { details.insert(.issuer) }
        if wanted.format == .json { details.insert(.json) }
        config.clientCertificateDetails = details
    }
}
