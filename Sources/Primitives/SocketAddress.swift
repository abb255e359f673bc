// An IPv4, IPv6 or UNIX socket address, in the form that the kernel takes: trivial, with the bytes inside.

import Glibc
import Synchronization

public struct SocketAddress: Equatable, Sendable {
    public enum Family: UInt8, BitwiseCopyable, Sendable { case none, ipv4, ipv6, unix }

    public var family = Family.none
    /// Host byte order.
    public var port: UInt16 = 0
    /// IPv6 scope; of a UNIX socket the permissions that its file is to get, 0: those that come by themselves.
    public var scope: UInt32 = 0
    /// Network byte order; an IPv4 address in the first four bytes.
    public var high: UInt64 = 0
    public var low: UInt64 = 0
    /// A UNIX path of at most 107 bytes; a leading 0 is the abstract namespace. Plain memory that lives as long as
    /// the process.
    public var pathBase: UInt = 0
    public var pathCount: UInt16 = 0

    public init() {}

    /// Parses a numeric address. Nil when `text` is none (host names are DNS's business).
    public init?(ip text: String, port: UInt16) {
        var v4 = in_addr()
        var v6 = in6_addr()
        var name = text
        var scope: UInt32 = 0
        if let percent = text.firstIndex(of: "%") {
            name = String(text[..<percent])
            let zone = String(text[text.index(after: percent)...])
            scope = unsafe UInt32(zone) ?? if_nametoindex(zone)
            if scope == 0 { return nil }
        }
        if unsafe inet_pton(AF_INET, name, &v4) == 1 {
            family = .ipv4
            unsafe withUnsafeBytes(of: &v4) { bytes in high = unsafe UInt64(bytes.load(as: UInt32.self)) }
        } else if unsafe inet_pton(AF_INET6, name, &v6) == 1 {
            family = .ipv6
            unsafe withUnsafeBytes(of: &v6) { bytes in
                high = unsafe bytes.loadUnaligned(as: UInt64.self)
                low = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            }
        } else {
            return nil
        }
        self.port = port
        self.scope = scope
    }

    /// A UNIX socket; `@name` is the abstract namespace. Nil when the path is empty or too long. Each path is kept once and
    /// for ever: addresses come from configuration and are few.
    public init?(unixPath text: String, mode: UInt32 = 0) {
        var bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= 107 else { return nil }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        family = .unix
        scope = mode
        pathBase = SocketAddress.paths.withLock { paths in
            if let known = paths[bytes] { return known }
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
            for (i, byte) in bytes.enumerated() { unsafe memory[i] = byte }
            let place = UInt(bitPattern: memory)
            paths[bytes] = place
            return place
        }
        pathCount = UInt16(bytes.count)
    }

    /// Only who compiles a configuration comes here; nobody waits.
    private static let paths = Mutex<[[UInt8]: UInt]>([:])

    /// From what the kernel filled in.
    public init(_ storage: UnsafeRawPointer, count: Int) {
        guard count >= 2 else { return }
        switch unsafe Int32(storage.load(as: sa_family_t.self)) {
        case AF_INET where count >= MemoryLayout<sockaddr_in>.size:
            let v4 = unsafe storage.assumingMemoryBound(to: sockaddr_in.self)
            family = .ipv4
            port = unsafe UInt16(bigEndian: v4.pointee.sin_port)
            high = unsafe UInt64(v4.pointee.sin_addr.s_addr)
        case AF_INET6 where count >= MemoryLayout<sockaddr_in6>.size:
            let v6 = unsafe storage.assumingMemoryBound(to: sockaddr_in6.self)
            family = .ipv6
            port = unsafe UInt16(bigEndian: v6.pointee.sin6_port)
            scope = unsafe v6.pointee.sin6_scope_id
            high = unsafe storage.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            low = unsafe storage.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        case AF_UNIX: family = .unix
        default: break
        }
    }

