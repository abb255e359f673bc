/// `listener.<address>.ssl.`, `cluster.<name>.ssl.`
@frozen public enum TLSStat: UInt32, StatLeaf {
    case connectionError, failVerifyCertHash, failVerifyError, failVerifyNoCert, failVerifySan, handshake
    case noCertificate, ocspStapleFailed, ocspStapleOmitted, ocspStapleRequests, ocspStapleResponses, sessionReused

    public static let schema = StatSchema(TLSStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .connectionError: .counter("connection_error")
        case .failVerifyCertHash: .counter("fail_verify_cert_hash")
        case .failVerifyError: .counter("fail_verify_error")
        case .failVerifyNoCert: .counter("fail_verify_no_cert")
        case .failVerifySan: .counter("fail_verify_san")
        case .handshake: .counter("handshake")
        case .noCertificate: .counter("no_certificate")
        case .ocspStapleFailed: .counter("ocsp_staple_failed")
        case .ocspStapleOmitted: .counter("ocsp_staple_omitted")
        case .ocspStapleRequests: .counter("ocsp_staple_requests")
        case .ocspStapleResponses: .counter("ocsp_staple_responses")
        case .sessionReused: .counter("session_reused")
        }
    }
}

/// `listener.<address>.server_ssl_socket_factory.`, `cluster.<name>.client_ssl_socket_factory.`
@frozen public enum TLSSocketFactoryStat: UInt32, StatLeaf {
    case downstreamContextSecretsNotReady, sslContextUpdateBySds, upstreamContextSecretsNotReady

    public static let schema = StatSchema(TLSSocketFactoryStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .downstreamContextSecretsNotReady: .counter("downstream_context_secrets_not_ready")
        case .sslContextUpdateBySds: .counter("ssl_context_update_by_sds")
        case .upstreamContextSecretsNotReady: .counter("upstream_context_secrets_not_ready")
        }
    }
}

/// `listener.<address>.ssl.certificate.<name>.`
@frozen public enum CertificateStat: UInt32, StatLeaf {
    case expirationUnixTimeSeconds

    public static let schema = StatSchema(CertificateStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .expirationUnixTimeSeconds: .gauge("expiration_unix_time_seconds")
        }
    }
}

/// A counter whose whole name is known only at run time: `listener.<address>.ssl.ciphers.TLS_AES_256_GCM_SHA384`,
/// `….ssl.curves.X25519`, `….ssl.versions.TLSv1.3`. Its scope's prefix is the name, without a dot at the end.
@frozen public enum NamedCounterStat: UInt32, StatLeaf {
    case value

    public static let schema = StatSchema(NamedCounterStat.self, writers: .workers)

    public var descriptor: StatDescriptor { .counter("", .whenUsed) }
}
