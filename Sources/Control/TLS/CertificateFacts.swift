// What is asked of a certificate at load time: its names, the sort of its key, its end.

import COpenSSL
import Primitives
import Pipeline

extension CertificateFacts {
    init?(_ der: [UInt8]) {
        guard let certificate = unsafe CertificateReader.x509(der) else { return nil }
        defer { unsafe X509_free(certificate) }
        names = unsafe CertificateFacts.names(certificate, GEN_DNS)
        if names.isEmpty, let name = unsafe CertificateFacts.commonName(certificate) { names = [name] }
        keyType = unsafe X509_get0_pubkey(certificate).map { unsafe EVP_PKEY_get_base_id($0) } ?? 0
        keyBits = unsafe X509_get0_pubkey(certificate).map { unsafe EVP_PKEY_get_bits($0) } ?? 0
        expiresAt = unsafe CertificateFacts.seconds(X509_get0_notAfter(certificate))
        mustStaple = unsafe X509_get_ext_by_NID(certificate, NID_tlsfeature, -1) >= 0
    }

    /// The subject's alternative names of one type (`GEN_DNS`, `GEN_URI`, …) as text.
    static func names(_ certificate: OpaquePointer, _ type: Int32) -> [String] {
        guard let raw = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let names = OpaquePointer(raw)
        defer { unsafe martlet_names_free(names) }
        var found: [String] = []
        for i in unsafe 0..<martlet_sk_name_count(names) {
            guard let name = unsafe martlet_sk_name(names, i), unsafe name.pointee.type == type else { continue }
            var count = 0
            guard let base = unsafe martlet_name_bytes(name, &count) else { continue }
            if type == GEN_IPADD {
                found.append(unsafe addressText(base, count))
            } else {
                found.append(unsafe String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self))
            }
        }
        return found
    }

    private static func addressText(_ base: UnsafePointer<UInt8>, _ count: Int) -> String {
        guard let address = unsafe PeerCheck.address(Bytes(UnsafeRawPointer(base), count)) else { return "" }
        return unsafe String(unsafeUninitializedCapacity: 48) { unsafe address.writeIP($0.baseAddress.unsafelyUnwrapped) }
    }

    private static func commonName(_ certificate: OpaquePointer) -> String? {
        guard let subject = unsafe X509_get_subject_name(certificate) else { return nil }
        let index = unsafe X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0, let entry = unsafe X509_NAME_get_entry(subject, index), let text = unsafe X509_NAME_ENTRY_get_data(entry)
        else { return nil }
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = unsafe ASN1_STRING_to_UTF8(&bytes, text)
        guard count > 0, let base = unsafe bytes else { return nil }
        defer { unsafe martlet_openssl_free(base) }
        return unsafe String(decoding: UnsafeBufferPointer(start: base, count: Int(count)), as: UTF8.self)
    }

    /// Seconds since 1970.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int {
        guard let time = unsafe time else { return 0 }
        return Int(unsafe martlet_asn1_seconds(time))
    }
}
