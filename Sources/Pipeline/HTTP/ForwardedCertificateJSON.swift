// `x-forwarded-client-cert` as JSON (`set_current_client_cert_details.format: JSON`): a list with one object for each proxy that
// a request has come through, the last one's at its end.
//
// An object has only what is there: `{"by":["spiffe://a/b"],"hash":"…","subject":"CN=c","uri":["spiffe://a/c"]}`.

import COpenSSL
import Primitives
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// False: what others have told is no such list, and text is added to it.
    func forwardAsJSON(
        _ stream: StreamPointer, _ tls: TLSDescription, _ mode: ForwardClientCertificate, _ details: ClientCertificateDetails
    ) -> Bool {
        let place = unsafe mode == .appendForward ? stream.pointee.request.index(of: .xForwardedClientCert) : nil
        let open = UInt8(ascii: "[")
        if let place {
            let old = unsafe stream.pointee.request.text(stream.pointee.request.field(place).value)
            if !old.isEmpty {
                guard old.count >= 2, old[0] == open, old[old.count &- 1] == UInt8(ascii: "]") else { return false }
                certificateText.put(old.prefix(old.count &- 1))
                // Envoy begins an empty list with a comma, which is no JSON.
                if !old.part(1, old.count &- 1).trimmed.isEmpty { certificateText.put(UInt8(ascii: ",")) }
            }
        }
        if certificateText.bytes.isEmpty { certificateText.put(open) }
        writeCertificateObject(tls, details)
        certificateText.put(UInt8(ascii: "]"))
        let text = certificateText.bytes
        if let place {
            let added = unsafe stream.pointee.request.store(text)
            unsafe stream.pointee.request.setValue(at: place, added)
        } else {
            unsafe stream.pointee.request.set(.xForwardedClientCert, text)
        }
        return true
    }

    private func writeCertificateObject(_ tls: TLSDescription, _ details: ClientCertificateDetails) {
        certificateText.put(UInt8(ascii: "{"))
        var isFirst = true
        list("by", tls[Int(martlet_fact_local_uri_names)], &isFirst)
        text("hash", tls[Int(martlet_fact_peer_fingerprint_256)], &isFirst)
        if details.contains(.cert) { text("cert", tls[Int(martlet_fact_peer_cert)], &isFirst, isEncoded: true) }
        if details.contains(.chain) { chain(tls[Int(martlet_fact_peer_chain)], &isFirst) }
        if details.contains(.subject) { text("subject", tls[Int(martlet_fact_peer_subject)], &isFirst) }
        if details.contains(.uri) { list("uri", tls[Int(martlet_fact_peer_uri_names)], &isFirst) }
        if details.contains(.dns) { list("dns", tls[Int(martlet_fact_peer_dns_names)], &isFirst) }
        if details.contains(.issuer) { text("issuer", tls[Int(martlet_fact_peer_issuer)], &isFirst) }
        certificateText.put(UInt8(ascii: "}"))
    }

    // MARK: Members

    private func member(_ key: StaticString, _ isFirst: inout Bool) {
        if !isFirst { certificateText.put(UInt8(ascii: ",")) }
        isFirst = false
        certificateText.put(UInt8(ascii: "\""))
        certificateText.put(Bytes(key))
        certificateText.put(Bytes("\":" as StaticString))
    }

    private func text(_ key: StaticString, _ value: Bytes, _ isFirst: inout Bool, isEncoded: Bool = false) {
        guard !value.isEmpty else { return }
        member(key, &isFirst)
        string(value, isEncoded: isEncoded)
    }

    private func list(_ key: StaticString, _ names: Bytes, _ isFirst: inout Bool) {
        guard !names.isEmpty else { return }
        member(key, &isFirst)
        certificateText.put(UInt8(ascii: "["))
        var isFirstName = true
        eachName(names) { name in
            if !isFirstName { certificateText.put(UInt8(ascii: ",")) }
            isFirstName = false
            string(name)
        }
        certificateText.put(UInt8(ascii: "]"))
    }

    /// One string for each certificate.
    private func chain(_ pem: Bytes, _ isFirst: inout Bool) {
        guard !pem.isEmpty else { return }
        member("chain", &isFirst)
        certificateText.put(UInt8(ascii: "["))
        let begin = Bytes("-----BEGIN" as StaticString)
        var start = 0
        while start < pem.count {
            let rest = pem.from(start &+ 1)
            let end = rest.firstIndex(of: begin).map { start &+ 1 &+ $0 } ?? pem.count
            if start > 0 { certificateText.put(UInt8(ascii: ",")) }
            string(pem.part(start, end), isEncoded: true)
            start = end
        }
        certificateText.put(UInt8(ascii: "]"))
    }

    // MARK: Strings

    /// RFC 8259 §7. `isEncoded`: percent-encoded, as texts in PEM form are kept.
    private func string(_ value: Bytes, isEncoded: Bool = false) {
        certificateText.put(UInt8(ascii: "\""))
        var i = 0
        while i < value.count {
            var byte = value[i]
            i &+= 1
            if isEncoded, byte == UInt8(ascii: "%"), i &+ 2 <= value.count {
                byte = Worker.digit(value[i]) &<< 4 | Worker.digit(value[i &+ 1])
                i &+= 2
            }
            escape(byte)
        }
        certificateText.put(UInt8(ascii: "\""))
    }

    private static func digit(_ byte: UInt8) -> UInt8 { byte < UInt8(ascii: "A") ? byte &- UInt8(ascii: "0") : (byte | 32) &- UInt8(ascii: "a") &+ 10 }

    private func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            certificateText.put(UInt8(ascii: "\\"))
            certificateText.put(byte)
        case 0x0a: certificateText.put(Bytes("\\n" as StaticString))
        case 0..<0x20, 0x7f:
            certificateText.put(Bytes("\\u00" as StaticString))
            hexDigit(byte &>> 4)
            hexDigit(byte & 15)
        default: certificateText.put(byte)
        }
    }

    private func hexDigit(_ half: UInt8) { certificateText.put(half &+ (half < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") &- 10)) }
}
