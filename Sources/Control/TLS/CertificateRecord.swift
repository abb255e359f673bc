// What `/certs` and the statistics show of a certificate that serves.

import COpenSSL
import Glibc

package struct CertificateRecord {
    package enum Name {
        case dns(String), uri(String), address(String)
    }
    package let path: String
    package let serial: String
    package let names: [Name]
    /// Seconds since 1970.
    package let validFrom: Int
    package let validUntil: Int
    /// Of the OCSP response that goes with it, in seconds since 1970; nil: there is none. `until` is nil where the response
    /// does not say.
    package var staple: (from: Int, until: Int?)?

    init?(_ der: [UInt8], path: String) {
        guard let certificate = unsafe CertificateReader.x509(der) else { return nil }
        defer { unsafe X509_free(certificate) }
        self.path = path
        serial = unsafe CertificateRecord.serial(certificate)
        names =
            unsafe CertificateFacts.names(certificate, GEN_DNS).map { .dns($0) }
            + CertificateFacts.names(certificate, GEN_URI).map { .uri($0) }
            + CertificateFacts.names(certificate, GEN_IPADD).map { .address($0) }
        validFrom = unsafe CertificateFacts.seconds(X509_get0_notBefore(certificate))
        validUntil = unsafe CertificateFacts.seconds(X509_get0_notAfter(certificate))
    }

    private static func serial(_ certificate: OpaquePointer) -> String {
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), nil) else { return "" }
        defer { unsafe BN_free(number) }
        guard let text = unsafe BN_bn2hex(number) else { return "" }
        defer { unsafe martlet_openssl_free(text) }
        return unsafe String(cString: text).lowercased()
    }

    /// 0 when it is over.
    package func stapleSecondsLeft(now: Int) -> UInt64? { staple?.until.map { UInt64(max(0, $0 - now)) } }

    /// Whole days that are left; 0 when it is over.
    package func daysLeft(now: Int) -> UInt64 { UInt64(max(0, validUntil - now) / 86_400) }
}

/// Of one context.
package struct TLSRecords {
    /// Whose end a statistic tells.
    package enum Trust {
        /// Peers are not looked at.
        case none
        /// They are, and by no authority that is named: one that never ends.
        case nobody
        /// The first authority that ends.
        case all
        /// SPIFFE: each authority, with a number.
        case each
    }
    /// Leaves.
    package var chains: [CertificateRecord] = []
    package var authorities: [CertificateRecord] = []
    package var trust = Trust.none
    package init() {}

    /// A leaf that is over, where the one before it, of the same place, is not.
    func expired(inPlaceOf old: TLSRecords, now: Int) -> CertificateRecord? {
        for (new, old) in zip(chains, old.chains) where new.validUntil < now && old.validUntil >= now { return new }
        return nil
    }
}
