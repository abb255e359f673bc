/// `martlet.plan.`: ours, Envoy has none of them. What is published to the workers and what is still on its way out.
@frozen public enum PlanStat: UInt32, StatLeaf {
    /// Plans published since the start.
    case version
    /// Parts (listeners, clusters, host sets) that exist, and those among them that no plan lists any more.
    case partsLive, partsRetiring
    /// Addresses with open listening sockets.
    case addressesOpen
    /// Reads of the bootstrap behind the first.
    case reloadsApplied, reloadsRefused
    /// TLS contexts that were made again because their files had changed, and those that could not be.
    case certificatesRenewed, certificatesRefused
    /// Files of `%FILE_CONTENT(…)%` that were read again, and those that could not be.
    case textsRenewed, textsRefused

    public static let schema = StatSchema(PlanStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .version: .gauge("version")
        case .partsLive: .gauge("parts_live")
        case .partsRetiring: .gauge("parts_retiring")
        case .addressesOpen: .gauge("addresses_open")
        case .reloadsApplied: .counter("reloads_applied")
        case .reloadsRefused: .counter("reloads_refused")
        case .certificatesRenewed: .counter("certificates_renewed")
        case .certificatesRefused: .counter("certificates_refused")
        case .textsRenewed: .counter("texts_renewed")
        case .textsRefused: .counter("texts_refused")
        }
    }
}
