// `original_dst`: where a connection was meant to go before the kernel redirected it to us (REDIRECT and DNAT of netfilter).

import CLiburing
import Glibc
import Primitives
import Transport

extension Worker {
    func restoreDestination(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>
    ) -> InspectionStep {
        unsafe learnAddresses(connection)
        let destination = unsafe SocketAddress(
            originalOf: connection.pointee.descriptor, family: connection.pointee.local.family)
        if destination.family != .none { unsafe restoreLocal(connection, inspection, destination) }
        return .next
    }
}

extension SocketAddress {
    /// `none`: nobody redirected it, or the kernel does not say.
    init(originalOf descriptor: Int32, family: Family) {
        guard family == .ipv4 || family == .ipv6 else {
            self.init()
            return
        }
        // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST: linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h.
        let originalDestination: Int32 = 80
        let level = family == .ipv4 ? Int32(IPPROTO_IP) : Int32(IPPROTO_IPV6)
        var storage = sockaddr_un()
        var count = socklen_t(family == .ipv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        self = unsafe withUnsafeMutableBytes(of: &storage) { raw in
            let base = unsafe raw.baseAddress.unsafelyUnwrapped
            let status = unsafe getsockopt(descriptor, level, originalDestination, base, &count)
            return unsafe status == 0 ? SocketAddress(UnsafeRawPointer(base), count: Int(count)) : SocketAddress()
        }
    }
}
