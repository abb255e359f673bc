// What a ClientHello tells before anything is decided: the server's name and the protocols that the client speaks.
//
// RFC 8446 §4.1.2, and the hellos of SSL 3 to TLS 1.2, which look the same. A pure function of the bytes so far: no state,
// nothing kept. A hello may come in several records (RFC 8446 §5.1); `scratch` takes its pieces then.

import Primitives

@safe
package enum ClientHello {
    case needMore
    /// Not TLS, or a record that no ClientHello begins with.
    case notTLS
    /// Longer than was allowed.
    case tooLarge
    /// A hello of which nothing can be made out.
    case malformed
    /// `names`: ALPN's list as on the wire. Both may be empty; both lie in the input or in `scratch`.
    case found(serverName: Bytes, protocols: Bytes)

    private static let recordHeader = 5

    /// `bytes`: the connection's first bytes. `scratch` has room for `max` bytes.
    /// What does not lie in the first `max` bytes behind the first record's header is not looked at, so that the answer is
    /// the same in whatever pieces they come.
    package static func read(_ bytes: Bytes, max: Int, scratch: UnsafeMutablePointer<UInt8>) -> ClientHello {
        guard bytes.count > 0 else { return .needMore }
        let bytes = bytes.prefix(max + recordHeader)
        // RFC 8446 §5.1: a handshake record, of any version whose major number is 3.
        guard bytes[0] == 22 else { return .notTLS }
        if bytes.count > 1, bytes[1] != 3 { return .notTLS }
        var place = 0
        var filled = 0
        while true {
            guard bytes.count - place >= recordHeader else { return over(bytes.count, max) }
            guard bytes[place] == 22, bytes[place + 1] == 3 else { return .malformed }
            let length = Int(bytes[place + 3]) << 8 | Int(bytes[place + 4])
            guard length > 0, length <= 16_384 + 256 else { return .malformed }
            let from = place + recordHeader
            // With a header for each record, all of them together are no more than `max`.
            let available = min(length, bytes.count - from)
            if available > 0 {
                unsafe (scratch + filled).update(from: bytes.base + from, count: available)
                filled += available
            }
            if filled >= 1, unsafe scratch[0] != 1 { return .malformed }
            if filled >= 4 {
                let message = unsafe Int(scratch[1]) << 16 | Int(scratch[2]) << 8 | Int(scratch[3])
                guard message + 4 <= max else { return .tooLarge }
                if filled >= message + 4 { return hello(unsafe Bytes(UnsafeRawPointer(scratch + 4), message)) }
            }
            guard available == length else { return over(bytes.count, max) }
            place = from + length
        }
    }

    private static func over(_ count: Int, _ max: Int) -> ClientHello { count >= max + recordHeader ? .tooLarge : .needMore }

    private static func hello(_ message: Bytes) -> ClientHello {
        var rest = Reader(message)
        // Version and random; session id; cipher suites; compression methods.
        guard rest.skip(34), rest.vector(1) != nil, rest.vector(2) != nil, rest.vector(1) != nil else { return .malformed }
        guard !rest.isAtEnd else { return .found(serverName: .empty, protocols: .empty) }
        guard let list = rest.vector(2), rest.isAtEnd else { return .malformed }
        var extensions = Reader(list)
        var name = Bytes.empty
        var protocols = Bytes.empty
        while !extensions.isAtEnd {
            guard let type = extensions.number(2), let body = extensions.vector(2) else { return .malformed }
            switch type {
            case 0:
                guard let found = serverName(body) else { return .malformed }
                name = found
            case 16:
                var reader = Reader(body)
                guard let list = reader.vector(2), reader.isAtEnd, areNames(list) else { return .malformed }
                protocols = list
            default: break
            }
        }
        return .found(serverName: name, protocols: protocols)
    }

    /// RFC 6066 §3: the first name of type host_name; empty: none.
    private static func serverName(_ body: Bytes) -> Bytes? {
        var reader = Reader(body)
        guard let list = reader.vector(2), reader.isAtEnd else { return nil }
        var names = Reader(list)
        while !names.isAtEnd {
            guard let type = names.number(1), let name = names.vector(2) else { return nil }
            if type != 0 { continue }
            for i in 0..<name.count where name[i] == 0 { return nil }
            return name.count <= 255 ? name : nil
        }
        return .empty
    }

    /// RFC 7301 §3.1: names of at least one byte each.
    private static func areNames(_ list: Bytes) -> Bool {
        var reader = Reader(list)
        while !reader.isAtEnd {
            guard let name = reader.vector(1), !name.isEmpty else { return false }
        }
        return true
    }

    private struct Reader {
        private let bytes: Bytes
        private var place = 0
        init(_ bytes: Bytes) { self.bytes = bytes }
        var isAtEnd: Bool { place == bytes.count }

        mutating func skip(_ count: Int) -> Bool {
            guard bytes.count - place >= count else { return false }
            place += count
            return true
        }

        mutating func number(_ width: Int) -> Int? {
            guard bytes.count - place >= width else { return nil }
            var value = 0
            for i in 0..<width { value = value << 8 | Int(bytes[place + i]) }
            place += width
            return value
        }

        /// What a length of `width` bytes announces.
        mutating func vector(_ width: Int) -> Bytes? {
            guard let count = number(width), bytes.count - place >= count else { return nil }
            defer { place += count }
            return bytes.part(place, place + count)
        }
    }
}
