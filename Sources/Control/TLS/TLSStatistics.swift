// The statistics of a TLS context: fixed ones, and a counter for each thing that a handshake can agree on.

import COpenSSL
import Primitives
import Stats
import StatsStore
import Transport

struct TLSStatistics {
    let environment: CompileEnvironment
    let part: PlanPart
    /// `listener.<address>.ssl.`
    let prefix: String

    private static let versions: [(UInt32, String)] = [
        (0x0301, "TLSv1"), (0x0302, "TLSv1.1"), (0x0303, "TLSv1.2"), (0x0304, "TLSv1.3"),
    ]
    private static let curves: [(Int32, String)] = [
        (NID_X25519, "X25519"), (NID_X9_62_prime256v1, "P-256"), (NID_secp384r1, "P-384"), (NID_secp521r1, "P-521"),
        (NID_X448, "X448"),
    ]
    /// Of the registry, by the names that Envoy's library gives them.
    private static let signatures: [(UInt32, String)] = [
        (0x0201, "rsa_pkcs1_sha1"), (0x0203, "ecdsa_sha1"), (0x0401, "rsa_pkcs1_sha256"), (0x0501, "rsa_pkcs1_sha384"),
        (0x0601, "rsa_pkcs1_sha512"), (0x0403, "ecdsa_secp256r1_sha256"), (0x0503, "ecdsa_secp384r1_sha384"),
        (0x0603, "ecdsa_secp521r1_sha512"), (0x0804, "rsa_pss_rsae_sha256"), (0x0805, "rsa_pss_rsae_sha384"),
        (0x0806, "rsa_pss_rsae_sha512"), (0x0807, "ed25519"), (0x0808, "ed448"),
    ]

    func fill(_ config: inout TLSContextConfig) {
        config.stats = part.scope(environment.stats, prefix, TLSStat.self).base
        config.versions = counters("versions.", TLSStatistics.versions)
        config.curves = counters("curves.", TLSStatistics.curves.map { (UInt32(bitPattern: $0.0), $0.1) })
        config.signatures = counters("sigalgs.", TLSStatistics.signatures)
        if config.contexts.count > 0, let context = unsafe OpaquePointer(bitPattern: config.contexts[0]) {
            config.ciphers = counters("ciphers.", unsafe ciphers(context))
        }
    }

    /// The most that a gauge holds (`GaugeCell`).
    private static let never = Int.max >> 1

    /// The names are Envoy's: a secret's, or one for all that have none.
    func expirations(_ records: TLSRecords, _ source: TLSSource) {
        var earliest: [String: Int] = [:]
        for (i, record) in records.chains.enumerated() {
            let name = i < source.certificateNames.count ? source.certificateNames[i] : ""
            let key = name.isEmpty ? "unnamed_cert_e3b0c442" : name
            earliest[key] = min(earliest[key] ?? .max, record.validUntil)
        }
        let unnamed = source.authorityName.isEmpty ? "unnamed_ca_cert" : source.authorityName
        switch records.trust {
        case .none: break
        case .nobody: earliest[unnamed] = TLSStatistics.never
        case .all:
            let key = source.authorityName.isEmpty ? unnamed + "_e3b0c442" : unnamed
            earliest[key] = records.authorities.map(\.validUntil).min()
        case .each:
            for (i, record) in records.authorities.enumerated() { earliest["\(unnamed)_\(i)"] = record.validUntil }
        }
        for (name, seconds) in earliest {
            let scope = part.scope(environment.stats, prefix + "certificate." + name + ".", CertificateStat.self)
            environment.stats.mainCells.set(scope[.expirationUnixTimeSeconds], UInt64(clamping: seconds))
        }
    }

    func factory(_ source: TLSSource) -> StatScope<TLSSocketFactoryStat> {
        let isServer = if case .downstream = source.context { true } else { false }
        return part.scope(
            environment.stats, source.statPrefix + (isServer ? "server_ssl_socket_factory." : "client_ssl_socket_factory."),
            TLSSocketFactoryStat.self)
    }

    private func ciphers(_ context: OpaquePointer) -> [(UInt32, String)] {
        var found: [(UInt32, String)] = []
        var index = 0
        while let cipher = unsafe martlet_ctx_cipher(context, index) {
            index += 1
            guard let name = unsafe SSL_CIPHER_get_name(cipher) else { continue }
            found.append((UInt32(unsafe SSL_CIPHER_get_protocol_id(cipher)), unsafe String(cString: name)))
        }
        return found
    }

    private func counters(_ folder: String, _ names: [(UInt32, String)]) -> FrozenArray<NegotiatedStat> {
        part.arena.array(
            names.map { number, name in
                NegotiatedStat(
                    number: number,
                    stat: part.scope(environment.stats, prefix + folder + name, NamedCounterStat.self).base)
            })
    }
}
