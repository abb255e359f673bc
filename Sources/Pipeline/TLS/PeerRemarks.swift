// What there is against a certificate, in Envoy's words.

import COpenSSL
import Glibc
import Primitives
import Transport

enum PeerRemarks {
    static func say(_ remark: StaticString, _ text: UnsafeMutablePointer<TLSFailureText>) {
        unsafe text.pointee.beginRemark()
        unsafe text.pointee.add(remark)
        unsafe text.pointee.endRemark()
    }

    static func chain(_ store: OpaquePointer, _ text: UnsafeMutablePointer<TLSFailureText>) {
        unsafe text.pointee.beginRemark()
        unsafe text.pointee.add("verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_")
        let depth = unsafe X509_STORE_CTX_get_error_depth(store)
        unsafe text.pointee.add(decimal: UInt32(truncatingIfNeeded: max(depth, 0)))
        unsafe text.pointee.add(":_")
        let error = unsafe X509_STORE_CTX_get_error(store)
        switch error {
        // Envoy's library writes these without a hyphen.
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: unsafe text.pointee.add("self_signed_certificate")
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: unsafe text.pointee.add("self_signed_certificate_in_certificate_chain")
        default:
            if error == X509_V_ERR_CERT_REVOKED || error == X509_V_ERR_UNABLE_TO_GET_CRL {
                unsafe text.pointee.add("certificate_revocation_check_against_provided_CRLs_failed:_")
            }
            if let reason = unsafe X509_verify_cert_error_string(Int(error)) {
                unsafe text.pointee.add(Bytes(UnsafeRawPointer(reason), strlen(reason)))
            }
        }
        unsafe text.pointee.endRemark()
    }

    static func names(_ leaf: OpaquePointer, _ text: UnsafeMutablePointer<TLSFailureText>) {
        unsafe text.pointee.beginRemark()
        unsafe text.pointee.add("verify_cert_failed:_SAN_matcher,_certificate_SANs_are_[")
        let list = unsafe X509_get_ext_d2i(leaf, NID_subject_alt_name, nil, nil)
        if let list = unsafe list.map({ OpaquePointer($0) }) {
            var isFirst = true
            for i in unsafe 0..<martlet_sk_name_count(list) {
                guard let name = unsafe martlet_sk_name(list, i) else { continue }
                var count = 0
                guard let base = unsafe martlet_name_bytes(name, &count) else { continue }
                if !isFirst { unsafe text.pointee.add(",_") }
                isFirst = false
                unsafe add(Bytes(base, count), isAddress: name.pointee.type == GEN_IPADD, text)
            }
            unsafe martlet_names_free(list)
        }
        unsafe text.pointee.add("]")
        unsafe text.pointee.endRemark()
    }

    private static func add(_ bytes: Bytes, isAddress: Bool, _ text: UnsafeMutablePointer<TLSFailureText>) {
        guard isAddress, let address = PeerCheck.address(bytes) else { return unsafe text.pointee.add(bytes) }
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { buffer in
            guard let base = buffer.baseAddress else { return }
            let count = unsafe address.writeIP(base)
            unsafe text.pointee.add(Bytes(UnsafeRawPointer(base), count))
        }
    }
}
