/// What sort of extension a field takes, known from the message that it stands in; another sort there is refused by one
/// error at its `@type`, and not by one for each of its fields.
enum ExtensionKind: String, CaseIterable {
    case networkFilter = "a network filter"
    case httpFilter = "an HTTP filter"
    case listenerFilter = "a listener filter"
    case accessLog = "an access logger"
    case transportSocket = "a transport socket"

    init?(holder: String) {
        switch holder {
        case "envoy.config.listener.v3.Filter": self = .networkFilter
        case "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": self = .httpFilter
        case "envoy.config.listener.v3.ListenerFilter": self = .listenerFilter
        case "envoy.config.accesslog.v3.AccessLog": self = .accessLog
        case "envoy.config.core.v3.TransportSocket": self = .transportSocket
        default: return nil
        }
    }

    init?(type: String) {
        guard let kind = ExtensionKind.allCases.first(where: { type.hasPrefix($0.packagePrefix) }) else { return nil }
        self = kind
    }

    /// Where Envoy keeps extensions of this sort. Types from elsewhere (wrappers, third parties') are of no known sort.
    var packagePrefix: String {
        switch self {
        case .networkFilter: "envoy.extensions.filters.network."
        case .httpFilter: "envoy.extensions.filters.http."
        case .listenerFilter: "envoy.extensions.filters.listener."
        case .accessLog: "envoy.extensions.access_loggers."
        case .transportSocket: "envoy.extensions.transport_sockets."
        }
    }
}

extension TreeReader {
    /// False after an error.
    mutating func isRightKind(_ type: Int, _ mark: Mark) -> Bool {
        let name = schema.messages[type].name
        guard let level = levels.last, let wanted = ExtensionKind(holder: schema.messages[level.type].name),
            let found = ExtensionKind(type: name), found != wanted
        else { return true }
        var called = ""
        if let pair = level.pairs.first(where: { $0.key == "name" }), case .scalar(let text, _) = document[pair.value].content {
            called = String(text.prefix(200))
        }
        path.components.append(.field("@type"))
        refuse(
            mark, "Didn't find a registered implementation for '\(called)' with type URL: '\(name)'",
            found: "\(found.rawValue)", expected: "\(wanted.rawValue), whose type begins with \(wanted.packagePrefix)")
        path.components.removeLast()
        return false
    }
}