    public var domain: Int32 {
        switch family {
        case .ipv4, .none: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Writes the kernel's form to `storage` (110 bytes); its length.
    public func store(_ storage: UnsafeMutableRawPointer) -> UInt32 {
        unsafe memset(storage, 0, MemoryLayout<sockaddr_un>.size)
        switch family {
        case .none: return 0
        case .ipv4:
            let v4 = unsafe storage.assumingMemoryBound(to: sockaddr_in.self)
            unsafe v4.pointee.sin_family = sa_family_t(AF_INET)
            unsafe v4.pointee.sin_port = port.bigEndian
            unsafe v4.pointee.sin_addr.s_addr = UInt32(truncatingIfNeeded: high)
            return UInt32(MemoryLayout<sockaddr_in>.size)
        case .ipv6:
            let v6 = unsafe storage.assumingMemoryBound(to: sockaddr_in6.self)
            unsafe v6.pointee.sin6_family = sa_family_t(AF_INET6)
            unsafe v6.pointee.sin6_port = port.bigEndian
            unsafe v6.pointee.sin6_scope_id = scope
            unsafe storage.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
            unsafe storage.storeBytes(of: low, toByteOffset: 16, as: UInt64.self)
            return UInt32(MemoryLayout<sockaddr_in6>.size)
        case .unix:
            unsafe storage.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
            if let path = unsafe UnsafeRawPointer(bitPattern: pathBase) {
                unsafe (storage + 2).copyMemory(from: path, byteCount: Int(pathCount))
            }
            let isAbstract = unsafe (storage + 2).load(as: UInt8.self) == 0
            return UInt32(2) + UInt32(pathCount) + (isAbstract ? 0 : 1)
        }
    }

    /// The network that the address is in: everything behind the first `bits` is 0.
    public func masked(bits: UInt8) -> SocketAddress {
        var network = self
        let count = family == .ipv4 ? min(bits, 32) : bits
        let highMask = count >= 64 ? UInt64.max : count == 0 ? 0 : UInt64.max << (64 - UInt64(count))
        let lowBits = count > 64 ? UInt64(min(count, 128)) - 64 : 0
        let lowMask = lowBits == 0 ? 0 : lowBits == 64 ? UInt64.max : UInt64.max << (64 - lowBits)
        network.high = high & highMask.bigEndian
        network.low = low & lowMask.bigEndian
        return network
    }

    /// The address alone, without port: `127.0.0.1`, `::1`; empty for a UNIX socket. At most 45 bytes to `out`.
    public func writeIP(_ out: UnsafeMutablePointer<UInt8>) -> Int {
        // Each line of a log has two addresses of IPv4: not by way of libc's printf.
        if family == .ipv4 { return unsafe writeIPv4(out) }
        guard family == .ipv6 else { return 0 }
        var bytes = (high, low)
        return unsafe withUnsafeBytes(of: &bytes) { raw in
            unsafe out.withMemoryRebound(to: CChar.self, capacity: 46) { text in
                let written = unsafe inet_ntop(AF_INET6, raw.baseAddress, text, 46)
                return unsafe written == nil ? 0 : strlen(text)
            }
        }
    }

    /// `127.0.0.1:80`, `[::1]:80`, or the UNIX path. At most 110 bytes to `out`.
    public func write(_ out: UnsafeMutablePointer<UInt8>) -> Int {
        var n = 0
        switch family {
        case .none: return 0
        case .unix:
            guard let path = unsafe UnsafePointer<UInt8>(bitPattern: pathBase) else { return 0 }
            for i in 0..<Int(pathCount) { unsafe out[i] = unsafe path[i] == 0 ? UInt8(ascii: "@") : path[i] }
            return Int(pathCount)
        case .ipv4: n = unsafe writeIP(out)
        case .ipv6:
            unsafe out[0] = UInt8(ascii: "[")
            n = unsafe writeIP(out + 1) + 1
            unsafe out[n] = UInt8(ascii: "]")
            n += 1
        }
        unsafe out[n] = UInt8(ascii: ":")
        n += 1
        return unsafe n + SocketAddress.write(decimal: port, out + n)
    }

    private func writeIPv4(_ out: UnsafeMutablePointer<UInt8>) -> Int {
        var n = 0
        var rest = UInt32(truncatingIfNeeded: high)
        for i in 0..<4 {
            if i > 0 {
                unsafe out[n] = UInt8(ascii: ".")
                n += 1
            }
            n += unsafe SocketAddress.write(decimal: UInt16(rest & 0xff), out + n)
            rest >>= 8
        }
        return n
    }

    /// One to five digits; how many.
    private static func write(decimal value: UInt16, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        let width = value < 10 ? 1 : value < 100 ? 2 : value < 1_000 ? 3 : value < 10_000 ? 4 : 5
        var rest = value
        var i = width
        while i > 0 {
            i &-= 1
            unsafe out[i] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return width
    }

    /// A UNIX socket without a file.
    public var isAbstract: Bool {
        guard family == .unix, let path = unsafe UnsafePointer<UInt8>(bitPattern: pathBase) else { return false }
        return unsafe path.pointee == 0
    }

    /// Bound to it, a socket takes connections to any address of the machine.
    public var isWildcard: Bool { family != .unix && high == 0 && low == 0 }

    public var isLoopback: Bool {
        switch family {
        case .ipv4: UInt32(truncatingIfNeeded: high) & 0xff == 127
        case .ipv6: high == 0 && low == UInt64(1).bigEndian
        case .unix: true
        case .none: false
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// For logs and the admin interface.
    public var description: String {
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return unsafe String(decoding: UnsafeBufferPointer(start: base, count: write(base)), as: UTF8.self)
        }
    }
    /// Without the port.
    public var ipDescription: String {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return unsafe String(decoding: UnsafeBufferPointer(start: base, count: writeIP(base)), as: UTF8.self)
        }
    }
}

extension SocketAddress {
    /// The other end of a connected socket; `none` when the system does not say.
    public init(peerOf descriptor: Int32) {
        var storage = sockaddr_un()
        var count = socklen_t(MemoryLayout<sockaddr_un>.size)
        self = unsafe withUnsafeMutableBytes(of: &storage) { raw in
            let base = unsafe raw.baseAddress.unsafelyUnwrapped
            let status = unsafe getpeername(descriptor, base.assumingMemoryBound(to: sockaddr.self), &count)
            return unsafe status == 0 ? SocketAddress(UnsafeRawPointer(base), count: Int(count)) : SocketAddress()
        }
    }

    /// Our end of a socket.
    public init(localOf descriptor: Int32) {
        var storage = sockaddr_un()
        var count = socklen_t(MemoryLayout<sockaddr_un>.size)
        self = unsafe withUnsafeMutableBytes(of: &storage) { raw in
            let base = unsafe raw.baseAddress.unsafelyUnwrapped
            let status = unsafe getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &count)
            return unsafe status == 0 ? SocketAddress(UnsafeRawPointer(base), count: Int(count)) : SocketAddress()
        }
    }

    /// A numeric address in text of unknown origin, without a port; nil when it is none.
    public init?(numeric text: Bytes) {
        guard text.count > 0, text.count < 46 else { return nil }
        let parsed: SocketAddress? = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 48) { buffer in
            let base = unsafe buffer.baseAddress.unsafelyUnwrapped
            unsafe memcpy(base, text.base, text.count)
            unsafe base[text.count] = 0
            var address = SocketAddress()
            var v4 = in_addr()
            var v6 = in6_addr()
            if unsafe inet_pton(AF_INET, base, &v4) == 1 {
                address.family = .ipv4
                address.high = UInt64(v4.s_addr)
                return address
            }
            guard unsafe inet_pton(AF_INET6, base, &v6) == 1 else { return nil }
            address.family = .ipv6
            unsafe withUnsafeBytes(of: &v6) { bytes in
                address.high = unsafe bytes.loadUnaligned(as: UInt64.self)
                address.low = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            }
            return address
        }
        guard let parsed else { return nil }
        self = parsed
    }
}
