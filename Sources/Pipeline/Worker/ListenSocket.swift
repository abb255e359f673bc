// Listening sockets: opened by main, one per worker and address (SO_REUSEPORT), handed to workers by number. With
// `enable_reuse_port: false` there is one of an address, and every worker accepts from it, as from a UNIX socket.

import CLiburing
import Glibc
import Primitives

package enum ListenError: Error, Equatable {
    /// Another process (or another Martlet) serves this address.
    case inUse(SocketAddress)
    case denied(SocketAddress)
    case other(SocketAddress, Int32)
    /// The system refused a socket option: its level and name, and the error.
    case option(SocketAddress, level: Int32, name: Int32, Int32)
}

/// How an address is listened on.
package struct ListenOptions {
    package var backlog: Int32
    /// In memory that lives as long as whoever opens the sockets.
    package var settings: FrozenArray<SocketSetting>
    /// `enable_reuse_port: false`
    package var sharesOneSocket: Bool
    /// `enable_mptcp`
    package var speaksMultipath: Bool

    package init(
        backlog: Int32, settings: FrozenArray<SocketSetting> = FrozenArray(), sharesOneSocket: Bool = false,
        speaksMultipath: Bool = false
    ) {
        self.backlog = backlog
        self.settings = settings
        self.sharesOneSocket = sharesOneSocket
        self.speaksMultipath = speaksMultipath
    }
}

package enum ListenSocket {
    /// Opens one listening socket per worker; a UNIX socket is one for all, and any where that is asked for. Nothing stays open when one fails.
    ///
    /// With SO_REUSEPORT a second process would get the same port without an error, and half of the connections. So the
    /// first socket listens without it, which at most one process can; then it gets the option, and the others join.
    package static func open(_ address: SocketAddress, workers: Int, backlog: Int32) throws(ListenError) -> [Int32] {
        try open(address, workers: workers, ListenOptions(backlog: backlog))
    }

    package static func open(_ address: SocketAddress, workers: Int, _ options: ListenOptions) throws(ListenError) -> [Int32] {
        var sockets: [Int32] = [try openFirst(address, options)]
        guard address.family != .unix, !options.sharesOneSocket else { return sockets }
        var one: Int32 = 1
        unsafe setsockopt(sockets[0], SOL_SOCKET, SO_REUSEPORT, &one, 4)
        // Port 0: the others take the port that the first one got.
        let bound = address.port == 0 ? SocketAddress(localOf: sockets[0]) : address
        do {
            while sockets.count < workers { sockets.append(try open(bound, reusePort: true, options)) }
        } catch {
            for descriptor in sockets { Glibc.close(descriptor) }
            throw error
        }
        return sockets
    }

    /// After a kill the port stays taken for some milliseconds, and a UNIX socket's file stays: a few tries.
    private static func openFirst(_ address: SocketAddress, _ options: ListenOptions) throws(ListenError) -> Int32 {
        var tries = 0
        while true {
            do {
                return try open(address, reusePort: false, options)
            } catch {
                guard case .inUse = error, tries < 20 else { throw error }
                tries += 1
                if address.family == .unix, removeStale(address) { continue }
                usleep(10_000)
            }
        }
    }

    /// Removes a UNIX socket's file that nobody listens on. False when somebody does, or when it is no socket.
    private static func removeStale(_ address: SocketAddress) -> Bool {
        guard !address.isAbstract else { return false }
        var info = stat()
        let path = "\(address)"
        guard unsafe lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return false }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        var storage = sockaddr_un()
        let refused = unsafe withUnsafeMutableBytes(of: &storage) { bytes -> Bool in
            guard let base = bytes.baseAddress else { return false }
            let length = unsafe address.store(base)
            return unsafe connect(descriptor, base.assumingMemoryBound(to: sockaddr.self), length) != 0
                && errno == ECONNREFUSED
        }
        return unsafe refused && unlink(path) == 0
    }

    private static func open(_ address: SocketAddress, reusePort: Bool, _ options: ListenOptions) throws(ListenError) -> Int32 {
        let descriptor = socket(
            address.domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), options.speaksMultipath ? Int32(IPPROTO_MPTCP) : 0)
        guard descriptor >= 0 else { throw .other(address, errno) }
        var one: Int32 = 1
        if address.family != .unix {
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
            if reusePort { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, 4) }
            // Accepted connections inherit it.
            unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            if address.family == .ipv6 { unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
        }
        var refused: ListenError?
        var isBound = false
        func set(_ state: SocketSetting.State) -> Bool {
            guard let setting = options.settings.set(descriptor, state) else { return true }
            refused = .option(address, level: setting.level, name: setting.name, errno)
            return false
        }
        var storage = sockaddr_un()
        let status = unsafe withUnsafeMutableBytes(of: &storage) { bytes -> Int32 in
            guard let base = bytes.baseAddress else { return EINVAL }
            let length = unsafe address.store(base)
            let name = unsafe base.assumingMemoryBound(to: sockaddr.self)
            guard set(.beforeBind) else { return EINVAL }
            if unsafe Glibc.bind(descriptor, name, length) != 0 { return errno }
            isBound = true
            if address.family == .unix, address.scope != 0, !address.isAbstract, unsafe chmod("\(address)", address.scope) != 0 {
                return errno
            }
            guard set(.bound) else { return EINVAL }
            if Glibc.listen(descriptor, options.backlog) != 0 { return errno }
            return set(.listening) ? 0 : EINVAL
        }
        guard status == 0 else {
            Glibc.close(descriptor)
            // Bound before an option was refused: no socket is left to be found by its path.
            if isBound, address.family == .unix, !address.isAbstract { unsafe unlink("\(address)") }
            if let refused { throw refused }
            switch status {
            case EADDRINUSE: throw .inUse(address)
            case EACCES, EPERM: throw .denied(address)
            default: throw .other(address, status)
            }
        }
        return descriptor
    }
}
