/// `proxy_proto.[<stat_prefix>.]`
@frozen public enum ProxyProtocolStat: UInt32, StatLeaf {
    case notFoundAllowed, notFoundDisallowed, version1Disallowed, version1Error, version1Found
    case version2Disallowed, version2Error, version2Found

    public static let schema = StatSchema(ProxyProtocolStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .notFoundAllowed: .counter("not_found_allowed")
        case .notFoundDisallowed: .counter("not_found_disallowed")
        case .version1Disallowed: .counter("versions.v1.disallowed")
        case .version1Error: .counter("versions.v1.error")
        case .version1Found: .counter("versions.v1.found")
        case .version2Disallowed: .counter("versions.v2.disallowed")
        case .version2Error: .counter("versions.v2.error")
        case .version2Found: .counter("versions.v2.found")
        }
    }
}

/// Without a prefix, one for the process.
@frozen public enum ProxyProtocolSharedStat: UInt32, StatLeaf {
    case downstreamCxProxyProtoError

    public static let schema = StatSchema(ProxyProtocolSharedStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .downstreamCxProxyProtoError: .counter("downstream_cx_proxy_proto_error")
        }
    }
}
