// The machine's own address: its first IPv4 interface that is not loopback, as Envoy looks it up.

import Glibc
import Primitives

enum NodeAddress {
    /// No family where there is none.
    static let ipv4 = find()

    private static func find() -> SocketAddress {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return SocketAddress() }
        defer { unsafe freeifaddrs(first) }
        var entry = unsafe first
        while let current = unsafe entry {
            unsafe entry = current.pointee.ifa_next
            guard let address = unsafe current.pointee.ifa_addr, unsafe address.pointee.sa_family == UInt16(AF_INET) else {
                continue
            }
            let raw = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
            }
            if raw >> 24 == 127 { continue }
            let text = "\(raw >> 24).\(raw >> 16 & 255).\(raw >> 8 & 255).\(raw & 255)"
            if let found = text.withBytes({ SocketAddress(numeric: $0) }) { return found }
        }
        return SocketAddress()
    }
}
