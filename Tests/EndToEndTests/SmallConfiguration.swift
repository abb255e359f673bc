import TestSupport

/// Configurations that tests fill in.
enum SmallConfiguration {
    /// One HTTP listener on one or more addresses (in flow style); each route is a prefix and its upstream's port.
    static func http(admin: UInt16, listeners: [String], routes: [(prefix: String, port: UInt16)]) -> String {
        let additional = listeners.dropFirst().map { "{address: \($0)}" }.joined(separator: ", ")
        let limits = "circuit_breakers: {thresholds: [{max_connections: 10000, max_requests: 10000, max_pending_requests: 10000}]}"
        return Bootstrap(
            admin: admin,
            listeners: [
                Bootstrap.http(
                    "main", at: listeners[0], listener: ["additional_addresses: [\(additional)]"],
                    routes: routes.enumerated().map { "{match: {prefix: \"\($1.prefix)\"}, route: {cluster: c\($0), timeout: 0s}}" })
            ],
            clusters: routes.enumerated().map { Bootstrap.cluster("c\($0)", ports: [$1.port], ["connect_timeout: 5s", limits]) }
        ).yaml
    }

    /// A listener that answers everything with one word.
    static func says(_ word: String, admin: UInt16, listener: UInt16) -> String {
        Bootstrap(
            admin: admin,
            listeners: [
                Bootstrap.http(
                    "main", at: Bootstrap.address(listener),
                    routes: ["{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \"\(word)\"}}}"])
            ]
        ).yaml
    }
}
