// What a route table is made from: plain values with the meaning of Envoy's `RouteConfiguration`, free of protobuf.
//
// Control fills these from the configuration; `RouteTable.init` freezes them. Only what decides *which* route a request
// takes stands here. What the route then does (timeouts, retries, mutations, clusters) the Pipeline keeps in arrays of
// its own, indexed by `RouteMatchResult`.

package struct RouteTableSpec: Sendable {
    package var name: String
    package var virtualHosts: [VirtualHostSpec]
    /// `ignore_port_in_host_matching`.
    package var ignorePortInHost = false
    /// `ignore_path_parameters_in_path_matching`: what follows the first `;` does not count.
    package var ignorePathParameters = false
    /// `vhost_header`: its value stands for the host. Empty: the authority is used.
    package var virtualHostHeader = ""

    package init(name: String, virtualHosts: [VirtualHostSpec]) {
        self.name = name
        self.virtualHosts = virtualHosts
    }
}

package enum TLSRequirement: UInt8, Sendable {
    case none, externalOnly, all
}

package struct VirtualHostSpec: Sendable {
    package var name: String
    /// Exact (`a.com`), suffix (`*.a.com`), prefix (`a.*`) or `*`.
    package var domains: [String]
    /// First match wins.
    package var routes: [RouteMatchSpec]
    package var requireTLS = TLSRequirement.none

    package init(name: String, domains: [String], routes: [RouteMatchSpec]) {
        self.name = name
        self.domains = domains
        self.routes = routes
    }
}
