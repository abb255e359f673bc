// `x-forwarded-client-cert`: what a client's certificate says, told to the upstream; and what others have told so far.

import COpenSSL
import Primitives
import Transport
import Wire

package enum ForwardClientCertificate: UInt8, BitwiseCopyable {
    case sanitize, forwardOnly, appendForward, sanitizeSet, alwaysForwardOnly
}

package struct ClientCertificateDetails: OptionSet, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let cert = ClientCertificateDetails(rawValue: 1)
    package static let chain = ClientCertificateDetails(rawValue: 2)
    package static let subject = ClientCertificateDetails(rawValue: 4)
    package static let uri = ClientCertificateDetails(rawValue: 8)
    package static let dns = ClientCertificateDetails(rawValue: 16)
    package static let issuer = ClientCertificateDetails(rawValue: 32)
    /// All of it as a JSON object (`ForwardedCertificateJSON`).
    package static let json = ClientCertificateDetails(rawValue: 64)
}

/// What an action of `forward_client_cert_matcher` says.
package struct ClientCertificateAction: BitwiseCopyable {
    package var mode = ForwardClientCertificate.sanitize
    package var details: ClientCertificateDetails = []
    package init() {}
}

extension Worker {
    // HOT: per message.
    func forwardClientCertificate(_ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        var (mode, details) = unsafe (http.pointee.clientCertificate, http.pointee.clientCertificateDetails)
        if let matcher = unsafe http.pointee.clientCertificateMatcher, let number = unsafe match(matcher, stream) {
            let found = unsafe http.pointee.clientCertificateActions[Int(number)]
            (mode, details) = (found.mode, found.details)
        }
        if mode == .alwaysForwardOnly { return }
        guard mode != .sanitize, let tls = unsafe stream.pointee.downstreamTLS, tls.hasPeerCertificate else {
            if unsafe stream.pointee.request.has(.xForwardedClientCert) { unsafe stream.pointee.request.remove(.xForwardedClientCert) }
            return
        }
        if mode == .forwardOnly { return }
        certificateText.reset()
        if unsafe details.contains(.json) && forwardAsJSON(stream, tls, mode, details) { return }
        writeClientCertificate(tls, details)
        let text = certificateText.bytes
        // A certificate's names may have any byte: the request is not sent (`refuseField`).
        guard FormatWriter.isFieldValue(text) else {
            if unsafe stream.pointee.request.has(.xForwardedClientCert) { unsafe stream.pointee.request.remove(.xForwardedClientCert) }
            unsafe stream.pointee.refusedField = Bytes("x-forwarded-client-cert" as StaticString)
            return
        }
        if mode == .sanitizeSet {
            unsafe stream.pointee.request.set(.xForwardedClientCert, text)
        } else if !text.isEmpty {
            unsafe append(stream, .xForwardedClientCert, text, separator: ",")
        }
    }

    private func writeClientCertificate(_ tls: TLSDescription, _ details: ClientCertificateDetails) {
        eachName(tls[Int(martlet_fact_local_uri_names)]) { add("By=", $0) }
        add("Hash=", tls[Int(martlet_fact_peer_fingerprint_256)])
        if details.contains(.cert) { add("Cert=\"", tls[Int(martlet_fact_peer_cert)], quoted: true) }
        if details.contains(.chain) { add("Chain=\"", tls[Int(martlet_fact_peer_chain)], quoted: true) }
        if details.contains(.subject) { add("Subject=\"", tls[Int(martlet_fact_peer_subject)], quoted: true) }
        if details.contains(.uri) {
            let names = tls[Int(martlet_fact_peer_uri_names)]
            if names.isEmpty { add("URI=", names) } else { eachName(names) { add("URI=", $0) } }
        }
        if details.contains(.dns) { eachName(tls[Int(martlet_fact_peer_dns_names)]) { add("DNS=", $0) } }
        if details.contains(.issuer) { add("Issuer=\"", tls[Int(martlet_fact_peer_issuer)], quoted: true) }
    }

    private func add(_ key: StaticString, _ value: Bytes, quoted: Bool = false) {
        if !certificateText.bytes.isEmpty { certificateText.put(UInt8(ascii: ";")) }
        certificateText.put(Bytes(key))
        certificateText.put(value)
        if quoted { certificateText.put(UInt8(ascii: "\"")) }
    }

    /// Each has a zero byte behind it.
    func eachName(_ list: Bytes, _ body: (Bytes) -> Void) {
        var start = 0
        while start < list.count {
            var end = start
            while end < list.count, list[end] != 0 { end &+= 1 }
            body(list.part(start, end))
            start = end &+ 1
        }
    }
}
