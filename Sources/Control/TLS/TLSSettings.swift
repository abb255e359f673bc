// One TLS context as it was configured, read and checked: what contexts of OpenSSL are made from.

import Pipeline
import Transport

/// How a peer's certificate is looked at.
@safe
struct PeerValidation {
    /// False: nothing is said but that there has to be a certificate.
    var isConfigured = true
    /// PEM; empty: nobody is trusted by name.
    var authorities: [UInt8] = []
    var authoritiesName = ""
    var usesSystemRoots = false
    var announcesAuthorities = true
    /// PEM.
    var revocations: [UInt8] = []
    var revocationsOfLeafOnly = false
    var depthMax: Int32?
    /// The configuration's own words, of which sessions are good for no other.
    var rules: [UInt8] = []
    /// A peer without a certificate is refused, whatever else is said.
    var requiresCertificate = false
    /// SPIFFE; each context has objects of its own of them.
    var trustDomains: [TrustDomainMaterial] = []
    var check: UnsafePointer<PeerCheck>
}

struct TrustDomainMaterial {
    var name: String
    /// DER.
    var authorities: [[UInt8]] = []
    /// PEM, with others than lists in it.
    var revocations: [UInt8] = []
}

struct TLSSettings {
    var isServer: Bool
    /// OpenSSL's numbers.
    var versions: (low: Int32, high: Int32)
    /// Up to TLS 1.2, in OpenSSL's words.
    var ciphers: String
    var groups: String
    /// Empty: OpenSSL's own.
    var signatures = ""
    /// Of TLS 1.3; empty: OpenSSL's.
    var suites = ""
    var certificates: [CertificateMaterial] = []
    /// Names of protocols, as on the wire.
    var protocols: [UInt8] = []
    var requiresName = false
    /// `full_scan_certs_on_sni_mismatch`
    var scansCertificates = false
    var prefersClientCiphers = false
    var allowsRenegotiation = false
    var validation: PeerValidation?
    /// `key_log`.
    var keyLog: TLSKeyLog?
    /// A client without a certificate is refused.
    var requiresCertificate = false
    var staplePolicy = StaplePolicy.lenient
    // Resumption.
    /// 80 bytes each, the first one makes tickets; empty: keys of the process.
    var ticketKeys: [[UInt8]] = []
    var usesTickets = true
    /// Tickets of TLS 1.3 for each full handshake; nil: OpenSSL's number. With 0 TLS 1.2 has none either.
    var ticketCount: Int?
    var keepsSessions = true
    var sessionTimeoutS: Int?
    /// Upstream: sessions that are kept for the next connection.
    var clientSessionsMax = 1
    /// Sessions are good for contexts of the same configuration only.
    var sessionContext: [UInt8] = []
}
