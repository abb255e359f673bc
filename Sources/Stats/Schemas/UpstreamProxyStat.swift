/// `cluster.<name>.upstream.proxyprotocol.`
@frozen public enum UpstreamProxyStat: UInt32, StatLeaf {
    case version2TLVsExceedMaxLength

    public static let schema = StatSchema(UpstreamProxyStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .version2TLVsExceedMaxLength: .counter("v2_tlvs_exceed_max_length")
        }
    }
}
