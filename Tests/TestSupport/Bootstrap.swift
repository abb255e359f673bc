/// A bootstrap for a test, put together from blocks of YAML. A block is written from column 1, its lines are indented where
/// it goes.
package struct Bootstrap {
    package var admin: UInt16?
    /// Blocks at the top level besides, and lines of the `admin` block.
    package var blocks: [String] = []
    package var adminLines: [String] = []
    package var listeners: [String] = []
    package var clusters: [String] = []

    package init(admin: UInt16? = nil, listeners: [String] = [], clusters: [String] = []) {
        self.admin = admin
        self.listeners = listeners
        self.clusters = clusters
    }

    package var yaml: String {
        var text = blocks.map { $0 + "\n" }.joined()
        if let admin {
            text += "admin:\n  address: \(Bootstrap.address(admin))\n"
            for line in adminLines { text += "  \(line)\n" }
        }
        text += "static_resources:\n"
        for (name, items) in [("listeners", listeners), ("clusters", clusters)] where !items.isEmpty {
            text += "  \(name):\n" + items.map { Bootstrap.item($0, indent: 2) }.joined()
        }
        return text
    }

    // MARK: Blocks

    package static func address(_ port: UInt16) -> String { "{socket_address: {address: 127.0.0.1, port_value: \(port)}}" }

    /// A listener with one HTTP connection manager. `manager`: lines of the manager besides; `routes`: one line each.
    package static func http(
        _ name: String, at address: String, listener: [String] = [], prefix: String? = nil, manager: [String] = [],
        virtualHost: String = "everything", routes: [String]
    ) -> String {
        filter(name, at: address, listener, "envoy.filters.network.http_connection_manager", """
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: \(prefix ?? name)
            \((manager + ["route_config:"]).joined(separator: "\n"))
              name: local
              virtual_hosts:
              - name: \(virtualHost)
                domains: ["*"]
                routes:
            \(routes.map { "    - \($0)" }.joined(separator: "\n"))
            http_filters:
            - name: envoy.filters.http.router
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            """)
    }

    package static func tcp(_ name: String, at address: String, prefix: String = "tcp", cluster: String) -> String {
        filter(name, at: address, [], "envoy.filters.network.tcp_proxy", """
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: \(prefix)
            cluster: \(cluster)
            """)
    }

    private static func filter(
        _ name: String, at address: String, _ lines: [String], _ filter: String, _ config: String
    ) -> String {
        """
        \((["name: \(name)", "address: \(address)"] + lines).joined(separator: "\n"))
        filter_chains:
        - filters:
          - name: \(filter)
            typed_config:
        \(indented(config, by: 6))
        """
    }

    /// A cluster whose hosts are ports of this machine. `more`: lines of the cluster besides.
    package static func cluster(_ name: String, ports: [UInt16], _ more: [String] = []) -> String {
        cluster(name, endpoints: ports.map { "endpoint: {address: \(address($0))}" }, more)
    }

    /// `endpoints`: the blocks of `lb_endpoints`; `locality`: in flow style.
    package static func cluster(
        _ name: String, endpoints: [String], locality: String? = nil, _ more: [String] = []
    ) -> String {
        let group = (locality.map { "locality: \($0)\n" } ?? "") + "lb_endpoints:\n" + endpoints.map { item($0, indent: 0) }.joined()
        return """
            \((["name: \(name)"] + more).joined(separator: "\n"))
            load_assignment:
              cluster_name: \(name)
              endpoints:
            \(item(group, indent: 2))
            """
    }

    /// `- ` before the first line, its depth before the others.
    private static func item(_ block: String, indent: Int) -> String {
        let lines = indented(block, by: indent + 2).dropFirst(indent + 2)
        return String(repeating: " ", count: indent) + "- " + lines + "\n"
    }

    private static func indented(_ block: String, by depth: Int) -> String {
        block.split(separator: "\n").map { String(repeating: " ", count: depth) + $0 }.joined(separator: "\n")
    }
}
