/// `tls_inspector.`, one for the process.
@frozen public enum TLSInspectorStat: UInt32, StatLeaf {
    case alpnFound, alpnNotFound, bytesProcessed, clientHelloTooLarge, sniFound, sniNotFound, tlsFound, tlsNotFound

    public static let schema = StatSchema(TLSInspectorStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .alpnFound: .counter("alpn_found")
        case .alpnNotFound: .counter("alpn_not_found")
        case .bytesProcessed: .histogram("bytes_processed", .bytes)
        case .clientHelloTooLarge: .counter("client_hello_too_large")
        case .sniFound: .counter("sni_found")
        case .sniNotFound: .counter("sni_not_found")
        case .tlsFound: .counter("tls_found")
        case .tlsNotFound: .counter("tls_not_found")
        }
    }
}
