/// `cluster.<name>.zone.<from>.<to>.`: answers of hosts in a zone, where this process has a zone too.
@frozen public enum ClusterZoneStat: UInt32, StatLeaf {
    case responseCodes, upstreamRqTime

    public static let schema = StatSchema(ClusterZoneStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .responseCodes: .responseCodes("upstream_rq_", withCompleted: true)
        case .upstreamRqTime: .histogram("upstream_rq_time", .milliseconds, .whenUsed)
        }
    }
}
