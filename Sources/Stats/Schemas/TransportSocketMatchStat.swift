/// `cluster.<name>.<match>.`, for each of `transport_socket_matches`.
@frozen public enum TransportSocketMatchStat: UInt32, StatLeaf {
    case totalMatchCount

    public static let schema = StatSchema(TransportSocketMatchStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .totalMatchCount: .counter("total_match_count")
        }
    }
}
