// One TLS context as it was configured, read and checked: what contexts of OpenSSL are made from.

struct TLSSettings {
    var isServer: Bool
    /// OpenSSL's numbers.
    var versions: (low: Int32, high: Int32)
    /// Up to TLS 1.2, in OpenSSL's words.
    var ciphers: String
    var groups: String
    /// Empty: OpenSSL's own.
    var signatures = ""
    var certificates: [CertificateMaterial] = []
    /// Names of protocols, as on the wire.
    var protocols: [UInt8] = []
    var requiresName = false
    var prefersClientCiphers = false
    var allowsRenegotiation = false
}
