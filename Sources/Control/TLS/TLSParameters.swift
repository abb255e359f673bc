// `tls_params`: versions, ciphers, groups and signature algorithms, in OpenSSL's words.

import COpenSSL
import EnvoyAPI

struct TLSParameters {
    var versions: (low: Int32, high: Int32)
    var ciphers: String
    var groups: String
    var signatures: String
    /// Of TLS 1.3; empty: OpenSSL's.
    var suites = ""

    // Envoy's defaults.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
        + "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
    private static let groups = "X25519:P-256"
    /// What a peer may sign with, where nothing is said: no key of Ed25519, and none of P-521 in TLS 1.3.
    static let peerSignatures =
        "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:rsa_pkcs1_sha256:ecdsa_secp384r1_sha384:rsa_pss_rsae_sha384:"
        + "rsa_pkcs1_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha512:rsa_pkcs1_sha1"
    /// What our own key may sign with towards an upstream.
    static let ownSignatures =
        "ed25519:ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:rsa_pkcs1_sha256:ecdsa_secp384r1_sha384:rsa_pss_rsae_sha384:"
        + "rsa_pkcs1_sha384:ecdsa_secp521r1_sha512:rsa_pss_rsae_sha512:rsa_pkcs1_sha512:rsa_pss_pss_sha256:"
        + "rsa_pss_pss_sha384:rsa_pss_pss_sha512:ed448:ECDSA+SHA1:rsa_pkcs1_sha1"

    /// Nil after an error.
    init?(_ message: TLSParametersMessage, isServer: Bool, _ place: Place, _ diagnostics: Diagnostics) {
        let before = diagnostics.errors.count
        let low = TLSParameters.version(message.tlsMinimumProtocolVersion) ?? TLS1_2_VERSION
        // As Envoy: no TLS 1.3 towards upstreams unless asked for.
        let high = TLSParameters.version(message.tlsMaximumProtocolVersion) ?? (isServer ? TLS1_3_VERSION : TLS1_2_VERSION)
        versions = (low, max(low, high))
        ciphers = TLSParameters.ciphers
        groups = TLSParameters.groups
        signatures = message.signatureAlgorithms.joined(separator: ":")
        guard let probe = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else { return nil }
        defer { unsafe SSL_CTX_free(probe) }
        unsafe SSL_CTX_set_security_level(probe, 0)
        if !message.cipherSuites.isEmpty {
            ciphers = unsafe TLSParameters.ciphers(message.cipherSuites, probe, place, diagnostics)
        }
        if !message.ecdhCurves.isEmpty {
            groups = message.ecdhCurves.joined(separator: ":")
            if unsafe martlet_ctx_groups(probe, groups) != 1 {
                diagnostics.error(
                    place.at("ecdh_curves"), "Failed to initialize ECDH curves \(groups)",
                    expected: "names of groups that OpenSSL knows: X25519, P-256, P-384, P-521")
            }
        }
        if !signatures.isEmpty, unsafe martlet_ctx_sigalgs(probe, signatures) != 1 {
            diagnostics.error(
                place.at("signature_algorithms"), "Failed to initialize TLS signature algorithms \(signatures)",
                expected: "names such as ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256, rsa_pkcs1_sha256")
        }
        martlet_err_clear()
        guard diagnostics.errors.count == before else { return nil }
        if message.compliancePolicies.contains(.fips202205) { complyWithFIPS() }
    }

    /// `FIPS_202205`: what it allows takes the place of everything else that is said, as in Envoy.
    private mutating func complyWithFIPS() {
        versions = (TLS1_2_VERSION, TLS1_3_VERSION)
        ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
        suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
        groups = "P-256:P-384"
        signatures =
            "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:"
            + "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512"
    }

    private static func version(_ version: TLSParametersMessage.TlsProtocol) -> Int32? {
        switch version {
        case .tlsv10: TLS1_VERSION
        case .tlsv11: TLS1_1_VERSION
        case .tlsv12: TLS1_2_VERSION
        case .tlsv13: TLS1_3_VERSION
        case .tlsAuto, .UNRECOGNIZED: nil
        }
    }

    /// `[A|B]` is a group of equal preference there: here A comes first, unless the client would rather have ChaCha20.
    private static func ciphers(
        _ suites: [String], _ probe: OpaquePointer, _ place: Place, _ diagnostics: Diagnostics
    ) -> String {
        var accepted: [String] = []
        var rejected: [String] = []
        for suite in suites {
            for name in suite.split(whereSeparator: { ":[]|".contains($0) }) {
                if unsafe SSL_CTX_set_cipher_list(probe, String(name)) == 1, !name.hasPrefix("TLS_") {
                    accepted.append(String(name))
                } else {
                    rejected.append(String(name))
                }
            }
        }
        if !rejected.isEmpty {
            diagnostics.error(
                place.at("cipher_suites"),
                "Failed to initialize cipher suites \(suites.joined(separator: ":")). The following ciphers were rejected when tried individually: \(rejected.joined(separator: ", "))",
                expected: "cipher suites up to TLS 1.2 by their OpenSSL names, such as ECDHE-RSA-AES128-GCM-SHA256")
        }
        return accepted.joined(separator: ":")
    }
}
