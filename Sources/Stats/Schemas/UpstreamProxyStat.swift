/// `cluster.<name>.upstream.proxyprotocol.`
package enum UpstreamProxyStat: UInt32, StatLeaf {
    case version2TLVsExceedMaxLength

    package static let schema = StatSchema(UpstreamProxyStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .version2TLVsExceedMaxLength: .counter("v2_tlvs_exceed_max_length")
        }
    }
}
