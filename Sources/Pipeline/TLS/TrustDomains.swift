// SPIFFE: a certificate is verified with the authorities of the trust domain that its URI names, and with no others.
//
// As Envoy 1.40 does it: the first URI counts, a certificate that is an authority or says nothing of what its key is for is
// none of a workload, and every failure is `certificate_unknown`.

import COpenSSL
import Primitives
import Transport

@safe
package struct TrustDomain: BitwiseCopyable {
    /// `example.org`
    package var name: Bytes
    /// A `martlet_trust` of the thread whose context this is in.
    package var trust: OpaquePointer
    package init(name: Bytes, trust: OpaquePointer) {
        self.name = name
        unsafe self.trust = unsafe trust
    }
}

extension PeerCheck {
    func spiffeVerdict(_ store: OpaquePointer, _ leaf: OpaquePointer, _ tls: UnsafeMutablePointer<TLSConnection>) -> Bool {
        unsafe tls.pointee.verdict.failure = .chain
        guard unsafe PeerCheck.isWorkload(leaf) else {
            unsafe PeerRemarks.say("verify_cert_failed:_cert_precheck", tls.pointee.text)
            return false
        }
        guard let trust = unsafe trust(of: leaf) else {
            unsafe PeerRemarks.say("verify_cert_failed:_no_trust_bundle_store", tls.pointee.text)
            return false
        }
        unsafe martlet_store_trust(store, trust)
        if allowsExpired { unsafe martlet_store_ignore_time(store) }
        if unsafe X509_verify_cert(store) != 1 {
            unsafe PeerRemarks.chain(store, tls.pointee.text)
            // Ours, whatever OpenSSL's was.
            unsafe X509_STORE_CTX_set_error(store, X509_V_OK)
            return false
        }
        if !names.isEmpty, unsafe !hasName(leaf, tls, .empty) {
            unsafe tls.pointee.verdict.failure = .name
            unsafe PeerRemarks.say("verify_cert_failed:_SAN_match", tls.pointee.text)
            return false
        }
        unsafe tls.pointee.verdict.failure = .none
        unsafe tls.pointee.verdict.isValidated = true
        return true
    }

    /// X509-SVID §5.2: the leaf is no authority and signs no certificates. Without the extension it may do anything.
    private static func isWorkload(_ leaf: OpaquePointer) -> Bool {
        guard unsafe X509_get_extension_flags(leaf) & UInt32(EXFLAG_CA) == 0 else { return false }
        return unsafe X509_get_key_usage(leaf) & UInt32(X509v3_KU_CRL_SIGN | X509v3_KU_KEY_CERT_SIGN) == 0
    }

    private func trust(of leaf: OpaquePointer) -> OpaquePointer? {
        let list = unsafe X509_get_ext_d2i(leaf, NID_subject_alt_name, nil, nil)
        guard let list = unsafe list.map({ OpaquePointer($0) }) else { return nil }
        defer { unsafe martlet_names_free(list) }
        for i in unsafe 0..<martlet_sk_name_count(list) {
            guard let name = unsafe martlet_sk_name(list, i), unsafe name.pointee.type == GEN_URI else { continue }
            var count = 0
            guard let base = unsafe martlet_name_bytes(name, &count), let domain = PeerCheck.trustDomain(of: unsafe Bytes(base, count)) else { return nil }
            for j in 0..<trustDomains.count where trustDomains[j].name.equals(domain) { return unsafe trustDomains[j].trust }
            return nil
        }
        return nil
    }

    /// SPIFFE-ID §2: `spiffe://<trust domain>/<path>`. Nil: it is none.
    package static func trustDomain(of uri: Bytes) -> Bytes? {
        let scheme = Bytes("spiffe://" as StaticString)
        guard uri.count > scheme.count, uri.prefix(scheme.count).equals(scheme) else { return nil }
        let rest = uri.from(scheme.count)
        var slash = 0
        while slash < rest.count, rest[slash] != UInt8(ascii: "/") { slash &+= 1 }
        return slash > 0 && slash < rest.count ? rest.prefix(slash) : nil
    }
}
