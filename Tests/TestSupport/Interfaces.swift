import Glibc

/// The machine's own addresses.
package enum Interfaces {
    /// IPv4 addresses that are not loopback, as text.
    package static func ipv4Addresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return [] }
        defer { unsafe freeifaddrs(first) }
        var result: [String] = []
        var entry = unsafe first
        while let current = unsafe entry {
            unsafe entry = current.pointee.ifa_next
            guard let address = unsafe current.pointee.ifa_addr, unsafe address.pointee.sa_family == UInt16(AF_INET) else {
                continue
            }
            let raw = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
            }
            if raw >> 24 != 127 { result.append("\(raw >> 24).\(raw >> 16 & 255).\(raw >> 8 & 255).\(raw & 255)") }
        }
        return result
    }
}
