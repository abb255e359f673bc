/// `cluster.<name>.<match>.`, for each of `transport_socket_matches`.
package enum TransportSocketMatchStat: UInt32, StatLeaf {
    case totalMatchCount

    package static let schema = StatSchema(TransportSocketMatchStat.self, writers: .main)

    package var descriptor: StatDescriptor {
        switch self {
        case .totalMatchCount: .counter("total_match_count")
        }
    }
}
