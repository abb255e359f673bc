/// `cluster.<name>.zone.<from>.<to>.`: answers of hosts in a zone, where this process has a zone too.
package enum ClusterZoneStat: UInt32, StatLeaf {
    case responseCodes, upstreamRqTime

    package static let schema = StatSchema(ClusterZoneStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .responseCodes: .responseCodes("upstream_rq_", withCompleted: true)
        case .upstreamRqTime: .histogram("upstream_rq_time", .milliseconds, .whenUsed)
        }
    }
}
