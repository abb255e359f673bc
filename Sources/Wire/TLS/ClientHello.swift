// What a ClientHello tells before anything is decided: the server's name and the protocols that the client speaks.
//
// RFC 8446 §4.1.2, and the hellos of SSL 3 to TLS 1.2, which look the same. A pure function of the bytes so far: no state,
// nothing kept. A hello may come in several records (RFC 8446 §5.1); `scratch` takes its pieces then.

import Primitives

@safe
package enum ClientHello {
    case needMore
    /// Not TLS, or a hello of which nothing can be made out.
    case notTLS
    /// Longer than was allowed.
    case tooLarge
    /// `names`: ALPN's list as on the wire. Both may be empty; both lie in the input or in `scratch`.
    case found(serverName: Bytes, protocols: Bytes)

    private static let recordHeader = 5
    /// RFC 5246 §6.2.3 allows 2,048 bytes above a record's 2^14; Envoy's library 320.
    private static let recordMax = 16_384 + 320
    /// The longest handshake message that a server takes before it knows its client, as Envoy's library.
    private static let messageMax = 16_384
    /// What may stand before a hello, as Envoy's library: records without a byte, and warnings.
    private static let emptyRecordsMax = 32
    private static let warningsMax = 4

    /// `bytes`: the connection's first bytes. `scratch` has room for `max` bytes. `read`: how many of them were looked at,
    /// by whole records, once there is an answer.
    /// What does not lie in the first `max` bytes is not looked at, and a record only when it is whole, so that the answer
    /// is the same in whatever pieces they come.
    package static func read(
        _ bytes: Bytes, max: Int, scratch: UnsafeMutablePointer<UInt8>, read: inout Int
    ) -> ClientHello {
        let bytes = bytes.prefix(max)
        var place = 0
        var filled = 0
        var empties = 0
        var warnings = 0
        while true {
            read = bytes.count
            guard bytes.count - place >= recordHeader else { return over(bytes.count, max) }
            let from = place + recordHeader
            let length = Int(bytes[place + 3]) << 8 | Int(bytes[place + 4])
            read = from
            // RFC 8446 §5.1: a record of any version whose major number is 3.
            guard bytes[place + 1] == 3, length <= recordMax else { return .notTLS }
            guard bytes.count - from >= length else {
                read = bytes.count
                return over(bytes.count, max)
            }
            place = from + length
            read = place
            if length == 0 {
                empties += 1
                guard empties <= emptyRecordsMax else { return .notTLS }
                continue
            }
            switch bytes[from - recordHeader] {
            case 21:
                // RFC 5246 §7.2: a warning that is no close_notify changes nothing.
                warnings += 1
                guard length == 2, bytes[from] == 1, bytes[from + 1] != 0, warnings <= warningsMax else { return .notTLS }
                continue
            case 22: break
            default: return .notTLS
            }
            unsafe (scratch + filled).update(from: bytes.base + from, count: length)
            filled += length
            guard filled >= 4 else { continue }
            let message = unsafe Int(scratch[1]) << 16 | Int(scratch[2]) << 8 | Int(scratch[3])
            guard message <= messageMax else { return .notTLS }
            guard filled >= message + 4 else { continue }
            // RFC 8446 §5.1: nothing stands behind a hello in its record, the keys change there.
            guard unsafe scratch[0] == 1, filled == message + 4 else { return .notTLS }
            return hello(unsafe Bytes(UnsafeRawPointer(scratch + 4), message))
        }
    }

    private static func over(_ count: Int, _ max: Int) -> ClientHello { count >= max ? .tooLarge : .needMore }

    private static func hello(_ message: Bytes) -> ClientHello {
        var rest = Reader(message)
        // Version and random; session id; cipher suites; compression methods.
        guard rest.skip(34), rest.vector(1) != nil, rest.vector(2) != nil, rest.vector(1) != nil else { return .notTLS }
        guard !rest.isAtEnd else { return .found(serverName: .empty, protocols: .empty) }
        guard let list = rest.vector(2), rest.isAtEnd else { return .notTLS }
        var extensions = Reader(list)
        var name = Bytes.empty
        var protocols = Bytes.empty
        while !extensions.isAtEnd {
            guard let type = extensions.number(2), let body = extensions.vector(2) else { return .notTLS }
            switch type {
            case 0:
                guard let found = serverName(body) else { return .notTLS }
                name = found
            case 16:
                var reader = Reader(body)
                guard let list = reader.vector(2), reader.isAtEnd, areNames(list) else { return .notTLS }
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
