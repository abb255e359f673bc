// `forward_client_cert_details`, `set_current_client_cert_details`, and `forward_client_cert_matcher`, whose actions say both.

import EnvoyAPI
import Pipeline
import Primitives

private typealias ForwardAction = ConnectionManager.ForwardClientCertConfig

extension ConnectionManagerCompiler {
    func clientCertificate(_ message: ConnectionManager, _ place: Place, _ config: inout HTTPConfig) {
        config.clientCertificate = ForwardClientCertificate(message.forwardClientCertDetails)
        config.clientCertificateDetails = ClientCertificateDetails(message.setCurrentClientCertDetails)
        guard message.hasForwardClientCertMatcher else { return }
        var actions: [ClientCertificateAction] = []
        let compiler = RequestMatcherCompiler(compilation: compilation, part: part)
        unsafe config.clientCertificateMatcher = unsafe compiler.compile(
            message.forwardClientCertMatcher, place.at("forward_client_cert_matcher"), expected: ForwardAction.protoMessageName
        ) { any in
            guard any.messageName == ForwardAction.protoMessageName, let said = try? ForwardAction(serializedBytes: any.value)
            else { return nil }
            var action = ClientCertificateAction()
            action.mode = ForwardClientCertificate(said.forwardClientCertDetails)
            action.details = ClientCertificateDetails(said.setCurrentClientCertDetails)
            actions.append(action)
            return UInt32(actions.count - 1)
        }
        config.clientCertificateActions = part.arena.array(actions)
    }
}

extension ForwardClientCertificate {
    fileprivate init(_ message: ConnectionManager.ForwardClientCertDetails) {
        self =
            switch message {
            case .forwardOnly: .forwardOnly
            case .appendForward: .appendForward
            case .sanitizeSet: .sanitizeSet
            case .alwaysForwardOnly: .alwaysForwardOnly
            case .sanitize, .UNRECOGNIZED: .sanitize
            }
    }
}

extension ClientCertificateDetails {
    fileprivate init(_ wanted: ConnectionManager.SetCurrentClientCertDetails) {
        self = []
        if wanted.cert { insert(.cert) }
        if wanted.chain { insert(.chain) }
        if wanted.subject.value { insert(.subject) }
        if wanted.uri { insert(.uri) }
        if wanted.dns { insert(.dns) }
        if wanted.issuer { insert(.issuer) }
        if wanted.format == .json { insert(.json) }
    }
}
