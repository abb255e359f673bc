// `%DOWNSTREAM_TLS_…%`, `%DOWNSTREAM_PEER_…%` and so for the upstream: which fact each name means.

import COpenSSL
import Primitives
import Transport

enum FormatTLS {
    /// Without `DOWNSTREAM_` or `UPSTREAM_`.
    private static let facts: [String: Int] = {
        let pairs: [(String, Int32)] = [
            ("TLS_VERSION", martlet_fact_version), ("TLS_CIPHER", martlet_fact_cipher), ("TLS_GROUP", martlet_fact_group),
            ("TLS_SESSION_ID", martlet_fact_session_id), ("PEER_SUBJECT", martlet_fact_peer_subject),
            ("PEER_ISSUER", martlet_fact_peer_issuer), ("PEER_SERIAL", martlet_fact_peer_serial),
            ("PEER_CERT", martlet_fact_peer_cert), ("PEER_FINGERPRINT_1", martlet_fact_peer_fingerprint_1),
            ("PEER_FINGERPRINT_256", martlet_fact_peer_fingerprint_256),
            ("PEER_CHAIN_FINGERPRINTS_1", martlet_fact_peer_chain_fingerprints_1),
            ("PEER_CHAIN_FINGERPRINTS_256", martlet_fact_peer_chain_fingerprints_256),
            ("PEER_CHAIN_SERIALS", martlet_fact_peer_chain_serials),
            ("PEER_ISSUER_FINGERPRINT_256", martlet_fact_peer_issuer_fingerprint_256),
            ("PEER_ISSUER_SERIAL", martlet_fact_peer_issuer_serial), ("PEER_DNS_SAN", martlet_fact_peer_dns),
            ("PEER_URI_SAN", martlet_fact_peer_uri), ("PEER_IP_SAN", martlet_fact_peer_ip),
            ("PEER_EMAIL_SAN", martlet_fact_peer_email), ("PEER_OTHERNAME_SAN", martlet_fact_peer_other),
            ("LOCAL_SUBJECT", martlet_fact_local_subject), ("LOCAL_DNS_SAN", martlet_fact_local_dns),
            ("LOCAL_URI_SAN", martlet_fact_local_uri), ("LOCAL_IP_SAN", martlet_fact_local_ip),
            ("LOCAL_EMAIL_SAN", martlet_fact_local_email), ("LOCAL_OTHERNAME_SAN", martlet_fact_local_other),
        ].map { ($0.0, Int32($0.1)) }
        return Dictionary(pairs.map { ($0.0, Int($0.1)) }, uniquingKeysWith: { a, _ in a })
    }()

    static func rule(_ name: String) -> FormatOperatorRule? {
        if name == "UPSTREAM_SERVER_NAME" {
            return FormatOperatorRule(op: .upstreamTLS, option: UInt8(martlet_fact_server_name))
        }
        for (prefix, op, time) in [
            ("DOWNSTREAM_", FormatOperator.downstreamTLS, FormatOperator.downstreamCertificateTime),
            ("UPSTREAM_", .upstreamTLS, .upstreamCertificateTime),
        ] where name.hasPrefix(prefix) {
            let rest = String(name.dropFirst(prefix.count))
            if let fact = facts[rest] { return FormatOperatorRule(op: op, option: UInt8(fact)) }
            if rest == "PEER_CERT_V_START" { return FormatOperatorRule(op: time, argument: .optional) }
            if rest == "PEER_CERT_V_END" { return FormatOperatorRule(op: time, argument: .optional, option: 2) }
        }
        return nil
    }
}

extension FormatSource {
    var downstreamTLS: TLSDescription? { unsafe stream?.pointee.downstreamTLS ?? tcp?.pointee.downstreamTLS }
    /// Of a handshake that did not come to its end.
    var attemptedVersion: Bytes? {
        guard let version = unsafe tcp?.pointee.attemptedVersion, !version.isEmpty else { return nil }
        return version
    }
    var upstreamTLS: TLSDescription? { unsafe stream?.pointee.upstreamTLS ?? tcp?.pointee.upstreamTLS }
}

extension FormatWriter {
    mutating func fingerprint(_ source: FormatSource, isJA4: Bool) -> FormatValue {
        guard let inspection = unsafe source.inspection else { return .missing }
        value.reset()
        unsafe inspection.pointee.fingerprints.write(isJA4: isJA4, into: &value)
        return .present(value.bytes)
    }

    static func text(_ bytes: Bytes?) -> FormatValue {
        guard let bytes, !bytes.isEmpty else { return .missing }
        return .text(bytes)
    }

    func downstreamTLS(_ source: FormatSource, _ piece: UnsafePointer<FormatPiece>) -> FormatValue {
        if unsafe piece.pointee.option == UInt8(martlet_fact_version), let version = source.attemptedVersion { return .text(version) }
        return unsafe tls(source.downstreamTLS, piece)
    }

    func tls(_ description: TLSDescription?, _ piece: UnsafePointer<FormatPiece>) -> FormatValue {
        guard let description else { return .missing }
        return .present(description[unsafe Int(piece.pointee.option)])
    }

    mutating func certificateTime(_ description: TLSDescription?, _ piece: UnsafePointer<FormatPiece>) -> FormatValue {
        guard let description, description.hasPeerCertificate else { return .missing }
        let seconds = unsafe piece.pointee.option == 2 ? description.validUntil : description.validFrom
        return unsafe moment(UInt64(clamping: seconds) &* 1_000_000_000, piece)
    }
}
