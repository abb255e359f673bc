// Listening sockets: opened by main, one per worker and address (SO_REUSEPORT), handed to workers by number.

import CLiburing
import Glibc
import Primitives

package enum ListenError: Error, Equatable {
    /// Another process (or another Martlet) serves this address.
    case inUse(SocketAddress)
    case denied(SocketAddress)
    case other(SocketAddress, Int32)
}

package enum ListenSocket {
    /// Opens one listening socket per worker; a UNIX socket is one for all. Nothing stays open when one fails.
    package static func open(_ address: SocketAddress, workers: Int, backlog: Int32) throws(ListenError) -> [Int32] {
        let count = address.family == .unix ? 1 : workers
        var sockets: [Int32] = []
        do {
            try probe(address)
            for _ in 0..<count { sockets.append(try open(address, reusePort: true, backlog: backlog)) }
        } catch {
            for descriptor in sockets { Glibc.close(descriptor) }
            throw error
        }
        return sockets
    }

    /// With SO_REUSEPORT a second process binds the same port without an error, so a bind without it comes first.
    /// After a kill the port stays taken for some milliseconds: a few tries.
    private static func probe(_ address: SocketAddress) throws(ListenError) {
        guard address.family != .unix, address.port != 0 else { return }
        var tries = 0
        while true {
            do {
                Glibc.close(try open(address, reusePort: false, backlog: nil))
                return
            } catch {
                guard case .inUse = error, tries < 20 else { throw error }
                tries += 1
                usleep(10_000)
            }
        }
    }

    private static func open(_ address: SocketAddress, reusePort: Bool, backlog: Int32?) throws(ListenError) -> Int32 {
        let descriptor = socket(address.domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .other(address, errno) }
        var one: Int32 = 1
        if address.family != .unix {
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
            if reusePort { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, 4) }
            // Accepted connections inherit it.
            unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            if address.family == .ipv6 { unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
        }
        var storage = sockaddr_un()
        let status = unsafe withUnsafeMutableBytes(of: &storage) { bytes -> Int32 in
            guard let base = bytes.baseAddress else { return EINVAL }
            let length = unsafe address.store(base)
            let name = unsafe base.assumingMemoryBound(to: sockaddr.self)
            if unsafe Glibc.bind(descriptor, name, length) != 0 { return errno }
            if let backlog, Glibc.listen(descriptor, backlog) != 0 { return errno }
            return 0
        }
        guard status == 0 else {
            Glibc.close(descriptor)
            switch status {
            case EADDRINUSE: throw .inUse(address)
            case EACCES, EPERM: throw .denied(address)
            default: throw .other(address, status)
            }
        }
        return descriptor
    }
}
