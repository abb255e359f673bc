import Glibc

// Blocking-free IPv4 sockets on 127.0.0.1 with explicit deadlines. Descriptors are close-on-exec: a child started by
// one test must not hold another test's connection open.

package enum SocketError: Error, CustomStringConvertible {
    case failed(String, errno: Int32)
    case timedOut(String)

    package var description: String {
        switch self {
        case .failed(let call, let code): "\(call): \(unsafe String(cString: strerror(code)))"
        case .timedOut(let call): "\(call): no answer in time"
        }
    }
}

/// An open descriptor, closed once: by `close()` or with its owner. Only one thread reads, writes and closes it;
/// another may only `shutDown` it: the number of a closed descriptor soon belongs to somebody else.
package final class Descriptor: Sendable {
    package let raw: Int32
    private let isClosed = Locked(false)

    package init(_ raw: Int32) { self.raw = raw }
    deinit { close() }

    package func close() {
        isClosed.withLock { isClosed in
            if !isClosed { _ = Glibc.close(raw) }
            isClosed = true
        }
    }

    /// Closes with a reset (RST) instead of an orderly end (FIN).
    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(raw, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Ends writing, or both directions, of a socket that is still open.
    package func shutDown(_ how: Int) {
        isClosed.withLock { isClosed in
            if !isClosed { _ = Glibc.shutdown(raw, Int32(how)) }
        }
    }
}

package enum Sockets {
    static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    static func withAddress<R>(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = address(port: port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }

    static func open(nonBlocking: Bool) throws -> Descriptor {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | (nonBlocking ? Int32(SOCK_NONBLOCK.rawValue) : 0)
        let raw = socket(AF_INET, flags, 0)
        guard raw >= 0 else { throw SocketError.failed("socket", errno: errno) }
        return Descriptor(raw)
    }

    static func enable(_ level: Int32, _ option: Int32, on socket: Descriptor) {
        var one: Int32 = 1
        unsafe setsockopt(socket.raw, level, option, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// A name of the abstract UNIX namespace, taken; nil when somebody has it.
    static func abstractName(_ name: String) -> Descriptor? {
        let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return nil }
        let descriptor = Descriptor(raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8.prefix(100))
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
            for (i, byte) in bytes.enumerated() { unsafe path[i + 1] = byte }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + bytes.count)
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, length) }
        }
        return status == 0 ? descriptor : nil
    }

    /// Takes a port without listening: whoever connects is refused, and nobody else can take it.
    package static func reserve(port: UInt16) throws -> Descriptor {
        let socket = try open(nonBlocking: true)
        enable(SOL_SOCKET, SO_REUSEADDR, on: socket)
        let result = unsafe withAddress(port: port) { unsafe bind(socket.raw, $0, $1) }
        guard result == 0 else { throw SocketError.failed("bind 127.0.0.1:\(port)", errno: errno) }
        return socket
    }

    package static func listen(port: UInt16, backlog: Int32 = 128) throws -> Descriptor {
        let socket = try reserve(port: port)
        guard Glibc.listen(socket.raw, backlog) == 0 else { throw SocketError.failed("listen", errno: errno) }
        return socket
    }

    /// Another address of the loopback network.
    package static func listen(address text: String, port: UInt16) throws -> Descriptor {
        let socket = try open(nonBlocking: true)
        enable(SOL_SOCKET, SO_REUSEADDR, on: socket)
        var address = address(port: port)
        unsafe inet_pton(AF_INET, text, &address.sin_addr)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0, Glibc.listen(socket.raw, 16) == 0 else { throw SocketError.failed("bind \(text):\(port)", errno: errno) }
        return socket
    }

    package static func connect(port: UInt16, within limitMs: Int = 2_000) throws -> Descriptor {
        let socket = try open(nonBlocking: true)
        enable(Int32(IPPROTO_TCP), TCP_NODELAY, on: socket)
        let result = unsafe withAddress(port: port) { unsafe Glibc.connect(socket.raw, $0, $1) }
        if result == 0 { return socket }
        guard errno == EINPROGRESS else { throw SocketError.failed("connect 127.0.0.1:\(port)", errno: errno) }
        guard ready(socket, for: POLLOUT, until: Deadline(afterMs: limitMs)) != 0 else {
            throw SocketError.timedOut("connect 127.0.0.1:\(port)")
        }
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(socket.raw, SOL_SOCKET, SO_ERROR, &failure, &length)
        guard failure == 0 else { throw SocketError.failed("connect 127.0.0.1:\(port)", errno: failure) }
        return socket
    }

    /// The port of our own end, IPv4.
    package static func localPort(of socket: Descriptor) -> UInt16 {
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = unsafe withUnsafeMutablePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(socket.raw, $0, &length) }
        }
        return UInt16(bigEndian: name.sin_port)
    }

    /// A UNIX socket with a place in the file system.
    package static func connect(path: String) throws -> Descriptor {
        let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard raw >= 0 else { throw SocketError.failed("socket", errno: errno) }
        let descriptor = Descriptor(raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8.prefix(107))
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { place in
            for (i, byte) in bytes.enumerated() { unsafe place[i] = byte }
        }
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw SocketError.failed("connect \(path)", errno: errno) }
        return descriptor
    }

    /// What is sent from here on leaves when there is a segment full of it, or with the end.
    package static func cork(_ socket: Descriptor) { enable(Int32(IPPROTO_TCP), TCP_CORK, on: socket) }

    /// A small receive buffer, so that a reader who does not read is soon full.
    package static func receiveBuffer(_ bytes: Int32, of socket: Descriptor) {
        var size = bytes
        unsafe setsockopt(socket.raw, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    package static func connect(ipv6Loopback port: UInt16) throws -> Descriptor {
        let raw = socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SocketError.failed("socket", errno: errno) }
        let descriptor = Descriptor(raw)
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0[15] = 1 }
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        guard status == 0 else { throw SocketError.failed("connect [::1]:\(port)", errno: errno) }
        _ = fcntl(raw, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    /// Waits for one of `events`; returns those that came, 0 when the time is over.
    package static func ready(_ socket: Descriptor, for events: Int32, until deadline: Deadline) -> Int32 {
        while true {
            var entry = pollfd(fd: socket.raw, events: Int16(events), revents: 0)
            let count = unsafe poll(&entry, 1, Int32(deadline.remainingMs))
            if count > 0 { return Int32(entry.revents) }
            if count == 0 || errno != EINTR { return 0 }
        }
    }

    package static let readable = POLLIN
    package static let writable = POLLOUT

    package static func accept(_ listener: Descriptor) -> Descriptor? {
        let raw = Glibc.accept(listener.raw, nil, nil)
        guard raw >= 0 else { return nil }
        _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
        _ = fcntl(raw, F_SETFL, O_NONBLOCK)
        return Descriptor(raw)
    }

    package enum Received {
        case bytes([UInt8])
        case end
        case reset
        case nothing
    }

    /// Reads what has arrived, without waiting.
    package static func receive(_ socket: Descriptor) -> Received {
        let size = 65_536
        var failure: Int32 = 0
        var count = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
            count = unsafe recv(socket.raw, buffer.baseAddress, size, 0)
            failure = errno
            initialized = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        if count == 0 { return .end }
        return failure == EAGAIN || failure == EINTR ? .nothing : .reset
    }

    /// Sends what the kernel takes of `bytes[from...]`, without waiting; -1 when the connection is gone.
    package static func send(_ bytes: [UInt8], from: Int, on socket: Descriptor) -> Int {
        let count = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe Glibc.send(
                socket.raw, buffer.baseAddress! + from, buffer.count - from, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : -1
    }
}
