/// `<prefix of a subscription>control_plane.`: the stream to its management server.
@frozen public enum ControlPlaneStat: UInt32, StatLeaf {
    case connectedState, identifier, pendingRequests, rateLimitEnforced

    public static let schema = StatSchema(ControlPlaneStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .connectedState: .gauge("connected_state")
        case .identifier: .text("identifier")
        case .pendingRequests: .gauge("pending_requests")
        case .rateLimitEnforced: .counter("rate_limit_enforced")
        }
    }
}

/// `sds.<name>.`, beside `SubscriptionStat`.
@frozen public enum SecretStat: UInt32, StatLeaf {
    case keyRotationFailed

    public static let schema = StatSchema(SecretStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .keyRotationFailed: .counter("key_rotation_failed")
        }
    }
}
