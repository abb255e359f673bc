/// `listener.admin.`: the cells of `ListenerStat`, without what an admin listener has no use for.
package struct AdminListenerStat: StatLeaf {
    public let rawValue: UInt32

    public init?(rawValue: UInt32) { self.rawValue = rawValue }

    public static let allCases = (0..<UInt32(ListenerStat.allCases.count)).compactMap(AdminListenerStat.init)

    public static let schema = StatSchema(AdminListenerStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch ListenerStat(rawValue: rawValue) {
        case .extensionConfigMissing: .counter("extension_config_missing", .whenUsed)
        case .networkExtensionConfigMissing: .counter("network_extension_config_missing", .whenUsed)
        case let leaf?: leaf.descriptor
        case nil: preconditionFailure("invariant: as many cells as ListenerStat has")
        }
    }
}
