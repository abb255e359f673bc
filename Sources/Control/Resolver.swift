// Names to addresses. STATIC endpoints and numeric ones need nothing; names are looked up through the system's resolver
// (hosts file, resolv.conf) when the cluster is made.

import Glibc
import Primitives

enum Resolver {
    static func resolve(_ location: HostLocation, _ discovery: ClusterDiscovery) -> [SocketAddress] {
        switch location {
        case .address(let address): return [address]
        case .name(let name, let port):
            let all = lookUp(name, port)
            if case .logicalDNS = discovery { return Array(all.prefix(1)) }
            return all
        }
    }

    private static func lookUp(_ name: String, _ port: UInt16) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = 1
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { unsafe freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = unsafe list
        while let info = unsafe entry {
            if let raw = unsafe info.pointee.ai_addr {
                var address = unsafe SocketAddress(UnsafeRawPointer(raw), count: Int(info.pointee.ai_addrlen))
                address.port = port
                if address.family != .none, !found.contains(address) { found.append(address) }
            }
            unsafe entry = unsafe info.pointee.ai_next
        }
        // AUTO: IPv6 only where there is no IPv4 would surprise on machines without IPv6; v4 first.
        let v4 = found.filter { $0.family == .ipv4 }
        return v4.isEmpty ? found : v4
    }
}
